"""The radial profiler: what it is told, what it refuses, and what it sees."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
from scipy import ndimage

from livebragg.detect import RadialProfiler, ellipse_matrix
from livebragg.errors import ConfigError, FrameError
from livebragg.model import BraggPeaks

SHAPE, CENTER = (64, 50), (30.0, 25.0)


def peaks_of(*frames):
    """Peaks at the given positions of each frame."""
    where = np.array([p for frame in frames for p in frame], np.float32).reshape(-1, 2)
    one = np.ones(len(where), np.float32)
    return BraggPeaks(
        qx=where[:, 0].copy(),
        qy=where[:, 1].copy(),
        intensity=one,
        intensity_error=one,
        position_error=one,
        offsets=np.cumsum([0] + [len(frame) for frame in frames]),
    )


def elliptical_ring(ratio, angle, radius=18.0, width=1.0):
    rows, cols = np.indices(SHAPE)
    offset = np.stack([rows - CENTER[0], cols - CENTER[1]])
    r = np.hypot(*np.einsum("ij,jrc->irc", ellipse_matrix(ratio, angle), offset))
    return (10 + 100 * np.exp(-0.5 * ((r - radius) / width) ** 2)).astype(np.float32)


def test_a_batch_equals_its_frames_one_by_one():
    rng = np.random.default_rng(0)
    frames = rng.poisson(5.0, (3, *SHAPE)).astype(np.uint16)
    disks = [[(20, 20), (40, 30)], [], [(31, 24)]]
    centers = [(30, 25), (33.4, 21.1), (20.2, 30)]
    profiler = RadialProfiler(SHAPE, CENTER)
    together = profiler.measure_many(frames, peaks_of(*disks), centers, mask_radius=4.0)
    for i in range(3):
        alone = profiler.measure(frames[i], disks=disks[i], mask_radius=4.0, center=centers[i])
        for name in ("mean", "variance", "pixels"):
            np.testing.assert_array_equal(getattr(alone, name)[0], getattr(together, name)[i])


def test_the_mean_is_that_of_a_histogram_of_distances():
    frame = np.random.default_rng(1).poisson(5.0, SHAPE)
    profile = RadialProfiler(SHAPE, CENTER, outer_radius=25).measure(frame)
    rows, cols = np.indices(SHAPE)
    index = np.hypot(rows - 30, cols - 25).astype(int).ravel()
    pixels = np.bincount(index)[:25]
    np.testing.assert_array_equal(profile.pixels[0], pixels)
    np.testing.assert_allclose(profile.mean[0], np.bincount(index, frame.ravel())[:25] / pixels, rtol=1e-6)
    np.testing.assert_allclose(profile.radii, np.arange(25) + 0.5)


@pytest.mark.parametrize(("ratio", "angle"), [(1.0, 0.0), (1.15, 0.4), (1.3, -1.2)])
def test_an_elliptical_ring_lies_in_one_place_when_the_ellipse_is_known(ratio, angle):
    profiler = RadialProfiler(SHAPE, CENTER, ellipse=3.7 * ellipse_matrix(ratio, angle), outer_radius=24)
    profile = profiler.measure(elliptical_ring(ratio, angle))
    assert profile.radii[np.argmax(profile.mean[0])] in (17.5, 18.5)
    assert profile.mean.max() > 80


def test_the_variance_of_poisson_noise_is_its_mean_and_speckle_is_more():
    rng = np.random.default_rng(2)
    noise = rng.poisson(30.0, SHAPE)
    speckle = rng.poisson(30.0 * rng.exponential(size=SHAPE))
    profile = RadialProfiler(SHAPE, CENTER, inner_radius=5).measure_many(np.stack([noise, speckle]))
    noise_ratio, speckle_ratio = np.median(profile.variance / profile.mean, axis=1)
    assert noise_ratio == pytest.approx(1.0, abs=0.15)
    assert speckle_ratio > 15


def test_half_a_pixel_of_rounding_keeps_a_sharp_ring_where_it_is():
    rows, cols = np.indices(SHAPE)
    profiler = RadialProfiler(SHAPE, CENTER, outer_radius=22)
    for center in np.random.default_rng(3).uniform(-5, 5, (20, 2)) + CENTER:
        r = np.hypot(rows - center[0], cols - center[1])
        profile = profiler.measure(np.exp(-0.5 * (r - 15) ** 2), center=tuple(center))
        near = slice(11, 19)
        place = (profile.mean[0, near] * profile.radii[near]).sum() / profile.mean[0, near].sum()
        assert place == pytest.approx(15.0, abs=0.15)


def test_bad_pixels_and_disks_do_not_count():
    frame = np.full(SHAPE, 2.0)
    bad = np.zeros(SHAPE, bool)
    bad[5:20, 10:20] = True
    frame[bad] = np.nan
    frame[40:47, 30:37] = 500
    profile = RadialProfiler(SHAPE, CENTER, bad_pixels=bad).measure(frame, disks=[(43, 33)], mask_radius=5)
    seen = profile.pixels[0] > 0
    assert (profile.mean[0, seen] == 2).all()
    assert (profile.variance[0, seen] == 0).all()


def test_a_bin_without_pixels_has_no_mean():
    profile = RadialProfiler(SHAPE, CENTER, outer_radius=90).measure(np.ones(SHAPE))
    np.testing.assert_array_equal(np.isnan(profile.mean), profile.pixels == 0)
    assert profile.pixels.sum() == 64 * 50


def test_a_frame_without_a_centre_has_no_profile_and_is_counted():
    profiler = RadialProfiler(SHAPE, CENTER, max_shift=3)
    profiles = profiler.measure_many(np.ones((4, *SHAPE)), None, [CENTER, (np.nan, 25), (30, 28.1), (33, 22)])
    assert (profiles.pixels.sum(1) > 0).tolist() == [True, False, False, True]
    assert np.isnan(profiles.mean[1:3]).all()
    assert profiler.frames_without_center == 2


def test_no_frames_give_no_profiles():
    profiler = RadialProfiler(SHAPE, CENTER)
    assert profiler.measure_many(np.zeros((0, *SHAPE))).mean.shape == (0, profiler.radii.size)


def test_disks_beyond_any_frame_cover_nothing():
    profiler = RadialProfiler(SHAPE, CENTER)
    profile = profiler.measure(
        np.ones(SHAPE), disks=[(1e300, 3), (np.nan, np.inf), (-1e300, 1e300)], mask_radius=9
    )
    np.testing.assert_array_equal(profile.pixels, profiler.measure(np.ones(SHAPE)).pixels)


def test_the_frames_are_not_changed():
    frame = np.full(SHAPE, 3.0, np.float32)
    RadialProfiler(SHAPE, CENTER).measure(frame, disks=[(30, 25)], mask_radius=9)
    assert (frame == 3).all()


@pytest.mark.parametrize(
    ("center", "settings", "message"),
    [
        ((70, 25), {}, "outside frames"),
        ((np.nan, 25), {}, "outside frames"),
        (CENTER, {"bin_width": 0}, "bin_width is 0"),
        (CENTER, {"bin_width": np.nan}, "bin_width"),
        (CENTER, {"bin_width": 1e-9}, "at most 4096"),
        (CENTER, {"inner_radius": 9, "outer_radius": 9}, "inner_radius < outer_radius"),
        (CENTER, {"inner_radius": -1}, "inner_radius"),
        (CENTER, {"outer_radius": np.inf}, "outer_radius"),
        (CENTER, {"ellipse": np.array([[1, 2], [2, 4]])}, "use ellipse_matrix"),
        (CENTER, {"ellipse": np.full((2, 2), np.nan)}, "finite"),
        (CENTER, {"ellipse": np.eye(3)}, "2 x 2"),
        (CENTER, {"max_shift": -1}, "max_shift"),
        (CENTER, {"max_shift": 2.5}, "max_shift"),
        (CENTER, {"max_shift": 10**6}, "max_shift"),
    ],
)
def test_settings_that_make_no_sense_are_refused(center, settings, message):
    with pytest.raises(ConfigError, match=message):
        RadialProfiler(SHAPE, center, **settings)


@pytest.mark.parametrize(("ratio", "angle"), [(0, 0), (-1, 0), (np.nan, 0), (1, np.inf)])
def test_an_ellipse_without_axes_is_refused(ratio, angle):
    with pytest.raises(ConfigError, match="axis ratio"):
        ellipse_matrix(ratio, angle)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda p: p.measure(np.ones((50, 64))), "expected"),
        (lambda p: p.measure(np.ones(SHAPE, complex)), "dtype"),
        (lambda p: p.measure(np.ones(SHAPE), center=(np.nan, 25)), "max_shift"),
        (lambda p: p.measure(np.ones(SHAPE), center=(30, np.nan)), "max_shift"),
        (lambda p: p.measure(np.ones(SHAPE), center=(30, 42)), "max_shift"),
        (lambda p: p.measure(np.ones(SHAPE), disks=[1, 2, 3]), "disks have shape"),
        (lambda p: p.measure(np.ones(SHAPE), mask_radius=-1), "mask_radius"),
        (lambda p: p.measure(np.ones(SHAPE), mask_radius=np.nan), "mask_radius"),
        (lambda p: p.measure_many(np.ones((2, *SHAPE)), peaks_of([], [], [])), "2 frames"),
        (lambda p: p.measure_many(np.ones((2, *SHAPE)), None, [CENTER]), "centres of shape"),
    ],
)
def test_input_that_does_not_fit_is_refused(call, message):
    with pytest.raises(FrameError, match=message):
        call(RadialProfiler(SHAPE, CENTER))


def test_a_bad_pixel_mask_of_another_shape_is_refused():
    with pytest.raises(FrameError, match="bad-pixel mask"):
        RadialProfiler(SHAPE, CENTER, bad_pixels=np.zeros((3, 3), bool))


def test_the_ring_of_a_real_metallic_glass_is_sharper_with_its_ellipse(shared_data):
    with h5py.File(shared_data("real/glass_rings_beamstop/data.h5")) as file:
        frame = np.asarray(file["data"][0, 0], np.float64)
    beam_stop = ndimage.binary_dilation(frame < 9000, iterations=2)
    ring = {"bad_pixels": beam_stop, "inner_radius": 70.0, "outer_radius": 110.0}

    def measure(ellipse):
        return RadialProfiler(frame.shape, (141.0, 141.0), ellipse=ellipse, **ring).measure(frame)

    circle, right, wrong = (
        measure(None),
        measure(ellipse_matrix(1.06, -0.737)),
        measure(ellipse_matrix(1.06, 0.834)),
    )
    spread = [float(np.average(p.variance[0], weights=p.pixels[0])) for p in (right, circle, wrong)]
    assert spread[0] < 0.7 * spread[1] < 0.7 * spread[2]
    assert right.mean.max() > 1.02 * circle.mean.max() > 1.02 * wrong.mean.max()
