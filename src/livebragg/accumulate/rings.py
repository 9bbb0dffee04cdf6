"""Counts within a ring about the beam, from radial profiles and disks: no frame is read again.

The frame within a ring is what the profile says of it, mean times pixels, with the disks put back on top: a disk's
intensity is what it adds to its surroundings. A disk that the ring's edge cuts counts with the part of its area
that lies within.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from livebragg.accumulate.vector_map import placed_disks
from livebragg.accumulate.vectors import VectorView


def ring_pixels(
    usable: NDArray[np.bool_], center: tuple[float, float], radii: NDArray[np.float32], inner: float, outer: float
) -> NDArray[np.float64]:
    """Pixels of a frame within a ring, by bin of its profile, shape (bins,).

    Parameters
    ----------
    usable : NDArray[np.bool_], shape (frame_rows, frame_cols)
        False at bad pixels, which count nowhere.
    center : tuple of float
        The beam (row, column).
    radii : NDArray[np.float32], shape (bins,)
        Middles of the profile's bins, which begin at the beam and are equally wide; what lies beyond the last one
        (corners) is taken to be as bright as that.
    inner, outer : float
        In pixels; ``inner <= distance < outer`` is within.
    """
    row, col = (np.arange(n) - c for n, c in zip(usable.shape, center, strict=True))
    distance = np.hypot(row[:, None], col)
    inside = distance[usable & (distance >= inner) & (distance < outer)]
    bins = np.minimum((inside / (2.0 * radii[0])).astype(np.int64), radii.size - 1)
    return np.bincount(bins, minlength=radii.size).astype(np.float64)


def without_gaps(profiles: NDArray[np.float32]) -> NDArray[np.float32]:
    """Copies of profiles, shape (n, bins), in which a bin that disks cover wholly is as the next one farther out
    (the last ones: as the next one farther in); 0 where nothing is known at all."""
    filled = profiles.copy()
    bins = filled.shape[1]
    for k, beside in [(k, k + 1) for k in range(bins - 2, -1, -1)] + [(k, k - 1) for k in range(1, bins)]:
        unknown = ~np.isfinite(filled[:, k])
        filled[unknown, k] = filled[unknown, beside]
    return np.nan_to_num(filled, copy=False, nan=0.0, posinf=0.0, neginf=0.0)


def ring_of_disks(
    vectors: VectorView, origins: NDArray[np.float32], inner: float, outer: float, disk_radius: float
) -> NDArray[np.float32]:
    """Summed intensity of each position's disks within a ring about its origin, cut disks in part.

    Parameters
    ----------
    origins : NDArray[np.float32], shape (n_positions, 2)
        Origin of every position in detector pixels, as are all radii; NaN where there is none.

    Returns
    -------
    NDArray[np.float32], shape (n_positions,)
        Counts; NaN where a position has no origin.
    """
    owner, qx, qy = placed_disks(vectors, origins)
    distance = np.hypot(qx, qy)
    part = part_within(distance, disk_radius, outer) - part_within(distance, disk_radius, inner)
    image = np.bincount(owner, part * vectors.intensity, vectors.count.size).astype(np.float32)
    image[~np.isfinite(origins[:, 0])] = np.nan
    return image


def part_within(distance: NDArray[np.float32], disk_radius: float, limit: float) -> NDArray[np.float64]:
    """Part of each disk's area that lies within `limit` of the origin.

    Parameters
    ----------
    distance : NDArray[np.float32], shape (n_disks,)
        Of their centres from the origin; all in one unit.

    Examples
    --------
    >>> part_within(np.array([1.0, 10.0, 19.0]), 2.0, 10.0).round(1).tolist()
    [1.0, 0.5, 0.0]
    """
    d, r = np.asarray(distance, np.float64), float(disk_radius)
    smaller = min(1.0, (limit / r) ** 2)
    part = np.where(d <= abs(limit - r), smaller, 0.0)
    cut = (d > abs(limit - r)) & (d < limit + r)
    if limit > 0 and cut.any():
        part[cut] = _lens(d[cut], r, limit) / (np.pi * r * r)
    return part


def _lens(d: NDArray[np.float64], r: float, limit: float) -> NDArray[np.float64]:
    """Area that two circles have in common, their centres `d` apart."""
    a = np.clip((d * d + r * r - limit * limit) / (2 * d * r), -1, 1)
    b = np.clip((d * d + limit * limit - r * r) / (2 * d * limit), -1, 1)
    corner = (-d + r + limit) * (d + r - limit) * (d - r + limit) * (d + r + limit)
    area = r * r * np.arccos(a) + limit * limit * np.arccos(b) - np.sqrt(np.maximum(corner, 0)) / 2
    return np.asarray(area, np.float64)
