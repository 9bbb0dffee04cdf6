"""The probe from the first frames, on synthetic, simulated and real frames."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

from livebragg.config.detection import DetectionConfig, ProbeConfig
from livebragg.detect import ProbeTemplate, measure_gain, measure_probe
from livebragg.detect.template import disk_profile
from livebragg.errors import FrameError, ProbeError


def frames_with_beam(radius, edge, n=8, shape=(128, 96), dose=4000.0, drift=1.5, neighbours=True, seed=0):
    """Frames with a wandering direct beam, dimmer disks around it, and a diffuse background."""
    rng = np.random.default_rng(seed)
    rows, cols = np.indices(shape)
    frames, centers = [], []
    for _ in range(n):
        r, c = shape[0] / 2 + rng.normal(0, drift), shape[1] / 2 + 3 + rng.normal(0, drift)
        distance = np.hypot(rows - r, cols - c)
        mean = disk_profile(distance, radius, edge) / (np.pi * radius**2) * dose
        mean += dose / 4e5 * 20 / (1 + (distance / 20) ** 2)
        if neighbours:
            for k in range(6):
                a, away = k * np.pi / 3 + 0.2, max(2.9 * radius, 7.0)
                there = np.hypot(rows - r - away * np.sin(a), cols - c - away * np.cos(a))
                mean += disk_profile(there, radius, edge) / (np.pi * radius**2) * dose * 0.2
        frames.append(rng.poisson(mean))
        centers.append((r, c))
    return np.array(frames).astype(np.uint16), np.array(centers)


@pytest.mark.parametrize(
    ("radius", "edge"), [(1.2, 0.6), (2.0, 0.5), (3.3, 0.5), (5.0, 0.5), (9.0, 0.8), (15.0, 1.0)]
)
@pytest.mark.parametrize("n", [1, 8])
def test_radius_edge_and_centre_are_found_without_configuration(radius, edge, n):
    frames, centers = frames_with_beam(radius, edge, n, dose=4000 if radius < 9 else 40_000)
    before = frames.copy()
    shape = measure_probe(frames)
    np.testing.assert_array_equal(frames, before)
    assert shape.radius == pytest.approx(radius, abs=max(0.04 * radius, 0.25))
    assert shape.edge_width == pytest.approx(edge, abs=0.3)
    np.testing.assert_allclose(shape.center, np.median(centers, axis=0), atol=0.25)


def test_a_disk_of_30_pixels_fits_a_large_frame():
    frames, centers = frames_with_beam(30.0, 1.0, 1, shape=(256, 256), dose=2e5, neighbours=False)
    shape = measure_probe(frames)
    assert shape.radius == pytest.approx(30.0, abs=0.5)
    np.testing.assert_allclose(shape.center, centers[0], atol=0.2)


def test_a_saturated_beam_keeps_its_radius():
    frames, _ = frames_with_beam(5.0, 0.5)
    assert measure_probe(np.minimum(frames, 20)).radius == pytest.approx(5.0, abs=0.45)


def test_hot_pixels_are_not_the_beam():
    frames, _ = frames_with_beam(4.0, 0.5)
    frames[:, 20, 30] = 60_000
    assert measure_probe(frames).radius == pytest.approx(4.0, abs=0.2)


def test_what_is_known_is_not_measured():
    frames, _ = frames_with_beam(4.0, 0.5)
    shape = measure_probe(frames, known=ProbeConfig(radius=4.4, center=(64.0, 50.0)))
    assert shape.radius == 4.4
    assert shape.center == (64.0, 50.0)


def test_camera_counts_are_as_good_as_electrons():
    frames, _ = frames_with_beam(4.0, 0.5, dose=20_000)
    camera = 17.0 * frames + 500 + np.random.default_rng(0).normal(0, 10, frames.shape)
    assert measure_probe(camera, detection=DetectionConfig(offset=500.0)).radius == pytest.approx(4.0, abs=0.2)


@pytest.mark.parametrize("frames", [np.zeros((4, 64, 64), np.uint16), np.zeros((0, 64, 64)), np.zeros((64, 64))])
def test_frames_without_a_beam_say_what_to_configure(frames):
    with pytest.raises(ProbeError, match=r"probe\.radius, probe\.edge_width and probe\.center"):
        measure_probe(frames)


def test_noise_is_not_a_beam():
    frames = np.random.default_rng(0).poisson(0.02, (4, 64, 64)).astype(np.uint8)
    with pytest.raises(ProbeError):
        measure_probe(frames)


@pytest.mark.parametrize(
    ("name", "radius", "off"),
    [
        ("sim/au_dose20000_seed1.h5", 4.98, 0.2),
        ("sim/au_dose2000_defects_seed1.h5", 4.98, 0.2),
        ("sim/amor_dose20000_seed1.h5", 2.99, 0.15),
        ("semireal/lmo_dose20000.h5", 3.3, 0.1),
        ("semireal/ag_dose8000.h5", 2.0, 0.4),
    ],
)
@pytest.mark.parametrize("n", [1, 4, 16])
def test_probes_of_recorded_scans_are_found(shared_data, name, radius, off, n):
    with h5py.File(shared_data(name)) as file:
        frames = file["data"][30, :n]
    shape = measure_probe(frames)
    assert shape.radius == pytest.approx(radius, abs=off)
    assert 0.3 < shape.edge_width < 0.8


@pytest.mark.parametrize(
    ("name", "dataset", "radius"),
    [
        ("real/nbd_tecnai_ccd/data.h5", "data", (10, 12)),
        ("real/nbd_tecnai_ccd/data.h5", "dd020", (4, 7)),
        ("real/merlin_mib_cl30/data.h5", "data", (6.5, 9)),
        ("real/merlin_polycrystal_rings_2x2/data.h5", "data", (4.5, 6.5)),
        ("real/reference_au_moo3/data.h5", "moo3", (5, 6.5)),
    ],
)
def test_probes_of_real_frames_are_found(shared_data, name, dataset, radius):
    with h5py.File(shared_data(name)) as file:
        frames = file[dataset][()]
    shape = measure_probe(frames.reshape(-1, *frames.shape[-2:]))
    assert radius[0] < shape.radius < radius[1]


def test_a_counting_detector_has_gain_one_even_with_disks():
    frames, _ = frames_with_beam(5.0, 0.5)
    assert measure_gain(frames) == (1.0, 0.0)
    with pytest.raises(FrameError):
        measure_gain(frames[0])


def test_the_template_of_a_measured_probe_can_be_made():
    frames, _ = frames_with_beam(5.0, 0.5, n=2)
    assert ProbeTemplate.from_shape(measure_probe(frames)).patch_radius >= 6


def test_a_template_leaves_only_the_centre_to_be_measured():
    frames, centers = frames_with_beam(5.0, 0.5)
    template = ProbeTemplate.from_image(frames_with_beam(5.0, 0.5, 1, dose=1e6, neighbours=False)[0][0])
    shape = measure_probe(frames, template=template)
    assert (shape.radius, shape.edge_width) == (template.radius, template.edge_width)
    np.testing.assert_allclose(shape.center, np.median(centers, axis=0), atol=0.25)
    known = ProbeConfig(center=(60.0, 51.0))
    assert measure_probe(np.zeros_like(frames), known=known, template=template).center == (60.0, 51.0)


def test_a_beam_of_which_only_the_halo_has_an_edge_is_refused():
    rows, cols = np.indices((96, 96))
    r = np.hypot(rows - 47, cols - 49)
    mean = 4000 * np.exp(-0.5 * (r / 1.5) ** 2) + 250 * np.exp(-r / 12) + 20
    frames = np.minimum(np.random.default_rng(0).poisson(mean, (6, 96, 96)), 255).astype(np.uint8)
    with pytest.raises(ProbeError, match=r"saturated.*set probe\.radius"):
        measure_probe(frames)


def test_a_saturated_beam_with_a_halo_is_refused_on_real_frames(shared_data):
    with h5py.File(shared_data("real/nanomegas_blo_2x3/data.h5")) as file:
        frames = file["data"][()]
    with pytest.raises(ProbeError, match="saturated"):
        measure_probe(frames.reshape(-1, *frames.shape[-2:]))


@pytest.mark.parametrize("sigma", [0.5, 0.8, 1.5])
def test_a_spot_of_a_pixel_or_two_is_measured(sigma):
    rng = np.random.default_rng(1)
    spots = [np.pad(ProbeTemplate.gaussian(sigma).image(s), 24) for s in rng.uniform(-0.5, 0.5, (16, 2))]
    shape = measure_probe(rng.poisson(3000 * np.clip(spots, 0, None) + 0.02))
    spread = np.hypot(shape.radius / 2, shape.edge_width)
    assert spread == pytest.approx(np.hypot(sigma, 0.29), rel=0.1)
