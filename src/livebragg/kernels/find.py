"""Find and measure the disks of one frame: sums, background, excess, maxima; then fit and test of each."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from livebragg.kernels.background import cell_sums, tile_background
from livebragg.kernels.beside import look_beside
from livebragg.kernels.candidate import (
    HOT,
    TAKEN,
    dismiss,
    expect_candidate,
    fit_candidate,
    refit,
    tile_of,
    wipe_model,
)
from livebragg.kernels.compiled import kernel, part
from livebragg.kernels.maxima import find_maxima, sort_descending
from livebragg.kernels.near import ALONE, DISK, NONE, OVERLAPPED, list_candidates, nearest_disk
from livebragg.kernels.plan import INTENSITY, INTENSITY_VARIANCE, OWNER, SIGNIFICANCE, Plan, Scratch
from livebragg.kernels.score import excess_map
from livebragg.kernels.sums import column_prefix, window_sums

_JOINT_ROUNDS = 4
"""Rounds over disks that overlap: each is fitted beside the latest picture of the others."""

_PEELS = 3
"""Times the background is looked at again, without the disks found so far."""

_SCARCE = 2.0
"""Electrons of background in a disk above which its surroundings tell it well enough."""

_NEAR = 0.6
"""Part of the significance needed from which a refused candidate is tried again."""

_LOWER = 0.8
"""Part of what it was to which the background of a tile must fall for that."""

_IMPURE = 0.33
"""Part of the disks kept that noise may have made up."""

_BEYOND = 1.0
"""Standard deviations by which weak disks must outnumber those that noise makes up, to be kept."""

_SETTLED = 0.03
"""Largest move in a round, in pixels, after which another would change nothing that matters."""

_LARGEST_SUM = 2.0**29
"""Sums over a box stay below this, so that 32-bit differences are exact."""

_FINEST = 256.0
"""Units per electron of an image of small numbers that may not be whole."""

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
        unit = _sum_up(plan, scratch, top)
        count = _candidates(plan, scratch, unit)
        found, hot, full = _take_candidates(plan, scratch, zero, count, zero, turn < _MAX_RESTARTS, out_fit)
        if hot == 0:
            break
        out_health[2] += hot
        _forget(plan, scratch, count)
    peels = 0
    while not full and peels < _PEELS and _lower_background(plan, scratch, count):
        found, _, full = _take_candidates(plan, scratch, zero, count, found, never, out_fit)
        peels += 1
    more = count if full else look_beside(plan, scratch, count, found, out_fit)
    if more > count:
        found, _, full = _take_candidates(plan, scratch, count, more, found, never, out_fit)
    out_health[3] += full
    if plan.threshold < plan.sure:
        found = _keep_likely(plan, scratch, found, out_fit)
    _fit_jointly(plan, scratch, found, out_fit)
    _forget(plan, scratch, more)
    return _drop_faded(plan, found, out_fit)


@part()
def _sum_up(plan: Plan, scratch: Scratch, top: float) -> float:  # pragma: no cover - compiled
    """Prefix sums, window sums and background tiles; returns electrons per unit of the sums."""
    area = plan.whole_disk + plan.whole_ring
    scale = 2.0 ** math.floor(math.log2(_LARGEST_SUM / (max(top, 1.0) * area)))
    scale = min(scale, _FINEST)
    unit = 1.0 / scale
    column_prefix(scratch.image, plan.pad, plan.binning, plan.margin, scale, scratch.prefix)
    cell_sums(scratch.prefix, plan.margin, plan.cell, unit, scratch.lines[0], scratch.cells)
    tile_background(
        scratch.cells, plan.cell_area, scratch.noise[1], scratch.cell_lines, scratch.level, scratch.trust
    )
    window_sums(
        scratch.prefix,
        plan.disk[0],
        plan.disk[1],
        plan.box,
        plan.margin,
        scratch.lines,
        scratch.disk,
        scratch.box,
    )
    return unit


@part()
def _candidates(plan: Plan, scratch: Scratch, unit: float) -> int:  # pragma: no cover - compiled
    """Maxima of the excess, where they are to a fraction of a bin; returns their number."""
    excess_map(
        scratch.disk,
        scratch.box,
        plan.margin,
        unit,
        plan.ratio,
        plan.whole_ring,
        scratch.level,
        scratch.trust,
        scratch.noise[1] * plan.whole_disk,
        plan.loose,
        scratch.tile_lines,
        scratch.excess,
    )
    count = find_maxima(scratch.excess, scratch.marks, scratch.bin_row, scratch.bin_col, scratch.height)
    count = min(count, scratch.bin_row.size)
    sort_descending(scratch.height, count, scratch.order)
    for k in range(count):
        _locate(plan, scratch, unit, k)
    list_candidates(plan, scratch, count)
    for k in range(count):
        expect_candidate(plan, scratch, k)
    return count


@part()
def _locate(plan: Plan, scratch: Scratch, unit: float, k: int) -> None:  # pragma: no cover - compiled
    """Place of a candidate, from how the sums of its neighbours differ."""
    r, c = scratch.bin_row[k] + plan.margin, scratch.bin_col[k] + plan.margin
    sums = scratch.disk
    per_unit = unit / max(scratch.height[k], np.float32(1.0))
    d_row = np.float32(sums[r + 1, c] - sums[r - 1, c]) * per_unit * plan.slope[0]
    d_col = np.float32(sums[r, c + 1] - sums[r, c - 1]) * per_unit * plan.slope[1]
    rows, cols = plan.clean.shape
    tall, wide = plan.binning
    row = tall * (r - plan.margin + min(max(d_row, -0.75), 0.75)) + 0.5 * (tall - 1)
    col = wide * (c - plan.margin + min(max(d_col, -0.75), 0.75)) + 0.5 * (wide - 1)
    scratch.place[k, 0] = min(max(row, 0.0), rows - 1.0)
    scratch.place[k, 1] = min(max(col, 0.0), cols - 1.0)
    scratch.amount[k] = max(scratch.height[k] / plan.captured, 1.0)
    scratch.ground[k] = sums[r, c] * unit - scratch.height[k]


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
        if scratch.state[k] == DISK or (scratch.state[k] == NONE and not _promises(plan, scratch, k)):
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
    darker = scratch.level[i, j] < _LOWER * scratch.old_level[i, j]
    return bool(darker and scratch.rating[k] >= _NEAR * plan.threshold)


@part()
def _lower_background(plan: Plan, scratch: Scratch, count: int) -> bool:  # pragma: no cover - compiled
    """Take the disks found so far out of the background tiles; whether that made a difference.

    Where most of the light is that of weak disks, the tiles take much of it for background at first, and only
    the stronger ones stand out; without their light the next ones do.
    """
    rows, cols = scratch.free_area.shape
    refused = False
    for i in range(rows):
        for j in range(cols):
            scratch.free_area[i, j] = plan.cell_area[i, j]
    tall, wide = plan.cell[0] * plan.binning[0], plan.cell[1] * plan.binning[1]
    for k in range(count):
        if scratch.state[k] != DISK:
            refused = refused or scratch.rating[k] >= _NEAR * plan.threshold
            continue
        row, col = scratch.place[k, 0], scratch.place[k, 1]
        for i in range(max(int((row - plan.edge) / tall), 0), min(int((row + plan.edge) / tall) + 1, rows)):
            for j in range(max(int((col - plan.edge) / wide), 0), min(int((col + plan.edge) / wide) + 1, cols)):
                scratch.free_area[i, j] = 0.0
    if not refused:
        return False
    level, old = scratch.level, scratch.old_level
    for i in range(level.shape[0]):
        for j in range(level.shape[1]):
            old[i, j] = level[i, j]
    tile_background(scratch.cells, scratch.free_area, scratch.noise[1], scratch.cell_lines, level, scratch.trust)
    lower = False
    for i in range(level.shape[0]):
        for j in range(level.shape[1]):
            lower = lower or (level[i, j] < _LOWER * old[i, j] and level[i, j] * plan.whole_disk < _SCARCE)
            level[i, j] = min(level[i, j], old[i, j])
    return lower


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
def _keep_likely(
    plan: Plan, scratch: Scratch, found: int, out_fit: NDArray[np.float64]
) -> int:  # pragma: no cover - compiled
    """Drop the disks below the significance that makes the frame's disks, as a whole, most complete and pure."""
    needed = _balanced(plan, scratch, found, out_fit)
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
    true, sure = 0.0, 0
    for n in range(found):
        sure += keys[order[n]] >= plan.sure
        true = max(true, n + 1 - _false_disks(plan, keys[order[n]]))
    needed, best = plan.sure, 0.0
    for n in range(found):
        false = _false_disks(plan, keys[order[n]])
        score = (n + 1 - false) / (n + 1 + true)
        extra = n + 1 - sure
        stands_out = extra <= 0 or extra > false + _BEYOND * math.sqrt(false)
        if stands_out and false <= _IMPURE * (n + 1) and score >= best:
            best, needed = score, min(float(keys[order[n]]), plan.sure)
    return needed


@part()
def _false_disks(plan: Plan, significance: float) -> float:  # pragma: no cover - compiled
    """Disks above a significance that noise makes up in a frame."""
    return plan.places * significance * 0.5 * math.erfc(significance / math.sqrt(2.0))


@part()
def _forget(plan: Plan, scratch: Scratch, count: int) -> None:  # pragma: no cover - compiled
    """Empty the model for the next frame."""
    for k in range(count):
        if scratch.crowded[k] != ALONE:
            wipe_model(plan, scratch, k)


@part()
def _drop_faded(plan: Plan, found: int, out_fit: NDArray[np.float64]) -> int:  # pragma: no cover - compiled
    """Close the gaps left by disks whose light turned out to be their neighbours'."""
    kept = 0
    for i in range(found):
        fit = out_fit[i]
        error = math.sqrt(fit[INTENSITY_VARIANCE])
        if fit[INTENSITY] > 0.5 * plan.threshold * error:
            for j in range(fit.size):
                out_fit[kept, j] = fit[j]
            kept += 1
    return kept
