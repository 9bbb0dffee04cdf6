"""A single bright pixel is replaced, a disk is not."""

from __future__ import annotations

import numpy as np
import pytest

from livebragg.kernels.hot import replace_hot_pixel

PAD = 5


@pytest.fixture
def image():
    """Ones, with padding."""
    return np.pad(np.ones((20, 27), np.float32), PAD)


@pytest.fixture
def weight(image):
    """All pixels can be used."""
    return (image > 0).astype(np.float32)


def test_a_hot_pixel_is_replaced_and_a_bright_disk_is_not(image, weight):
    image[PAD + 9 : PAD + 14, PAD + 9 : PAD + 14] = 50.0
    before = image.copy()
    assert not replace_hot_pixel(image, weight, PAD, 11, 11, 3, 2.0)
    np.testing.assert_array_equal(image, before)
    image[PAD + 3, PAD + 4] = 200.0
    assert replace_hot_pixel(image, weight, PAD, 4, 4, 3, 2.0)
    np.testing.assert_array_equal(image, before)


def test_a_hot_pixel_is_looked_for_only_so_far(image, weight):
    image[PAD + 3, PAD + 4] = 200.0
    assert not replace_hot_pixel(image, weight, PAD, 6, 4, 2, 2.0)
    assert not replace_hot_pixel(image, weight, PAD, 3, 7, 2, 2.0)
    assert replace_hot_pixel(image, weight, PAD, 5, 6, 2, 2.0)


@pytest.mark.parametrize(("value", "hot"), [(21.4, False), (21.5, True)])
def test_how_sharp_a_pixel_may_be(image, weight, value, hot):
    image[PAD + 7 : PAD + 10, PAD + 7 : PAD + 10] = [[4, 4, 4], [2, 0, 2], [1, 1, 1]]
    image[PAD + 8, PAD + 8] = value
    assert replace_hot_pixel(image, weight, PAD, 8, 8, 1, 2.0) == hot  # 2 * 4 + 6 * sqrt(4 + 1) = 21.42
    if hot:
        assert image[PAD + 8, PAD + 8] == pytest.approx((4 + 2 + 2 + 1 + 1 + 1) / 6)


def test_a_hot_pixel_in_a_disk_becomes_like_the_disk(image, weight):
    image[PAD + 9 : PAD + 14, PAD + 9 : PAD + 14] = 50.0
    image[PAD + 11, PAD + 10] = 400.0
    assert replace_hot_pixel(image, weight, PAD, 11, 11, 3, 2.0)
    assert image[PAD + 11, PAD + 10] == 50.0


def test_bad_neighbours_do_not_count(image, weight):
    image[PAD + 6 : PAD + 9, PAD + 6 : PAD + 9] = [[90, 90, 90], [3, 60, 3], [3, 3, 3]]
    image[PAD + 6, PAD + 6 : PAD + 9] = 0.0
    weight[PAD + 6, PAD + 6 : PAD + 9] = 0.0
    assert replace_hot_pixel(image, weight, PAD, 7, 7, 1, 2.0)
    assert image[PAD + 7, PAD + 7] == 3.0


@pytest.mark.parametrize(("row", "col"), [(0, 0), (0, 26), (19, 0), (19, 13)])
def test_a_hot_pixel_at_the_edge_has_fewer_neighbours(image, weight, row, col):
    image[PAD + row, PAD + col] = 300.0
    assert replace_hot_pixel(image, weight, PAD, row, col, 3, 2.0)
    np.testing.assert_array_equal(image, weight)


def test_a_pixel_all_of_whose_neighbours_are_bad_becomes_empty(image, weight):
    weight[PAD + 4 : PAD + 7, PAD + 4 : PAD + 7] = 0.0
    image[PAD + 4 : PAD + 7, PAD + 4 : PAD + 7] = 0.0
    image[PAD + 5, PAD + 5] = 80.0
    assert replace_hot_pixel(image, weight, PAD, 5, 5, 1, 2.0)
    assert image[PAD + 5, PAD + 5] == 0.0
