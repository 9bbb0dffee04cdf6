"""Local maxima of the excess, highest first."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

_CHUNK = 64
"""Places looked at together: one vectorised test tells whether any of them is worth a closer look."""


@njit(cache=True, nogil=True)
def find_maxima(
    excess: NDArray[np.float32],
    out_rows: NDArray[np.int32],
    out_cols: NDArray[np.int32],
    out_heights: NDArray[np.float32],
) -> int:  # pragma: no cover - compiled
    """Places above 0 that no neighbour beats; of equal neighbours the last one counts.

    Parameters
    ----------
    excess : NDArray[np.float32], shape (rows, cols)
        Nowhere below 0.

    Returns
    -------
    int
        Number of maxima there are; only the first ``out_rows.size`` of them were written.
    """
    rows, cols = excess.shape
    found = 0
    for r in range(rows):
        bits = excess[r].view(np.uint32)
        for start in range(0, cols, _CHUNK):
            if not _any(bits[start : start + _CHUNK]):
                continue
            for c in range(start, min(start + _CHUNK, cols)):
                if excess[r, c] > 0.0 and _is_maximum(excess, r, c):
                    if found < out_rows.size:
                        out_rows[found] = r
                        out_cols[found] = c
                        out_heights[found] = excess[r, c]
                    found += 1
    return found


@njit(cache=True, nogil=True)
def _any(bits: NDArray[np.uint32]) -> bool:  # pragma: no cover - compiled
    """Whether any bit is set: vectorises, where a test for each would not."""
    total = np.uint32(0)
    for i in range(bits.size):
        total |= bits[i]
    return total != 0


@njit(cache=True, nogil=True)
def _is_maximum(excess: NDArray[np.float32], r: int, c: int) -> bool:  # pragma: no cover - compiled
    rows, cols = excess.shape
    here = excess[r, c]
    for dr in range(-1, 2):
        for dc in range(-1, 2):
            y, x = r + dr, c + dc
            if 0 <= y < rows and 0 <= x < cols:
                other = excess[y, x]
                if other > here or (other == here and (dr > 0 or (dr == 0 and dc > 0))):
                    return False
    return True


@njit(cache=True, nogil=True)
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
