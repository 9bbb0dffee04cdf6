"""Local maxima against SciPy's maximum filter."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from livebragg.kernels.maxima import CHUNK, find_maxima, sort_descending


def maxima(excess, room=2000):
    """How many there are, and rows, columns and heights of those written."""
    rows, cols, heights = np.full(room, -1, np.int32), np.full(room, -1, np.int32), np.zeros(room, np.float32)
    n = find_maxima(np.pad(excess, 1).astype(np.float32), np.zeros(CHUNK, np.uint32), rows, cols, heights)
    assert (rows[n:] == -1).all()
    return n, np.stack([rows, cols], 1)[:n], heights[:n]


@pytest.mark.parametrize("shape", [(31, 70), (5, CHUNK), (4, CHUNK + 1), (1, 90), (20, 1), (1, 1)])
@pytest.mark.parametrize("dark", [0.0, 0.7, 0.97])
def test_maxima_are_the_places_no_neighbour_beats(shape, dark):
    rng = np.random.default_rng(5)
    excess = (rng.uniform(0.1, 1.0, shape) * (rng.random(shape) >= dark)).astype(np.float32)
    n, places, heights = maxima(excess)
    top = ndimage.maximum_filter(excess, 3, mode="constant")
    expected = np.argwhere((excess == top) & (excess > 0))
    assert n == len(expected)
    np.testing.assert_array_equal(places, expected)
    np.testing.assert_array_equal(heights, excess[expected[:, 0], expected[:, 1]])


@pytest.mark.parametrize("box", [(3, 4, 30, 33), (2, 6, 2, 5), (0, 8, 0, 40), (7, 8, 39, 40), (5, 6, 10, 39)])
def test_a_plateau_has_one_maximum_its_last_place(box):
    excess = np.zeros((8, 40), np.float32)
    excess[box[0] : box[1], box[2] : box[3]] = 2.0
    n, places, _ = maxima(excess)
    assert n == 1
    assert places.tolist() == [[box[1] - 1, box[3] - 1]]


def test_among_whole_numbers_every_maximum_is_one_of_the_filter_and_the_last_of_its_equals():
    excess = np.random.default_rng(6).integers(0, 4, (30, 45)).astype(np.float32)
    _, places, _ = maxima(excess)
    padded, top = np.pad(excess, 1), ndimage.maximum_filter(excess, 3, mode="constant")
    later = np.array([(0, 1), (1, -1), (1, 0), (1, 1)])
    expected = [
        (r, c)
        for r, c in np.argwhere((excess == top) & (excess > 0))
        if all(padded[r + 1 + a, c + 1 + b] < excess[r, c] for a, b in later)
    ]
    np.testing.assert_array_equal(places, expected)


def test_an_empty_map_has_no_maximum():
    assert maxima(np.zeros((6, 80)))[0] == 0


def test_more_maxima_than_room_are_counted_but_not_written():
    excess = np.zeros((11, 11), np.float32)
    excess[1:-1:2, 1:-1:2] = np.arange(1, 26).reshape(5, 5)
    rows, cols, heights = np.full(5, -1, np.int32), np.full(5, -1, np.int32), np.zeros(5, np.float32)
    n = find_maxima(excess, np.zeros(CHUNK, np.uint32), rows[:3], cols[:3], heights[:3])
    assert n == 25
    assert heights.tolist() == [1, 2, 3, 0, 0]
    assert rows.tolist() == [0, 0, 0, -1, -1]
    assert cols.tolist() == [0, 2, 4, -1, -1]


@pytest.mark.parametrize("count", [0, 1, 2, 57, 60])
def test_sorting_puts_the_largest_first(count):
    keys = np.random.default_rng(1).normal(size=60).astype(np.float32)
    order = np.full(60, -1, np.int32)
    sort_descending(keys, count, order)
    assert sorted(order[:count]) == list(range(count))
    np.testing.assert_array_equal(keys[order[:count]], np.sort(keys[:count])[::-1])
    assert (order[count:] == -1).all()


def test_equal_keys_are_all_kept():
    keys, order = np.array([2, 1, 2, 3, 1, 2], np.float32), np.zeros(6, np.int32)
    sort_descending(keys, 6, order)
    assert keys[order].tolist() == [3, 2, 2, 2, 1, 1]
    assert sorted(order) == list(range(6))
