"""Light at tracked peaks, from frames that are looked up."""

from __future__ import annotations

import numpy as np
import pytest

from livebragg.config.detection import DetectionConfig
from livebragg.model import Acquisition, ProbeShape, pack_mask
from livebragg.pipeline.pixel_health import PixelHealth
from livebragg.pipeline.scan.photometer import FramePhotometer, OddPixels

PROBE = ProbeShape(radius=4.0, edge_width=0.5, center=(31.0, 31.0))
PLACES = np.array([[15.0, 0.0], [0.0, -15.0]], np.float32)
EVERYTHING = np.ones((99, 2), np.bool_)


class Frames:
    """Every frame has a disk of as many counts a pixel as its number, at one peak; frame 3 is gone."""

    def __init__(self, n=9):
        r, c = np.mgrid[:64, :64]
        self.frames = np.random.default_rng(0).poisson(0.2, (n, 64, 64)).astype(np.uint16)
        for i in range(n):
            self.frames[i] += (i * (np.hypot(r - 46 - i % 3, c - 31) < 4)).astype(np.uint16)
            self.frames[i] += (200 * (np.hypot(r - 31 - i % 3, c - 31) < 4)).astype(np.uint16)

    def some(self, index):
        there = index[index != 3]
        for part in np.array_split(there, 2):
            yield part, self.frames[part]


@pytest.mark.parametrize("threads", [1, 2])
def test_light_follows_the_origin_and_frames_that_are_gone_are_left_out(threads):
    lookup, asked = Frames(), np.array([1, 3, 6, 8])
    origins = np.stack([31.0 + np.arange(9) % 3, np.full(9, 31.0)], axis=1).astype(np.float32)
    photometer = FramePhotometer(lookup, PROBE, (64, 64), DetectionConfig(), threads=threads)
    parts = list(photometer.measure(asked, PLACES, origins, EVERYTHING))
    photometer.close()
    index = np.concatenate([part for part, _ in parts])
    intensity = np.concatenate([values.intensity for _, values in parts])
    assert index.tolist() == [1, 6, 8]
    area = (np.hypot(*np.mgrid[-5:6, -5:6]) < 4).sum()
    np.testing.assert_allclose(intensity[:, 0], area * index, rtol=0.15, atol=10)
    np.testing.assert_allclose(intensity[:, 1], 0, atol=15)


def test_only_what_is_wanted_is_measured():
    photometer = FramePhotometer(Frames(), PROBE, (64, 64), DetectionConfig())
    wanted = np.array([[True, True], [True, False], [False, True]])
    parts = list(photometer.measure(np.array([2, 4, 5]), PLACES, np.full((9, 2), 31.0, np.float32), wanted))
    photometer.close()
    index = np.concatenate([part for part, _ in parts])
    known = np.isfinite(np.concatenate([values.intensity for _, values in parts]))
    assert (index.tolist(), known.tolist()) == ([2, 4, 5], wanted.tolist())


def test_without_peaks_no_frame_is_read():
    photometer = FramePhotometer(None, PROBE, (64, 64), DetectionConfig())
    assert list(photometer.measure(np.arange(4), PLACES[:0], np.zeros((4, 2), np.float32), EVERYTHING)) == []
    photometer.close()


@pytest.mark.parametrize("mask_is_sent", [True, False])
def test_light_is_not_measured_through_pixels_that_the_detector_says_have_none(mask_is_sent):
    """Half of the disk lies on dead pixels, which read 65535; announced, or seen in every frame."""
    lookup, index = Frames(33), np.arange(18, 33)
    dead = np.zeros((64, 64), bool)
    dead[44:50, 31:33] = True
    lookup.frames[:, dead] = 65535
    acquisition = Acquisition(
        acquisition_id="a",
        scan_shape=None,
        frame_shape=(64, 64),
        dtype="uint16",
        highest_count=65534,
        bad_pixels=pack_mask(dead) if mask_is_sent else b"",
    )
    photometer = FramePhotometer(lookup, PROBE, (64, 64), DetectionConfig(), pixels=PixelHealth(acquisition))
    origins = np.stack([31.0 + np.arange(33) % 3, np.full(33, 31.0)], axis=1).astype(np.float32)
    list(
        photometer.measure(index, PLACES, origins, EVERYTHING)
    )  # the first frames may have to show which pixels are dead
    parts = list(photometer.measure(index, PLACES, origins, EVERYTHING))
    photometer.close()
    found = {int(i): v for part, values in parts for i, v in zip(part, values.intensity[:, 0], strict=True)}
    area = (np.hypot(*np.mgrid[-5:6, -5:6]) < 4).sum()
    np.testing.assert_allclose([found[i] / i for i in index.tolist()], area, rtol=0.25)


def test_a_hot_pixel_beside_a_peak_is_no_light():
    lookup, index = Frames(40), np.arange(8, 40)
    lookup.frames[:, 31, 17] = 400
    photometer = FramePhotometer(lookup, PROBE, (64, 64), DetectionConfig())
    origins = np.stack([31.0 + np.arange(40) % 3, np.full(40, 31.0)], axis=1).astype(np.float32)
    parts = list(photometer.measure(index, PLACES, origins, EVERYTHING))
    photometer.close()
    dark = np.concatenate([values.intensity[:, 1] for _, values in parts])
    np.testing.assert_allclose(dark, 0, atol=20)


def test_frames_without_data_at_a_pixel_do_not_make_it_dead():
    frames = Frames(64).frames.astype(np.float32)
    odd = OddPixels((64, 64))
    for first in range(0, 64, 8):
        block = frames[first : first + 8]
        block[3, 31, 31] = np.nan
        odd.learn(block)
    assert odd.known
    assert not odd.mask[31, 31]


def test_the_first_few_frames_wait_until_broken_pixels_are_known():
    class OneByOne(Frames):
        def some(self, index):
            for i in index.tolist():
                yield np.array([i]), self.frames[[i]]

    lookup, index = OneByOne(40), np.arange(8, 40)
    lookup.frames[:, 31, 17] = 400
    photometer = FramePhotometer(lookup, PROBE, (64, 64), DetectionConfig())
    origins = np.stack([31.0 + np.arange(40) % 3, np.full(40, 31.0)], axis=1).astype(np.float32)
    parts = list(photometer.measure(index, PLACES, origins, EVERYTHING))
    photometer.close()
    assert np.concatenate([part for part, _ in parts]).tolist() == index.tolist()
    assert len(parts) == 2  # frames that came one by one are measured together
    np.testing.assert_allclose(np.concatenate([v.intensity[:, 1] for _, v in parts]), 0, atol=20)
