"""Disks of a position sorted into those of crystals, of tiny crystals, and speckle."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray


@njit(cache=True, nogil=True)
def _nearest(radii: NDArray[np.float64], radius: float) -> int:  # pragma: no cover - compiled
    """Index of the nearest of some rising radii."""
    low, high = 0, radii.size - 1
    while high - low > 1:
        middle = (low + high) // 2
        if radii[middle] <= radius:
            low = middle
        else:
            high = middle
    return low if abs(radius - radii[low]) <= abs(radii[high] - radius) else high


@njit(cache=True, nogil=True)
def sort_disks(
    qx: NDArray[np.float32],
    qy: NDArray[np.float32],
    intensity: NDArray[np.float32],
    column: NDArray[np.int32],
    positions: NDArray[np.int64],
    start: NDArray[np.int64],
    count: NDArray[np.int32],
    origin: NDArray[np.float32],
    total: NDArray[np.float32],
    smooth: NDArray[np.float32],
    radii: NDArray[np.float64],
    center_radius: float,
    contrast: float,
    area: float,
    granular_disks: int,
    out_part: NDArray[np.float32],
    out_granular: NDArray[np.bool_],
    out_rings: NDArray[np.float32],
) -> None:  # pragma: no cover - compiled
    """Add up what the disks of some positions hold.

    Parameters
    ----------
    column : NDArray[np.int32], shape (n_disks,)
        Tracked peak of each disk, below 0 for none.
    start, count, origin : shape (n, ...)
        Disks and origin of each of `positions`; the arrays below have a row for every position of the scan.
    total : NDArray[np.float32], shape (n_positions,)
        Counts of the frames.
    smooth : NDArray[np.float32], shape (n_positions, bins)
        Part of the beam per pixel between the disks at `radii`.
    center_radius : float
        Disks nearer to the origin are the direct beam, in pixels.
    contrast, area : float
        A disk of this area in pixels is bright with so many times the smooth scattering under it.
    granular_disks : int
        Bright disks on no tracked peak, more than on tracked ones, that make a position granular.
    out_part : NDArray[np.float32], shape (n_positions, 2)
        Part of the beam in disks on tracked peaks, and in other bright disks.
    out_granular : NDArray[np.bool_], shape (n_positions,)
    out_rings : NDArray[np.float32], shape (n_positions, ring_bins + 1)
        The latter by radius, and how much of it points the same way.
    """
    n_rings = out_rings.shape[1] - 1
    width = max((radii[-1] - radii[0]) / n_rings, 1e-6)
    for i in range(positions.size):
        p = positions[i]
        electrons = max(total[p], np.float32(1.0))
        other = known = 0
        for d in range(start[i], start[i] + count[i]):
            x, y = float(qx[d] - origin[i, 0]), float(qy[d] - origin[i, 1])
            radius = np.sqrt(x * x + y * y)
            if not radius > center_radius:  # also where there is no origin
                continue
            below = smooth[p, _nearest(radii, radius)] * area + 1.0 / electrons
            known += column[d] >= 0
            other += column[d] < 0 and intensity[d] / electrons > contrast * below
        granular = other >= granular_disks and other > known
        out_granular[p] = granular
        out_part[p, :] = 0.0
        out_rings[p, :] = 0.0
        along_x = along_y = 0.0
        for d in range(start[i], start[i] + count[i]):
            x, y = float(qx[d] - origin[i, 0]), float(qy[d] - origin[i, 1])
            radius = np.sqrt(x * x + y * y)
            if not radius > center_radius:
                continue
            part = intensity[d] / electrons
            # Disks of tiny crystals hit tracked peaks by chance.
            if column[d] >= 0 and not granular:
                out_part[p, 0] += part
                continue
            below = smooth[p, _nearest(radii, radius)] * area + 1.0 / electrons
            if not part > contrast * below:
                continue
            out_part[p, 1] += part
            ring = min(max(int((radius - radii[0]) / width), 0), n_rings - 1)
            out_rings[p, ring] += part
            # A disk and its Friedel mate point the same way at twice their angle.
            along_x += part * (x * x - y * y) / (radius * radius)
            along_y += part * 2.0 * x * y / (radius * radius)
        out_rings[p, n_rings] = np.sqrt(along_x * along_x + along_y * along_y)
