"""Frames without their disks, against plain NumPy."""

from __future__ import annotations

import numpy as np

from livebragg.kernels.masked_sum import add_masked


def plain(frames, qx, qy, offsets, radius):
    rows, cols = np.indices(frames.shape[1:])
    total, number = np.zeros(frames.shape[1:]), np.zeros(frames.shape[1:], int)
    for i, frame in enumerate(frames):
        shown = np.ones(frame.shape, bool)
        for r, c in zip(qx[offsets[i] : offsets[i + 1]], qy[offsets[i] : offsets[i + 1]], strict=True):
            shown &= ~(np.hypot(rows - r, cols - c) <= radius)
        total += np.where(shown, frame, 0)
        number += shown
    return total, number


def test_pixels_under_disks_are_not_added():
    rng = np.random.default_rng(0)
    frames = rng.random((5, 17, 23)).astype(np.float32)
    qx = np.array([3.3, -1, 16.8, np.nan, 8, 40, 8], np.float32)
    qy = np.array([4.1, 22.9, 0.2, 3, 9, 9, 11], np.float32)
    offsets = np.array([0, 2, 2, 4, 6, 7])
    total, number = np.zeros((17, 23)), np.zeros((17, 23), np.int64)
    add_masked(frames, qx, qy, offsets, 3.5, np.zeros((17, 23), bool), total, number)
    expected, times = plain(frames, qx, qy, offsets, 3.5)
    np.testing.assert_allclose(total, expected, rtol=1e-6)
    np.testing.assert_array_equal(number, times)
    assert number.min() < 5 <= number.max()
