"""Which candidates are near a place: lists by squares of the frame, so that the cost grows with their number."""

from __future__ import annotations

import numpy as np

from livebragg.kernels.compiled import part
from livebragg.kernels.plan import Plan, Scratch

WAITS, DISK, NONE, UNLISTED = 0, 1, -1, 2
"""What became of a candidate; those not listed are too weak to be looked at yet."""

ALONE, TOUCHED, OVERLAPPED, DEPENDENT = 0, 1, 2, 3
"""What is near a candidate: nothing; light of another in its patch; in its disk; of a higher one in its disk."""


@part()
def list_candidates(plan: Plan, scratch: Scratch, count: int, least: float) -> None:  # pragma: no cover - compiled
    """Put those of the first `count` candidates whose rating is at least `least` into the lists of their squares,
    where they wait."""
    head = scratch.head
    for i in range(head.shape[0]):
        for j in range(head.shape[1]):
            head[i, j] = -1
    for k in range(count):
        if scratch.rating[k] >= least:
            list_candidate(plan, scratch, k)
        else:
            scratch.state[k] = UNLISTED
            scratch.crowded[k] = ALONE


@part()
def list_candidate(plan: Plan, scratch: Scratch, k: int) -> None:  # pragma: no cover - compiled
    """Put one candidate, which waits, into the list of its square."""
    i, j = _square_of(plan, scratch, scratch.place[k, 0], scratch.place[k, 1])
    scratch.link[k] = scratch.head[i, j]
    scratch.head[i, j] = k
    scratch.state[k] = WAITS


@part()
def _square_of(
    plan: Plan, scratch: Scratch, row: float, col: float
) -> tuple[int, int]:  # pragma: no cover - compiled
    """Square of a place; what lies outside the frame belongs to the nearest."""
    i, j = int(max(row, 0.0) * plan.per_square), int(max(col, 0.0) * plan.per_square)
    return min(i, scratch.head.shape[0] - 1), min(j, scratch.head.shape[1] - 1)


@part()
def surroundings(plan: Plan, scratch: Scratch, k: int) -> tuple[float, float]:  # pragma: no cover - compiled
    """Squared distances of candidate `k` to the nearest other one, and to the nearest higher one.

    Infinite when there is none about as near as ``plan.touch``.
    """
    row, col, height = scratch.place[k, 0], scratch.place[k, 1], scratch.height[k]
    i, j = _square_of(plan, scratch, row, col)
    other = higher = np.inf
    for a in range(max(i - 1, 0), min(i + 2, scratch.head.shape[0])):
        for b in range(max(j - 1, 0), min(j + 2, scratch.head.shape[1])):
            n = scratch.head[a, b]
            while n >= 0:
                if n != k:
                    square = (scratch.place[n, 0] - row) ** 2 + (scratch.place[n, 1] - col) ** 2
                    other = min(other, square)
                    if scratch.height[n] > height or (scratch.height[n] == height and n < k):
                        higher = min(higher, square)
                n = scratch.link[n]
    return other, higher


@part()
def nearest_disk(
    plan: Plan, scratch: Scratch, row: float, col: float, itself: int
) -> float:  # pragma: no cover - compiled
    """Squared distance of the nearest disk other than `itself`; infinite as in `surroundings`."""
    i, j = _square_of(plan, scratch, row, col)
    best = np.inf
    for a in range(max(i - 1, 0), min(i + 2, scratch.head.shape[0])):
        for b in range(max(j - 1, 0), min(j + 2, scratch.head.shape[1])):
            n = scratch.head[a, b]
            while n >= 0:
                if n != itself and scratch.state[n] == DISK:
                    best = min(best, (scratch.place[n, 0] - row) ** 2 + (scratch.place[n, 1] - col) ** 2)
                n = scratch.link[n]
    return best
