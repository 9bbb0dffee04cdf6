"""Probes of any shape: pictures, Gaussian spots, and what pixels record."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import fftconvolve
from scipy.special import chndtr

from livebragg.detect.disk import disk_image
from livebragg.detect.template import ProbeTemplate
from livebragg.errors import ProbeError
from livebragg.kernels.fit import PHASES
from probe_images import bullseye, disk, recorded


def place_of(image, probe):
    """Place in `image` where the template's phases correlate best, refined by a parabola between the phases."""
    table = probe.phases()[:, :, 0].astype(float)
    table /= np.sqrt((table**2).sum(axis=(2, 3), keepdims=True))
    n = image.shape
    fine = np.empty((n[0] * PHASES, n[1] * PHASES))
    for i in range(PHASES):
        for j in range(PHASES):
            fine[i::PHASES, j::PHASES] = fftconvolve(image, table[i, j, ::-1, ::-1], mode="same")
    row, col = np.unravel_index(int(np.argmax(fine)), fine.shape)
    steps = []
    for before, here, after in (fine[row - 1 : row + 2, col], fine[row, col - 1 : col + 2]):
        steps.append(0.5 * (before - after) / (before - 2 * here + after))
    return (row + steps[0]) / PHASES, (col + steps[1]) / PHASES


def scatter(probe, shape, blur, places):
    """How far found places are from the true ones, apart from an offset common to all."""
    errors = []
    for place in places:
        image = recorded(shape, place, blur, (48, 44))
        mass = [(image * axis).sum() for axis in np.indices(image.shape)]
        errors.append(np.subtract(place_of(image, probe), mass))
    return np.hypot(*(np.array(errors) - np.mean(errors, axis=0)).T).max()


PLACES = [(22.0, 21.0), (22.5, 21.0), (22.3, 20.6), (22.5, 21.5), (21.8, 21.1)]


@pytest.mark.parametrize(("radius", "blur"), [(3.0, 0.5), (5.0, 0.6), (8.0, 0.8), (0.5, 0.8)])
def test_a_disk_of_one_image_is_found_at_other_phases(radius, blur):
    probe = ProbeTemplate.from_image(recorded(disk(radius), (20.3, 24.1), blur, (41, 48)))
    assert scatter(probe, disk(radius), blur, PLACES) < 0.01
    assert not probe.structured


def test_a_bullseye_of_one_image_is_found_by_plain_correlation():
    probe = ProbeTemplate.from_image(recorded(bullseye(9.0), (20.3, 24.1), 0.6, (41, 48)))
    assert probe.structured
    assert probe.radius == pytest.approx(9.0, abs=0.9)
    assert scatter(probe, bullseye(9.0), 0.6, PLACES) < 0.05


def test_the_radius_of_a_picture_of_a_disk_is_the_disks():
    probe = ProbeTemplate.from_image(recorded(disk(6.0), (20.3, 24.1), 0.6, (41, 48)))
    assert probe.radius == pytest.approx(6.0, abs=0.1)
    assert probe.edge_width == pytest.approx(np.hypot(0.6, 0.29), abs=0.12)


def test_a_spot_within_a_pixel_is_not_wiped_out():
    image = np.zeros((16, 16))
    image[7, 8] = 1000.0
    probe = ProbeTemplate.from_image(image)
    assert probe.image().max() > 0.6
    np.testing.assert_allclose(probe.image().sum(), 1.0, atol=0.02)


def test_the_centre_of_mass_is_the_reference_point():
    image = np.zeros((32, 32))
    image[10:16, 10:13] = image[10:13, 13:20] = 50.0
    for shift in ((0.0, 0.0), (0.4, -0.3)):
        got = ProbeTemplate.from_image(image).image(shift)
        middle = got.shape[0] // 2
        mass = [(got * axis).sum() / got.sum() - middle for axis in np.indices(got.shape)]
        np.testing.assert_allclose(mass, shift, atol=0.03)


def test_every_phase_of_a_picture_sums_to_one_and_moves_as_its_derivatives_say():
    probe = ProbeTemplate.from_image(recorded(bullseye(9.0), (20.3, 24.1), 0.6, (41, 48)))
    table = probe.phases()
    n = 2 * probe.patch_radius + 1
    assert table.shape == (PHASES, PHASES, 3, n, n)
    assert table.dtype == np.float32
    np.testing.assert_allclose(table[:, :, 0].sum(axis=(2, 3)), 1.0, atol=0.02)
    moved = table[2, 3, 0] + 0.05 * table[2, 3, 1] - 0.03 * table[2, 3, 2]
    np.testing.assert_allclose(moved, probe.image((2 / PHASES + 0.05, 3 / PHASES - 0.03)), atol=2e-4)


def test_templates_of_equal_images_are_equal_and_share_their_table():
    image = recorded(bullseye(9.0), (20.3, 24.1), 0.6, (41, 48))
    one, same = ProbeTemplate.from_image(image), ProbeTemplate.from_image(image.copy())
    other = ProbeTemplate.from_image(np.roll(image, 1, axis=0) + image)
    assert one == same
    assert hash(one) == hash(same)
    assert one != other
    assert one.phases() is same.phases()
    assert ProbeTemplate.gaussian(0.7) == ProbeTemplate.gaussian(0.7) != ProbeTemplate.gaussian(0.8)


def test_noise_around_a_probe_is_no_part_of_it():
    rng = np.random.default_rng(2)
    image = rng.poisson(5e4 * recorded(disk(4.0), (30.2, 31.0), 0.5, (64, 60)) + 3.0)
    probe = ProbeTemplate.from_image(image)
    assert probe.patch_radius <= 9
    assert probe.radius == pytest.approx(4.0, abs=0.15)


def _marked(value):
    image = recorded(disk(4.0), (16.0, 16.0), 0.5, (33, 33)) * 1e4
    image[3, 3] = value
    return image


@pytest.mark.parametrize(
    ("image", "text"),
    [
        (_marked(np.nan), "1 pixels of the probe image are NaN"),
        (_marked(np.inf), "NaN or infinite"),
        (_marked(-500.0), "below its border"),
        (np.zeros((0, 0)), "at least 5 pixels"),
        (np.zeros((2, 16, 16)), "2 axes"),
        (np.zeros((16, 16), complex), "real numbers"),
        (np.zeros((16, 16)), "no contrast"),
        (np.full((16, 16), 7), "no contrast"),
        (np.random.default_rng(0).normal(5, 1, (32, 32)), "no contrast"),
        (_marked(0.0)[:, 14:], "touches the image's border"),
    ],
)
def test_an_image_that_shows_no_probe_is_refused_with_the_remedy(image, text):
    with pytest.raises(ProbeError, match=r"set probe\.radius") as caught:
        ProbeTemplate.from_image(image)
    assert text in str(caught.value)


def over_pixels(radius, blur, place, reach):
    """A blurred disk integrated over every pixel, point by point."""
    nodes, weights = np.polynomial.legendre.leggauss(12)
    axis, total = np.arange(-reach, reach + 1.0), 0.0
    for u, a in zip(nodes / 2, weights / 2, strict=True):
        for v, b in zip(nodes / 2, weights / 2, strict=True):
            r = np.hypot(axis[:, None] + u - place[0], axis[None, :] + v - place[1])
            total = total + a * b * chndtr((radius / blur) ** 2, 2.0, (r / blur) ** 2)
    return total / (np.pi * radius**2)


@pytest.mark.parametrize(
    ("radius", "blur"), [(0.25, 0.5), (0.5, 1.0), (1.0, 0.2), (1.0, 0.4), (2.0, 0.2), (2.0, 0.4), (3.0, 0.2)]
)
@pytest.mark.parametrize("place", [(0.0, 0.0), (0.5, 0.25)])
def test_pixels_integrate_a_disk(radius, blur, place):
    got = disk_image(radius, np.hypot(blur, 12**-0.5), 8, place)
    truth = over_pixels(radius, blur, place, 8)
    assert np.abs(got - truth).sum() < 0.01
    assert abs(got.sum() - truth.sum()) < 0.005


@pytest.mark.parametrize("sigma", [0.2, 0.5, 1.0, 2.5])
def test_a_gaussian_spot_is_integrated_over_the_pixels(sigma):
    probe = ProbeTemplate.gaussian(sigma)
    truth = over_pixels(sigma / 50, sigma, (0.3, -0.2), probe.patch_radius)
    assert np.abs(probe.image((0.3, -0.2)) - truth).sum() < 0.01
    assert not probe.structured


@pytest.mark.parametrize("sigma", [0.0, -1.0, np.nan, 1e4])
def test_an_impossible_gaussian_is_refused(sigma):
    with pytest.raises(ProbeError, match=r"between 0\.1 and 100"):
        ProbeTemplate.gaussian(sigma)
