"""Find and measure the disks of one frame: sums, background, excess, maxima; then each candidate's fit and test."""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from livebragg.kernels.background import cell_sums, tile_background
from livebragg.kernels.candidate import HOT, TAKEN, fit_candidate, refit, remove_from_model
from livebragg.kernels.maxima import find_maxima, sort_descending
from livebragg.kernels.near import MODELLED, list_candidates, nearest
from livebragg.kernels.plan import COL, INTENSITY, INTENSITY_VARIANCE, OWNER, ROW, Plan, Scratch
from livebragg.kernels.score import excess_map
from livebragg.kernels.sums import column_prefix, window_sums

_JOINT_ROUNDS = 4
"""Rounds over disks that overlap: each is fitted beside the latest picture of the others."""

_LARGEST_SUM = 2.0**29
"""Sums over a box stay below this, so that 32-bit differences are exact."""

_FINEST = 256.0
"""Units per electron of an image of small numbers that may not be whole."""

_MAX_RESTARTS = 4
"""Times a frame is searched again because a hot pixel had posed as a disk."""


@njit(cache=True, nogil=True, error_model="numpy")
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
    found = 0
    for turn in range(_MAX_RESTARTS + 1):
        unit = _sum_up(plan, scratch, top)
        count = _candidates(plan, scratch, unit)
        found, hot = _take_candidates(plan, scratch, count, unit, turn < _MAX_RESTARTS, out_fit, out_health)
        if hot == 0:
            break
        out_health[2] += hot
        _forget(plan, scratch, count)
    _fit_jointly(plan, scratch, found, out_fit)
    _forget(plan, scratch, count)
    return _drop_faded(plan, found, out_fit)


@njit(cache=True, nogil=True, error_model="numpy")
def _sum_up(plan: Plan, scratch: Scratch, top: float) -> float:  # pragma: no cover - compiled
    """Prefix sums, window sums and background tiles; returns electrons per unit of the sums."""
    area = plan.whole_disk + plan.whole_ring
    scale = 2.0 ** math.floor(math.log2(_LARGEST_SUM / (max(top, 1.0) * area)))
    scale = min(scale, _FINEST)
    unit = 1.0 / scale
    column_prefix(scratch.image, plan.pad, plan.binning, plan.margin, scale, scratch.prefix)
    cell_sums(scratch.prefix, plan.margin, plan.cell, unit, scratch.cells)
    tile_background(scratch.cells, plan.cell_area, scratch.noise[1], scratch.level, scratch.trust)
    window_sums(
        scratch.prefix,
        plan.disk[0],
        plan.disk[1],
        plan.box[0],
        plan.box[1],
        plan.margin,
        scratch.lines,
        scratch.disk,
        scratch.box,
    )
    return unit


@njit(cache=True, nogil=True, error_model="numpy")
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
    count = find_maxima(scratch.excess, scratch.bin_row, scratch.bin_col, scratch.height)
    count = min(count, scratch.bin_row.size)
    sort_descending(scratch.height, count, scratch.order)
    for k in range(count):
        _locate(plan, scratch, unit, k)
    list_candidates(plan, scratch, count)
    return count


@njit(cache=True, nogil=True, error_model="numpy")
def _locate(plan: Plan, scratch: Scratch, unit: float, k: int) -> None:  # pragma: no cover - compiled
    """Place of a candidate, from how the sums of its neighbours differ."""
    r, c = scratch.bin_row[k] + plan.margin, scratch.bin_col[k] + plan.margin
    sums = scratch.disk
    per_unit = unit * plan.slope / max(scratch.height[k], np.float32(1.0))
    d_row = min(max(np.float32(sums[r + 1, c] - sums[r - 1, c]) * per_unit, -0.75), 0.75)
    d_col = min(max(np.float32(sums[r, c + 1] - sums[r, c - 1]) * per_unit, -0.75), 0.75)
    middle = 0.5 * (plan.binning - 1)
    rows, cols = plan.clean.shape
    row = plan.binning * (r - plan.margin + d_row) + middle
    col = plan.binning * (c - plan.margin + d_col) + middle
    scratch.place[k, 0] = min(max(row, 0.0), rows - 1.0)
    scratch.place[k, 1] = min(max(col, 0.0), cols - 1.0)


@njit(cache=True, nogil=True, error_model="numpy")
def _take_candidates(
    plan: Plan,
    scratch: Scratch,
    count: int,
    unit: float,
    mend: bool,
    out_fit: NDArray[np.float64],
    out_health: NDArray[np.int64],
) -> tuple[int, int]:  # pragma: no cover - compiled
    """Fit and test the candidates, brightest first; returns disks and hot pixels found.

    With `mend`, places where one pixel poses as a disk are mended and left out.
    """
    found = hot = 0
    room = out_fit.shape[0] - 1
    for n in range(count):
        verdict = fit_candidate(plan, scratch, scratch.order[n], unit, mend, out_fit[found])
        if verdict == HOT:
            hot += 1
        elif verdict == TAKEN and found == room:
            out_health[3] += 1
            break
        elif verdict == TAKEN:
            found += 1
    return found, hot


@njit(cache=True, nogil=True, error_model="numpy")
def _fit_jointly(
    plan: Plan, scratch: Scratch, found: int, out_fit: NDArray[np.float64]
) -> None:  # pragma: no cover - compiled
    """One more step for every disk that was fitted before a neighbour was known, several where disks overlap."""
    for turn in range(_JOINT_ROUNDS):
        limit = plan.touch if turn == 0 else plan.overlap
        again = False
        for i in range(found):
            k = int(out_fit[i, OWNER])
            if scratch.taken[k] != MODELLED:
                continue
            if nearest(plan, scratch, out_fit[i, ROW], out_fit[i, COL], k)[0] <= limit:
                refit(plan, scratch, k, out_fit[i])
                again = True
        if not again:
            break


@njit(cache=True, nogil=True)
def _forget(plan: Plan, scratch: Scratch, count: int) -> None:  # pragma: no cover - compiled
    """Empty the model for the next frame."""
    for k in range(count):
        if scratch.taken[k] == MODELLED:
            remove_from_model(plan, scratch, k)


@njit(cache=True, nogil=True, error_model="numpy")
def _drop_faded(plan: Plan, found: int, out_fit: NDArray[np.float64]) -> int:  # pragma: no cover - compiled
    """Close the gaps left by disks whose light turned out to be their neighbours'."""
    kept = 0
    for i in range(found):
        fit = out_fit[i]
        error = math.sqrt(fit[INTENSITY_VARIANCE])
        if fit[INTENSITY] > 0.5 * plan.threshold * error:
            out_fit[kept] = fit
            kept += 1
    return kept
