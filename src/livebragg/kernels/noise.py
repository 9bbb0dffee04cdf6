"""How noisy is this detector? Gain and read noise of one frame, from the differences of its neighbours.

Differences of pixels two apart do not see the diffuse background; taken over short segments, and the median
of many segments, they do not see the disks either. Two apart, because neighbours share electrons on a camera
with a point-spread function, which hides noise from them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from livebragg.kernels.compiled import kernel
from livebragg.kernels.maxima import sort_descending

SEGMENTS = 512
"""Most segments looked at."""

_QUICK = 64
"""Segments that usually are enough to see that a detector counts."""

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


@kernel()
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
    count = _segments(frame, _QUICK, scratch)
    if _is_counting(scratch, count):
        return
    count = _segments(frame, SEGMENTS, scratch)
    if count < 2 * _GROUPS or _is_counting(scratch, count):
        return
    sort_descending(scratch[0], count, order)
    slope, floor = _line(
        _group(scratch, order, count, 1), _group(scratch, order, count, 2), _group(scratch, order, count, 3)
    )
    if slope > 0.0:
        out_noise[0] = slope
        out_noise[1] = floor / slope**2


@kernel()
def _segments(
    frame: NDArray[np.float32], most: int, out: NDArray[np.float32]
) -> int:  # pragma: no cover - compiled
    """Mean and noise variance of at most `most` segments all over the frame, without those without any count."""
    rows, cols = frame.shape
    length = min(_LENGTH, cols - _LAG)
    per_row = max((cols - _LAG) // max(length, 1), 1)
    step = max(1, -(-rows * per_row // most))
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


@kernel()
def _is_counting(segments: NDArray[np.float32], count: int) -> bool:  # pragma: no cover - compiled
    """Whether the darkest quarter of the segments, the emptiest of disks, has Poisson noise."""
    if count < 2 * _GROUPS:
        return False
    values = segments[2]
    for i in range(count):
        values[i] = segments[0, i]
    limit = select(values, count, count // _GROUPS)
    n = 0
    for i in range(count):
        if segments[0, i] <= limit:
            values[n] = segments[1, i] / max(segments[0, i], np.float32(1e-6))
            n += 1
    return bool(_COUNTING_LOW < select(values, n, n // 2) < _COUNTING_HIGH)


@kernel()
def _group(
    segments: NDArray[np.float32], order: NDArray[np.int32], count: int, g: int
) -> tuple[float, float]:  # pragma: no cover - compiled
    """Medians of brightness and noise of the segments of one group of brightness."""
    first, last = g * count // _GROUPS, (g + 1) * count // _GROUPS
    values = segments[2]
    for i in range(first, last):
        values[i - first] = segments[0, order[i]]
    mean = select(values, last - first, (last - first) // 2)
    for i in range(first, last):
        values[i - first] = segments[1, order[i]]
    return mean, select(values, last - first, (last - first) // 2) / _MEDIAN


@kernel()
def select(values: NDArray[np.float32], n: int, k: int) -> float:  # pragma: no cover - compiled
    """The number that sorting the first `n` would put at place `k`; reorders them (Hoare's method)."""
    low, high = 0, n - 1
    while low < high:
        pivot = values[(low + high) // 2]
        i, j = low, high
        while i <= j:
            while values[i] < pivot:
                i += 1
            while values[j] > pivot:
                j -= 1
            if i <= j:
                values[i], values[j] = values[j], values[i]
                i += 1
                j -= 1
        if k <= j:
            high = j
        elif k >= i:
            low = i
        else:
            break
    return float(values[k])


@kernel()
def _line(
    one: tuple[float, float], two: tuple[float, float], three: tuple[float, float]
) -> tuple[float, float]:  # pragma: no cover - compiled
    """Gain and read variance of groups (brightness, noise), brightest first: a line if the brightness varies and
    the intercept is positive, else a ratio."""
    mean, spread = (one[0] + two[0] + three[0]) / 3.0, (one[1] + two[1] + three[1]) / 3.0
    width = (one[0] - mean) ** 2 + (two[0] - mean) ** 2 + (three[0] - mean) ** 2
    product = (one[0] - mean) * (one[1] - spread) + (two[0] - mean) * (two[1] - spread)
    product += (three[0] - mean) * (three[1] - spread)
    slope = product / width if width > 0.0 else 0.0
    floor = spread - slope * mean
    if slope > 0.0 and floor > 0.0 and one[0] > _CONTRAST * three[0]:
        return slope, floor
    if three[0] <= 0.0:
        return 0.0, 0.0
    a, b, c = one[1] / one[0], two[1] / two[0], three[1] / three[0]
    return max(min(a, b), min(max(a, b), c)), 0.0
