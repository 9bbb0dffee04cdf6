"""Which of a frame's weak disks to keep, when the number of false ones is left to the frame."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from livebragg.kernels.candidate import dismiss
from livebragg.kernels.compiled import part
from livebragg.kernels.maxima import sort_descending
from livebragg.kernels.plan import LIKELY, OWNER, SIGNIFICANCE, SURE, THRESHOLD, Plan, Scratch

_EVIDENT = 2.0
"""Standard deviations by which weak disks must outnumber those that noise makes up, to look for weaker ones."""

_WHOLE = 0.25
"""Electrons of background under a disk at which noise makes up half as many disks as where there are many.
Measured on empty frames with .03 to 1.6 electrons, radii 3, 5 and 8: within a factor of 1.4 from .1 on."""

_LEAST_GRAIN = 0.03
"""Least part of the disks that noise is taken to make up."""

_LOWEST = 2.0
"""Standard deviations below which nothing is a disk, unless more false ones are asked for."""

_LEAST_FREE = 0.2
"""Least part of a frame that is free of disks."""

_JUST_ABOVE = 1.5
"""A disk is just above what is sure up to this many times that significance."""

_SUGGESTS = 0.33
"""What it counts as evidence of disks below. About as many lie in the range below, a third as wide."""

_IMPURE = 0.33
"""Part of the disks kept that noise may have made up."""

_BEYOND = 1.0
"""Standard deviations by which weak disks must outnumber those that noise makes up, to be kept."""


@part()
def set_levels(plan: Plan, scratch: Scratch) -> None:  # pragma: no cover - compiled
    """Significances needed in this frame: lower than the plan's where noise makes up fewer disks.

    What noise makes up falls as ``exp(-s**2 / 2)``, so a part `p` of it is let in by ``s**2 + 2 ln p``.
    """
    gain = -2.0 * math.log(max(_graininess(plan, scratch), _LEAST_GRAIN))
    levels = scratch.least
    levels[THRESHOLD], levels[LIKELY], levels[SURE] = plan.threshold, plan.likely, plan.sure
    for i in range(3):
        levels[i] = max(math.sqrt(max(levels[i] ** 2 - gain, 0.0)), min(_LOWEST, levels[i]))


@part()
def are_weak_ones(
    plan: Plan, scratch: Scratch, found: int, fit: NDArray[np.float64]
) -> bool:  # pragma: no cover - compiled
    """Whether the frame shows weak disks, so that still weaker ones are worth a look.

    It does when more disks are just below what is sure than noise makes up. Those just above it count in part:
    where they are many, there are others below.
    """
    evidence = 0.0
    for i in range(found):
        significance = fit[i, SIGNIFICANCE]
        if scratch.least[LIKELY] <= significance < scratch.least[SURE]:
            evidence += 1.0
        elif scratch.least[SURE] <= significance < _JUST_ABOVE * scratch.least[SURE]:
            evidence += _SUGGESTS
    expected = _noise_share(plan, scratch, found) * _false_disks(plan, scratch.least[LIKELY])
    return bool(evidence > expected + _EVIDENT * math.sqrt(expected))


@part()
def keep_likely(
    plan: Plan, scratch: Scratch, found: int, weak: bool, out_fit: NDArray[np.float64]
) -> int:  # pragma: no cover - compiled
    """Drop the disks below the significance that makes the frame's disks, as a whole, most complete and pure.

    Without evidence of `weak` ones only what is sure stays.
    """
    needed = _balanced(plan, scratch, found, out_fit) if weak else float(scratch.least[SURE])
    kept = 0
    for i in range(found):
        if out_fit[i, SIGNIFICANCE] >= needed:
            for j in range(out_fit.shape[1]):
                out_fit[kept, j] = out_fit[i, j]
            kept += 1
        else:
            dismiss(plan, scratch, int(out_fit[i, OWNER]))
    return kept


@part()
def _balanced(
    plan: Plan, scratch: Scratch, found: int, fit: NDArray[np.float64]
) -> float:  # pragma: no cover - compiled
    """Significance at which the expected F1 score is largest, at most that of a disk that is kept in any case.

    Of the ``n`` disks above a significance, noise makes up the expected number, and the rest are true. How many
    true ones there are in all is taken from where that rest is largest.
    """
    order, keys = scratch.order, scratch.height
    for i in range(found):
        keys[i] = fit[i, SIGNIFICANCE]
    sort_descending(keys, found, order)
    share = _noise_share(plan, scratch, found)
    true, sure = 0.0, 0
    for n in range(found):
        sure += keys[order[n]] >= scratch.least[SURE]
        true = max(true, n + 1 - share * _false_disks(plan, keys[order[n]]))
    needed, best = float(scratch.least[SURE]), 0.0
    for n in range(found):
        false = share * _false_disks(plan, keys[order[n]])
        score = (n + 1 - false) / (n + 1 + true)
        extra = n + 1 - sure
        stands_out = extra <= 0 or extra > false + _BEYOND * math.sqrt(false)
        if stands_out and false <= _IMPURE * (n + 1) and score >= best:
            best, needed = score, min(float(fit[order[n], SIGNIFICANCE]), float(scratch.least[SURE]))
    return needed


@part()
def _noise_share(plan: Plan, scratch: Scratch, found: int) -> float:  # pragma: no cover - compiled
    """Part of the disks expected of noise on a bright empty frame that it can make up beside the `found` ones."""
    rows, cols = plan.clean.shape
    taken = found * math.pi * plan.edge**2 / (rows * cols)
    return float(_graininess(plan, scratch) * max(1.0 - taken, _LEAST_FREE))


@part()
def _graininess(plan: Plan, scratch: Scratch) -> float:  # pragma: no cover - compiled
    """The same on an empty frame as bright as this one: fewer where few electrons come in whole numbers."""
    electrons = float(scratch.level.mean()) * plan.whole_disk
    return float(electrons / (electrons + _WHOLE))


@part()
def _false_disks(plan: Plan, significance: float) -> float:  # pragma: no cover - compiled
    """Disks above a significance that noise makes up in a frame."""
    return plan.places * significance * 0.5 * math.erfc(significance / math.sqrt(2.0))
