"""Find and measure the disks of one frame: score, maxima, test, fit, and a last joint round."""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from livebragg.kernels.evidence import SYSTEMATIC, disk_counts, ring_counts, significance_of
from livebragg.kernels.hot import replace_hot_pixel
from livebragg.kernels.maxima import find_maxima, sort_descending
from livebragg.kernels.plan import (
    BACKGROUND,
    COL,
    INTENSITY,
    INTENSITY_VARIANCE,
    POSITION_VARIANCE,
    ROW,
    SIGNIFICANCE,
    Plan,
    Scratch,
)
from livebragg.kernels.refine import add_disk, gather_patch, normal_equations, solve_symmetric
from livebragg.kernels.score import score_frame
from livebragg.kernels.spans import column_prefix

_STEPS = 3
"""Fisher-scoring steps of a disk's first fit; the second usually lands within a hundredth of a pixel."""

_CONVERGED = 1.0 / 32
"""Move, in pixels, after which another step would change nothing."""

_JOINT_ROUNDS = 4
"""Rounds over disks that overlap: each is fitted beside the latest picture of the others."""

_LARGEST_SUM = 2.0**29
"""Sums in the prefix image stay below this, so that 32-bit differences are exact."""

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
        ``image`` holds the frame in electrons, ``model`` is zero and is zero again afterwards.
    top : float
        Largest pixel of the image, in electrons.
    out_fit : NDArray[np.float64], shape (max_disks, 7)
        One row per disk, with the columns of `FIT_COLUMNS`.
    out_health : NDArray[np.int64], shape (5,)
        Counters that grow; ``[2]``: hot pixels replaced, ``[3]``: frames with more than `max_disks` disks.

    Returns
    -------
    int
        Number of disks.
    """
    for _ in range(_MAX_RESTARTS):
        unit = _score_image(plan, scratch, top)
        found, hot = _fit_candidates(plan, scratch, unit, True, out_fit, out_health)
        if hot == 0:
            break
        out_health[2] += hot
        _clear_model(plan, scratch, found, out_fit)
    else:
        unit = _score_image(plan, scratch, top)
        found, hot = _fit_candidates(plan, scratch, unit, False, out_fit, out_health)
    _fit_jointly(plan, scratch, unit, found, out_fit)
    _clear_model(plan, scratch, found, out_fit)
    return _drop_faded(plan, found, out_fit)


@njit(cache=True, nogil=True, error_model="numpy")
def _score_image(plan: Plan, scratch: Scratch, top: float) -> float:  # pragma: no cover - compiled
    """Fill the prefix sums and the score; return electrons per unit of the prefix sums."""
    scale = 2.0 ** math.floor(math.log2(_LARGEST_SUM / (max(top, 1.0) * plan.outer_area)))
    scale = min(scale, 256.0)
    column_prefix(scratch.image, scale, scratch.prefix)
    unit = 1.0 / scale
    floor = scratch.noise[1] * plan.largest_area
    score_frame(
        scratch.prefix,
        plan.disk,
        plan.outer,
        plan.pad,
        unit,
        plan.ratio,
        plan.norm,
        floor,
        scratch.row,
        scratch.score,
    )
    return unit


@njit(cache=True, nogil=True, error_model="numpy")
def _fit_candidates(
    plan: Plan,
    scratch: Scratch,
    unit: float,
    mend: bool,
    out_fit: NDArray[np.float64],
    out_health: NDArray[np.int64],
) -> tuple[int, int]:  # pragma: no cover - compiled
    """Test the maxima, highest first, and fit those that hold; returns disks and hot pixels found.

    With `mend`, places where one pixel poses as a disk are mended and left out.
    """
    rows, cols, scores = scratch.candidate_row, scratch.candidate_col, scratch.candidate_score
    count = min(find_maxima(scratch.score, plan.loose, rows, cols, scores), rows.size)
    sort_descending(scores, count, scratch.order)
    found = hot = 0
    for k in range(count):
        i = scratch.order[k]
        row, col = rows[i], cols[i]
        distance = _nearest(out_fit, found, row, col, -1)
        if distance < plan.spacing:
            continue
        on = disk_counts(plan, scratch, unit, row, col, distance > plan.reach)
        off = ring_counts(plan, scratch, unit, row, col, distance > plan.reach)
        significance = significance_of(plan, scratch, row, col, on, off)
        if significance < plan.threshold:
            continue
        if mend and replace_hot_pixel(scratch.image, plan.weight, plan.disk, plan.pad, row, col, plan.peakedness):
            hot += 1
            continue
        if found == out_fit.shape[0]:
            out_health[3] += 1
            break
        out_fit[found, SIGNIFICANCE] = significance
        found += _fit_new(plan, scratch, row, col, on, off, out_fit, found)
    return found, hot


@njit(cache=True, nogil=True, error_model="numpy")
def _nearest(
    fit: NDArray[np.float64], found: int, row: float, col: float, skip: int
) -> float:  # pragma: no cover - compiled
    """Distance of the nearest disk other than `skip`."""
    best = np.inf
    for i in range(found):
        if i != skip:
            best = min(best, (fit[i, ROW] - row) ** 2 + (fit[i, COL] - col) ** 2)
    return math.sqrt(best)


@njit(cache=True, nogil=True, error_model="numpy")
def _fit_new(
    plan: Plan,
    scratch: Scratch,
    row: int,
    col: int,
    on: tuple[float, float],
    off: tuple[float, float],
    out_fit: NDArray[np.float64],
    found: int,
) -> int:  # pragma: no cover - compiled
    """Fit a new disk that starts at a pixel and put it into the model; 0 when it runs away."""
    fit = out_fit[found]
    density = max(off[0] - off[1], 0.5) / plan.ring_area[row, col]
    fit[ROW], fit[COL], fit[BACKGROUND] = row, col, density
    fit[INTENSITY] = max(on[0] - on[1] - density * plan.disk_area[row, col], 1.0)
    for step in range(_STEPS):
        old_row, old_col = fit[ROW], fit[COL]
        if not _step(plan, scratch, row, col, off, fit):
            return 0
        if step > 0 and max(abs(fit[ROW] - old_row), abs(fit[COL] - old_col)) < _CONVERGED:
            break
    if _nearest(out_fit, found, fit[ROW], fit[COL], -1) < plan.spacing:
        return 0
    add_disk(plan.templates, plan.pad, fit[ROW], fit[COL], fit[INTENSITY], scratch.model)
    return 1


@njit(cache=True, nogil=True, error_model="numpy")
def _step(
    plan: Plan, scratch: Scratch, row: int, col: int, off: tuple[float, float], fit: NDArray[np.float64]
) -> bool:  # pragma: no cover - compiled
    """One Fisher-scoring step; the disk itself must not be in the model. `row`, `col`: where it was found."""
    gather_patch(scratch.image, scratch.model, plan.weight, plan.pad, fit[ROW], fit[COL], scratch.patch)
    normal_equations(
        scratch.patch,
        plan.templates,
        fit[ROW],
        fit[COL],
        fit[INTENSITY],
        fit[BACKGROUND],
        scratch.noise[1],
        scratch.matrix,
        scratch.vector,
    )
    _add_ring(plan, scratch, row, col, off, fit[BACKGROUND])
    if not solve_symmetric(scratch.matrix, scratch.vector, scratch.inverse):
        return False
    return _update(plan, scratch, row, col, fit)


@njit(cache=True, nogil=True, error_model="numpy")
def _add_ring(
    plan: Plan, scratch: Scratch, row: int, col: int, off: tuple[float, float], background: float
) -> None:  # pragma: no cover - compiled
    """The ring about the disk is one more measurement of its background."""
    area = plan.ring_area[row, col]
    if area <= 0.0:
        return
    counts, known = off
    variance = max(background * area + known, 0.5) + scratch.noise[1] * area + (SYSTEMATIC * known) ** 2
    scratch.matrix[3, 3] += area * area / variance
    scratch.vector[3] += area * (counts - known) / variance


@njit(cache=True, nogil=True, error_model="numpy")
def _update(
    plan: Plan, scratch: Scratch, row: int, col: int, fit: NDArray[np.float64]
) -> bool:  # pragma: no cover - compiled
    """Move the disk by the solution, at most a pixel, and keep it near where it was found and in the frame."""
    intensity = scratch.vector[0]
    if not intensity > 0.0:
        return False
    steps = 1.0 / 8
    base_row = math.floor(fit[ROW] / steps + 0.5) * steps
    base_col = math.floor(fit[COL] / steps + 0.5) * steps
    fit[ROW] = base_row + min(max(scratch.vector[1] / intensity, -1.0), 1.0)
    fit[COL] = base_col + min(max(scratch.vector[2] / intensity, -1.0), 1.0)
    rows, cols = plan.disk_area.shape
    leash = 0.6 * plan.spacing + 1.0
    inside = -0.5 <= fit[ROW] <= rows - 0.5 and -0.5 <= fit[COL] <= cols - 0.5
    if not inside or (fit[ROW] - row) ** 2 + (fit[COL] - col) ** 2 > leash * leash:
        return False
    fit[INTENSITY] = intensity
    fit[BACKGROUND] = max(scratch.vector[3], 0.5 / max(plan.ring_area[row, col], 1.0))
    fit[INTENSITY_VARIANCE] = scratch.inverse[0, 0]
    fit[POSITION_VARIANCE] = 0.5 * (scratch.inverse[1, 1] + scratch.inverse[2, 2]) / intensity**2
    return True


@njit(cache=True, nogil=True, error_model="numpy")
def _fit_jointly(
    plan: Plan, scratch: Scratch, unit: float, found: int, out_fit: NDArray[np.float64]
) -> None:  # pragma: no cover - compiled
    """One more step for every disk that was fitted before a neighbour was known, several where disks overlap."""
    for turn in range(_JOINT_ROUNDS):
        limit = plan.reach if turn == 0 else plan.overlap
        for i in range(found):
            if _nearest(out_fit, found, out_fit[i, ROW], out_fit[i, COL], i) <= limit:
                _refit(plan, scratch, unit, out_fit[i])


@njit(cache=True, nogil=True, error_model="numpy")
def _refit(
    plan: Plan, scratch: Scratch, unit: float, fit: NDArray[np.float64]
) -> None:  # pragma: no cover - compiled
    """One step of a disk among its neighbours."""
    rows, cols = plan.disk_area.shape
    row = min(max(math.floor(fit[ROW] + 0.5), 0), rows - 1)
    col = min(max(math.floor(fit[COL] + 0.5), 0), cols - 1)
    old_row, old_col = fit[ROW], fit[COL]
    add_disk(plan.templates, plan.pad, old_row, old_col, -fit[INTENSITY], scratch.model)
    off = ring_counts(plan, scratch, unit, row, col, False)
    if not _step(plan, scratch, row, col, off, fit):
        fit[ROW], fit[COL] = old_row, old_col
    add_disk(plan.templates, plan.pad, fit[ROW], fit[COL], fit[INTENSITY], scratch.model)


@njit(cache=True, nogil=True)
def _clear_model(
    plan: Plan, scratch: Scratch, found: int, fit: NDArray[np.float64]
) -> None:  # pragma: no cover - compiled
    """Zero the model where the disks are, and a pixel around, because a joint step may have moved them."""
    n = plan.templates.shape[-1]
    for i in range(found):
        top = max(math.floor(fit[i, ROW] + 0.5) + plan.pad - n // 2 - 3, 0)
        left = max(math.floor(fit[i, COL] + 0.5) + plan.pad - n // 2 - 3, 0)
        scratch.model[top : top + n + 6, left : left + n + 6] = 0.0


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
