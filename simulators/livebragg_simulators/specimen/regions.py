"""Which part of the scan belongs to which material: outlines, grains, and the blur between them."""

from __future__ import annotations

from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from livebragg_simulators.specimen.config import SpecimenConfig
from livebragg_simulators.specimen.profiles import AMORPHOUS_PHASES

LEAST_WEIGHT = 0.01
"""Smaller shares of a position are rounded to nothing."""


class Family(StrEnum):
    """The kinds of material that diffract differently."""

    CRYSTAL = "crystal"
    AMORPHOUS = "amorphous"
    POLYCRYSTAL = "polycrystal"
    VACUUM = "vacuum"


def smooth_field(shape: tuple[int, int], rng: np.random.Generator, scale: float = 0.2) -> NDArray[np.float64]:
    """Smooth random field whose largest magnitude is 1; `scale` is its grain size over the scan's."""
    noise = rng.standard_normal(shape)
    field = ndimage.gaussian_filter(noise, [scale * n for n in shape], mode="wrap", truncate=3.0)
    field -= field.mean()
    return np.asarray(field / max(np.abs(field).max(), 1e-12), np.float64)


def smooth_fields(shape: tuple[int, int], rng: np.random.Generator, count: int) -> NDArray[np.float64]:
    return np.stack([smooth_field(shape, rng) for _ in range(count)], axis=-1)


def warped_coordinates(
    config: SpecimenConfig, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Row and column from 0 to 1, bent a little so that regions get natural outlines."""
    rows, cols = ((np.arange(n) + 0.5) / n for n in config.scan_shape)
    u, v = np.meshgrid(rows, cols, indexing="ij")
    shape = config.scan_shape
    return u + 0.04 * smooth_field(shape, rng, 0.08), v + 0.04 * smooth_field(shape, rng, 0.08)


def special_regions(
    config: SpecimenConfig, u: NDArray[np.float64], v: NDArray[np.float64]
) -> tuple[NDArray[np.int64], list[tuple[Family, str]]]:
    """Regions that are not grains: their running number, -1 elsewhere, and what they are."""
    special = np.full(u.shape, -1)
    names: list[tuple[Family, str]] = []
    depth = v + 0.35 * (u - 0.45) ** 2  # the specimen's rim is a shallow arc on the right
    rim = 0.86 if config.vacuum else 1.1
    if config.three_amorphous:
        third = np.clip(np.floor(3 * u), 0, 2).astype(int)
        special = np.where(depth > rim - 0.45, third, special)
        names += [(Family.AMORPHOUS, phase) for phase in AMORPHOUS_PHASES]
    elif config.amorphous:
        special = np.where(depth > min(rim, 1.0) - 0.16, 0, special)
        names.append((Family.AMORPHOUS, AMORPHOUS_PHASES[0]))
    if config.polycrystal:
        special = np.where(((u - 0.8) / 0.24) ** 2 + ((v - 0.18) / 0.26) ** 2 < 1, len(names), special)
        names.append((Family.POLYCRYSTAL, "au"))
    if config.vacuum:
        special = np.where(depth > rim, len(names), special)
        names.append((Family.VACUUM, "vacuum"))
    return special, names


def grain_regions(
    config: SpecimenConfig, rng: np.random.Generator, special: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Component region of each position: Voronoi cells of well-spread seeds where nothing special lies."""
    if config.n_grains == 0:
        return np.maximum(special, 0)
    region = np.where(special >= 0, special + config.n_grains, -1)
    places = np.argwhere(region < 0).astype(np.float64)
    if len(places) == 0:
        return region
    wobble = 0.03 * max(config.scan_shape) * smooth_fields(config.scan_shape, rng, 2)
    places += wobble[region < 0]
    if config.order_disorder:
        places[:, 1] *= 0.2  # long grains along the rows, so that each fades from ordered to disordered
    seeds = places[rng.choice(len(places), config.n_grains, replace=len(places) < config.n_grains)]
    for _ in range(6):  # Lloyd's relaxation: grains of similar size
        nearest = _nearest(places, seeds)
        count = np.maximum(np.bincount(nearest, minlength=len(seeds)), 1)
        for axis in range(2):
            moved = np.bincount(nearest, places[:, axis], len(seeds)) / count
            seeds[:, axis] = np.where(moved > 0, moved, seeds[:, axis])
    region[region < 0] = _nearest(places, seeds)
    return region


def _nearest(places: NDArray[np.float64], seeds: NDArray[np.float64]) -> NDArray[np.int64]:
    return np.asarray(cKDTree(seeds).query(places)[1], np.int64)


def blurred(region: NDArray[np.int64], n_regions: int, blur: float) -> NDArray[np.float32]:
    weights = np.empty((n_regions, *region.shape), np.float32)
    for number in range(n_regions):
        share = (region == number).astype(np.float32)
        weights[number] = ndimage.gaussian_filter(share, blur, mode="nearest") if blur > 0 else share
    weights[weights < LEAST_WEIGHT] = 0
    return np.asarray(weights / weights.sum(axis=0), np.float32)
