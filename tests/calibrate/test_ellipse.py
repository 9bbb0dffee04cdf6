"""The ellipse is found where the data determine it, with an error that can be believed, and refused elsewhere."""

from __future__ import annotations

import numpy as np
import pytest

from livebragg.calibrate import HaloPattern, agreed, combined, ellipse_of_halo, ellipse_of_rings, pixel_size
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


def test_noise_without_flanks_hardly_ever_passes_for_a_halo_and_never_contradicts_good_crystals():
    """The fit wanders for ever; where it happens to pause its error is too large to contradict anything."""
    rings, passed = EllipseEstimate(e1=0.02, e2=0.02, error=0.001, source="rings"), 0
    for seed in range(12):
        pattern = np.random.default_rng(seed).poisson(8000.0, (101, 101)).astype(float)
        found = None
        try:
            found = ellipse_of_halo(pattern, 1 / pattern, (50, 50), 10, 48)
            passed += 1
        except CalibrationError as error:
            assert "does not come to rest" in str(error) or "stays open" in str(error)
        assert agreed(rings, found) is rings
    assert passed <= 3


def test_frames_are_added_about_their_origins_without_their_disks():
    usable = np.ones((9, 7), bool)
    usable[4, 0] = False
    sums = HaloPattern((9, 7), probe_radius=0.5, usable=usable)
    for row, col in ((4, 3), (5, 2)):
        frame = np.zeros((9, 7))
        frame[row, col], frame[row - 2, col] = 8.0, 5.0
        sums.add(frame, np.array([row, col], float), np.array([[row - 2, col]], float))
    sums.add(np.ones((9, 7)), np.array([np.nan, 2.0]), np.zeros((0, 2)))
    mean, weight, center = sums.snapshot()
    assert sums.n_frames == 2
    assert mean[center] == 8.0
    assert weight[center[0] - 2, center[1]] == weight[center[0], center[1] - 3] == 0


@pytest.mark.parametrize(("strain", "n"), [(0.003, 8), (0.003, 5), (0.008, 12)])
def test_the_error_covers_as_it_says_also_where_crystals_are_strained(strain, n):
    """Over 30 scenes, two thirds of the components lie within one standard error and most within two."""
    ratios = []
    for seed in range(30):
        angles = np.random.default_rng(300 + seed).uniform(0, 1.5, n)
        q, crystal = crystals(angles, strain=strain, seed=seed)
        try:
            found = ellipse_of_rings(q[:, 0], q[:, 1], crystal)
        except CalibrationError:
            continue
        away = np.array([found.e1 - TRUE.e1, found.e2 - TRUE.e2])
        ratios += list(np.abs(away) / np.sqrt(np.diag(found.covariance)))
    assert len(ratios) >= 30
    assert 0.55 < np.mean(np.array(ratios) < 1) < 0.85
    assert np.mean(np.array(ratios) < 2) > 0.87


def test_crystals_weigh_by_their_strain_not_by_the_number_of_their_peaks():
    """One crystal with three times the peaks of the others has one strain all the same."""
    errors = []
    for seed in range(12):
        random = np.random.default_rng(seed)
        q, crystal = crystals(random.uniform(0, 1.5, 6), strain=0.004, seed=seed)
        keep = (crystal == 0) | (random.uniform(size=crystal.size) < 0.35)
        try:
            found = ellipse_of_rings(q[keep, 0], q[keep, 1], crystal[keep])
        except CalibrationError:
            continue
        errors.append((found.e1 - TRUE.e1) ** 2 + (found.e2 - TRUE.e2) ** 2)
    assert len(errors) >= 8
    assert np.sqrt(np.mean(errors) / 2) < 0.0032


def test_peaks_that_lie_on_common_rings_by_chance_are_refused():
    random = np.random.default_rng(4)
    radius, angle = random.uniform(15, 55, 150), random.uniform(0, 2 * np.pi, 150)
    q = radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    with pytest.raises(CalibrationError, match="more than one"):
        ellipse_of_rings(q[:, 0], q[:, 1], np.arange(150) % 6)


def test_rings_and_halo_that_agree_are_averaged_by_their_errors():
    """Also along each direction: what one of them leaves open the other knows."""
    rings = EllipseEstimate.of(np.array([0.010, 0.004]), np.diag([1e-6, 9e-6]), "rings")
    halo = EllipseEstimate.of(np.array([0.012, 0.008]), np.diag([9e-6, 1e-6]), "halo")
    both = agreed(rings, halo)
    assert both.source == "rings and halo"
    assert (both.e1, both.e2) == pytest.approx((0.0102, 0.0076))
    assert both.error < min(rings.error, halo.error)
    assert agreed(None, halo) is halo


def test_a_halo_that_contradicts_the_crystals_leaves_the_ellipse_unknown():
    rings = EllipseEstimate(e1=0.03, e2=0.02, error=0.002, source="rings")
    halo = EllipseEstimate(e1=0.0, e2=0.0, error=0.003, source="halo")
    with pytest.raises(CalibrationError, match=r"contradict.*rings a ratio of 1\.075.*halo a ratio of 1\.000"):
        agreed(rings, halo)


def test_a_halo_that_is_too_uncertain_alone_neither_contradicts_nor_moves_certain_crystals():
    certain = EllipseEstimate(e1=0.03, e2=0.02, error=0.001, source="rings")
    for e1 in (0.0, 0.028):
        other = EllipseEstimate(e1=e1, e2=0.02, error=0.005, source="halo")
        assert agreed(certain, other) is certain
    with pytest.raises(CalibrationError, match="contradict"):  # uncertain crystals do contradict a halo
        agreed(
            EllipseEstimate(e1=0.04, e2=0.0, error=0.005, source="rings"),
            EllipseEstimate(e1=0.0, e2=0.0, error=0.002, source="halo"),
        )


def test_evidence_that_is_too_uncertain_alone_is_refused_but_counts_with_others():
    rings = EllipseEstimate(e1=0.01, e2=0.01, error=0.005, source="rings")
    halo = EllipseEstimate(e1=0.012, e2=0.01, error=0.005, source="halo")
    with pytest.raises(CalibrationError, match="stays open"):
        agreed(rings, None)
    assert agreed(rings, halo).error == pytest.approx(0.005 / np.sqrt(2))


def test_errors_of_ratio_and_angle_follow_from_the_covariance():
    """A long axis along the rows: the first component is its ratio, the second its direction."""
    found = EllipseEstimate.of(np.array([0.02, 0.0]), np.array([[4e-6, 0], [0, 1e-6]]), "rings")
    assert found.ratio_error == pytest.approx(2 * 0.002 * found.ratio)
    assert found.angle_error_deg == pytest.approx(np.degrees(0.001 / 0.02 / 2))
    np.testing.assert_allclose(found.covariance, [[4e-6, 0], [0, 1e-6]])
    assert EllipseEstimate(e1=0.0, e2=0.0, error=0.001, source="halo").angle_error_deg == 90.0
    assert EllipseEstimate.from_axes(1.0, 0.0, "given").angle_error_deg == 0.0


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


def test_the_error_of_a_pixel_size_covers_the_strain_of_the_crystals():
    """Over 40 scenes of six crystals strained by half a percent: peaks of one crystal are not independent."""
    ratios = []
    for seed in range(40):
        random = np.random.default_rng(seed)
        grains = [RINGS @ turned(angle).T * (1 + 0.005 * random.normal()) for angle in random.uniform(0, 1.5, 6)]
        crystal = np.repeat(np.arange(6), len(RINGS))
        size, error = pixel_size(np.concatenate(grains), 2.0, 11.0, crystal)
        ratios.append((size * 22 - 1) / (error * 22))
    assert 0.7 < np.sqrt(np.mean(np.square(ratios))) < 1.6


def test_peaks_of_no_crystal_do_not_weigh_as_much_as_a_crystal():
    grains = np.concatenate([RINGS @ turned(angle).T for angle in (0.0, 0.4, 0.8)])
    stray = 11.1 * np.stack([np.cos(np.arange(5.0)), np.sin(np.arange(5.0))], axis=1)
    crystal = np.concatenate([np.repeat(np.arange(3), len(RINGS)), np.full(5, -1)])
    size, error = pixel_size(np.concatenate([grains, stray]), 2.0, 11.0, crystal)
    assert size == pytest.approx(1 / 22, rel=1e-9)
    assert error < 1e-9


def test_crystals_that_share_no_ring_are_refused_and_nothing_breaks():
    radius = np.repeat([20.0, 28.0, 40.0, 24.0, 33.0, 47.0], 2)
    crystal = np.repeat([0, 0, 0, 1, 2, 3], 2)
    angle = np.arange(12) * 0.7
    q = radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    with pytest.raises(CalibrationError):
        ellipse_of_rings(q[:, 0], q[:, 1], crystal)
