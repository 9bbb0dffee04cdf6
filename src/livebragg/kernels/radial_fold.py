"""A frame without its disks, folded about its centre, summed within circles by `livebragg.kernels.radial`."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from livebragg.kernels.compiled import kernel, part
from livebragg.kernels.radial_table import PHASES, RadialScratch, RadialTable


@kernel()
def span(center: float, half: float, size: int) -> tuple[int, int]:  # pragma: no cover - compiled
    """Pixels of a line within `half` of `center`, as ``(first, end)``; empty for NaN."""
    if not (half >= 0.0 and center + half >= 0.0 and center - half <= size - 1.0):
        return 0, 0
    return math.ceil(max(center - half, 0.0)), math.floor(min(center + half, size - 1.0)) + 1


@kernel()
def blank_disk(
    row: float, col: float, radius: float, pad: int, image: NDArray[np.float32]
) -> None:  # pragma: no cover - compiled
    """Make the pixels of a disk NaN: they do not count."""
    rows, cols = image.shape[0] - 2 * pad, image.shape[1] - 2 * pad
    first_row, end_row = span(row, radius, rows)
    for r in range(first_row, end_row):
        first, end = span(col, math.sqrt(max(radius**2 - (r - row) ** 2, 0.0)), cols)
        line = image[r + pad, first + pad : end + pad]
        for c in range(end - first):
            line[c] = np.nan


@part()
def sum_circles(
    image: NDArray[np.float32], pad: int, steps: tuple[int, int], table: RadialTable, scratch: RadialScratch
) -> None:  # pragma: no cover - compiled
    """Sum the pixels within each circle about a centre `steps` half pixels from the frame's first pixel.

    Row after row of the half plane is added to sums down its columns; where a circle leaves a column, the sum so
    far is what lies within it.
    """
    sums, squares, numbers = scratch.columns
    whole, whole_squares, whole_numbers = scratch.circles
    sums[:], squares[:], numbers[:] = 0.0, 0.0, 0
    whole[:], whole_squares[:], whole_numbers[:] = 0.0, 0.0, 0
    phase = steps[0] % PHASES * PHASES + steps[1] % PHASES
    for i in range(table.spans.shape[1]):
        _add_folded(image, pad, steps, i, table, scratch)
        for n in range(table.starts[phase, i], table.starts[phase, i + 1]):
            k, j = table.within[n], table.column[n]
            whole[k] += sums[j]
            whole_squares[k] += squares[j]
            whole_numbers[k] += numbers[j]


@part()
def _add_folded(
    image: NDArray[np.float32],
    pad: int,
    steps: tuple[int, int],
    i: int,
    table: RadialTable,
    scratch: RadialScratch,
) -> None:  # pragma: no cover - compiled
    """Add the two rows of the frame, or what there is of them, that make row `i` of the half plane."""
    rows, cols = image.shape[0] - 2 * pad, image.shape[1] - 2 * pad
    row, col, odd_row, odd_col = steps[0] // PHASES, steps[1] // PHASES, steps[0] % PHASES, steps[1] % PHASES
    low, high = row + odd_row + i, row - i
    begin, end = table.spans[odd_row * PHASES + odd_col, i]
    left = table.reach - col  # column of the half plane on which the frame's first one lies
    right = table.reach + col + odd_col - cols + 1  # ... and its last one, in the mirror
    a, b = _overlap(begin, end, left, cols, 0 <= low < rows)
    c, d = _overlap(begin, end, right, cols, 0 <= high < rows and high != low)
    cuts = (min(a, c), min(max(a, c), min(b, d)), max(max(a, c), min(b, d)), max(b, d))
    for n in range(3):
        first, stop = cuts[n], cuts[n + 1]
        below, above = a <= first and stop <= b, c <= first and stop <= d
        if stop > first and (below or above):
            size = stop - first
            straight = turned = scratch.nothing[:size]
            if below:
                straight = image[low + pad, pad + first - left : pad + stop - left]
            if above:
                turned = image[high + pad, pad + right + cols - stop : pad + right + cols - first]
            sums, squares, numbers = scratch.columns
            _add_pixels(straight, turned, sums[first:stop], squares[first:stop], numbers[first:stop])


@kernel()
def _overlap(begin: int, end: int, first: int, size: int, there: bool) -> tuple[int, int]:  # pragma: no cover
    """Part of ``begin:end`` that `size` columns from `first` on cover; empty unless they are `there`."""
    a, b = max(begin, first), min(end, first + size)
    return (a, b) if there and b > a else (begin, begin)


@kernel(fastmath={"contract"})
def _add_pixels(
    straight: NDArray[np.float32],
    turned: NDArray[np.float32],
    out_sums: NDArray[np.float64],
    out_squares: NDArray[np.float64],
    out_numbers: NDArray[np.int32],
) -> None:  # pragma: no cover - compiled
    """Add pixels, and others from the last to the first, to the sums of their columns; NaN does not count."""
    last = np.uint64(straight.size - 1)
    for j in range(straight.size):
        u, v = straight[j], turned[last - np.uint64(j)]
        u_counts, v_counts = u == u, v == v
        a = np.float64(u) if u_counts else 0.0
        b = np.float64(v) if v_counts else 0.0
        out_sums[j] += a + b
        out_squares[j] += a * a + b * b
        out_numbers[j] += np.int32(u_counts) + np.int32(v_counts)
