"""The equation of one listed position: its electrons were it alone, and what the neighbours add to them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from livebragg.kernels.compiled import part
from livebragg.kernels.fit import PHASES, add_disk, gather, multiply, phase_of
from livebragg.kernels.forced import NEIGHBOURS, Forced
from livebragg.kernels.forced_place import tile_of
from livebragg.kernels.forced_sums import (
    filtered,
    ring_sums,
    scatter,
    take_out_line,
    weighted_sums,
    write_filter,
    write_template,
)
from livebragg.kernels.plan import Plan, Scratch

_ASSUMED = 5.0
"""Electrons for which the first pass weighs the pixels: there weights matter most."""

_UNSEEN = 1.0
"""Electrons more than measured, for which the second pass weighs them."""

_DEFICIT = 0.5
"""Part of a negative intensity, and at most this part of the background, by which fewer electrons are expected.

All of it would make a place with few counts look surer than one with many, none of it all empty places too unsure.
"""

_DARKEST = 0.25
"""Part of the tile's background that is expected at least, so that weights stay finite."""


@part()
def corner_of(plan: Plan, scratch: Scratch, row: int, col: int) -> int:  # pragma: no cover - compiled
    """Flat position of the corner of the patch's square about a pixel."""
    return int((row + plan.pad - plan.reach) * scratch.image.shape[1] + col + plan.pad - plan.reach)


@part()
def put_into_model(plan: Plan, scratch: Scratch, forced: Forced, k: int) -> None:  # pragma: no cover - compiled
    """Add the light of position `k` to the modelled image, if there are neighbours who want to know."""
    if forced.near[k] > 0 and forced.amount[k] > 0.0:
        row, phase_row, rest_row = phase_of(forced.place[k, 0])
        col, phase_col, rest_col = phase_of(forced.place[k, 1])
        corner, patch, flat = corner_of(plan, scratch, row, col), plan.patch[: plan.lit], scratch.model.reshape(-1)
        template = plan.templates[phase_row * PHASES + phase_col]
        add_disk(template, patch, corner, forced.amount[k], rest_row, rest_col, flat)


@part()
def wipe_from_model(plan: Plan, scratch: Scratch, forced: Forced, k: int) -> None:  # pragma: no cover - compiled
    """Zero the modelled image where position `k` lit it."""
    if forced.near[k] > 0:
        row, _, _ = phase_of(forced.place[k, 0])
        col, _, _ = phase_of(forced.place[k, 1])
        corner, patch, flat = corner_of(plan, scratch, row, col), plan.patch[: plan.lit], scratch.model.reshape(-1)
        scatter(scratch.nothing, corner, patch, 0.0, flat)


@part()
def write_equation(
    plan: Plan, scratch: Scratch, forced: Forced, k: int, second: bool
) -> None:  # pragma: no cover - compiled
    """Intensity of position `k` were it alone, its variance, and what its neighbours add to it.

    The second time, the weights follow from what the first has found.
    """
    row, phase_row, rest_row = phase_of(forced.place[k, 0])
    col, phase_col, rest_col = phase_of(forced.place[k, 1])
    corner = corner_of(plan, scratch, row, col)
    pixels, shape, weights = forced.lines[0], forced.lines[3], forced.lines[4]
    write_template(plan.templates[phase_row * PHASES + phase_col], rest_row, rest_col, shape)
    known, use = _gather_lines(plan, scratch, forced, k, corner, second)
    i, j = tile_of(plan, scratch, forced.place[k, 0], forced.place[k, 1])
    level, variance = scratch.level[i, j], forced.tile_variance[i, j]
    base, amount = level + 0.5 / forced.tile_area[i, j], _ASSUMED
    if second:
        counts, area = ring_sums(pixels, known, use, plan.outside)
        worth = base / variance
        base = max((counts + level * worth) / (area + worth), _DARKEST * base)
        found = forced.amount[k]
        amount = max(found, _DEFICIT * found, -_DEFICIT * base / plan.plateau) + _UNSEEN
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
def _gather_lines(
    plan: Plan, scratch: Scratch, forced: Forced, k: int, corner: int, second: bool
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:  # pragma: no cover - compiled
    """Lines of the other disks as far as known, and of usability; the pixels go to ``forced.lines[0]``."""
    gather(scratch.image.reshape(-1), corner, plan.patch, forced.lines[0])
    known, use = scratch.nothing, plan.inside_patch
    if second and forced.near[k] > 0:
        known = forced.lines[1]
        gather(scratch.model.reshape(-1), corner, plan.patch, known)
        take_out_line(forced.lines[3], max(forced.amount[k], 0.0), known)
    if not forced.clear[k]:
        use = forced.lines[2]
        gather(plan.weight.reshape(-1), corner, plan.patch, use)
        multiply(plan.inside_patch, use)
    return known, use


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
        there = corner_of(plan, scratch, row, col)
        forced.pull[k, i] = filtered(template, plan.patch[: plan.lit], there, rest_row, rest_col, flat)
    scatter(scratch.nothing, corner, plan.patch, 0.0, flat)
