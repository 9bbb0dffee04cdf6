"""What a worker reads out of its frames."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

from livebragg.config.detection import DetectionConfig, VirtualConfig
from livebragg.detect import FrameAnalyzer, measure_probe
from livebragg.detect.template import disk_profile
from livebragg.errors import ConfigError, FrameError
from livebragg.model import VIRTUAL_IMAGES, ProbeShape

PROBE = ProbeShape(radius=4.0, edge_width=0.5, center=(31.0, 40.0))


def beam_frames(centers, shape=(64, 80), counts=1500.0):
    """Poisson frames with a direct beam each, and a disk of a third of its counts 14 px away."""
    rng = np.random.default_rng(0)
    rows, cols = np.indices(shape)
    frames = []
    for r, c in centers:
        mean = 0.2 + counts / (np.pi * 16) * disk_profile(np.hypot(rows - r, cols - c), 4.0, 0.5)
        mean += counts / (np.pi * 48) * disk_profile(np.hypot(rows - r - 14, cols - c), 4.0, 0.5)
        frames.append(rng.poisson(mean))
    return np.array(frames, np.uint16)


def test_the_direct_beam_is_followed_with_a_true_error():
    centers = np.random.default_rng(1).normal([31, 40], 1.5, (60, 2))
    batch = FrameAnalyzer(PROBE, (64, 80)).analyze(beam_frames(centers), np.arange(60))
    pull = (batch.direct_beam[:, :2] - centers) / batch.direct_beam[:, 2:]
    assert 0.8 < pull.std() < 1.3
    assert np.diff(batch.peaks.offsets).min() == 2


def test_without_a_beam_its_place_is_nan():
    batch = FrameAnalyzer(PROBE, (64, 80)).analyze(np.zeros((2, 64, 80), np.uint8), np.arange(2))
    assert np.isnan(batch.direct_beam).all()
    assert batch.virtual[:, :3].tolist() == [[0, 0, 0], [0, 0, 0]]
    assert np.isnan(batch.virtual[:, 3:]).all()


def test_virtual_images_and_sum_pattern_equal_plain_sums():
    frames = beam_frames([(31, 40), (32, 41), (30.5, 40)])
    batch = FrameAnalyzer(PROBE, (64, 80)).analyze(frames, np.arange(3))
    rows, cols = np.indices((64, 80))
    r = np.hypot(rows - 31, cols - 40)
    x = frames.astype(float)
    expected = {
        "bright_field": x[:, r <= 4.8].sum(1),
        "annular_dark_field": x[:, (r >= 10) & (r <= 31)].sum(1),
        "total": x.sum((1, 2)),
        "com_qx": (x * rows).sum((1, 2)) / x.sum((1, 2)),
        "com_qy": (x * cols).sum((1, 2)) / x.sum((1, 2)),
    }
    for k, name in enumerate(VIRTUAL_IMAGES):
        np.testing.assert_allclose(batch.virtual[:, k], expected[name], rtol=1e-5)
    np.testing.assert_allclose(batch.sum_pattern, x.sum(0))


def test_a_batch_equals_its_frames_one_by_one():
    frames = beam_frames([(31, 40), (32, 41), (30.5, 40)])
    analyzer = FrameAnalyzer(PROBE, (64, 80), DetectionConfig(false_disks_per_frame=3.0))
    together = analyzer.analyze(frames, np.array([7, 8, 9]))
    for i in range(3):
        alone = analyzer.analyze(frames[i : i + 1], np.array([7 + i]))
        np.testing.assert_array_equal(alone.peaks.qx, together.peaks.frame(i).qx)
        np.testing.assert_array_equal(alone.direct_beam[0], together.direct_beam[i])
        np.testing.assert_array_equal(alone.virtual[0], together.virtual[i])


def test_radii_and_bad_pixels_can_be_configured():
    frames = beam_frames([(31, 40)])
    frames[0, 31, 40] = 60_000
    analyzer = FrameAnalyzer(
        PROBE,
        (64, 80),
        DetectionConfig(bad_pixels=((31, 40),)),
        VirtualConfig(bright_field_radius=2.0, annular_inner_radius=3.0, annular_outer_radius=5.0),
    )
    batch = analyzer.analyze(frames, np.array([0]))
    rows, cols = np.indices((64, 80))
    r = np.hypot(rows - 31, cols - 40)
    assert batch.virtual[0, 0] == frames[0][(r <= 2) & (r > 0)].sum()
    assert batch.virtual[0, 1] == frames[0][(r >= 3) & (r <= 5)].sum()
    np.testing.assert_allclose(batch.direct_beam[0, :2], [31, 40], atol=0.3)


def test_frames_with_odd_pixels_are_counted_per_batch():
    frames = beam_frames([(31, 40), (32, 41), (30.5, 40)]).astype(np.float32)
    frames[1, 2, 3], frames[1, 5, 5], frames[2, 0, 0] = np.nan, -1, np.inf
    analyzer = FrameAnalyzer(PROBE, (64, 80))
    batch = analyzer.analyze(frames, np.arange(3))
    assert analyzer.frames_masked == 2
    assert np.isfinite(batch.virtual).all()
    analyzer.analyze(frames[:1], np.arange(1))
    assert analyzer.frames_masked == 0
    assert analyzer.health.nonfinite_pixels == 2


def test_what_does_not_fit_is_refused():
    analyzer = FrameAnalyzer(PROBE, (64, 80))
    with pytest.raises(FrameError, match="scan indices"):
        analyzer.analyze(np.zeros((2, 64, 80)), np.arange(3))
    with pytest.raises(FrameError):
        analyzer.analyze(np.zeros((2, 80, 64)), np.arange(2))
    with pytest.raises(ConfigError, match=r"probe\.center"):
        FrameAnalyzer(ProbeShape(radius=4.0, edge_width=0.5, center=(90.0, 40.0)), (64, 80))
    with pytest.raises(ConfigError, match="bad_pixels"):
        FrameAnalyzer(PROBE, (64, 80), DetectionConfig(bad_pixels=((64, 0),)))


def test_the_gold_scan_is_measured_to_a_few_hundredths_of_a_pixel(shared_data):
    with h5py.File(shared_data("sim/au_dose20000_seed1.h5")) as file:
        frames, origin = file["data"][30], file["truth/origin"][30]
    batch = FrameAnalyzer(measure_probe(frames[:16]), (128, 128)).analyze(frames, np.arange(64))
    assert np.sqrt(((batch.direct_beam[:, :2] - origin) ** 2).mean()) < 0.06


def test_hot_pixels_of_the_defective_detector_are_no_disks(shared_data):
    with h5py.File(shared_data("sim/au_dose2000_defects_seed1.h5")) as file:
        frames, hot = file["data"][10], file["truth/hot_pixels"][()]
        offsets = file["truth/disks/frame_offsets"][640:705]
        y, x = (file[f"truth/disks/{k}"][offsets[0] : offsets[-1]] for k in "yx")
    batch = FrameAnalyzer(measure_probe(frames[:16]), (128, 128)).analyze(frames, np.arange(64))
    suspicious = 0
    for i in range(64):
        peaks, part = batch.peaks.frame(i), slice(offsets[i] - offsets[0], offsets[i + 1] - offsets[0])
        for r, c in hot:
            near_hot = np.hypot(peaks.qx - r, peaks.qy - c) < 4
            for qx, qy in zip(peaks.qx[near_hot], peaks.qy[near_hot], strict=True):
                suspicious += np.hypot(y[part] - qx, x[part] - qy).min() > 3.0
    assert suspicious <= 6
