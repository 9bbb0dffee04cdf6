"""Counts within a ring from profiles and disks."""

from __future__ import annotations

import numpy as np
import pytest

from livebragg.accumulate import ProfileStore, ring_pixels
from livebragg.accumulate.rings import part_within, without_gaps
from livebragg.model import RadialBatch

CENTER, SHAPE = (19.3, 25.1), (40, 52)
RADII = np.arange(30, dtype=np.float32) + 0.5


def distances() -> np.ndarray:
    row, col = np.indices(SHAPE)
    return np.hypot(row - CENTER[0], col - CENTER[1])


@pytest.mark.parametrize(("inner", "outer"), [(0.0, 5.0), (4.3, 9.8), (10.0, 1e9), (0.0, 1e9)])
def test_every_usable_pixel_of_the_ring_is_in_one_bin(inner: float, outer: float) -> None:
    usable = np.ones(SHAPE, np.bool_)
    usable[19, 20:30] = False
    pixels = ring_pixels(usable, CENTER, RADII, inner, outer)
    distance = distances()
    inside = usable & (distance >= inner) & (distance < outer)
    assert pixels.shape == RADII.shape and pixels.sum() == inside.sum()
    assert pixels[7] == (inside & (distance >= 7) & (distance < 8)).sum()


def test_the_part_of_a_disk_within_a_circle_is_that_of_its_area() -> None:
    row, col = np.mgrid[-400:400, -400:400] / 80.0
    disk = np.hypot(row, col) < 3.0
    for distance in (0.0, 1.0, 4.0, 6.5, 9.0, 12.0):
        for limit in (0.0, 1.5, 3.0, 6.0):
            true = (disk & (np.hypot(row + distance, col) < limit)).sum() / disk.sum()
            found = part_within(np.array([distance], np.float32), 3.0, limit)[0]
            assert found == pytest.approx(true, abs=0.005), (distance, limit)


def test_a_bin_that_disks_cover_is_as_its_neighbour_farther_out() -> None:
    nan = np.nan
    rows = np.array([[nan, nan, 3, nan, 5], [1, 2, nan, nan, nan], [nan] * 5], np.float32)
    given = rows.copy()
    assert without_gaps(rows).tolist() == [[3, 3, 3, 5, 5], [1, 2, 2, 2, 2], [0] * 5]
    np.testing.assert_array_equal(rows, given)


def test_positions_without_a_profile_have_no_counts() -> None:
    store = ProfileStore(4)
    mean = np.array([[1, 2], [np.nan, 4]], np.float32)
    batch = RadialBatch(radii=RADII[:2], mean=mean, variance=mean, pixels=np.ones((2, 2), np.int32))
    store.update(np.array([2, 0]), batch)
    np.testing.assert_allclose(store.weighted(np.array([10.0, 1.0])), [44, np.nan, 12, np.nan], rtol=1e-3)
