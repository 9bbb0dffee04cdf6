"""Profiles as a worker measures them: bins that fit, about the beam, without disks and hot pixels."""

from __future__ import annotations

import numpy as np
import pytest

from livebragg.config.detection import DetectionConfig, ProfileConfig
from livebragg.detect import FrameAnalyzer, profile_radii
from livebragg.detect.frame_profiles import FrameProfiles, hot_pixels, without_hot_pixels
from livebragg.errors import ConfigError
from livebragg.model import BraggPeaks, ProbeShape

PROBE = ProbeShape(radius=4.0, edge_width=0.5, center=(31.0, 40.0))
SHAPE = (64, 80)


def halo(center, radius=18.0, ratio=1.0, angle=0.0):
    rows, cols = np.indices(SHAPE) - np.reshape(center, (2, 1, 1))
    along, across = rows * np.cos(angle) + cols * np.sin(angle), cols * np.cos(angle) - rows * np.sin(angle)
    q = np.hypot(along / np.sqrt(ratio), across * np.sqrt(ratio))
    return (20 * np.exp(-0.5 * ((q - radius) / 1.5) ** 2)).astype(np.float32)


def measure(frames, beam, config=None, peaks=None):
    measured = FrameProfiles(PROBE, SHAPE, DetectionConfig(), config or ProfileConfig())
    beam = np.column_stack([beam, np.full(len(frames), 0.05)]).astype(np.float32)
    return measured.measure(frames, BraggPeaks.empty(len(frames)) if peaks is None else peaks, beam)


def test_the_beam_of_each_frame_is_the_centre():
    centers = np.array([[31.0, 40.0], [33.0, 37.5], [27.5, 44.0]])
    batch = measure(np.stack([halo(c) for c in centers]), centers)
    assert np.ptp(batch.radii[batch.mean.argmax(axis=1)]) == 0
    assert abs(batch.radii[batch.mean[0].argmax()] - 18) < 1


def test_a_beam_that_is_not_known_well_is_not_used():
    frames = halo(PROBE.center)[None].repeat(3, 0)
    profiles = FrameProfiles(PROBE, SHAPE, DetectionConfig(), ProfileConfig())
    beam = np.array([[31, 40, 0.1], [38, 40, 3.0], [np.nan] * 3], np.float32)
    batch = profiles.measure(frames, BraggPeaks.empty(3), beam)
    np.testing.assert_array_equal(batch.mean[1:], batch.mean[:1].repeat(2, 0))


def test_a_known_ellipse_makes_rings_sharp():
    frame = halo(PROBE.center, ratio=1.15, angle=0.6)[None]
    round_ = measure(frame, [PROBE.center])
    true = measure(frame, [PROBE.center], ProfileConfig(ellipse_ratio=1.15, ellipse_angle_deg=np.rad2deg(0.6)))
    assert true.mean.max() > 1.1 * round_.mean.max()


def test_bins_are_a_pixel_wide_or_as_wide_as_they_must_be():
    radii = profile_radii(SHAPE, PROBE, ProfileConfig(bins=512))
    assert np.allclose(np.diff(radii), 1) and radii.size == 40
    assert profile_radii((1024, 1024), PROBE, ProfileConfig()).size == 48
    assert profile_radii(SHAPE, PROBE, ProfileConfig(bins=0)).size == 0


def test_an_analyzer_sends_profiles_along_unless_they_are_switched_off():
    frames = np.random.default_rng(0).poisson(halo(PROBE.center)[None] + 0.1, (2, *SHAPE)).astype(np.uint16)
    batch = FrameAnalyzer(PROBE, SHAPE).analyze(frames, np.arange(2))
    assert batch.profiles is not None
    assert abs(batch.profiles.radii[np.nan_to_num(batch.profiles.mean[0]).argmax()] - 18) < 2
    none = FrameAnalyzer(PROBE, SHAPE, profile=ProfileConfig(bins=0)).analyze(frames, np.arange(2))
    assert none.profiles is None


def test_a_hot_pixel_is_replaced_and_frames_without_one_are_not_copied():
    frames = np.random.default_rng(0).poisson(2.0, (8, *SHAPE)).astype(np.uint16)
    assert without_hot_pixels(frames) is frames
    hot = frames.copy()
    hot[:, 10, 12] = 800
    repaired = without_hot_pixels(hot)
    assert (hot[:, 10, 12] == 800).all(), "the input is not changed"
    assert repaired[:, 10, 12].max() < 10
    rest = np.ones(SHAPE, bool)
    rest[10, 12] = False
    np.testing.assert_array_equal(repaired[:, rest], frames[:, rest])


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.uint32, np.int32, np.float32, np.float64, ">u2"])
def test_hot_pixels_are_found_at_corners_too_whatever_the_pixel_type(dtype):
    frames = np.random.default_rng(1).poisson(2.0, (8, *SHAPE)).astype(dtype)
    hot = [0, 3 * SHAPE[1] + 7, SHAPE[0] * SHAPE[1] - 1]
    frames.reshape(8, -1)[:, hot] = 200
    assert hot_pixels(frames).tolist() == hot


def test_what_is_not_finite_is_not_hot():
    frames = np.ones((4, *SHAPE), np.float32)
    frames[0, 5, 6], frames[1, 9, 9], frames[2, 20, 20] = np.nan, np.inf, -3e38
    assert hot_pixels(frames).size == 0


def test_hot_pixels_do_not_count_in_profiles():
    frames = np.random.default_rng(0).poisson(2.0, (8, *SHAPE)).astype(np.uint16)
    clean = measure(frames, np.tile(PROBE.center, (8, 1)))
    frames[:, 31, 50] = 800
    batch = measure(frames, np.tile(PROBE.center, (8, 1)))
    assert np.nanmax(batch.mean) < np.nanmax(clean.mean) + 1
    np.testing.assert_array_equal(batch.pixels.sum(axis=1), clean.pixels.sum(axis=1) - 1)


@pytest.mark.parametrize("change", [{"bins": 3}, {"ellipse_ratio": 0.5}, {"ellipse_angle_deg": float("nan")}])
def test_impossible_settings_are_refused(change):
    with pytest.raises(ConfigError, match=next(iter(change))):
        ProfileConfig(**change)
