"""Class patterns side by side: one tile a class, as large as the panel allows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from livebragg.wire.messages import ClassMaps
from livebragg_dashboards.colours import SLOTS, slot_of
from livebragg_dashboards.orientation import Extent
from livebragg_dashboards.words import clean

MAX_TILES = 24
GAP = 0.08
"""Space between tiles, in widths of a tile."""
LETTER_PX = 6.8
"""Width of a letter of the labels."""


@dataclass(frozen=True, slots=True)
class Mosaic:
    """Tiles in coordinates in which a tile is 1 wide; y runs down."""

    pixels: list[NDArray[np.uint8]]
    x: list[float]
    y: list[float]
    height: float
    """Height of every tile."""
    colours: list[str]
    labels: list[str]
    extent: Extent

    @classmethod
    def empty(cls) -> Mosaic:
        """No classes yet."""
        return cls([], [], [], 1.0, [], [], (0.0, 1.0, 0.0, 1.0))


def by_area(maps: ClassMaps) -> list[int]:
    """Places in the lists of classes, the largest class first."""
    return sorted(range(len(maps.class_ids)), key=lambda i: (-maps.class_counts[i], maps.class_ids[i]))


def best_columns(n: int, tile_height: float, aspect: float) -> int:
    """Columns for which `n` tiles are drawn largest in a panel of this width over height.

    Examples
    --------
    >>> best_columns(6, 1.0, 1.5), best_columns(1, 1.0, 3.0)
    (3, 1)
    """

    def size(columns: int) -> float:
        rows = -(-n // columns)
        return min(aspect / (columns * (1 + GAP)), 1.0 / (rows * (tile_height + GAP)))

    return max(range(1, n + 1), key=lambda columns: (size(columns), -columns))


def arrange(
    maps: ClassMaps, pictures: dict[int, NDArray[np.uint8]], frame_shape: tuple[int, ...], size: tuple[int, int]
) -> Mosaic:
    """Tiles of the classes that have a pattern, in the legend's order, in a panel of `size` pixels."""
    order = [i for i in by_area(maps) if maps.class_ids[i] in pictures][:MAX_TILES]
    if not order:
        return Mosaic.empty()
    height = frame_shape[0] / frame_shape[1]
    columns = best_columns(len(order), height, size[0] / size[1])
    rows = -(-len(order) // columns)
    per_pixel = max(columns * (1 + GAP) / size[0], rows * (height + GAP) / size[1])
    letters = max(4, int(1 / per_pixel / LETTER_PX))
    ids = [maps.class_ids[i] for i in order]
    return Mosaic(
        pixels=[pictures[c] for c in ids],
        x=[(k % columns) * (1 + GAP) for k in range(len(order))],
        y=[(k // columns) * (height + GAP) for k in range(len(order))],
        height=height,
        colours=[SLOTS[slot_of(c, maps.class_families[i])] for c, i in zip(ids, order, strict=True)],
        labels=[clean(maps.class_names[i], letters) for i in order],
        extent=(-GAP / 2, columns * (1 + GAP) - GAP / 2, -GAP / 2, rows * (height + GAP) - GAP / 2),
    )
