"""Diffuse background on the scale of several disks: robust means over tiles, and how far to trust them.

Where counts are scarce, a ring about a disk holds too few of them to tell the background under the disk. The
tiles then say what to expect, as `trust` pseudo-counts that are added to those of the ring: with few counts in
the ring the tile decides, with many the ring does. Trust is low where neighbouring tiles differ.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

_ROUNDS = 4
"""Rounds of clipping cells that hold (part of) a disk."""

_CLIP = 2.0
"""Cells brighter than this many standard deviations above the mean are clipped."""

_MOST_TRUST = 30.0
"""Pseudo-counts of a tile amid equal tiles."""

_LEAST_TRUST = 1.0
_LEAST_COUNTS = 0.5
"""Counts of a tile in which none was seen: it is dark, but not known to be black."""


@njit(cache=True, nogil=True, error_model="numpy")
def cell_sums(
    prefix: NDArray[np.int32], margin: int, cell: int, unit: float, out_cells: NDArray[np.float32]
) -> None:  # pragma: no cover - compiled
    """Sums over square cells of `cell` bins; those at the far edges may be cut.

    Parameters
    ----------
    prefix : NDArray[np.int32]
        From `column_prefix`.
    unit : float
        Electrons per unit of `prefix`.
    out_cells : NDArray[np.float32], shape (cell_rows, cell_cols)
    """
    rows, cols = prefix.shape[0] - 2 * margin - 1, prefix.shape[1] - 2 * margin
    for i in range(out_cells.shape[0]):
        top = prefix[margin + i * cell, margin : margin + cols]
        bottom = prefix[margin + min((i + 1) * cell, rows), margin : margin + cols]
        target = out_cells[i]
        for j in range(target.size):
            total = np.int32(0)
            for c in range(j * cell, min((j + 1) * cell, cols)):
                total += np.int32(bottom[c] - top[c])
            target[j] = np.float32(total) * np.float32(unit)


@njit(cache=True, nogil=True, error_model="numpy")
def tile_background(
    cells: NDArray[np.float32],
    areas: NDArray[np.float32],
    pixel_variance: float,
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
    out_level, out_trust : NDArray[np.float64], shape (tile_rows, tile_cols)
        Electrons per pixel, above 0; counts.
    """
    for i in range(out_level.shape[0]):
        for j in range(out_level.shape[1]):
            level, area = _clipped_mean(cells, areas, pixel_variance, out_level.shape, i, j)
            out_level[i, j] = max(level, _LEAST_COUNTS / max(area, 1.0))
            out_trust[i, j] = area
    _trust(out_level, pixel_variance, out_trust)


@njit(cache=True, nogil=True, error_model="numpy")
def _clipped_mean(
    cells: NDArray[np.float32],
    areas: NDArray[np.float32],
    pixel_variance: float,
    tiles: tuple[int, int],
    i: int,
    j: int,
) -> tuple[float, float]:  # pragma: no cover - compiled
    """Mean of a tile's cells without those that stand out, and the pixels it is of."""
    rows, cols = cells.shape
    top, bottom = i * rows // tiles[0], (i + 1) * rows // tiles[0]
    left, right = j * cols // tiles[1], (j + 1) * cols // tiles[1]
    level, used = np.inf, 0.0
    for _ in range(_ROUNDS):
        total, area = 0.0, 0.0
        for r in range(top, bottom):
            for c in range(left, right):
                expected = level * areas[r, c]
                spread = _CLIP * math.sqrt(expected + pixel_variance * areas[r, c])
                if cells[r, c] <= expected + spread + 0.5:
                    total += cells[r, c]
                    area += areas[r, c]
        if area <= 0.0:
            break
        level, used = max(total / area, 0.0), area
    return (level, used) if used > 0.0 else (0.0, 0.0)


@njit(cache=True, nogil=True, error_model="numpy")
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
