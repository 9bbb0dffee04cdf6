"""The plate shows the classes there are, each always in the same place, with its pattern and profile."""

from __future__ import annotations

import numpy as np
import pytest
from makers import class_maps, class_profiles

from livebragg_dashboards.drawing.colours import SLOTS, slot_of
from livebragg_dashboards.drawing.plate import MAX_CLASSES, curves, families, on_plate, tiles

TILE = np.zeros((8, 6), np.uint8)
RADII = np.arange(4, dtype=np.float32) + 0.5


def test_classes_keep_their_order_while_areas_change_and_empty_ones_are_left_out() -> None:
    assert (
        on_plate(class_maps(class_counts=[1, 5, 2])) == on_plate(class_maps(class_counts=[9, 1, 2])) == [0, 1, 2]
    )
    assert on_plate(class_maps(class_counts=[1, 0, 2])) == [0, 2]


def test_of_too_many_classes_the_largest_are_shown() -> None:
    n = MAX_CLASSES + 9
    many = class_maps(
        class_ids=list(range(n)), class_names=["x"] * n, class_families=["crystal"] * n,
        class_counts=[1 + (i % 2) for i in range(n)],
    )  # fmt: skip
    shown = on_plate(many)
    assert len(shown) == MAX_CLASSES and shown == sorted(shown)
    assert set(range(1, n, 2)) <= set(shown)


def test_a_family_is_as_large_as_its_classes_including_those_not_shown() -> None:
    n = MAX_CLASSES + 6
    maps = class_maps(
        class_ids=list(range(n)), class_names=["x"] * n, class_families=["crystal"] * n, class_counts=[2] * n
    )
    (family,) = families(maps, 4 * n)
    assert (family["area"], len(family["classes"])) == ("50 %", MAX_CLASSES)
    assert family["classes"][3]["colour"] == SLOTS[slot_of(3, "crystal")]


def test_an_unknown_family_is_shown_under_its_own_name() -> None:
    maps = class_maps(class_families=["crystal", "quasicrystal", "vacuum"])
    assert [f["title"] for f in families(maps, 7)] == ["Crystals", "Vacuum", "quasicrystal"]


def test_tiles_are_of_the_classes_on_the_plate_that_have_a_pattern() -> None:
    made = tiles(class_maps(class_counts=[3, 0, 2]), {1: TILE, 2: TILE + 7})
    assert made.ids == ["2"] and (made.pixels[0] == 7).all()


def test_profiles_are_counts_times_radius_scaled_beyond_the_direct_beam() -> None:
    profiles = np.zeros((3, 2, 4), np.float32)
    profiles[:, 0] = [[9, 9, 9, 9], [900, np.nan, 4, 2], [900, 6, 1, 0]]
    made = curves(class_maps(), class_profiles(profiles=profiles, radii=RADII), 0.1, 0.5)
    assert made.colours == [SLOTS[slot_of(1, "amorphous")], SLOTS[slot_of(2, "polycrystal")]], "not the crystal's"
    np.testing.assert_allclose(made.x[0], [0.25, 0.35])
    np.testing.assert_allclose(made.y[0], [1.0, 0.7])
    np.testing.assert_allclose(made.y[1], [1.0, 2.5 / 9, 0.0])


def test_crystals_have_profiles_when_there_is_nothing_else_and_classes_without_counts_have_none() -> None:
    maps = class_maps(class_families=["crystal"] * 3)
    profiles = np.ones((3, 2, 4), np.float32)
    profiles[1], profiles[2] = 0, np.nan
    made = curves(maps, class_profiles(profiles=profiles, radii=RADII), None, 0.0)
    assert made.colours == [SLOTS[slot_of(0, "crystal")]]
    assert made.x[0][-1] == pytest.approx(3.5), "in pixels"
