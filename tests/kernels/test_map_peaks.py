"""Kernels about peaks of a map, against NumPy."""

from __future__ import annotations

import numpy as np

from livebragg.kernels.map_peaks import aperture_sums, peak_moments, separate_maxima
from livebragg.kernels.matching import paint_owners


def blob(shape, row, col, sigma_row, sigma_col, total):
    r, c = np.mgrid[: shape[0], : shape[1]]
    value = np.exp(-0.5 * ((r - row) / sigma_row) ** 2 - 0.5 * ((c - col) / sigma_col) ** 2)
    return total * value / value.sum()


def test_an_aperture_sums_the_bins_whose_centres_it_holds():
    rng = np.random.default_rng(0)
    image, bins = rng.random((20, 30)), np.array([[9.3, 12.8]])
    out = np.zeros(1)
    aperture_sums(image, bins, 3.0, out)
    r, c = np.mgrid[:20, :30]
    inside = np.hypot(r - 9.3, c - 12.8) <= 3
    np.testing.assert_allclose(out[0], image[inside].mean() * np.pi * 9)


def test_moments_give_the_centre_and_spread_of_a_blob():
    image = blob((41, 41), 20.3, 18.8, 1.5, 2.5, 100.0)
    bins, owner = np.array([[20.0, 19.0]]), np.zeros((41, 41), np.int16)
    out = np.zeros((1, 6))
    peak_moments(image, np.zeros_like(image), owner, 15, bins, out)
    np.testing.assert_allclose(out[0], [100, 20.3, 18.8, 2.25, 0, 6.25], atol=0.02)


def test_moments_ignore_bins_of_other_peaks():
    image = blob((41, 41), 20, 12, 1, 1, 10.0) + blob((41, 41), 20, 24, 1, 1, 30.0)
    bins = np.array([[20.0, 12.0], [20.0, 24.0]])
    owner, distance = np.zeros(image.shape, np.int16), np.zeros(image.shape, np.float32)
    paint_owners(bins, 6.0, owner, distance)
    out = np.zeros((2, 6))
    peak_moments(image, np.zeros_like(image), owner, 7, bins, out)
    np.testing.assert_allclose(out[:, 0], [10, 30], rtol=1e-3)


def kept(image, bins, limit_factor=0.85):
    height = image[bins[:, 0].astype(int), bins[:, 1].astype(int)]
    out = np.zeros(bins.shape[0], np.int64)
    n = separate_maxima(image, bins, height, limit_factor * height, 12.0, 10, out)
    return out[:n].tolist()


def test_two_maxima_with_a_dip_between_them_are_two_peaks():
    image = blob((41, 41), 20, 15, 1.2, 1.2, 20.0) + blob((41, 41), 20, 21, 1.2, 1.2, 10.0)
    assert kept(image, np.array([[20.0, 15.0], [20.0, 21.0]])) == [0, 1]


def test_a_maximum_on_the_ridge_of_a_streak_is_not_a_peak_of_its_own():
    image = blob((41, 41), 20, 18, 1.2, 9.0, 50.0)
    assert kept(image, np.array([[20.0, 18.0], [20.0, 23.0]])) == [0]
