"""Local maxima of the score, highest first."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

_CHUNK = 64
"""Pixels looked at together: one vectorised maximum tells whether any of them is worth a closer look."""


@njit(cache=True, nogil=True, fastmath={"nnan", "nsz", "reassoc"})
def row_maximum(values: NDArray[np.float32]) -> float:  # pragma: no cover - compiled
    """Largest of some finite numbers."""
    top = np.float32(-np.inf)
    for i in range(values.size):
        top = max(top, values[i])
    return float(top)


@njit(cache=True, nogil=True)
def find_maxima(
    score: NDArray[np.float32],
    threshold: float,
    out_rows: NDArray[np.int32],
    out_cols: NDArray[np.int32],
    out_scores: NDArray[np.float32],
) -> int:  # pragma: no cover - compiled
    """Pixels above `threshold` that no neighbour beats; of equal neighbours the last one counts.

    Returns
    -------
    int
        Number of maxima there are; only the first ``out_rows.size`` of them were written.
    """
    rows, cols = score.shape
    found = 0
    limit = np.float32(threshold)
    for r in range(rows):
        for start in range(0, cols, _CHUNK):
            stop = min(start + _CHUNK, cols)
            if row_maximum(score[r, start:stop]) <= limit:
                continue
            for c in range(start, stop):
                if score[r, c] > limit and _is_maximum(score, r, c):
                    if found < out_rows.size:
                        out_rows[found] = r
                        out_cols[found] = c
                        out_scores[found] = score[r, c]
                    found += 1
    return found


@njit(cache=True, nogil=True)
def _is_maximum(score: NDArray[np.float32], r: int, c: int) -> bool:  # pragma: no cover - compiled
    rows, cols = score.shape
    here = score[r, c]
    for dr in range(-1, 2):
        for dc in range(-1, 2):
            y, x = r + dr, c + dc
            if 0 <= y < rows and 0 <= x < cols:
                other = score[y, x]
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
