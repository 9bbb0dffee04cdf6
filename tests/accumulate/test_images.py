from __future__ import annotations

import numpy as np

from livebragg.accumulate import ScanImages


def test_images_fill_where_positions_were_seen_and_the_frames_add_up():
    images = ScanImages(["a", "b"], n_positions=4, frame_shape=(2, 3))
    images.update(np.array([2, 0]), np.array([[1, 2], [3, 4]], np.float32), np.ones((2, 3)))
    images.update(np.array([3]), np.array([[5, 6]], np.float32), np.ones((2, 3)))
    stack = images.snapshot()
    np.testing.assert_array_equal(stack.values["b"], [4, np.nan, 2, 6])
    assert (stack.sum_pattern == 2).all()


def test_images_grow_with_an_open_ended_scan():
    images = ScanImages(["a"], n_positions=2, frame_shape=(1, 1))
    images.update(np.array([9]), np.array([[1]], np.float32))
    values = images.snapshot().values["a"]
    assert values[9] == 1 and np.isnan(values[:9]).all()
