"""Forced photometry: intensity and error at given positions, whether there is a disk or not.

Each intensity is a weighted sum of the pixels of its patch: least squares of disk and background, the coarse
background being one more measurement of the latter. The first pass weighs the pixels as for a disk of a few electrons,
the same everywhere, so that it has no bias at all; the second as for the intensity found by the first. That is the
maximum-likelihood step of a model linear in its unknowns, whose bias vanishes to second order.

Disks that share light are solved together: what an electron of one adds to another is the filter of the one summed
over the template of the other, which gives one equation per position.

The variance is the modelled one of the pixels, with **one electron more than measured**: after n counts, the variance
of a Poisson mean of which nothing was known is n + 1, so that a place without a count is not "0 without
error". To that come the neighbours (`joint_variance`), their templates (`template_variance`), and the curvature of the
background under the disk (`UNEVEN`).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from livebragg.kernels.batch import prepare_frame
from livebragg.kernels.candidate import UNEVEN
from livebragg.kernels.compiled import kernel, part
from livebragg.kernels.fit import PHASES, add_disk, gather, multiply, phase_of
from livebragg.kernels.forced import NEIGHBOURS, Forced
from livebragg.kernels.forced_background import measure_tiles
from livebragg.kernels.forced_place import place_positions, tile_of
from livebragg.kernels.forced_solve import UNSETTLED, joint_variance, settle, template_variance
from livebragg.kernels.forced_sums import filtered, ring_sums, scatter, weighted_sums, write_filter, write_template
from livebragg.kernels.plan import Plan, Scratch

_ASSUMED = 5.0
"""Electrons for which the first pass weighs the pixels: there weights matter most."""

_UNSEEN = 1.0
"""Electrons more than measured, for which the second pass weighs them."""


@kernel()
def measure_batch(
    frames: NDArray[np.uint8],
    counting: tuple[int, float, float, float],
    plan: Plan,
    scratch: Scratch,
    forced: Forced,
    positions: NDArray[np.float64],
    origins: NDArray[np.float64],
    out_values: NDArray[np.float32],
    out_health: NDArray[np.int64],
) -> None:  # pragma: no cover - compiled
    """Intensities at given positions of several frames.

    Parameters
    ----------
    frames : NDArray[np.uint8], shape (n, frame_rows, bytes of a row)
    counting : tuple
        Pixel type, gain, offset and read-noise variance, as in `prepare_frame`.
    positions : NDArray[np.float64], shape (n, k, 2) or (1, k, 2)
        Of each frame, or of all; rows and columns, in pixels.
    origins : NDArray[np.float64], shape (n, 2) or (1, 2)
        Added to the positions.
    out_values : NDArray[np.float32], shape (3, n, k)
        Intensity and standard error in detector counts, and usable part of the disk.
    out_health : NDArray[np.int64], shape (5,)
    """
    moves = positions.shape[0] > 1 or origins.shape[0] > 1
    count = positions.shape[1]
    for i in range(frames.shape[0]):
        top = prepare_frame(frames[i], counting, plan, scratch, out_health)
        if i == 0 or moves:
            a, b = min(i, positions.shape[0] - 1), min(i, origins.shape[0] - 1)
            place_positions(plan, forced, positions[a], origins[b, 0], origins[b, 1])
        measure_tiles(plan, scratch, forced, top)
        measure_frame(plan, scratch, forced, count)
        for k in range(count):
            _write(forced, k, scratch.noise[0], out_values[:, i])


@part()
def measure_frame(plan: Plan, scratch: Scratch, forced: Forced, count: int) -> None:  # pragma: no cover - compiled
    """Intensities of the listed positions; ``scratch.model`` is zero before and after."""
    for second in (False, True):
        for k in range(count):
            forced.alone[k], forced.variance[k] = 0.0, 1.0
            if forced.active[k]:
                _equation(plan, scratch, forced, k, second)
        if not second:
            settle(forced, count)
            for k in range(count):
                _model(plan, scratch, forced, k, 1.0)
    for k in range(count):
        _model(plan, scratch, forced, k, 0.0)
    settle(forced, count)


@part()
def _corner(plan: Plan, scratch: Scratch, row: int, col: int) -> int:  # pragma: no cover - compiled
    """Flat position of the corner of the patch's square about a pixel."""
    return (row + plan.pad - plan.reach) * scratch.image.shape[1] + col + plan.pad - plan.reach


@part()
def _model(plan: Plan, scratch: Scratch, forced: Forced, k: int, keep: float) -> None:  # pragma: no cover - compiled
    """Put position `k` into the modelled image if it has neighbours; with `keep` 0, empty the image there."""
    if not forced.active[k] or forced.near[k] == 0:
        return
    row, phase_row, rest_row = phase_of(forced.place[k, 0])
    col, phase_col, rest_col = phase_of(forced.place[k, 1])
    corner, patch, flat = _corner(plan, scratch, row, col), plan.patch[: plan.lit], scratch.model.reshape(-1)
    if keep == 0.0:
        scatter(scratch.nothing, corner, patch, keep, flat)
    elif forced.amount[k] > 0.0:
        template = plan.templates[phase_row * PHASES + phase_col]
        add_disk(template, patch, corner, forced.amount[k], rest_row, rest_col, flat)


@part()
def _equation(
    plan: Plan, scratch: Scratch, forced: Forced, k: int, second: bool
) -> None:  # pragma: no cover - compiled
    """Intensity of position `k` were it alone, its variance, and what its neighbours add to it."""
    row, phase_row, rest_row = phase_of(forced.place[k, 0])
    col, phase_col, rest_col = phase_of(forced.place[k, 1])
    corner = _corner(plan, scratch, row, col)
    pixels, known, shape, weights = forced.lines[0], scratch.nothing, forced.lines[3], forced.lines[4]
    gather(scratch.image.reshape(-1), corner, plan.patch, pixels)
    write_template(plan.templates[phase_row * PHASES + phase_col], rest_row, rest_col, shape)
    use = plan.inside_patch
    if not forced.usable[k] == 1.0 or not plan.clean[row, col]:
        use = forced.lines[2]
        gather(plan.weight.reshape(-1), corner, plan.patch, use)
        multiply(plan.inside_patch, use)
    if second and forced.near[k] > 0:
        known = forced.lines[1]
        gather(scratch.model.reshape(-1), corner, plan.patch, known)
        for i in range(known.size):
            own = np.float32(max(forced.amount[k], 0.0)) * shape[i]
            known[i] = max(known[i] - own, np.float32(0.0))
    i, j = tile_of(plan, scratch, forced.place[k, 0], forced.place[k, 1])
    level, variance = scratch.level[i, j], forced.tile_variance[i, j]
    base, amount = level + 0.5 / forced.tile_area[i, j], _ASSUMED
    if second:
        counts, area = ring_sums(pixels, known, use, plan.outside)
        base = max((counts + level * base / variance) / (area + base / variance), 0.25 * base)
        amount = max(forced.amount[k], 0.0) + _UNSEEN
    noise = scratch.noise[1]
    tt, t1, ww, ty, wy = weighted_sums(pixels, known, use, shape, amount, base, noise, plan.plateau, weights)
    ww, wy = ww + 1.0 / variance, wy + level / variance
    determinant = tt * ww - t1 * t1
    forced.alone[k] = (ww * ty - t1 * wy) / determinant
    forced.variance[k] = ww / determinant
    forced.ground[k] = base * t1 / tt
    if forced.near[k] > 0:
        write_filter(weights, shape, ww / determinant, -t1 / determinant)
        _pull_neighbours(plan, scratch, forced, k, corner)


@part()
def _pull_neighbours(
    plan: Plan, scratch: Scratch, forced: Forced, k: int, corner: int
) -> None:  # pragma: no cover - compiled
    """Sum the filter of position `k` over the template of each neighbour."""
    flat = forced.filter.reshape(-1)
    scatter(forced.lines[4], corner, plan.patch, 1.0, flat)
    for i in range(min(forced.near[k], NEIGHBOURS)):
        n = forced.neighbour[k, i]
        row, phase_row, rest_row = phase_of(forced.place[n, 0])
        col, phase_col, rest_col = phase_of(forced.place[n, 1])
        template = plan.templates[phase_row * PHASES + phase_col]
        there = _corner(plan, scratch, row, col)
        forced.pull[k, i] = filtered(template, plan.patch[: plan.lit], there, rest_row, rest_col, flat)
    scatter(scratch.nothing, corner, plan.patch, 0.0, flat)


@part()
def _write(forced: Forced, k: int, gain: float, out: NDArray[np.float32]) -> None:  # pragma: no cover - compiled
    """Intensity, error and usable part of position `k`, in detector counts; NaN where they are not known."""
    out[0, k] = out[1, k] = np.nan
    out[2, k] = forced.usable[k]
    if not forced.wanted[k] or forced.near[k] > NEIGHBOURS or not forced.drift[k] < UNSETTLED:
        return
    variance = joint_variance(forced, k) + template_variance(forced, k) + (UNEVEN * forced.ground[k]) ** 2
    if variance < np.inf:
        out[0, k], out[1, k] = forced.amount[k] * gain, math.sqrt(variance) * gain
