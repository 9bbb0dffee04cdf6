"""What the measures of symmetry have in common."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_MAD_TO_SIGMA = 1.4826


class TooFewPeaksError(ValueError):
    """The positions do not determine what was asked for."""


def finite(positions: NDArray[np.floating], least: int) -> NDArray[np.float64]:
    """The finite positions in double precision; complains about fewer than `least`."""
    points = np.asarray(positions, np.float64)
    if points.ndim != 2 or points.shape[1] != 2:
        raise ValueError(f"positions have shape {points.shape}; expected (n, 2)")
    points = points[np.isfinite(points).all(axis=1)]
    if len(points) < least:
        raise TooFewPeaksError(f"{len(points)} peaks were given, at least {least} are needed")
    return points


def robust_sigma(offsets: NDArray[np.float64]) -> float:
    """Per axis, from the median absolute deviation about 0, which the fit made the centre."""
    return float(_MAD_TO_SIGMA * np.median(np.abs(offsets)))
