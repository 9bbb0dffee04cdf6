"""The plate beside the class map: the families, and in each its classes with their diffraction patterns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from livebragg.wire.messages import ClassMaps, ClassProfiles
from livebragg_dashboards.drawing.colours import SLOTS, slot_of
from livebragg_dashboards.words import clean, percent

MAX_CLASSES = 24
PROFILED = ("amorphous", "polycrystal", "no_bragg")
"""Families whose radial profile is what tells one class from another."""

_FAMILIES = {
    "crystal": "Crystals",
    "polycrystal": "Polycrystals",
    "amorphous": "Amorphous",
    "no_bragg": "No Bragg peaks",
    "vacuum": "Vacuum",
}


@dataclass(frozen=True, slots=True)
class Tiles:
    """Patterns of the classes on the plate, as 8-bit pictures."""

    ids: list[str]
    """Texts: a foreign id may be too large for a number of the browser."""
    pixels: list[NDArray[np.uint8]]


@dataclass(frozen=True, slots=True)
class Curves:
    """Radial profiles of classes, each from 0 to about 1."""

    x: list[NDArray[np.float64]]
    """Scattering vector, in 1/Angstrom when the pixel size is known, else in detector pixels."""
    y: list[NDArray[np.float64]]
    colours: list[str]


NO_TILES = Tiles([], [])
NO_CURVES = Curves([], [], [])


def on_plate(maps: ClassMaps) -> list[int]:
    """Places, in the lists of classes, of those that are shown.

    Only classes with positions, the largest ones if there are too many; in the order of their ids, so that a class
    stays in its place while the areas change.
    """
    present = [i for i, n in enumerate(maps.class_counts) if n > 0]
    largest = sorted(present, key=lambda i: (-maps.class_counts[i], maps.class_ids[i]))[:MAX_CLASSES]
    return sorted(largest, key=lambda i: maps.class_ids[i])


def colour_of(maps: ClassMaps, place: int) -> str:
    """Colour of a class by its place in the lists."""
    return SLOTS[slot_of(maps.class_ids[place], maps.class_families[place])]


def families(maps: ClassMaps, positions: int) -> list[dict[str, Any]]:
    """Families that are present, each with its classes and the part of the scanned area.

    Parameters
    ----------
    maps : ClassMaps
    positions : int
        Positions that have been scanned.
    """
    total, shown = max(1, positions), on_plate(maps)
    names = [*_FAMILIES, *sorted({maps.class_families[i] for i in shown} - set(_FAMILIES))]
    groups = []
    for name in names:
        members = [i for i in shown if maps.class_families[i] == name]
        if members:
            part = sum(
                n for n, f in zip(maps.class_counts, maps.class_families, strict=True) if f == name and n > 0
            )
            groups.append({
                "title": _FAMILIES.get(name, clean(name, 20)), "area": percent(min(1.0, part / total)),
                "classes": [_card(maps, i, total) for i in members],
            })  # fmt: skip
    return groups


def _card(maps: ClassMaps, place: int, total: int) -> dict[str, Any]:
    fraction = min(1.0, maps.class_counts[place] / total)
    return {
        "id": str(maps.class_ids[place]),
        "colour": colour_of(maps, place),
        "name": clean(maps.class_names[place], 40) or clean(f"Class {maps.class_ids[place]}", 40),
        "fraction": fraction,
        "area": percent(fraction),
    }


def tiles(maps: ClassMaps, pictures: dict[int, NDArray[np.uint8]]) -> Tiles:
    """Patterns of the classes on the plate that have one."""
    ids = [maps.class_ids[i] for i in on_plate(maps) if maps.class_ids[i] in pictures]
    return Tiles([str(i) for i in ids], [pictures[i] for i in ids])


def curves(maps: ClassMaps, message: ClassProfiles, q_pixel_size: float | None, beam_radius: float) -> Curves:
    """Radial profiles times radius; those of amorphous and polycrystalline classes if there are any, else all.

    Parameters
    ----------
    maps : ClassMaps
    message : ClassProfiles
    q_pixel_size : float or None
        1/Angstrom per detector pixel.
    beam_radius : float
        Radius of the disks in pixels. Twice as far out begins what is scaled to 1, else the direct beam would
        make everything small.
    """
    shown = on_plate(maps)
    profiled = [i for i in shown if maps.class_families[i] in PROFILED]
    rows = {class_id: k for k, class_id in enumerate(message.class_ids)}
    radii = message.radii.astype(np.float64)
    outside = radii > 2 * beam_radius
    made = Curves([], [], [])
    for i in profiled or shown:
        if maps.class_ids[i] not in rows:
            continue
        y = message.profiles[rows[maps.class_ids[i]], 0] * radii
        known = np.isfinite(y)
        top = np.max(y[known & outside], initial=0.0)
        if top > 0:
            made.x.append(radii[known & outside] * (q_pixel_size or 1.0))
            made.y.append(y[known & outside] / top)
            made.colours.append(colour_of(maps, i))
    return made
