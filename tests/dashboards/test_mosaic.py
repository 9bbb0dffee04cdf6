"""Tiles of the class patterns fill their panel, the largest class first."""

from __future__ import annotations

import numpy as np
import pytest
from makers import class_maps

from livebragg_dashboards.colours import SLOTS, slot_of
from livebragg_dashboards.mosaic import MAX_TILES, arrange, best_columns, by_area

TILE = np.zeros((8, 6), np.uint8)


@pytest.mark.parametrize("n", [1, 2, 5, 24])
@pytest.mark.parametrize("aspect", [0.2, 1.0, 4.0])
def test_no_other_number_of_columns_gives_larger_tiles(n: int, aspect: float) -> None:
    def size(columns: int) -> float:
        return min(aspect / (columns * 1.08), 1 / (-(-n // columns) * (0.75 + 0.08)))

    assert size(best_columns(n, 0.75, aspect)) == max(size(k) for k in range(1, n + 1))


def test_tiles_are_in_the_order_of_area_with_the_colours_of_their_classes() -> None:
    maps = class_maps(class_counts=[1, 5, 2])
    assert by_area(maps) == [1, 2, 0]
    mosaic = arrange(maps, dict.fromkeys((0, 1, 2), TILE), (8, 6), (400, 300))
    assert mosaic.labels == ["Glass", "Poly", "Alpha"]
    assert mosaic.colours[0] == SLOTS[slot_of(1, "amorphous")]
    assert mosaic.height == pytest.approx(8 / 6)


def test_tiles_do_not_overlap_and_lie_within_the_extent() -> None:
    mosaic = arrange(class_maps(), dict.fromkeys((0, 1, 2), TILE), (8, 6), (200, 500))
    left, right, top, bottom = mosaic.extent
    corners = list(zip(mosaic.x, mosaic.y, strict=True))
    assert len(set(corners)) == 3
    assert all(left <= x and x + 1 <= right and top <= y and y + mosaic.height <= bottom for x, y in corners)


def test_long_names_are_cut_to_the_tile() -> None:
    maps = class_maps(class_names=["A very long name of a class", "b", "c"])
    mosaic = arrange(maps, dict.fromkeys((0, 1, 2), TILE), (8, 6), (150, 150))
    assert mosaic.labels[0].endswith("…") and len(mosaic.labels[0]) < 12


def test_classes_without_a_pattern_are_left_out_and_there_are_never_too_many() -> None:
    assert arrange(class_maps(), {}, (8, 6), (400, 300)).pixels == []
    n = MAX_TILES + 9
    many = class_maps(
        class_ids=list(range(n)), class_names=["x"] * n, class_families=["crystal"] * n, class_counts=[1] * n
    )
    assert len(arrange(many, dict.fromkeys(range(n), TILE), (8, 6), (400, 300)).pixels) == MAX_TILES
