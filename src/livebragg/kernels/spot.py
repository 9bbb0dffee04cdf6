"""Where disks may be: sums, background and excess of the frame, and the maxima of that."""

from __future__ import annotations

import math

import numpy as np

from livebragg.kernels.background import cell_sums, tile_background
from livebragg.kernels.compiled import part
from livebragg.kernels.maxima import find_maxima, sort_descending
from livebragg.kernels.patch import tile_of
from livebragg.kernels.plan import THRESHOLD, Plan, Scratch
from livebragg.kernels.score import FEW, excess_map, excess_variance
from livebragg.kernels.sums import column_prefix, window_sums

_LARGEST_SUM = 2.0**29
"""Sums over a box stay below this, so that 32-bit differences are exact."""

_FINEST = 256.0
"""Units per electron of an image of small numbers that may not be whole."""


@part()
def sum_up(plan: Plan, scratch: Scratch, top: float) -> float:  # pragma: no cover - compiled
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
    for i in range(scratch.level.shape[0]):  # nothing is darker than before yet, least of all the frame before
        for j in range(scratch.level.shape[1]):
            scratch.old_level[i, j] = scratch.level[i, j]
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
def spot_candidates(plan: Plan, scratch: Scratch, unit: float) -> int:  # pragma: no cover - compiled
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
        plan.loose / plan.threshold * scratch.least[THRESHOLD],
        scratch.tile_lines,
        scratch.excess,
    )
    count = find_maxima(scratch.excess, scratch.marks, scratch.bin_row, scratch.bin_col, scratch.height)
    count = min(count, scratch.bin_row.size)
    sort_descending(scratch.height, count, scratch.order)
    for k in range(count):
        _locate(plan, scratch, unit, k)
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
    i, j = tile_of(plan, scratch, row, col)
    share = plan.whole_ring / (plan.whole_ring + scratch.trust[i, j] / scratch.level[i, j])
    scale = plan.ratio[scratch.bin_row[k], scratch.bin_col[k]] * share
    variance = excess_variance(scratch.ground[k], scale, FEW + scratch.noise[1] * plan.whole_disk)
    scratch.rating[k] = scratch.height[k] / math.sqrt(variance)
