"""Local maxima of the excess, highest first."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from livebragg.kernels.compiled import kernel

CHUNK = 32
"""Places looked at together: one vectorised test tells whether any of them is worth a closer look."""


@kernel()
def find_maxima(
    excess: NDArray[np.float32],
    marks: NDArray[np.uint32],
    out_rows: NDArray[np.int32],
    out_cols: NDArray[np.int32],
    out_heights: NDArray[np.float32],
) -> int:  # pragma: no cover - compiled
    """Places above 0 that no neighbour beats; of equal neighbours the last one counts.

    Parameters
    ----------
    excess : NDArray[np.float32], shape (rows + 2, cols + 2)
        Nowhere below 0, and 0 along its border, which rows and columns are counted without.
    marks : NDArray[np.uint32], shape (CHUNK,)
        Scratch.

    Returns
    -------
    int
        Number of maxima there are; only the first ``out_rows.size`` of them were written.
    """
    rows, cols = excess.shape[0] - 2, excess.shape[1] - 2
    found = 0
    for r in range(rows):
        bits = excess[r + 1].view(np.uint32)
        for start in range(1, cols + 1, CHUNK):
            n = min(CHUNK, cols + 1 - start)
            if not _any(bits[start : start + n]):
                continue
            _mark(excess[r], excess[r + 1], excess[r + 2], start, marks[:n])
            if not _any(marks[:n]):
                continue
            for i in range(n):
                if marks[i] != 0:
                    if found < out_rows.size:
                        out_rows[found], out_cols[found] = r, start + i - 1
                        out_heights[found] = excess[r + 1, start + i]
                    found += 1
    return found


@kernel()
def _mark(
    above: NDArray[np.float32],
    here: NDArray[np.float32],
    below: NDArray[np.float32],
    start: int,
    out_marks: NDArray[np.uint32],
) -> None:  # pragma: no cover - compiled
    """Set 1 at the maxima of a piece of a line, else 0: all comparisons of all places at once."""
    n = out_marks.size
    a, b, c = above[start - 1 : start - 1 + n], above[start : start + n], above[start + 1 : start + 1 + n]
    d, e, f = here[start - 1 : start - 1 + n], here[start : start + n], here[start + 1 : start + 1 + n]
    g, h, k = below[start - 1 : start - 1 + n], below[start : start + n], below[start + 1 : start + 1 + n]
    for i in range(n):
        v = e[i]
        before = (v >= a[i]) & (v >= b[i]) & (v >= c[i]) & (v >= d[i])
        after = (v > f[i]) & (v > g[i]) & (v > h[i]) & (v > k[i])
        out_marks[i] = np.uint32(1) if before & after & (v > np.float32(0.0)) else np.uint32(0)


@kernel()
def _any(bits: NDArray[np.uint32]) -> bool:  # pragma: no cover - compiled
    """Whether any bit is set: vectorises, where a test for each would not."""
    total = np.uint32(0)
    for i in range(bits.size):
        total |= bits[i]
    return bool(total != 0)


@kernel()
def sort_descending(
    keys: NDArray[np.float32], count: int, out_order: NDArray[np.int32]
) -> None:  # pragma: no cover - compiled
    """Write the order of the first `count` keys, largest first, by Shell's method (in place, no memory)."""
    for i in range(count):
        out_order[i] = i
    gap = count // 2
    while gap > 0:
        for i in range(gap, count):
            item = out_order[i]
            key = keys[item]
            j = i
            while j >= gap and keys[out_order[j - gap]] < key:
                out_order[j] = out_order[j - gap]
                j -= gap
            out_order[j] = item
        gap //= 2
