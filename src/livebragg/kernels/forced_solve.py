"""Intensities of listed disks that share light: equations between neighbours, and the errors that follow."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from livebragg.kernels.compiled import kernel, part
from livebragg.kernels.forced import COUPLED, NEIGHBOURS, Forced
from livebragg.kernels.forced_place import place_among

_ROUNDS = 100
"""Rounds over the equations, of which disks 1.2 radii apart need five."""

_SETTLED = 1e-4
"""Largest change in a round, in standard errors, after which another would change nothing."""

UNSETTLED = 0.02
"""Change in the last round, in standard errors, from which an intensity is not known."""

_COUPLING = 0.03
"""Correlation of two intensities from which it matters to their errors."""

_TEMPLATE = 0.01
"""What a neighbour's light at a position may be wrong by: the template is not the disk itself."""

_LARGEST_INFLATION = 1e4
"""Variance of a disk beside its neighbours over that of the disk alone, from which they are one and the same."""


@part()
def settle(forced: Forced, count: int, again: bool) -> None:  # pragma: no cover - compiled
    """Solve ``amount[k] + sum of pull[k, j] * amount[j] = alone[k]`` by Gauss and Seidel's rounds.

    With `again` they begin with the amounts of the pass before, which are nearly right.
    """
    for k in range(count):
        forced.drift[k] = 0.0
        if forced.near[k] == 0 or not again:
            forced.amount[k] = forced.alone[k]
    for _ in range(_ROUNDS):
        largest = 0.0
        for k in range(count):
            if not forced.active[k] or forced.near[k] == 0:
                continue
            amount = forced.alone[k] - neighbours_light(forced, k, 1.0)
            forced.drift[k] = abs(amount - forced.amount[k]) / forced.deviation[k]
            forced.amount[k] = amount
            largest = max(largest, forced.drift[k])
        if largest < _SETTLED:
            break


@part()
def neighbours_light(forced: Forced, k: int, power: float) -> float:  # pragma: no cover - compiled
    """Electrons the neighbours add to position `k`; with a power of 2, the sum of their squares."""
    total = 0.0
    for i in range(min(forced.near[k], NEIGHBOURS)):
        light = forced.pull[k, i] * forced.amount[forced.neighbour[k, i]]
        total += light if power == 1.0 else light * light
    return total


@part()
def joint_variance(forced: Forced, k: int) -> float:  # pragma: no cover - compiled
    """Variance of the intensity of position `k` beside its neighbours, whose intensities are not known either.

    Normal equations scaled to ones on the diagonal, the position itself last: the last pivot of their Cholesky
    factor, squared, is what the neighbours leave of its information. The `COUPLED` - 1 neighbours listed first
    whose correlation matters are counted. Infinite for positions that cannot be told apart.
    """
    member, size = forced.member, 0
    for i in range(min(forced.near[k], NEIGHBOURS)):
        if size < COUPLED - 1 and abs(_correlation(forced, k, i)) > _COUPLING:
            member[size] = forced.neighbour[k, i]
            size += 1
    if size == 0:
        return float(forced.variance[k])
    member[size] = k
    for a in range(size + 1):
        forced.matrix[a, a] = 1.0
        for b in range(a):
            i = place_among(forced, member[a], member[b])
            forced.matrix[a, b] = _correlation(forced, member[a], i) if i >= 0 else 0.0
    left = last_pivot(forced.matrix, size + 1)
    return float(forced.variance[k] / left) if left > 1.0 / _LARGEST_INFLATION else np.inf


@part()
def _correlation(forced: Forced, k: int, i: int) -> float:  # pragma: no cover - compiled
    """Element of the scaled normal equations for a position and its `i`-th neighbour, from both sides of it."""
    n, back = forced.neighbour[k, i], forced.back[k, i]
    ratio = forced.deviation[n] / forced.deviation[k]
    other = forced.pull[n, back] if back >= 0 else 0.0
    return float(0.5 * (forced.pull[k, i] * ratio + other / ratio))


@kernel()
def last_pivot(matrix: NDArray[np.float64], n: int) -> float:  # pragma: no cover - compiled
    """Last pivot of a small positive matrix in Cholesky's method: 1 over the last variance; 0 if it has none.

    Only the lower triangle is read, and overwritten by the factor.
    """
    pivot = 0.0
    for j in range(n):
        pivot = matrix[j, j]
        for k in range(j):
            pivot -= matrix[j, k] * matrix[j, k]
        if not pivot > 1e-30:
            return 0.0
        inverse = 1.0 / math.sqrt(pivot)
        for i in range(j + 1, n):
            total = matrix[i, j]
            for k in range(j):
                total -= matrix[i, k] * matrix[j, k]
            matrix[i, j] = total * inverse
    return float(pivot)


@part()
def template_variance(forced: Forced, k: int) -> float:  # pragma: no cover - compiled
    """Variance from what the templates of the neighbours may be wrong by."""
    return _TEMPLATE**2 * neighbours_light(forced, k, 2.0)
