"""Intensities of listed disks that share light: equations between neighbours, and the errors that follow."""

from __future__ import annotations

import math

import numpy as np

from livebragg.kernels.compiled import part
from livebragg.kernels.fit import solve, variance_of
from livebragg.kernels.forced import COUPLED, NEIGHBOURS, Forced

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
def settle(forced: Forced, count: int) -> None:  # pragma: no cover - compiled
    """Solve ``amount[k] + sum of pull[k, j] * amount[j] = alone[k]`` by Gauss and Seidel's rounds."""
    for k in range(count):
        forced.amount[k], forced.drift[k] = forced.alone[k], 0.0
    for _ in range(_ROUNDS):
        largest = 0.0
        for k in range(count):
            if not forced.active[k] or forced.near[k] == 0:
                continue
            amount = forced.alone[k] - neighbours_light(forced, k, 1.0)
            forced.drift[k] = abs(amount - forced.amount[k]) / math.sqrt(forced.variance[k])
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

    Normal equations scaled to ones on the diagonal: the inverse's first element is what the neighbours add.
    The `COUPLED` - 1 neighbours listed first whose correlation matters are counted. Infinite for positions that
    cannot be told apart.
    """
    member, size = forced.member, 1
    member[0] = k
    for i in range(min(forced.near[k], NEIGHBOURS)):
        n = forced.neighbour[k, i]
        if size < COUPLED and abs(_correlation(forced, k, n)) > _COUPLING:
            member[size] = n
            size += 1
    if size == 1:
        return float(forced.variance[k])
    for a in range(size):
        forced.matrix[a, a], forced.vector[a] = 1.0, 0.0
        for b in range(a):
            forced.matrix[a, b] = _correlation(forced, member[a], member[b])
    if not solve(forced.matrix, forced.vector, size):
        return np.inf
    inflation = variance_of(forced.matrix, 0, size)
    return float(forced.variance[k] * inflation) if inflation < _LARGEST_INFLATION else np.inf


@part()
def _correlation(forced: Forced, k: int, n: int) -> float:  # pragma: no cover - compiled
    """Element of the scaled normal equations, from both sides of it."""
    ratio = math.sqrt(forced.variance[n] / forced.variance[k])
    return 0.5 * (_pull_of(forced, k, n) * ratio + _pull_of(forced, n, k) / ratio)


@part()
def _pull_of(forced: Forced, k: int, n: int) -> float:  # pragma: no cover - compiled
    """What an electron of position `n` adds to those of position `k`."""
    pull = 0.0
    for i in range(min(forced.near[k], NEIGHBOURS)):
        if forced.neighbour[k, i] == n:
            pull = forced.pull[k, i]
    return pull


@part()
def template_variance(forced: Forced, k: int) -> float:  # pragma: no cover - compiled
    """Variance from what the templates of the neighbours may be wrong by."""
    return _TEMPLATE**2 * neighbours_light(forced, k, 2.0)
