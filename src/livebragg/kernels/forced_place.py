"""Where the listed positions are: how much of each disk is seen, who is near whom, which background is free."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from livebragg.kernels.compiled import part
from livebragg.kernels.fit import PHASES, phase_of
from livebragg.kernels.forced import NEIGHBOURS, Forced
from livebragg.kernels.forced_sums import filtered, scatter, write_template
from livebragg.kernels.plan import Plan, Scratch
from livebragg.kernels.virtual import weighted_sum

_LEAST_USABLE = 0.5
"""Part of a disk's light that must be on usable pixels for its intensity to be reported."""

_LEAST_SEEN = 0.1
"""Part from which a disk is measured, so that what is seen of it is not taken for its neighbours' light."""

_HALO = 1.0
"""How far from a disk's edge, in pixels, the background is free of it."""


@part()
def place_positions(
    plan: Plan, forced: Forced, positions: NDArray[np.float64], row: float, col: float
) -> None:  # pragma: no cover - compiled
    """Note the positions, `row` and `col` pixels farther than given, and everything that follows from them."""
    for k in range(positions.shape[0]):
        forced.place[k, 0], forced.place[k, 1] = positions[k, 0] + row, positions[k, 1] + col
        _look_at(plan, forced, k)
    _list_active(plan, forced, positions.shape[0])
    for k in range(positions.shape[0]):
        forced.near[k] = 0
        if forced.active[k]:
            _find_neighbours(plan, forced, k)
    for k in range(positions.shape[0]):
        for i in range(min(forced.near[k], NEIGHBOURS)):
            forced.back[k, i] = place_among(forced, forced.neighbour[k, i], k)
    _free_cells(plan, forced, positions.shape[0])


@part()
def _look_at(plan: Plan, forced: Forced, k: int) -> None:  # pragma: no cover - compiled
    """How much of a disk's light is on usable pixels, and what is done about it."""
    row, col = forced.place[k, 0], forced.place[k, 1]
    rows, cols = plan.clean.shape
    far = 2.0 * plan.reach
    forced.usable[k], forced.clear[k], forced.active[k], forced.wanted[k] = 0.0, False, False, False
    if -far < row < rows + far and -far < col < cols + far:  # false for NaN
        forced.clear[k] = _is_clear(plan, row, col)
        forced.usable[k] = 1.0 if forced.clear[k] else _usable_light(plan, row, col)
        room = plan.pad - plan.reach - 2  # beyond, the patch would leave the padded image
        inside = -room < row < rows - 1 + room and -room < col < cols - 1 + room
        forced.active[k] = inside and forced.usable[k] >= _LEAST_SEEN
        if forced.active[k]:
            _write_shape(plan, forced, k)
        centred = -0.5 <= row <= rows - 0.5 and -0.5 <= col <= cols - 0.5
        forced.wanted[k] = centred and forced.usable[k] >= _LEAST_USABLE


@part()
def _write_shape(plan: Plan, forced: Forced, k: int) -> None:  # pragma: no cover - compiled
    """Corner of the square of a position's patch, and its disk there."""
    row, phase_row, rest_row = phase_of(forced.place[k, 0])
    col, phase_col, rest_col = phase_of(forced.place[k, 1])
    forced.corner[k, 0], forced.corner[k, 1] = row + plan.pad - plan.reach, col + plan.pad - plan.reach
    write_template(plan.templates[phase_row * PHASES + phase_col], rest_row, rest_col, forced.shape[k])
    scatter(forced.shape[k], 0, forced.wide_patch[: plan.lit], forced.wide[k])


@part()
def _is_clear(plan: Plan, row: float, col: float) -> bool:  # pragma: no cover - compiled
    """Whether all pixels of a disk's patch can be used."""
    pixel_row, _, _ = phase_of(row)
    pixel_col, _, _ = phase_of(col)
    rows, cols = plan.clean.shape
    return bool(0 <= pixel_row < rows and 0 <= pixel_col < cols and plan.clean[pixel_row, pixel_col])


@part()
def _usable_light(plan: Plan, row: float, col: float) -> float:  # pragma: no cover - compiled
    """Part of the light of a disk, anywhere near the frame, that is on usable pixels."""
    pixel_row, phase_row, _ = phase_of(row)
    pixel_col, phase_col, _ = phase_of(col)
    shape = plan.templates[phase_row * PHASES + phase_col, 0]
    height, width = plan.weight.shape
    top, left = pixel_row + plan.pad - plan.reach, pixel_col + plan.pad - plan.reach
    side = 2 * plan.reach
    if 0 <= top < height - side and 0 <= left < width - side:
        lit, steps = shape[: plan.lit], plan.patch[: plan.lit]
        light = filtered(lit, top * width + left, steps, plan.weight.reshape(-1))
        return min(max(light / weighted_sum(lit, plan.inside_patch[: plan.lit]), 0.0), 1.0)
    seen = whole = 0.0
    for i in range(plan.lit):
        step = np.int64(plan.patch[i])
        r, c = top + step // width, left + step % width
        whole += shape[i]
        if 0 <= r < height and 0 <= c < width:
            seen += shape[i] * plan.weight[r, c]
    return min(max(seen / whole, 0.0), 1.0)


@part()
def _list_active(plan: Plan, forced: Forced, count: int) -> None:  # pragma: no cover - compiled
    """Put the active positions into the lists of their squares, so that the cost grows with their number."""
    head = forced.head
    for i in range(head.shape[0]):
        for j in range(head.shape[1]):
            head[i, j] = -1
    for k in range(count):
        if forced.active[k]:
            i, j = _square_of(plan, forced, k)
            forced.link[k] = head[i, j]
            head[i, j] = k


@part()
def _square_of(plan: Plan, forced: Forced, k: int) -> tuple[int, int]:  # pragma: no cover - compiled
    """Square of a position; what lies outside the frame belongs to the nearest."""
    i = int(max(forced.place[k, 0], 0.0) * plan.per_square)
    j = int(max(forced.place[k, 1], 0.0) * plan.per_square)
    return min(i, forced.head.shape[0] - 1), min(j, forced.head.shape[1] - 1)


@part()
def _find_neighbours(plan: Plan, forced: Forced, k: int) -> None:  # pragma: no cover - compiled
    """Note the positions whose light reaches into the patch of position `k`."""
    i, j = _square_of(plan, forced, k)
    row, col = forced.place[k, 0], forced.place[k, 1]
    for a in range(max(i - 1, 0), min(i + 2, forced.head.shape[0])):
        for b in range(max(j - 1, 0), min(j + 2, forced.head.shape[1])):
            n = forced.head[a, b]
            while n >= 0 and forced.near[k] <= NEIGHBOURS:
                square = (forced.place[n, 0] - row) ** 2 + (forced.place[n, 1] - col) ** 2
                if n != k and square <= plan.touch**2:
                    if forced.near[k] < NEIGHBOURS:
                        forced.neighbour[k, forced.near[k]] = n
                    forced.near[k] += 1
                n = forced.link[n]


@part()
def place_among(forced: Forced, k: int, n: int) -> int:  # pragma: no cover - compiled
    """Place of position `n` in the list of neighbours of position `k`, -1 if it is not there."""
    for i in range(min(forced.near[k], NEIGHBOURS)):
        if forced.neighbour[k, i] == n:
            return i
    return -1


@part()
def _free_cells(plan: Plan, forced: Forced, count: int) -> None:  # pragma: no cover - compiled
    """Leave the cells with listed disks out of the coarse background, whatever their light: so it has no bias."""
    area = forced.area
    for i in range(area.shape[0]):
        for j in range(area.shape[1]):
            area[i, j] = plan.cell_area[i, j]
    tall, wide = plan.cell[0] * plan.binning[0], plan.cell[1] * plan.binning[1]
    radius = 0.5 * plan.overlap + _HALO
    for k in range(count):
        if not forced.active[k]:
            continue
        row, col = forced.place[k, 0] + 0.5, forced.place[k, 1] + 0.5
        top, bottom = math.floor((row - radius) / tall), math.floor((row + radius) / tall)
        left, right = math.floor((col - radius) / wide), math.floor((col + radius) / wide)
        for i in range(max(int(top), 0), min(int(bottom) + 1, area.shape[0])):
            away = max(i * tall - row, row - (i + 1) * tall, 0.0)
            for j in range(max(int(left), 0), min(int(right) + 1, area.shape[1])):
                aside = max(j * wide - col, col - (j + 1) * wide, 0.0)
                if away**2 + aside**2 < radius**2:
                    area[i, j] = 0.0


@part()
def tile_of(plan: Plan, scratch: Scratch, row: float, col: float) -> tuple[int, int]:  # pragma: no cover
    """Tile of the coarse background a position belongs to."""
    rows, cols = plan.clean.shape
    tile_rows, tile_cols = scratch.level.shape
    i = min(max(int(row * tile_rows / rows), 0), tile_rows - 1)
    return i, min(max(int(col * tile_cols / cols), 0), tile_cols - 1)
