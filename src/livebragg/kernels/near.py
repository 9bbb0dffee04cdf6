"""Which candidates are near a place: lists by squares of the frame, so that the cost grows with their number."""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from livebragg.kernels.plan import Plan, Scratch

WAITS, DISK, MODELLED, NONE = 0, 1, 2, -1


@njit(cache=True, nogil=True)
def list_candidates(plan: Plan, scratch: Scratch, count: int) -> None:  # pragma: no cover - compiled
    """Put the first `count` candidates, all of which wait, into the lists of their squares."""
    scratch.head[:] = -1
    for k in range(count):
        i, j = square_of(plan, scratch, scratch.place[k, 0], scratch.place[k, 1])
        scratch.link[k] = scratch.head[i, j]
        scratch.head[i, j] = k
        scratch.taken[k] = WAITS


@njit(cache=True, nogil=True)
def square_of(plan: Plan, scratch: Scratch, row: float, col: float) -> tuple[int, int]:  # pragma: no cover
    """Square of a place; what lies outside the frame belongs to the nearest."""
    size = plan.touch + 2.0 * plan.leash + 1.0
    i, j = int(max(row, 0.0) / size), int(max(col, 0.0) / size)
    return min(i, scratch.head.shape[0] - 1), min(j, scratch.head.shape[1] - 1)


@njit(cache=True, nogil=True, error_model="numpy")
def nearest(
    plan: Plan, scratch: Scratch, row: float, col: float, itself: int
) -> tuple[float, float]:  # pragma: no cover - compiled
    """Distances of the nearest disk, and of the nearest candidate that is or may become one.

    Infinite when there is none within ``plan.touch``; `itself` is left out.
    """
    i, j = square_of(plan, scratch, row, col)
    disk = other = np.inf
    for a in range(max(i - 1, 0), min(i + 2, scratch.head.shape[0])):
        for b in range(max(j - 1, 0), min(j + 2, scratch.head.shape[1])):
            k = scratch.head[a, b]
            while k >= 0:
                state = scratch.taken[k]
                if k != itself and state != NONE:
                    square = (scratch.place[k, 0] - row) ** 2 + (scratch.place[k, 1] - col) ** 2
                    other = min(other, square)
                    if state != WAITS:
                        disk = min(disk, square)
                k = scratch.link[k]
    return math.sqrt(disk), math.sqrt(other)
