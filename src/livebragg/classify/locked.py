"""Patterns that stay as they are: kept by place, since tracked peaks come, move and go."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from livebragg.model import TrackedPeaks


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedPattern:
    """A pattern in reciprocal space.

    Parameters
    ----------
    places : NDArray[np.float32], shape (n, 2)
        Its peaks relative to the origin, in pixels.
    values : NDArray[np.float32], shape (n,)
        Feature values.
    """

    places: NDArray[np.float32]
    values: NDArray[np.float32]

    @classmethod
    def of(cls, pattern: NDArray[np.float32], peaks: TrackedPeaks) -> LockedPattern:
        """What a pattern, shape (n_columns,), has at the present peaks."""
        known = peaks.peak_id < pattern.size
        values = pattern[peaks.peak_id[known]]
        places = np.stack([peaks.qx, peaks.qy], axis=1)[known]
        return cls(places=places[values > 0], values=values[values > 0])

    def on(self, peaks: TrackedPeaks, n_columns: int, radius: float) -> NDArray[np.float32]:
        """The pattern as feature columns, shape (n_columns,): each place at the nearest peak within `radius`.

        Places without a peak are left out until one is tracked there.
        """
        pattern = np.zeros(n_columns, np.float32)
        there = peaks.peak_id < n_columns
        if not there.any() or self.values.size == 0:
            return pattern
        place, number = np.stack([peaks.qx, peaks.qy], axis=1)[there], peaks.peak_id[there]
        distance = np.hypot(*(self.places[:, None] - place).transpose(2, 0, 1))
        nearest = distance.argmin(axis=1)
        near = distance[np.arange(nearest.size), nearest] <= radius
        np.maximum.at(pattern, number[nearest[near]], self.values[near])
        return pattern
