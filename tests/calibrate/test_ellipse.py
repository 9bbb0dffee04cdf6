"""The ellipse is found where the data determine it, with an error that can be believed, and refused elsewhere."""

from __future__ import annotations

import numpy as np
import pytest

from livebragg.calibrate import HaloPattern, combined, ellipse_of_halo, ellipse_of_rings, pixel_size
from livebragg.errors import CalibrationError
from livebragg.model import Calibration, EllipseEstimate

RINGS = np.array([[i, j] for i in range(-3, 4) for j in range(-3, 4) if (i, j) != (0, 0)], np.float64) * 11.0
TRUE = EllipseEstimate.from_axes(1.05, 35.0, "truth")


def turned(angle: float) -> np.ndarray:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s], [s, c]])


def crystals(angles, strain=0.0, seed=0, noise=0.02):
    """Peaks of strained square crystals, seen with the ellipse, and which crystal each belongs to."""
    random = np.random.default_rng(seed)
    parts = []
    for angle in angles:
        own = np.eye(2) + strain * random.normal(size=(2, 2))
        parts.append(RINGS @ turned(angle).T @ own.T @ np.linalg.inv(TRUE.matrix).T)
    q = np.concatenate(parts)
    return q + random.normal(0, noise, q.shape), np.repeat(np.arange(len(angles)), len(RINGS))


def test_crystals_without_strain_show_the_ellipse_to_a_few_hundredths_of_a_percent():
    q, crystal = crystals(np.linspace(0, 1.3, 6))
    found = ellipse_of_rings(q[:, 0], q[:, 1], crystal)
    assert found.source == "rings"
    assert abs(found.ratio - TRUE.ratio) < 0.001
    assert np.hypot(found.e1 - TRUE.e1, found.e2 - TRUE.e2) < 0.001


def test_the_standard_error_covers_the_strain_of_the_crystals():
    """Over 12 scenes, distance over error is about 1."""
    ratios = []
    for seed in range(12):
        q, crystal = crystals(np.random.default_rng(100 + seed).uniform(0, 1.5, 8), strain=0.004, seed=seed)
        try:
            found = ellipse_of_rings(q[:, 0], q[:, 1], crystal)
        except CalibrationError:
            continue
        ratios += [(found.e1 - TRUE.e1) / found.error, (found.e2 - TRUE.e2) / found.error]
    assert len(ratios) >= 18
    assert 0.5 < np.sqrt(np.mean(np.square(ratios))) < 1.6


@pytest.mark.parametrize("angles", [[0.3], [0.3, 0.3, 0.3, 0.3, 0.3], [0.3, 0.9, 0.3, 0.9]])
def test_one_orientation_however_often_is_no_evidence(angles):
    q, crystal = crystals(angles)
    with pytest.raises(CalibrationError, match="strain looks the same"):
        ellipse_of_rings(q[:, 0], q[:, 1], crystal)


def test_a_crystal_known_to_be_symmetric_is_enough():
    q, crystal = crystals([0.3])
    found = ellipse_of_rings(q[:, 0], q[:, 1], crystal, symmetric=True)
    assert found.source == "crystal"
    assert np.hypot(found.e1 - TRUE.e1, found.e2 - TRUE.e2) < 0.001


def halo(seed=0, counts=40.0, bright=0.1):
    """A noisy ring of radius 30, brighter in one direction, seen with the ellipse and off the middle."""
    x, y = np.indices((101, 111)) - np.array([50.4, 54.7])[:, None, None]
    true = np.einsum("ij,jrc->irc", TRUE.matrix, np.stack([x, y]))
    radius = np.hypot(*true)
    mean = counts * (np.exp(-((radius - 30) ** 2) / 50) + np.exp(-radius / 12))
    mean *= 1 + bright * np.cos(2 * np.arctan2(y, x) - 0.4)
    random = np.random.default_rng(seed)
    pattern = random.poisson(100 * mean) / 100
    return pattern, 100 / np.maximum(mean, 0.1)


def test_a_halo_shows_the_ellipse_though_it_is_brighter_in_one_direction():
    found = ellipse_of_halo(*halo(), (50.0, 55.0), 10, 48)
    assert np.hypot(found.e1 - TRUE.e1, found.e2 - TRUE.e2) < max(0.001, 3 * found.error)
    assert found.error < 0.001


def test_scattering_without_a_ring_is_refused():
    x, y = np.indices((101, 101)) - 50
    pattern = np.random.default_rng(0).poisson(10 * (1 + np.hypot(x, y)) ** -2.0).astype(float)
    with pytest.raises(CalibrationError):
        ellipse_of_halo(pattern, 1 / np.maximum(pattern, 0.1), (50, 50), 8, 48)
    with pytest.raises(CalibrationError, match="at least 500"):
        ellipse_of_halo(pattern, np.zeros_like(pattern), (50, 50), 8, 48)


def test_frames_are_added_about_their_origins_without_their_disks():
    sums = HaloPattern((9, 7), probe_radius=0.5)
    for row, col in ((4, 3), (5, 2)):
        frame = np.zeros((9, 7))
        frame[row, col], frame[row - 2, col] = 8.0, 5.0
        sums.add(frame, np.array([row, col], float), np.array([[row - 2, col]], float))
    sums.add(np.ones((9, 7)), np.array([np.nan, 2.0]), np.zeros((0, 2)))
    mean, weight, center = sums.snapshot()
    assert sums.n_frames == 2
    assert mean[center] == 8.0
    assert weight[center[0] - 2, center[1]] == 0


def test_halos_that_disagree_have_a_larger_error_together():
    one = EllipseEstimate(e1=0.01, e2=0.0, error=0.001, source="halo")
    other = EllipseEstimate(e1=0.03, e2=0.0, error=0.001, source="halo")
    both = combined([one, other])
    assert both.e1 == pytest.approx(0.02)
    assert both.error > 0.005
    assert combined([one]) is one


def test_a_calibration_undoes_the_ellipse_then_scales_flips_and_turns():
    calibration = Calibration(ellipse=TRUE, q_pixel_size_inv_angstrom=0.5, rotation_deg=90.0, flip=True)
    seen = np.array([[2.0, 0.0], [0.0, 4.0]]) @ np.linalg.inv(TRUE.matrix).T
    np.testing.assert_allclose(calibration.apply(seen), [[0.0, 1.0], [2.0, 0.0]], atol=1e-12)


def test_a_ring_that_is_not_there_gives_no_pixel_size():
    size, error = pixel_size(RINGS, 2.0, 11.2)
    assert (size, error) == (pytest.approx(1 / 22), 0.0)
    with pytest.raises(CalibrationError, match="0 tracked peaks"):
        pixel_size(RINGS, 2.0, 13.0)


def test_crystals_that_share_no_ring_are_refused_and_nothing_breaks():
    """Also when one is left out: the others share a ring with that one alone."""
    radius = np.repeat([20.0, 30.0, 40.0, 20.0, 30.0, 40.0], 2)
    crystal = np.repeat([0, 0, 0, 1, 2, 3], 2)
    angle = np.arange(12) * 0.7
    q = radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    with pytest.raises(CalibrationError):
        ellipse_of_rings(q[:, 0], q[:, 1], crystal)
