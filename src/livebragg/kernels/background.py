"""Diffuse background on the scale of several disks: robust means over tiles, and how far to trust them.

Where counts are scarce, a ring about a disk holds too few of them to tell the background under the disk. The
tiles then say what to expect, as `trust` pseudo-counts that are added to those of the ring: with few counts in
the ring the tile decides, with many the ring does. Trust is low where neighbouring tiles differ.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from livebragg.kernels.compiled import fast_sums, kernel

_ROUNDS = 3
"""Rounds of clipping cells that hold (part of) a disk."""

_UNLIMITED = 1e30
"""Limit of the first round; not infinite, because that times the area of a masked cell is no number."""

_CLIP = 2.0
"""Cells brighter than this many standard deviations above the mean are clipped."""

_MOST_TRUST = 100.0
"""Pseudo-counts of a tile amid equal tiles."""

_LEAST_TRUST = 1.0
_LEAST_COUNTS = 0.5
"""Counts of a frame in which none was seen."""


@kernel()
def cell_sums(
    prefix: NDArray[np.int32],
    margin: int,
    cell: tuple[int, int],
    unit: float,
    line: NDArray[np.int32],
    out_cells: NDArray[np.float32],
) -> None:  # pragma: no cover - compiled
    """Sums over cells of some rows and columns of bins; those at the far edges may be cut.

    Parameters
    ----------
    prefix : NDArray[np.int32]
        From `column_prefix`.
    line : NDArray[np.int32], at least bin_cols long
        Scratch.
    unit : float
        Electrons per unit of `prefix`.
    out_cells : NDArray[np.float32], shape (cell_rows, cell_cols)
    """
    rows, cols = prefix.shape[0] - 2 * margin - 1, prefix.shape[1] - 2 * margin
    tall, wide = cell
    for i in range(out_cells.shape[0]):
        top = prefix[margin + i * tall, margin : margin + cols]
        bottom = prefix[margin + min((i + 1) * tall, rows), margin : margin + cols]
        for c in range(cols):
            line[c] = bottom[c] - top[c]
        target = out_cells[i]
        for j in range(target.size):
            total = np.int32(0)
            for c in range(j * wide, min((j + 1) * wide, cols)):
                total += line[c]
            target[j] = np.float32(total) * np.float32(unit)


@kernel()
def tile_background(
    cells: NDArray[np.float32],
    areas: NDArray[np.float32],
    pixel_variance: float,
    lines: NDArray[np.float32],
    out_level: NDArray[np.float64],
    out_trust: NDArray[np.float64],
) -> None:  # pragma: no cover - compiled
    """Background per pixel of every tile, and its weight in pseudo-counts.

    Parameters
    ----------
    cells, areas : NDArray[np.float32], shape (cell_rows, cell_cols)
        Electrons and usable pixels of each cell.
    pixel_variance : float
        Read-noise variance of a pixel.
    lines : NDArray[np.float32], shape (3, cell_cols)
        Scratch.
    out_level, out_trust : NDArray[np.float64], shape (tile_rows, tile_cols)
        Electrons per pixel, above 0; counts.
    """
    tiles = out_level.shape
    rows, cols = cells.shape
    for i in range(tiles[0]):
        top, bottom = i * rows // tiles[0], (i + 1) * rows // tiles[0]
        lines[0] = _UNLIMITED
        for _ in range(_ROUNDS):
            _add_up(cells[top:bottom], areas[top:bottom], lines)
            for j in range(tiles[1]):
                left, right = j * cols // tiles[1], (j + 1) * cols // tiles[1]
                whole = _largest(areas[top:bottom, left:right])
                level, area = _mean(lines[1, left:right], lines[2, left:right])
                out_level[i, j], out_trust[i, j] = level, area
                lines[0, left:right] = _limit(level, max(float(whole), 1.0), pixel_variance)
    _pool(out_level, out_trust)
    _trust(out_level, pixel_variance, out_trust)


@kernel()
def _largest(areas: NDArray[np.float32]) -> float:  # pragma: no cover - compiled
    """Pixels of a tile's largest cell."""
    whole = np.float32(0.0)
    for r in range(areas.shape[0]):
        for c in range(areas.shape[1]):
            whole = max(whole, areas[r, c])
    return float(whole)


@kernel()
def _pool(level: NDArray[np.float64], area: NDArray[np.float64]) -> None:  # pragma: no cover - compiled
    """Add one count of the whole frame's background to each tile: one without any is dark, but not black."""
    counts = pixels = 0.0
    for i in range(level.shape[0]):
        for j in range(level.shape[1]):
            counts += level[i, j] * area[i, j]
            pixels += area[i, j]
    share = max(pixels, 1.0) / max(counts, _LEAST_COUNTS)
    for i in range(level.shape[0]):
        for j in range(level.shape[1]):
            level[i, j] = (level[i, j] * area[i, j] + 1.0) / (area[i, j] + share)


@fast_sums()
def _add_up(
    cells: NDArray[np.float32], areas: NDArray[np.float32], lines: NDArray[np.float32]
) -> None:  # pragma: no cover - compiled
    """Down each column, counts and area of the cells of at most ``lines[0]`` per pixel: to lines 1 and 2."""
    limit, counts, area = lines[0], lines[1], lines[2]
    counts[:] = 0.0
    area[:] = 0.0
    for r in range(cells.shape[0]):
        cell, size = cells[r], areas[r]
        for c in range(cell.size):
            use = np.float32(1.0) if cell[c] <= limit[c] * size[c] else np.float32(0.0)
            counts[c] += use * cell[c]
            area[c] += use * size[c]


@kernel()
def _mean(counts: NDArray[np.float32], areas: NDArray[np.float32]) -> tuple[float, float]:  # pragma: no cover
    """Mean per pixel, at least 0, and the pixels it is of."""
    total = area = 0.0
    for c in range(counts.size):
        total += counts[c]
        area += areas[c]
    return (max(total / area, 0.0), area) if area > 0.0 else (0.0, 0.0)


@kernel()
def _limit(level: float, area: float, pixel_variance: float) -> float:  # pragma: no cover - compiled
    """Brightness per pixel above which a cell of `area` pixels is clipped."""
    expected = level * area
    return (expected + _CLIP * math.sqrt(expected + pixel_variance * area) + 0.5) / area


@kernel()
def _trust(
    level: NDArray[np.float64], pixel_variance: float, trust: NDArray[np.float64]
) -> None:  # pragma: no cover - compiled
    """Replace the areas in `trust` by pseudo-counts: one over the relative variance among neighbouring tiles."""
    rows, cols = level.shape
    for i in range(rows):
        for j in range(cols):
            here = level[i, j]
            square, used = 0.0, 0
            for di, dj in ((0, 1), (1, 0), (0, -1), (-1, 0)):
                a, b = i + di, j + dj
                if 0 <= a < rows and 0 <= b < cols:
                    square += (level[a, b] - here) ** 2
                    used += 1
            noise = (here + pixel_variance) / max(trust[i, j], 1.0)
            relative = max(square / max(used, 1) - 2.0 * noise, 0.0) / here**2
            trust[i, j] = max(1.0 / (relative + 1.0 / _MOST_TRUST), _LEAST_TRUST)
