"""Coarse background of a frame beside the listed disks, with the variance of each tile."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from livebragg.kernels.background import cell_sums
from livebragg.kernels.compiled import kernel, part
from livebragg.kernels.forced import Forced
from livebragg.kernels.plan import Plan, Scratch
from livebragg.kernels.sums import column_prefix

_ROUNDS = 3
"""Rounds of clipping cells that hold disks which are not listed."""

_CLIP = 3.0
"""Cells brighter than this many standard deviations, and one electron, above the mean are clipped."""

_UNEVEN = 0.1
"""Standard deviation of the background within a tile, relative to its level, at least."""

_ELSEWHERE = 2.0
"""The same where the level had to be taken from the rest of the frame."""

_UNKNOWN = 1e12
"""Variance of the background of a frame without a free cell: its disks' own surroundings must tell."""

_LEAST_COUNTS = 0.5
"""Counts of a tile in which none was seen, for its variance: it is dark, but not known to be black."""

_LARGEST_SUM = 2.0**29
"""Sums over a cell stay below this, so that 32-bit differences are exact."""

_FINEST = 256.0
"""Units per electron of an image of small numbers that may not be whole."""


@part()
def measure_tiles(plan: Plan, scratch: Scratch, forced: Forced, top: float) -> None:  # pragma: no cover - compiled
    """Background per pixel of each tile: ``scratch.level``, ``forced.tile_area`` and ``forced.tile_variance``.

    Parameters
    ----------
    top : float
        Largest pixel of the image, in electrons.
    """
    pixels = plan.cell[0] * plan.cell[1] * plan.binning[0] * plan.binning[1]
    scale = min(2.0 ** math.floor(math.log2(_LARGEST_SUM / (max(top, 1.0) * pixels))), _FINEST)
    column_prefix(scratch.image, plan.pad, plan.binning, plan.margin, scale, scratch.prefix)
    cell_sums(scratch.prefix, plan.margin, plan.cell, 1.0 / scale, scratch.lines[0], scratch.cells)
    level_of_tiles(
        scratch.cells, forced.area, scratch.noise[1], scratch.level, forced.tile_area, forced.tile_variance
    )


@kernel()
def level_of_tiles(
    cells: NDArray[np.float32],
    areas: NDArray[np.float32],
    pixel_variance: float,
    out_level: NDArray[np.float64],
    out_area: NDArray[np.float64],
    out_variance: NDArray[np.float64],
) -> None:  # pragma: no cover - compiled
    """Clipped mean of the free cells of every tile, and its variance as the background at a place in the tile.

    The variance is that of the counts, and how much the neighbouring tiles differ beyond theirs.

    Parameters
    ----------
    cells, areas : NDArray[np.float32], shape (cell_rows, cell_cols)
        Electrons of each cell, and its usable pixels, 0 where a disk is listed.
    pixel_variance : float
        Read-noise variance of a pixel.
    out_level, out_area, out_variance : NDArray[np.float64], shape (tile_rows, tile_cols)
        Electrons per pixel, pixels, and electrons per pixel squared.
    """
    tiles = out_level.shape
    rows, cols = cells.shape
    whole, whole_area = clipped_mean(cells, areas, pixel_variance)
    for i in range(tiles[0]):
        top, bottom = i * rows // tiles[0], (i + 1) * rows // tiles[0]
        for j in range(tiles[1]):
            left, right = j * cols // tiles[1], (j + 1) * cols // tiles[1]
            out_level[i, j], out_area[i, j] = clipped_mean(
                cells[top:bottom, left:right], areas[top:bottom, left:right], pixel_variance
            )
    for i in range(tiles[0]):
        for j in range(tiles[1]):
            level = out_level[i, j] if out_area[i, j] > 0.0 else whole
            area = out_area[i, j] if out_area[i, j] > 0.0 else whole_area
            noise = (level + _LEAST_COUNTS / max(area, 1.0) + pixel_variance) / max(area, 1.0)
            least = _UNEVEN if out_area[i, j] > 0.0 else _ELSEWHERE
            uneven = (least * level) ** 2
            if not whole_area > 0.0:
                uneven = _UNKNOWN
            elif out_area[i, j] > 0.0:
                uneven += _unevenness(out_level, out_area, pixel_variance, i, j)
            out_variance[i, j] = noise + uneven
    for i in range(tiles[0]):
        for j in range(tiles[1]):
            if not out_area[i, j] > 0.0:
                out_level[i, j], out_area[i, j] = whole, max(whole_area, 1.0)


@kernel()
def clipped_mean(
    cells: NDArray[np.float32], areas: NDArray[np.float32], pixel_variance: float
) -> tuple[float, float]:  # pragma: no cover - compiled
    """Mean per pixel, at least 0, of the cells that are not far above it, and their pixels."""
    level = area = 0.0
    for turn in range(_ROUNDS):
        counts = pixels = 0.0
        for r in range(cells.shape[0]):
            for c in range(cells.shape[1]):
                size = float(areas[r, c])
                expected = level * size
                limit = expected + _CLIP * math.sqrt(expected + pixel_variance * size) + 1.0
                if size > 0.0 and (turn == 0 or cells[r, c] <= limit):
                    counts += cells[r, c]
                    pixels += size
        if not pixels > 0.0:
            break
        level, area = max(counts / pixels, 0.0), pixels
    return level, area


@kernel()
def _unevenness(
    level: NDArray[np.float64], area: NDArray[np.float64], pixel_variance: float, i: int, j: int
) -> float:  # pragma: no cover - compiled
    """Mean square by which the neighbouring tiles differ, beyond what their counts explain."""
    rows, cols = level.shape
    here = (level[i, j] + pixel_variance) / area[i, j]
    square, used = 0.0, 0
    for di, dj in ((0, 1), (1, 0), (0, -1), (-1, 0)):
        a, b = i + di, j + dj
        if 0 <= a < rows and 0 <= b < cols and area[a, b] > 0.0:
            there = (level[a, b] + pixel_variance) / area[a, b]
            square += (level[a, b] - level[i, j]) ** 2 - here - there
            used += 1
    return max(square / max(used, 1), 0.0)
