"""The equation of one listed position: its electrons were it alone, and what the neighbours add to them."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from livebragg.kernels.compiled import part
from livebragg.kernels.fit import gather, multiply
from livebragg.kernels.forced import NEIGHBOURS, Forced
from livebragg.kernels.forced_place import tile_of
from livebragg.kernels.forced_sums import (
    add_line,
    dot,
    ring_sums,
    scatter,
    take_out_line,
    weighted_sums,
    write_filter,
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
def corner_of(scratch: Scratch, forced: Forced, k: int) -> int:  # pragma: no cover - compiled
    """Flat position, in the padded image, of the corner of the square of a position's patch."""
    return int(forced.corner[k, 0] * scratch.image.shape[1] + forced.corner[k, 1])


@part()
def put_into_model(plan: Plan, scratch: Scratch, forced: Forced, k: int) -> None:  # pragma: no cover - compiled
    """Add the light of position `k` to the modelled image, if there are neighbours who want to know."""
    if forced.near[k] > 0 and forced.amount[k] > 0.0:
        corner, patch = corner_of(scratch, forced, k), plan.patch[: plan.lit]
        add_line(forced.shape[k], forced.amount[k], corner, patch, scratch.model.reshape(-1))


@part()
def wipe_from_model(plan: Plan, scratch: Scratch, forced: Forced, k: int) -> None:  # pragma: no cover - compiled
    """Zero the modelled image where position `k` lit it."""
    if forced.near[k] > 0:
        corner, patch = corner_of(scratch, forced, k), plan.patch[: plan.lit]
        scatter(scratch.nothing, corner, patch, scratch.model.reshape(-1))


@part()
def write_equation(
    plan: Plan, scratch: Scratch, forced: Forced, k: int, second: bool
) -> None:  # pragma: no cover - compiled
    """Intensity of position `k` were it alone, its variance, and what its neighbours add to it.

    The second time, the weights follow from what the first has found.
    """
    pixels, shape, weights = forced.pixels[k], forced.shape[k], forced.lines[2]
    known, use = _gather_lines(plan, scratch, forced, k, second)
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
    forced.deviation[k] = math.sqrt(ww / determinant)
    forced.ground[k] = base * t1 / tt
    if forced.near[k] > 0:
        write_filter(weights, shape, ww / determinant, -t1 / determinant)
        _pull_neighbours(plan, forced, k)


@part()
def _gather_lines(
    plan: Plan, scratch: Scratch, forced: Forced, k: int, second: bool
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:  # pragma: no cover - compiled
    """Lines of the other disks as far as known, and of usability; the pixels go to ``forced.pixels``."""
    corner, known, use = corner_of(scratch, forced, k), scratch.nothing, plan.inside_patch
    if not second:
        gather(scratch.image.reshape(-1), corner, plan.patch, forced.pixels[k])
    elif forced.near[k] > 0:
        known = forced.lines[0]
        gather(scratch.model.reshape(-1), corner, plan.patch, known)
        take_out_line(forced.shape[k], max(forced.amount[k], 0.0), known)
    if not forced.clear[k]:
        use = forced.lines[1]
        gather(plan.weight.reshape(-1), corner, plan.patch, use)
        multiply(plan.inside_patch, use)
    return known, use


@part()
def _pull_neighbours(plan: Plan, forced: Forced, k: int) -> None:  # pragma: no cover - compiled
    """Sum the filter of position `k` over the disk of each neighbour, on the rows of pixels that both have."""
    pitch, last = forced.pitch, 2 * plan.reach
    scatter(forced.lines[2], pitch, forced.wide_patch, forced.filter)
    for i in range(min(forced.near[k], NEIGHBOURS)):
        n = forced.neighbour[k, i]
        down, right = forced.corner[n, 0] - forced.corner[k, 0], forced.corner[n, 1] - forced.corner[k, 1]
        first, end = max(-down, 0), min(last - down, last) + 1
        shift = (down + 1) * pitch + right
        there = forced.filter[first * pitch + shift : end * pitch + shift]
        forced.pull[k, i] = dot(there, forced.wide[n, first * pitch : end * pitch])
