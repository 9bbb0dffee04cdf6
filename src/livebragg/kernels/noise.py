"""How noisy is this detector? Gain and read noise of one frame, from the differences of its neighbours.

Differences of pixels two apart do not see the diffuse background; taken over short segments, and the median
of many segments, they do not see the disks either. Two apart, because neighbours share electrons on a camera
with a point-spread function, which hides noise from them.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from livebragg.kernels.maxima import sort_descending

SEGMENTS = 512
"""Most segments looked at."""

_LENGTH = 8
"""Differences in a segment: short, so that some fit between the disks of a crowded pattern."""

_MEDIAN = 0.918
"""Median of a mean of eight squared normal numbers, by which the median of the segments is too low."""

_LAG = 2
_GROUPS = 4
"""Segments are grouped by brightness; the brightest group, full of disks, is left out."""

_CONTRAST = 1.5
"""Brightness must vary this much between groups to tell read noise from gain."""

_COUNTING_LOW, _COUNTING_HIGH = 0.7, 1.45
"""A noise of the darkest segments in between, relative to their counts, is taken for 1: a counting detector."""


@njit(cache=True, nogil=True, error_model="numpy")
def measure_noise(
    frame: NDArray[np.float32],
    scratch: NDArray[np.float32],
    order: NDArray[np.int32],
    out_noise: NDArray[np.float64],
) -> None:  # pragma: no cover - compiled
    """Estimate gain and read noise from one frame.

    Parameters
    ----------
    frame : NDArray[np.float32], shape (frame_rows, frame_cols)
        Detector counts without the offset.
    scratch : NDArray[np.float32], shape (3, SEGMENTS)
    order : NDArray[np.int32], at least SEGMENTS long
    out_noise : NDArray[np.float64], shape (2,)
        Counts per electron, and the read-noise variance of a pixel in electrons squared; ``(1, 0)`` for a
        counting detector and for frames too empty to tell.
    """
    out_noise[0], out_noise[1] = 1.0, 0.0
    count = _segments(frame, scratch)
    if count < 2 * _GROUPS:
        return
    sort_descending(scratch[0], count, order)
    if _is_counting(scratch, order[3 * count // _GROUPS : count]):
        return
    means, spreads = np.zeros(3), np.zeros(3)
    for g in range(1, _GROUPS):
        first, last = g * count // _GROUPS, (g + 1) * count // _GROUPS
        means[g - 1] = _median(scratch[0], order[first:last], scratch[2])
        spreads[g - 1] = _median(scratch[1], order[first:last], scratch[2]) / _MEDIAN
    slope, floor = _line(means, spreads)
    if slope > 0.0:
        out_noise[0] = slope
        out_noise[1] = floor / slope**2


@njit(cache=True, nogil=True, error_model="numpy")
def _segments(
    frame: NDArray[np.float32], out: NDArray[np.float32]
) -> int:  # pragma: no cover - compiled
    """Mean and noise variance of segments all over the frame; those without any count are left out."""
    rows, cols = frame.shape
    length = min(_LENGTH, cols - _LAG)
    per_row = max((cols - _LAG) // max(length, 1), 1)
    step = max(1, -(-rows * per_row // SEGMENTS))
    count = 0
    for r in range(0, rows, step):
        for k in range(per_row):
            total = square = 0.0
            for c in range(k * length, (k + 1) * length):
                a, b = float(frame[r, c]), float(frame[r, c + _LAG])
                total += a + b
                square += (a - b) ** 2
            if square > 0.0 and np.isfinite(square) and count < out.shape[1]:
                out[0, count], out[1, count] = total / (2 * length), square / (2 * length)
                count += 1
    return count


@njit(cache=True, nogil=True, error_model="numpy")
def _is_counting(segments: NDArray[np.float32], darkest: NDArray[np.int32]) -> bool:  # pragma: no cover - compiled
    """Whether the darkest segments, the emptiest of disks, have Poisson noise."""
    ratios = segments[2]
    for i in range(darkest.size):
        k = darkest[i]
        ratios[i] = segments[1, k] / max(segments[0, k], np.float32(1e-6))
    part = ratios[: darkest.size]
    part.sort()
    return bool(_COUNTING_LOW < part[darkest.size // 2] < _COUNTING_HIGH)


@njit(cache=True, nogil=True)
def _median(
    values: NDArray[np.float32], chosen: NDArray[np.int32], scratch: NDArray[np.float32]
) -> float:  # pragma: no cover - compiled
    for i in range(chosen.size):
        scratch[i] = values[chosen[i]]
    part = scratch[: chosen.size]
    part.sort()
    return float(part[chosen.size // 2])


@njit(cache=True, nogil=True, error_model="numpy")
def _line(means: NDArray[np.float64], spreads: NDArray[np.float64]) -> tuple[float, float]:  # pragma: no cover
    """Gain and read variance: a line if the brightness varies and the intercept is positive, else a ratio."""
    mean, spread = means.mean(), spreads.mean()
    width = ((means - mean) ** 2).sum()
    slope = ((means - mean) * (spreads - spread)).sum() / width if width > 0.0 else 0.0
    floor = spread - slope * mean
    if slope > 0.0 and floor > 0.0 and means.max() > _CONTRAST * means.min():
        return slope, floor
    if means.min() <= 0.0:
        return 0.0, 0.0
    ratios = spreads / means
    return float(np.median(ratios)), 0.0
