"""One candidate: its fit among the disks known already, its significance, and whether it is just a hot pixel."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from livebragg.kernels.compiled import part
from livebragg.kernels.modelled import put, renew
from livebragg.kernels.near import (
    ALONE,
    DEPENDENT,
    DISK,
    NONE,
    OVERLAPPED,
    TOUCHED,
    UNLISTED,
    WAITS,
    list_candidate,
    list_candidates,
    nearest_disk,
    surroundings,
)
from livebragg.kernels.plan import (
    BACKGROUND,
    COL,
    INTENSITY,
    OWNER,
    POSITION_VARIANCE,
    ROW,
    SIGNIFICANCE,
    THRESHOLD,
    Plan,
    Scratch,
)
from livebragg.kernels.significance import significance, was_hot_pixel
from livebragg.kernels.step import step

REFUSED, TAKEN, HOT = 0, 1, 2

_SURE = 6.0
"""Excess, in standard deviations of the background, from which a candidate is taken for a disk before its fit. A
weaker one may be noise, and if not is too weak to matter to its neighbours."""

_HOPELESS = 0.75
"""Part of the significance needed below which the best place nearby will not do either."""

_STRONG = 9.0
"""Excess in standard deviations from which the sums tell well enough where a disk is: the likelihood of a weaker
one has side maxima, which a blurred template does not see."""

_STEPS = 3
"""Fisher-scoring steps of a disk's fit; the first usually lands within a hundredth of a pixel."""

_STALE = 0.15
"""Distance, in pixels, from where a disk is modelled beyond which its light beside it is wrong."""

_STALE_AMOUNT = 0.8
"""Part of its amount that the model must hold at least."""

_SOFT_CONVERGED = 0.5
_CONVERGED = 0.25
"""Move, in pixels, after which another step would change nothing that matters; nor does it after one of less than
the standard error."""


@part()
def admit(plan: Plan, scratch: Scratch, count: int, least: float) -> None:  # pragma: no cover - compiled
    """List the candidates whose excess may come to the significance `least`, and note what is near each."""
    list_candidates(plan, scratch, count, plan.loose / plan.threshold * least)
    for k in range(count):
        if scratch.state[k] == WAITS:
            _expect(plan, scratch, k)


@part()
def admit_weak(
    plan: Plan, scratch: Scratch, count: int, found: int, fit: NDArray[np.float64]
) -> None:  # pragma: no cover - compiled
    """List the others as well; the `found` disks become known to those of them that they touch."""
    for k in range(count):
        if scratch.state[k] == UNLISTED:
            list_candidate(plan, scratch, k)
            scratch.modelled[k] = False
    for i in range(found):
        k = int(fit[i, OWNER])
        if scratch.crowded[k] == ALONE and surroundings(plan, scratch, k)[0] <= plan.touch**2:
            scratch.crowded[k] = TOUCHED
            renew(plan, scratch, k, fit[i])
    for k in range(count):
        if scratch.state[k] == WAITS:
            _expect(plan, scratch, k)


@part()
def _expect(plan: Plan, scratch: Scratch, k: int) -> None:  # pragma: no cover - compiled
    """Note what is near candidate `k`, and put it into the model as far as it is known.

    So every disk is fitted once, beside its neighbours as they roughly are. A candidate that overlaps with a
    higher one may be nothing but the higher one's flank: it waits until that one is fitted.
    """
    other, higher = surroundings(plan, scratch, k)
    scratch.modelled[k] = False
    if other > plan.touch**2:
        scratch.crowded[k] = ALONE
    elif higher <= plan.overlap**2:
        scratch.crowded[k] = DEPENDENT
    else:
        scratch.crowded[k] = OVERLAPPED if other <= plan.overlap**2 else TOUCHED
        if scratch.height[k] > _SURE * math.sqrt(scratch.ground[k] + 1.0):
            put(plan, scratch, k, True)


@part()
def fit_candidate(
    plan: Plan, scratch: Scratch, k: int, mend: bool, fit: NDArray[np.float64]
) -> int:  # pragma: no cover - compiled
    """Fit and test candidate `k`, and write it into `fit` when it holds.

    Returns
    -------
    int
        `REFUSED`, `TAKEN`, or `HOT` when a hot pixel was mended in its place.
    """
    scratch.where[0] = -1
    scratch.rating[k] = 0.0
    verdict = _try(plan, scratch, k, mend, fit)
    if verdict != TAKEN:
        dismiss(plan, scratch, k)
        return verdict
    scratch.state[k] = DISK
    fit[OWNER] = k
    if scratch.crowded[k] >= OVERLAPPED or (scratch.crowded[k] == TOUCHED and _is_stale(scratch, k, fit)):
        renew(plan, scratch, k, fit)
    return TAKEN


@part()
def _is_stale(scratch: Scratch, k: int, fit: NDArray[np.float64]) -> bool:  # pragma: no cover - compiled
    """Whether a disk that matters to those it touches is not in the model as it is."""
    if fit[SIGNIFICANCE] <= _SURE:
        return False
    place = scratch.place[k]
    moved = max(abs(place[0] - fit[ROW]), abs(place[1] - fit[COL]))
    return bool(not scratch.modelled[k] or moved > _STALE or scratch.amount[k] < _STALE_AMOUNT * fit[INTENSITY])


@part()
def dismiss(plan: Plan, scratch: Scratch, k: int) -> None:  # pragma: no cover - compiled
    """Candidate `k` is none."""
    scratch.state[k] = NONE
    put(plan, scratch, k, False)


@part()
def _try(
    plan: Plan, scratch: Scratch, k: int, mend: bool, fit: NDArray[np.float64]
) -> int:  # pragma: no cover - compiled
    place, crowd = scratch.place[k], scratch.crowded[k]
    square = plan.spacing**2
    if crowd == DEPENDENT and nearest_disk(plan, scratch, place[0], place[1], k) < square:
        return REFUSED
    fit[ROW], fit[COL], fit[INTENSITY] = place[0], place[1], scratch.amount[k]
    r, c = scratch.bin_row[k], scratch.bin_col[k]
    fit[BACKGROUND] = max(scratch.ground[k] / plan.disk_area[r, c], 1e-6)
    weak = scratch.height[k] ** 2 < _STRONG**2 * (scratch.ground[k] + scratch.height[k])
    if weak:  # a look before the climb
        scratch.rating[k] = significance(plan, scratch, k, fit)
        if scratch.rating[k] < _HOPELESS * scratch.least[THRESHOLD]:
            return REFUSED
    if not _climb(plan, scratch, k, weak, fit):
        return REFUSED
    if crowd >= OVERLAPPED and nearest_disk(plan, scratch, fit[ROW], fit[COL], k) < square:
        return REFUSED
    fit[SIGNIFICANCE] = significance(plan, scratch, k, fit)
    scratch.rating[k] = fit[SIGNIFICANCE]
    if fit[SIGNIFICANCE] < scratch.least[THRESHOLD]:
        return REFUSED
    return HOT if mend and was_hot_pixel(plan, scratch, fit) else TAKEN


@part()
def _climb(
    plan: Plan, scratch: Scratch, k: int, weak: bool, fit: NDArray[np.float64]
) -> bool:  # pragma: no cover - compiled
    """Steps until one is short, for a `weak` disk first with the soft template; False when the disk runs away."""
    soft, left = weak, _STEPS
    while left > 0:
        old_row, old_col = fit[ROW], fit[COL]
        if not step(plan, scratch, k, soft, fit):
            return False
        move = max(abs(fit[ROW] - old_row), abs(fit[COL] - old_col))
        left -= 1
        if soft and (move < _SOFT_CONVERGED or left == 0):
            soft, left = False, _STEPS
        elif not soft and (move < _CONVERGED or move * move < fit[POSITION_VARIANCE]):
            left = 0
    return True


@part()
def refit(plan: Plan, scratch: Scratch, k: int, fit: NDArray[np.float64]) -> float:  # pragma: no cover - compiled
    """One step of a disk among its neighbours; returns how far it moved, in pixels."""
    scratch.where[0] = -1
    old_row, old_col, old_amount = fit[ROW], fit[COL], fit[INTENSITY]
    never = plan.pad < 0  # for a plain False the step would be compiled anew
    if not step(plan, scratch, k, never, fit):
        fit[ROW], fit[COL], fit[INTENSITY] = old_row, old_col, old_amount
    renew(plan, scratch, k, fit)
    return float(max(abs(fit[ROW] - old_row), abs(fit[COL] - old_col)))
