from __future__ import annotations

import numpy as np
import pytest

from livebragg.calibrate import OriginTracker, pattern_origins
from livebragg.model import TrackedPeaks

SHAPE = (40, 30)
CENTER = (64.0, 60.0)


def descan(seed=0, jitter=0.2, shake=0.0):
    """True origins: a paraboloid, a jump per line, and a shake per position."""
    rng = np.random.default_rng(seed)
    r, c = np.divmod(np.arange(SHAPE[0] * SHAPE[1]), SHAPE[1])
    r, c = r / SHAPE[0], c / SHAPE[1]
    smooth = np.stack([2 * r - r * c + c**2, 1.5 * c + r**2], axis=1)
    rows = np.repeat(rng.normal(0, jitter, (SHAPE[0], 2)), SHAPE[1], axis=0)
    return np.array(CENTER) + smooth + rows + rng.normal(0, shake, smooth.shape)


def measured(true, error, reported, seed=1):
    noise = np.random.default_rng(seed).normal(0, error, true.shape)
    return np.column_stack([true + noise, np.full(len(true), reported)]).astype(np.float32)


def rms(tracker, true):
    positions = np.arange(len(true))
    return float(np.sqrt(np.mean((tracker.origins(positions) - true) ** 2)))


def test_the_model_with_row_jitter_beats_the_measurements():
    true = descan()
    tracker = OriginTracker(SHAPE, CENTER, systematic_error=0.2)
    tracker.update(np.arange(len(true)), measured(true, 0.2, 0.02))
    assert rms(tracker, true) < 0.07


def test_precise_measurements_are_kept_where_the_descan_shakes():
    true = descan(shake=0.3)
    tracker = OriginTracker(SHAPE, CENTER, systematic_error=0.0)
    tracker.update(np.arange(len(true)), measured(true, 0.03, 0.03))
    assert rms(tracker, true) < 0.04


def test_outliers_and_frames_without_a_beam_get_the_model():
    true = descan()
    beam = measured(true, 0.05, 0.05)
    beam[::17, :2] += 9.0
    beam[5::17] = np.nan
    tracker = OriginTracker(SHAPE, CENTER, systematic_error=0.05)
    tracker.update(np.arange(len(true)), beam)
    error = np.abs(tracker.origins(np.arange(len(true))) - true)
    assert error.max() < 0.25


@pytest.mark.parametrize(("error", "shake", "believed"), [(0.02, 0.06, 0.9), (0.2, 0.02, 0.01)])
def test_the_patterns_tell_how_far_measurements_can_be_believed(error, shake, believed):
    true = descan(shake=shake)
    tracker = OriginTracker(SHAPE, CENTER, systematic_error=0.1)
    positions = np.arange(len(true))
    tracker.update(positions, measured(true, error, 0.01))
    pattern = true + np.random.default_rng(7).normal(0, 0.1, true.shape) + 0.3
    tracker.learn_from_patterns(positions, pattern.astype(np.float32))
    assert tracker._believed == pytest.approx(believed, abs=0.12)
    assert rms(tracker, true) < 0.8 * max(error, shake)


def test_before_anything_is_measured_the_origin_is_the_given_centre():
    tracker = OriginTracker(SHAPE, CENTER)
    tracker.update(np.array([3]), np.full((1, 3), np.nan, np.float32))
    np.testing.assert_allclose(tracker.origins(np.array([3])), [CENTER])


def test_the_first_lines_are_as_good_as_their_measurements():
    true = descan()
    tracker = OriginTracker(SHAPE, CENTER, systematic_error=0.05)
    for line in range(3):
        positions = np.arange(line * SHAPE[1], (line + 1) * SHAPE[1])
        tracker.update(positions, measured(true, 0.05, 0.02)[positions])
        assert np.sqrt(np.mean((tracker.origins(positions) - true[positions]) ** 2)) < 0.06


def test_pattern_origins_average_over_the_disks_of_a_position():
    peaks = TrackedPeaks(
        peak_id=np.array([2, 5], np.int32),
        qx=np.array([10, -10], np.float32),
        qy=np.array([0, 4], np.float32),
        support=np.ones(2, np.float32),
        significance=np.ones(2, np.float32),
        covariance=np.zeros((2, 2, 2), np.float32),
    )
    disks = np.array([[60, 50], [40.2, 54], [0, 0], [60, 50]], np.float32)
    column, owner = np.array([2, 5, -1, 2], np.int32), np.array([3, 3, 3, 4])
    positions, origins = pattern_origins(disks, column, owner, peaks, least=2)
    assert positions.tolist() == [3]
    np.testing.assert_allclose(origins, [[50.1, 50]], atol=1e-5)
