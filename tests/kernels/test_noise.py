"""Gain and read noise from one frame."""

from __future__ import annotations

import numpy as np
import pytest

from livebragg.kernels.noise import SEGMENTS, measure_noise, select


def measured(frame):
    """Gain and read-noise variance."""
    noise, order = np.full(2, np.nan), np.zeros(SEGMENTS, np.int32)
    measure_noise(frame.astype(np.float32), np.zeros((3, SEGMENTS), np.float32), order, noise)
    return noise


def halo(shape, peak=40.0):
    """A diffuse background."""
    rows, cols = np.indices(shape)
    return peak / (1 + ((rows - shape[0] / 2) ** 2 + (cols - shape[1] / 2) ** 2) / 50.0**2)


@pytest.mark.parametrize(("gain", "read"), [(1.0, 0.0), (5.0, 0.0), (12.0, 2.0), (0.2, 0.0)])
def test_gain_and_read_noise_are_measured_from_one_frame(gain, read):
    rng, mean = np.random.default_rng(7), halo((128, 160))
    noise = measured(gain * (rng.poisson(mean) + read * rng.normal(size=mean.shape)))
    total = noise[0] ** 2 * noise[1] + noise[0] * 20 * gain
    assert total == pytest.approx(gain**2 * read**2 + gain * 20 * gain, rel=0.15)
    assert noise[0] == pytest.approx(gain, rel=0.3)


def test_strong_read_noise_leaves_the_gain_uncertain_but_not_the_noise():
    rng, mean = np.random.default_rng(7), halo((128, 160))
    gain, variance = measured(3.0 * (rng.poisson(mean) + 8.0 * rng.normal(size=mean.shape)))
    assert gain > 0
    assert gain**2 * variance + gain * 20 * 3 == pytest.approx(9 * 64 + 9 * 20, rel=0.15)


@pytest.mark.parametrize("mean", [0.3, 2.0, 50.0])
def test_a_counting_detector_is_taken_for_one(mean):
    rng = np.random.default_rng(8)
    assert measured(rng.poisson(mean, (64, 80))).tolist() == [1.0, 0.0]


def test_disks_do_not_disturb_the_measurement():
    rng, (rows, cols) = np.random.default_rng(9), np.indices((128, 160))
    mean = halo((128, 160), 20.0)
    for row, col in rng.uniform(0, 128, (30, 2)):
        mean[np.hypot(rows - row, cols - col) < 5] += 200.0
    assert measured(rng.poisson(mean)).tolist() == [1.0, 0.0]
    assert measured(6.0 * rng.poisson(mean))[0] == pytest.approx(6.0, rel=0.3)


@pytest.mark.parametrize("frame", [np.zeros((30, 40)), np.ones((5, 5)), np.ones((3, 2)), np.ones((2, 1))])
def test_a_frame_too_empty_or_too_small_to_tell_counts(frame):
    assert measured(frame).tolist() == [1.0, 0.0]


def test_a_frame_of_read_noise_alone_has_no_gain_to_measure():
    gain, variance = measured(np.random.default_rng(10).normal(0, 3.0, (64, 80)))
    assert gain > 0
    assert variance >= 0
    assert np.isfinite([gain, variance]).all()


@pytest.mark.parametrize("n", [1, 2, 3, 10, 57])
@pytest.mark.parametrize("ties", [False, True])
def test_selecting_is_partitioning(n, ties):
    rng = np.random.default_rng(n)
    numbers = (rng.integers(0, 4, 60) if ties else rng.normal(size=60)).astype(np.float32)
    for k in range(n):
        work = numbers.copy()
        assert select(work, n, k) == np.partition(numbers[:n], k)[k]
        np.testing.assert_array_equal(np.sort(work[:n]), np.sort(numbers[:n]))
        np.testing.assert_array_equal(work[n:], numbers[n:])


@pytest.mark.parametrize("order", [1, -1])
def test_selecting_from_sorted_numbers_works_too(order):
    numbers = np.arange(40, dtype=np.float32)[::order]
    assert [select(numbers.copy(), 40, k) for k in (0, 13, 39)] == [0, 13, 39]
