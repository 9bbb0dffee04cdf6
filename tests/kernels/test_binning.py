"""The histogram kernel against NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from livebragg.kernels.binning import bin_vectors

NO_WEIGHT = np.zeros(0, np.float32)


def numpy_histogram(qx, qy, weight, start, count, origin, sampling, shape):
    out = np.zeros(shape)
    owner = np.repeat(np.arange(start.size), count)
    disks = np.concatenate([np.arange(s, s + c) for s, c in zip(start, count, strict=True)])
    row = (qx[disks] - origin[owner, 0]) * sampling + shape[0] // 2
    col = (qy[disks] - origin[owner, 1]) * sampling + shape[1] // 2
    inside = (row >= 0) & (col >= 0) & (row < shape[0] - 1) & (col < shape[1] - 1)
    row, col, w = row[inside], col[inside], weight[disks[inside]]
    r, c = row.astype(int), col.astype(int)
    for dr, dc in ((0, 0), (0, 1), (1, 0), (1, 1)):
        part = np.where(dr, row - r, 1 - row + r) * np.where(dc, col - c, 1 - col + c)
        np.add.at(out, (r + dr, c + dc), w * part)
    return out


@pytest.fixture
def disks():
    rng = np.random.default_rng(3)
    count = rng.integers(0, 7, 40).astype(np.int32)
    start = (np.cumsum(count) - count).astype(np.int64)
    n = int(count.sum())
    qx, qy = rng.uniform(-5, 45, (2, n)).astype(np.float32)
    weight = rng.exponential(10, n).astype(np.float32)
    origin = (np.array([20, 24]) + rng.normal(0, 1, (40, 2))).astype(np.float32)
    return qx, qy, weight, start, count, origin


@pytest.mark.parametrize("weighted", [False, True])
def test_disks_are_shared_between_the_four_nearest_bins_as_in_numpy(disks, weighted):
    qx, qy, weight, start, count, origin = disks
    out = np.zeros((61, 71))
    bin_vectors(qx, qy, weight if weighted else NO_WEIGHT, start, count, origin, 2.0, 1.0, out)
    ones = np.ones_like(weight)
    expected = numpy_histogram(qx, qy, weight if weighted else ones, start, count, origin, 2.0, out.shape)
    np.testing.assert_allclose(out, expected, atol=2e-3)


def test_what_was_added_can_be_taken_away(disks):
    qx, qy, weight, start, count, origin = disks
    out = np.zeros((61, 71))
    for sign in (1.0, -1.0):
        bin_vectors(qx, qy, weight, start, count, origin, 2.0, sign, out)
    np.testing.assert_allclose(out, 0, atol=1e-10)


def test_disks_that_are_not_numbers_or_outside_are_left_out():
    qx = np.array([np.nan, 500.0], np.float32)
    out = np.zeros((11, 11))
    start, count = np.array([0], np.int64), np.array([2], np.int32)
    bin_vectors(qx, qx, NO_WEIGHT, start, count, np.zeros((1, 2), np.float32), 1.0, 1.0, out)
    assert not out.any()
