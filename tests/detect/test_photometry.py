"""Intensities at given positions, on seeded frames with known disks."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from livebragg.detect import DiskDetector, ProbeTemplate
from livebragg.errors import FrameError
from livebragg.model import ForcedIntensities

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))

from photometry import empty_places
from scenes import make_scene, stamp_disk

SHAPE = (96, 72)
PROBE = ProbeTemplate.disk(5.0, 0.5)
GRID = np.array([[r, c] for r in (18.3, 47.6, 76.9) for c in (16.2, 38.4, 57.7)])


@pytest.fixture(scope="module")
def detector():
    """Radius 5, non-square frames."""
    return DiskDetector(PROBE, SHAPE)


def expected(positions, intensities, level, shape=SHAPE, probe=PROBE):
    """Mean counts of disks on a flat background."""
    image = np.full(shape, float(level))
    for place, intensity in zip(np.asarray(positions), np.broadcast_to(intensities, len(positions)), strict=True):
        stamp_disk(image, probe, place, intensity)
    return image


def same(a, b):
    """Whether two results are equal, bit for bit."""
    pairs = ((a.intensity, b.intensity), (a.error, b.error), (a.usable, b.usable))
    return all(np.array_equal(x, y, equal_nan=True) for x, y in pairs)


@pytest.mark.parametrize("level", [0.02, 0.3])
@pytest.mark.parametrize("electrons", [0, 2, 5, 20, 100, 1000])
def test_intensities_have_no_bias_from_nothing_to_a_thousand_electrons(detector, electrons, level):
    frames = np.random.default_rng([1, electrons]).poisson(expected(GRID, electrons, level), (400, *SHAPE))
    measured = detector.measure_at(frames.astype(np.uint16), GRID)
    error = measured.intensity - electrons
    assert abs(error.mean()) < 4 * error.std() / np.sqrt(error.size) + 0.02 + 0.001 * electrons
    z = error / measured.error
    assert abs(z.mean()) < 0.25
    assert 0.8 < z.std() < 1.15 or electrons < 5
    assert measured.error.min() > 0.5


def test_empty_places_on_a_background_read_zero_within_their_errors(detector):
    frames = np.random.default_rng(2).poisson(0.5, (400, *SHAPE)).astype(np.uint16)
    z = detector.measure_at(frames, GRID).significance
    assert abs(z.mean()) < 0.1
    assert 0.9 < z.std() < 1.1


def test_a_place_without_a_single_count_is_zero_with_an_error_of_about_an_electron(detector):
    measured = detector.measure_at(np.zeros((1, *SHAPE), np.uint8), GRID)
    np.testing.assert_allclose(measured.intensity, 0.0, atol=0.01)
    assert ((measured.error > 0.8) & (measured.error < 1.5)).all()


@pytest.mark.parametrize(("radius", "rate"), [(3, 0.85), (5, 0.82), (8, 0.65)])
def test_five_electrons_are_told_from_none_at_known_places(radius, rate):
    detector = DiskDetector(ProbeTemplate.disk(radius, 0.5), (256, 256))
    disks, empty = [], []
    for seed in range(12):
        scene = make_scene(seed, frame_shape=(256, 256), radius=radius, dose=5, n_disks=40, background=0.1)
        places = np.concatenate([scene.positions, empty_places(scene, radius, seed)])
        significance = detector.measure_at(scene.frame[None], places).significance[0]
        disks.append(significance[: len(scene.positions)])
        empty.append(significance[len(scene.positions) :])
    assert (np.concatenate(disks) > np.quantile(np.concatenate(empty), 0.99)).mean() > rate


@pytest.mark.parametrize(("first", "second"), [(5, 5), (300, 300), (1000, 5), (1000, 0), (10000, 0)])
def test_overlapping_disks_share_their_light_without_bias_and_with_honest_errors(detector, first, second):
    pair = np.array([[40.3, 30.6], [43.9, 35.4]])  # 1.2 radii apart
    image = expected(pair, [first, second], 0.1)
    frames = np.random.default_rng([3, first, second]).poisson(image, (1000, *SHAPE))
    measured = detector.measure_at(frames.astype(np.uint32), pair)
    z = (measured.intensity - [first, second]) / measured.error
    assert (abs(z.mean(axis=0)) < 0.25).all()
    assert (z.std(axis=0) < 1.12).all()
    assert (z.std(axis=0) > 0.8).all()


def test_a_crowded_lattice_is_solved_as_one(detector):
    rng = np.random.default_rng(4)
    lattice = np.array([[r, c] for r in range(10, 90, 9) for c in range(10, 66, 9)]) + rng.uniform(
        -0.5, 0.5, (63, 2)
    )
    truth = 200.0 * 2.0 ** rng.uniform(-3, 1, 63)
    truth[::4] = 0.0
    frames = rng.poisson(expected(lattice, truth, 0.1), (150, *SHAPE)).astype(np.uint16)
    measured = detector.measure_at(frames, lattice)
    z = (measured.intensity - truth) / measured.error
    assert abs(z.mean()) < 0.12
    assert abs(z.mean(axis=0)).max() < 0.7
    assert 0.85 < z.std() < 1.1


def test_positions_off_the_frame_behind_the_mask_or_nan_give_nan_and_say_how_much_was_seen():
    bad = np.zeros(SHAPE, bool)
    bad[30:60, 20:40] = True
    detector = DiskDetector(PROBE, SHAPE, bad_pixels=bad)
    places = np.array(
        [[45, 30], [47.5, 42], [47.5, 38], [np.nan, 3], [3, np.inf], [-3, 30], [-500, 20], [1e300, 4], [20, 20]]
    )
    frames = np.random.default_rng(5).poisson(expected(places[[1, -1]], 500, 0.1), (50, *SHAPE)).astype(np.uint16)
    measured = detector.measure_at(frames, places)
    known = np.array([False, True, False, False, False, False, False, False, True])
    assert (np.isfinite(measured.intensity) == known).all()
    assert (np.isfinite(measured.error) == known).all()
    usable = measured.usable[0]
    assert usable[[0, 3, 4, 6, 7]].tolist() == [0.0] * 5
    assert 0.5 < usable[1] < 1.0
    assert 0.0 < usable[2] < 0.5
    assert 0.0 < usable[5] < 0.5
    assert usable[8] == 1.0
    z = (measured.intensity[:, known] - 500) / measured.error[:, known]
    assert (abs(z.mean(axis=0)) < 0.6).all()


def test_a_disk_cut_by_the_edge_is_measured_whole(detector):
    place = np.array([[1.2, 30.4], [94.3, 70.1]])
    frames = np.random.default_rng(6).poisson(expected(place[:1], 300, 0.05), (400, *SHAPE)).astype(np.uint16)
    measured = detector.measure_at(frames, place)
    assert measured.usable[0, 0] < 0.8
    z = (measured.intensity[:, 0] - 300) / measured.error[:, 0]
    assert abs(z.mean()) < 0.2
    assert 0.85 < z.std() < 1.12
    assert np.isnan(measured.intensity[:, 1]).all()


def test_light_of_a_disk_too_far_off_to_be_reported_is_not_given_to_its_neighbour(detector):
    pair = np.array([[-2.0, 30.0], [4.0, 34.0]])
    frames = np.random.default_rng(7).poisson(expected(pair[:1], 2000, 0.05), (300, *SHAPE)).astype(np.uint16)
    measured = detector.measure_at(frames, pair)
    assert np.isnan(measured.intensity[:, 0]).all()
    z = measured.significance[:, 1]
    assert abs(z.mean()) < 0.25


def test_a_batch_equals_its_frames_one_by_one_and_frames_stay_as_they_were(detector):
    rng = np.random.default_rng(8)
    frames = rng.poisson(expected(GRID, 50, 0.2), (5, *SHAPE)).astype(np.uint16)
    places = GRID + rng.normal(0, 3, (5, *GRID.shape))
    before = frames.copy()
    frames.setflags(write=False)
    places.setflags(write=False)
    measured = detector.measure_at(frames, places)
    for i in range(5):
        one = detector.measure_at(frames[i : i + 1], places[i])
        np.testing.assert_array_equal(one.intensity[0], measured.intensity[i])
        np.testing.assert_array_equal(one.error[0], measured.error[i])
    np.testing.assert_array_equal(frames, before)


def test_measuring_and_detecting_do_not_disturb_each_other(detector):
    frames = np.random.default_rng(9).poisson(expected(GRID, 200, 0.1), (4, *SHAPE)).astype(np.uint16)
    peaks, measured = detector.detect_many(frames), detector.measure_at(frames, GRID)
    assert same(detector.measure_at(frames, GRID), measured)
    np.testing.assert_array_equal(detector.detect_many(frames).intensity, peaks.intensity)
    assert measured.intensity.mean() == pytest.approx(peaks.intensity.mean(), rel=0.02)


def test_origins_move_the_positions_of_each_frame(detector):
    rng = np.random.default_rng(10)
    frames = rng.poisson(0.3, (4, *SHAPE)).astype(np.uint16)
    origins = rng.normal(0, 2, (4, 2))
    moved = detector.measure_at(frames, GRID, origins=origins)
    assert same(moved, detector.measure_at(frames, GRID + origins[:, None]))


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, ">u2", np.float32, np.float64])
def test_every_pixel_type_gives_the_same(detector, dtype):
    frames = np.random.default_rng(11).poisson(expected(GRID, 30, 0.2), (2, *SHAPE))
    assert same(
        detector.measure_at(frames.astype(dtype), GRID), detector.measure_at(frames.astype(np.uint16), GRID)
    )


def test_gain_offset_and_read_noise_are_taken_out():
    rng = np.random.default_rng(12)
    electrons = rng.poisson(expected(GRID, 400, 0.5), (200, *SHAPE))
    counts = 8.0 * (electrons + rng.normal(0, 0.5, electrons.shape)) + 100.0
    detector = DiskDetector(PROBE, SHAPE, gain=8.0, offset=100.0, read_noise=0.5)
    measured = detector.measure_at(counts.astype(np.float32), GRID)
    z = (measured.intensity - 3200) / measured.error
    assert abs(z.mean()) < 0.1
    assert 0.9 < z.std() < 1.1


def test_a_gaussian_spot_is_measured_as_well_as_a_disk():
    probe = ProbeTemplate.gaussian(1.2)
    for electrons in (5, 1000):
        image = expected(GRID, electrons, 0.1, probe=probe)
        frames = np.random.default_rng(13).poisson(image, (400, *SHAPE)).astype(np.uint16)
        measured = DiskDetector(probe, SHAPE).measure_at(frames, GRID)
        z = (measured.intensity - electrons) / measured.error
        assert abs(z.mean()) < 0.25
        assert 0.75 < z.std() < 1.12


def test_nothing_to_measure_gives_empty_results(detector):
    assert detector.measure_at(np.zeros((3, *SHAPE), np.uint8), np.zeros((0, 2))).intensity.shape == (3, 0)
    assert len(detector.measure_at(np.zeros((0, *SHAPE), np.uint8), GRID)) == 0


@pytest.mark.parametrize(
    ("positions", "origins", "message"),
    [
        (np.zeros(2), None, r"positions have shape \(2,\); expected \(k, 2\)"),
        (np.zeros((4, 3)), None, r"expected \(k, 2\) for all frames or \(2, k, 2\)"),
        (np.zeros((1, 4, 2)), None, r"positions have shape \(1, 4, 2\)"),
        (np.zeros((4, 2), complex), None, "positions have dtype complex128"),
        (np.array([["a", "b"]]), None, "positions have dtype"),
        (np.zeros((9000, 2)), None, "9000 positions are more than the 8192"),
        ([[1.0, 2.0], [3.0]], None, "positions are no array"),
        (GRID, np.zeros(2), r"origins have shape \(2,\); expected \(2, 2\)"),
        (GRID, np.zeros((3, 2)), r"origins have shape \(3, 2\)"),
        (GRID, np.zeros((2, 2), bool), "origins have dtype bool"),
    ],
)
def test_what_cannot_be_positions_is_refused_with_a_reason(detector, positions, origins, message):
    with pytest.raises(FrameError, match=message):
        detector.measure_at(np.zeros((2, *SHAPE), np.uint16), positions, origins=origins)


def test_frames_of_another_shape_or_kind_are_refused(detector):
    with pytest.raises(FrameError, match="frames have shape"):
        detector.measure_at(np.zeros((2, 8, 8), np.uint16), GRID)
    with pytest.raises(FrameError, match="dtype"):
        detector.measure_at(np.zeros((2, *SHAPE), bool), GRID)
    with pytest.raises(FrameError, match="must be"):
        ForcedIntensities(intensity=np.zeros((1, 2)), error=np.zeros((1, 2)), usable=np.zeros((2, 1)))
