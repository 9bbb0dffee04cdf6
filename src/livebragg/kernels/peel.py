"""The background once more, without the disks found so far."""

from __future__ import annotations

from livebragg.kernels.background import tile_background
from livebragg.kernels.compiled import part
from livebragg.kernels.near import DISK, NONE
from livebragg.kernels.plan import THRESHOLD, Plan, Scratch

_SCARCE = 2.0
"""Electrons of background in a disk above which its surroundings tell it well enough."""

NEAR = 0.6
"""Part of the significance needed from which a refused candidate is tried again."""

LOWER = 0.8
"""Part of what it was to which the background of a tile must fall for that."""


@part()
def lower_background(plan: Plan, scratch: Scratch, count: int) -> bool:  # pragma: no cover - compiled
    """Take the disks found so far out of the background tiles; whether that made a difference.

    Where most of the light is that of weak disks, the tiles take much of it for background at first, and only
    the stronger ones stand out; without their light the next ones do.
    """
    rows, cols = scratch.free_area.shape
    near, refused = NEAR * scratch.least[THRESHOLD], False
    for i in range(rows):
        for j in range(cols):
            scratch.free_area[i, j] = plan.cell_area[i, j]
    tall, wide = plan.cell[0] * plan.binning[0], plan.cell[1] * plan.binning[1]
    for k in range(count):
        if scratch.state[k] != DISK:
            refused = refused or (scratch.state[k] == NONE and scratch.rating[k] >= near)
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
            lower = lower or (level[i, j] < LOWER * old[i, j] and level[i, j] * plan.whole_disk < _SCARCE)
            level[i, j] = min(level[i, j], old[i, j])
    return lower
