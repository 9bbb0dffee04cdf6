"""A probe of any shape from frames of vacuum."""

from __future__ import annotations

import numpy as np
import pytest

from livebragg.config.detection import DetectionConfig
from livebragg.detect import ProbeTemplate, frames_of_region, measure_vacuum_probe
from livebragg.detect.odd_pixels import odd_pixels
from livebragg.errors import FrameError, ProbeError
from probe_images import Shape, bullseye, disk, recorded

SHAPE = (56, 52)


def vacuum(
    shape: Shape, n: int = 16, *, drift: float = 1.0, blur: float = 0.5, counts: float = 5000.0, seed: int = 0
) -> np.ndarray:
    """Frames with a beam that wanders."""
    rng = np.random.default_rng(seed)
    places = np.array([27.3, 24.6]) + drift * rng.normal(0, 1, (n, 2))
    mean = np.array([recorded(shape, tuple(p), blur, SHAPE) for p in places])
    return rng.poisson(counts * mean + 0.02).astype(np.uint16)


def misfit(probe: ProbeTemplate, shape: Shape, blur: float = 0.5) -> float:
    """Part of the light that the template has in wrong places, at a phase of its own."""
    truth = recorded(shape, (27.4, 24.7), blur, SHAPE)
    reach = probe.patch_radius
    image = probe.image((0.4, -0.3))
    return float(np.abs(truth[27 - reach : 28 + reach, 25 - reach : 26 + reach] - image).sum()) / 2


@pytest.mark.parametrize("drift", [0.0, 1.0, 3.0])
@pytest.mark.parametrize(
    ("shape", "blur", "limit"), [(disk(5.0), 0.5, 0.02), (bullseye(9.0), 0.5, 0.05), (disk(0.3), 0.5, 0.03)]
)
def test_frames_with_descan_make_one_sharp_template(shape, blur, limit, drift):
    frames = vacuum(shape, drift=drift, blur=blur, counts=20_000.0)
    before = frames.copy()
    probe = measure_vacuum_probe(frames)
    np.testing.assert_array_equal(frames, before)
    assert misfit(probe, shape, blur) < limit
    assert probe.structured == (shape.__qualname__.startswith("bullseye"))


def test_many_faint_frames_are_as_good_as_a_few_bright_ones():
    assert misfit(measure_vacuum_probe(vacuum(disk(5.0), 64, counts=300.0)), disk(5.0)) < 0.05
    assert misfit(measure_vacuum_probe(vacuum(bullseye(9.0), 64, counts=1000.0)), bullseye(9.0)) < 0.08


def test_hot_dead_and_bad_pixels_leave_no_trace():
    frames = vacuum(bullseye(9.0), counts=20_000.0)
    frames[:, 40, 10] = 60_000
    frames[:, 27, 25] = 0
    frames[:, 30, 30] = 9_000
    frames[:, 22, 21] = 300
    probe = measure_vacuum_probe(frames, detection=DetectionConfig(bad_pixels=((22, 21),)))
    assert misfit(probe, bullseye(9.0)) < 0.05


def test_pixels_that_are_not_finite_are_left_out():
    frames = vacuum(disk(5.0), counts=20_000.0).astype(np.float32)
    frames[:, 25, 25], frames[3, 10] = np.nan, np.inf
    assert misfit(measure_vacuum_probe(frames), disk(5.0)) < 0.03


def test_scaled_frames_on_a_pedestal_are_as_good_as_counts():
    frames = 0.001 * vacuum(bullseye(9.0), counts=20_000.0) + 3.0
    assert misfit(measure_vacuum_probe(frames, detection=DetectionConfig(offset=3.0)), bullseye(9.0)) < 0.06


def test_a_lone_pixel_is_hot_only_beside_other_light():
    frame = np.random.default_rng(0).poisson(0.3, SHAPE).astype(float)
    frame[20, 20] = 500.0
    assert not odd_pixels(frame)[20, 20]
    frame += 3000.0 * recorded(disk(3.0), (35.0, 30.0), 0.5, SHAPE)
    assert odd_pixels(frame)[20, 20]
    assert odd_pixels(frame)[30:41, 25:36].sum() == 0


def test_frames_without_the_beam_do_not_count():
    frames = vacuum(disk(5.0), counts=20_000.0)
    frames[::2] = np.random.default_rng(0).poisson(0.02, frames[::2].shape)
    assert misfit(measure_vacuum_probe(frames), disk(5.0)) < 0.03


def test_the_vacuum_of_a_scan_is_picked_by_box_mask_or_list():
    scan = np.random.default_rng(0).poisson(0.5, (4, 5, *SHAPE)).astype(np.uint16)
    beam = vacuum(disk(5.0), 4)
    scan[1:3, 2:4] = beam.reshape(2, 2, *SHAPE)
    mask = np.zeros((4, 5), bool)
    mask[1:3, 2:4] = True
    probes = [measure_vacuum_probe(scan, region) for region in (((1, 3), (2, 4)), mask, [13, 7, 8, 12])]
    assert probes[0] == probes[1] == probes[2] == measure_vacuum_probe(beam)


@pytest.mark.parametrize(
    "region",
    [((0, 9), (0, 2)), ((2, 2), (0, 2)), np.zeros((4, 5), bool), [], [20], [-1], [0.5], np.ones((2, 3), bool)],
)
def test_a_region_outside_the_scan_is_refused(region):
    with pytest.raises(FrameError):
        frames_of_region(np.zeros((4, 5, 8, 8)), region)


@pytest.mark.parametrize(
    ("frames", "error", "text"),
    [
        (np.zeros((4, 32, 32), np.uint16), ProbeError, "show no beam"),
        (np.full((4, 32, 32), np.nan), ProbeError, "show no beam"),
        (np.random.default_rng(0).poisson(2.0, (4, 32, 32)), ProbeError, "show no beam"),
        (np.zeros((0, 32, 32)), FrameError, "not empty"),
        (np.zeros((32, 32)), FrameError, "a stack"),
        (np.zeros((2, 32, 32), complex), FrameError, "dtype"),
        (np.minimum(vacuum(disk(5.0), 3, counts=60_000.0), 255), ProbeError, "saturated"),
        (vacuum(disk(5.0), 3)[:, 24:], ProbeError, "cut off at the border"),
    ],
)
def test_frames_that_show_no_whole_probe_are_refused(frames, error, text):
    with pytest.raises(error, match=text):
        measure_vacuum_probe(frames)
