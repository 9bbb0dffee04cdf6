"""Find and measure the disks of one frame: sums, background, excess, maxima; then fit and test of each."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from livebragg.kernels.beside import look_beside
from livebragg.kernels.candidate import HOT, TAKEN, admit, admit_weak, dismiss, fit_candidate, refit
from livebragg.kernels.choose import are_weak_ones, keep_likely, set_levels
from livebragg.kernels.compiled import kernel, part
from livebragg.kernels.modelled import wipe_model
from livebragg.kernels.near import ALONE, NONE, OVERLAPPED, WAITS, nearest_disk
from livebragg.kernels.patch import tile_of
from livebragg.kernels.peel import LOWER, NEAR, lower_background
from livebragg.kernels.plan import INTENSITY, INTENSITY_VARIANCE, LIKELY, OWNER, THRESHOLD, Plan, Scratch
from livebragg.kernels.spot import spot_candidates, sum_up

_JOINT_ROUNDS = 4
"""Rounds over disks that overlap: each is fitted beside the latest picture of the others."""

_PEELS = 3
"""Times the background is looked at again, without the disks found so far."""

_SETTLED = 0.03
"""Largest move in a round, in pixels, after which another would change nothing that matters."""

_MAX_RESTARTS = 4
"""Times a frame is searched again because a hot pixel had posed as a disk."""


@kernel()
def find_disks(
    plan: Plan, scratch: Scratch, top: float, out_fit: NDArray[np.float64], out_health: NDArray[np.int64]
) -> int:  # pragma: no cover - compiled
    """Find the disks of the frame in ``scratch.image``.

    Parameters
    ----------
    plan : Plan
    scratch : Scratch
        ``image`` holds the frame in electrons; ``model`` is zero, and is zero again afterwards.
    top : float
        Largest pixel of the image, in electrons.
    out_fit : NDArray[np.float64], shape (max_disks + 1, 8)
        One row per disk, with the columns of `FIT_COLUMNS`; the last row is to work in.
    out_health : NDArray[np.int64], shape (5,)
        Counters that grow; ``[2]``: hot pixels replaced, ``[3]``: frames with more than `max_disks` disks.

    Returns
    -------
    int
        Number of disks.
    """
    # Not plain numbers: for each value of those the callee would be compiled anew.
    zero, never = int(top) * 0, top < 0.0
    found = zero
    for turn in range(_MAX_RESTARTS + 1):
        unit = sum_up(plan, scratch, top)
        set_levels(plan, scratch)
        count = spot_candidates(plan, scratch, unit)
        admit(plan, scratch, count, scratch.least[LIKELY])
        found, hot, full = _take_candidates(plan, scratch, zero, count, zero, turn < _MAX_RESTARTS, out_fit)
        if hot == 0:
            break
        out_health[2] += hot
        _forget(plan, scratch, count)
    weak = are_weak_ones(plan, scratch, found, out_fit)
    if weak and not full:
        admit_weak(plan, scratch, count, found, out_fit)
        found, _, full = _take_candidates(plan, scratch, zero, count, found, never, out_fit)
    peels = 0
    while not full and peels < _PEELS and lower_background(plan, scratch, count):
        found, _, full = _take_candidates(plan, scratch, zero, count, found, never, out_fit)
        peels += 1
    more = count if full else look_beside(plan, scratch, count, found, out_fit)
    if more > count:
        found, _, full = _take_candidates(plan, scratch, count, more, found, never, out_fit)
    out_health[3] += full
    if plan.threshold < plan.sure:
        found = keep_likely(plan, scratch, found, weak, out_fit)
    _fit_jointly(plan, scratch, found, out_fit)
    _forget(plan, scratch, more)
    return _drop_faded(scratch, found, out_fit)


@kernel()
def _take_candidates(
    plan: Plan,
    scratch: Scratch,
    first: int,
    count: int,
    found: int,
    mend: bool,
    out_fit: NDArray[np.float64],
) -> tuple[int, int, bool]:  # pragma: no cover - compiled
    """Fit and test the candidates from the `first` to the `count`-th, brightest first.

    Returns the number of disks, of which `found` were known before, of hot pixels, and whether there were more
    disks than there is room for.

    Those that were refused before are tried again when they came near. With `mend`, places where one pixel poses
    as a disk are mended and left out.
    """
    hot = 0
    room = out_fit.shape[0] - 1
    for n in range(first, count):
        k = int(scratch.order[n] + 0)
        again = scratch.state[k] == NONE and _promises(plan, scratch, k)
        if scratch.state[k] != WAITS and not again:
            continue
        verdict = fit_candidate(plan, scratch, k, mend, out_fit[found])
        if verdict == HOT:
            hot += 1
        elif verdict == TAKEN and found == room:
            dismiss(plan, scratch, k)
            return found, hot, True
        elif verdict == TAKEN:
            found += 1
    return found, hot, False


@part()
def _promises(plan: Plan, scratch: Scratch, k: int) -> bool:  # pragma: no cover - compiled
    """Whether a refused candidate came near, and less of its light is taken for background by now."""
    i, j = tile_of(plan, scratch, scratch.place[k, 0], scratch.place[k, 1])
    darker = scratch.level[i, j] < LOWER * scratch.old_level[i, j]
    return bool(darker and scratch.rating[k] >= NEAR * scratch.least[THRESHOLD])


@part()
def _fit_jointly(
    plan: Plan, scratch: Scratch, found: int, out_fit: NDArray[np.float64]
) -> None:  # pragma: no cover - compiled
    """More steps for disks that overlap, each beside the latest picture of the others."""
    for _ in range(_JOINT_ROUNDS):
        largest = 0.0
        for i in range(found):
            k = int(out_fit[i, OWNER])
            if scratch.crowded[k] < OVERLAPPED:
                continue
            if nearest_disk(plan, scratch, scratch.place[k, 0], scratch.place[k, 1], k) <= plan.overlap**2:
                largest = max(largest, refit(plan, scratch, k, out_fit[i]))
        if largest < _SETTLED:
            break


@part()
def _forget(plan: Plan, scratch: Scratch, count: int) -> None:  # pragma: no cover - compiled
    """Empty the model for the next frame."""
    for k in range(count):
        if scratch.crowded[k] != ALONE:
            wipe_model(plan, scratch, k)


@part()
def _drop_faded(scratch: Scratch, found: int, out_fit: NDArray[np.float64]) -> int:  # pragma: no cover - compiled
    """Close the gaps left by disks whose light turned out to be their neighbours'."""
    kept = 0
    for i in range(found):
        fit = out_fit[i]
        error = math.sqrt(fit[INTENSITY_VARIANCE])
        if fit[INTENSITY] > 0.5 * scratch.least[THRESHOLD] * error:
            for j in range(fit.size):
                out_fit[kept, j] = fit[j]
            kept += 1
    return kept
