"""Radial profile pooled over frames that are each aligned at their own beam."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

BIN = 0.25
"""Width of a bin, in pixels."""


class RadialProfile:
    """Mean counts against the distance from the beam's centre.

    Parameters
    ----------
    reach : float
        Largest distance, in pixels.
    """

    def __init__(self, reach: float) -> None:
        bins = int(np.ceil(reach / BIN))
        self._counts = np.zeros(bins)
        self._distances = np.zeros(bins)
        self._pixels = np.zeros(bins)

    def add(
        self,
        frame: NDArray[np.float32],
        center: tuple[float, float],
        others: NDArray[np.float32],
        other_radius: float,
    ) -> None:
        """Add a frame, leaving out the pixels within `other_radius` of `others`, shape (n, 2)."""
        reach = self._counts.size * BIN
        top, bottom = max(int(center[0] - reach), 0), int(center[0] + reach) + 2
        left, right = max(int(center[1] - reach), 0), int(center[1] + reach) + 2
        window = frame[top:bottom, left:right]
        rows, cols = np.indices(window.shape)
        rows, cols = rows + top, cols + left
        r = np.hypot(rows - center[0], cols - center[1])
        use = r < reach
        for row, col in others:
            use &= np.hypot(rows - row, cols - col) > other_radius
        index = (r[use] / BIN).astype(np.int64)
        bins = self._counts.size
        self._counts += np.bincount(index, window[use], bins)
        self._distances += np.bincount(index, r[use], bins)
        self._pixels += np.bincount(index, minlength=bins)

    def points(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Mean distance, mean counts and their standard error, of the bins that have pixels."""
        n = self._pixels
        has = n > 0
        r, mean = self._distances[has] / n[has], self._counts[has] / n[has]
        # A bin without a count is not known to be exactly empty: half a count is added.
        error = np.sqrt(np.maximum(self._counts[has], 0.0) + 0.5) / n[has]
        return r, mean, error
