"""The patch about a place: what is there beside the other disks, and without the slope of the background."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from livebragg.kernels.compiled import part
from livebragg.kernels.fit import PHASES, gather, level_out, multiply, phase_of, subtract, take_out
from livebragg.kernels.modelled import corner_of, put
from livebragg.kernels.near import ALONE
from livebragg.kernels.plan import Plan, Scratch


@part()
def gather_patch(
    plan: Plan, scratch: Scratch, k: int, pixel_row: int, pixel_col: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:  # pragma: no cover - compiled
    """Lines of the patch about a pixel: other disks, and usability; image without them in ``scratch.patch[0]``."""
    pixels, known, use = scratch.patch[0], scratch.nothing, plan.inside_patch
    where = scratch.where
    fresh = where[0] != k or where[1] != pixel_row or where[2] != pixel_col
    where[0], where[1], where[2] = k, pixel_row, pixel_col
    corner = corner_of(plan, scratch, pixel_row, pixel_col)
    if fresh:
        gather(scratch.image.reshape(-1), corner, plan.patch, pixels)
    if scratch.crowded[k] != ALONE:
        known = scratch.patch[1]
        if fresh:
            _gather_others(plan, scratch, k, pixel_row, pixel_col, known)
            subtract(known, pixels)
    if fresh:
        _level_out(plan, scratch, pixel_row, pixel_col, pixels)
    rows, cols = plan.clean.shape
    if not (0 <= pixel_row < rows and 0 <= pixel_col < cols) or not plan.clean[pixel_row, pixel_col]:
        use = scratch.patch[2]
        if fresh:
            gather(plan.weight.reshape(-1), corner, plan.patch, use)
            multiply(plan.inside_patch, use)
    return known, use


@part()
def _gather_others(
    plan: Plan, scratch: Scratch, k: int, pixel_row: int, pixel_col: int, out_line: NDArray[np.float32]
) -> None:  # pragma: no cover - compiled
    """Patch of the model without candidate `k` itself."""
    own_row, phase_row, rest_row = phase_of(scratch.place[k, 0])
    own_col, phase_col, rest_col = phase_of(scratch.place[k, 1])
    here = own_row == pixel_row and own_col == pixel_col
    if not here:  # its template does not fit the line
        put(plan, scratch, k, False)
    gather(scratch.model.reshape(-1), corner_of(plan, scratch, pixel_row, pixel_col), plan.patch, out_line)
    if scratch.modelled[k]:
        template = plan.templates[phase_row * PHASES + phase_col]
        take_out(template, scratch.amount[k], rest_row, rest_col, out_line)


@part()
def _level_out(
    plan: Plan, scratch: Scratch, row: int, col: int, pixels: NDArray[np.float32]
) -> None:  # pragma: no cover - compiled
    """Take the slope between the background tiles out of a patch: it would move the disk to the bright side."""
    i, j = tile_of(plan, scratch, row, col)
    rows, cols = plan.clean.shape
    tall, wide = rows / scratch.level.shape[0], cols / scratch.level.shape[1]
    noise = scratch.level[i, j] / (tall * wide)
    above, below = max(i - 1, 0), min(i + 1, scratch.level.shape[0] - 1)
    left, right = max(j - 1, 0), min(j + 1, scratch.level.shape[1] - 1)
    by_row = _slope(scratch.level[above, j], scratch.level[below, j], (below - above) * tall, noise)
    by_col = _slope(scratch.level[i, left], scratch.level[i, right], (right - left) * wide, noise)
    if by_row != 0.0 or by_col != 0.0:
        level_out(plan.steps, by_row, by_col, pixels)


@part()
def _slope(first: float, last: float, distance: float, noise: float) -> float:  # pragma: no cover - compiled
    """Slope between two tiles of variance `noise`, the smaller the less certain it is."""
    rise = last - first
    if rise * rise <= 2.0 * noise or distance <= 0.0:
        return 0.0
    return rise * (1.0 - 2.0 * noise / (rise * rise)) / distance


@part()
def tile_of(
    plan: Plan, scratch: Scratch, row: float, col: float
) -> tuple[int, int]:  # pragma: no cover - compiled
    rows, cols = plan.clean.shape
    tile_rows, tile_cols = scratch.level.shape
    i = min(max(int(row * tile_rows / rows), 0), tile_rows - 1)
    return i, min(max(int(col * tile_cols / cols), 0), tile_cols - 1)
