"""The radial profile's kernels against plain NumPy. Also meant to be run with NUMBA_DISABLE_JIT=1."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from livebragg.detect.radial_table import bin_edges, build_radial_table, ellipse_matrix
from livebragg.kernels.radial import center_step, radial_profile
from livebragg.kernels.radial_fold import span
from livebragg.kernels.radial_table import allocate_radial_scratch

SHAPE, PAD, CENTER = (31, 24), 5, (14.3, 12.8)
ELLIPSE = ellipse_matrix(1.2, 0.5)
EDGES = bin_edges(SHAPE, CENTER, 1.3, 2.0, 17.0)


@pytest.fixture(scope="module")
def setting():
    """Table and scratch for frames with some bad pixels, and those pixels."""
    bad = np.random.default_rng(0).uniform(size=SHAPE) < 0.1
    table = build_radial_table(SHAPE, CENTER, ELLIPSE, EDGES, 4)
    return table, allocate_radial_scratch(table, EDGES.size - 1), bad


def make_frame(seed, bad, level=20.0):
    frame = np.random.default_rng(seed).poisson(level, SHAPE).astype(np.float32)
    frame[bad] = np.nan
    return frame


def run(setting, frame, center, disks=(), radius=0.0):
    """Profile of a frame in padding that holds nonsense: it must not be read."""
    bins = EDGES.size - 1
    mean, variance, pixels = np.empty(bins, np.float32), np.empty(bins, np.float32), np.empty(bins, np.int32)
    image = np.pad(frame, PAD, constant_values=1e9)
    qx, qy = np.asarray(disks, np.float32).reshape(-1, 2).T.copy()
    done = radial_profile(image, PAD, setting[0], setting[1], *center, qx, qy, radius, mean, variance, pixels)
    return done, mean, variance, pixels


def plain_profile(frame, bad, center, disks=(), radius=0.0):
    """The same, pixel by pixel from the definition, about the centre rounded to half pixels."""
    half = np.floor(2 * np.array(center) + 0.5) / 2
    rows, cols = np.indices(SHAPE)
    offset = np.stack([rows - half[0], cols - half[1]])
    r = np.hypot(*np.einsum("ij,jrc->irc", ELLIPSE, offset))
    use = ~bad
    for row, col in disks:
        use &= ~((rows - row) ** 2 + (cols - col) ** 2 <= radius**2)
    values = [frame[use & (r >= a) & (r < b)].astype(float) for a, b in itertools.pairwise(EDGES)]
    mean = [v.mean() if v.size else np.nan for v in values]
    return mean, [v.var() if v.size else np.nan for v in values], [v.size for v in values]


def check(setting, frame, center, disks=(), radius=0.0):
    done, mean, variance, pixels = run(setting, frame, center, disks, radius)
    expected = plain_profile(frame, setting[2], center, disks, radius)
    assert done
    np.testing.assert_array_equal(pixels, expected[2])
    np.testing.assert_allclose(mean, expected[0], rtol=2e-6)
    np.testing.assert_allclose(variance, expected[1], rtol=2e-5, atol=1e-9)


@pytest.mark.parametrize("center", [CENTER, (14, 12), (14.5, 13), (18.3, 8.8), (10.3, 16.8), (13.74, 12.26)])
def test_mean_variance_and_pixels_of_each_bin_are_those_of_its_pixels(setting, center):
    check(setting, make_frame(1, setting[2]), center)


def test_disks_are_left_out_once_even_where_they_overlap_or_leave_the_frame(setting):
    disks = np.random.default_rng(5).uniform(-3, 33, (25, 2)).astype(np.float32)
    frame = make_frame(2, setting[2])
    check(setting, frame, (15.1, 12.2), disks, 2.7)
    check(setting, frame, (15.1, 12.2))


def test_nothing_of_one_frame_is_left_in_the_next(setting):
    for seed, center in enumerate([(18, 16), (10.5, 9), (14, 12.5), (18, 16)]):
        check(setting, make_frame(seed, setting[2], 10.0**seed), center, [(12, 9), (20, 20)], 3.0)


def test_a_faint_spread_on_a_bright_ring_is_not_lost_to_rounding(setting):
    frame = (3e4 + np.random.default_rng(7).integers(0, 2, SHAPE)).astype(np.float32)
    frame[setting[2]] = np.nan
    check(setting, frame, CENTER, [(12, 9)], 3.0)


def test_a_bright_disk_that_is_left_out_leaves_no_trace(setting):
    frame = np.ones(SHAPE, np.float32)
    frame[10:14, 5:9] = 1e12
    frame[setting[2]] = np.nan
    _, mean, variance, _ = run(setting, frame, CENTER, [(11.5, 6.5)], 3.0)
    assert np.nanmax(mean) == 1
    assert np.nanmax(variance) == 0


@pytest.mark.parametrize("disk", [(np.nan, 3), (3, np.nan), (np.inf, 3), (1e30, -1e30), (-9, 12), (14, 27.5)])
def test_disks_that_are_nowhere_cover_nothing(setting, disk):
    frame = make_frame(3, setting[2])
    for got, expected in zip(run(setting, frame, CENTER, [disk], 3.0), run(setting, frame, CENTER), strict=True):
        np.testing.assert_array_equal(got, expected)


def test_a_disk_over_the_whole_frame_leaves_no_pixel(setting):
    _, mean, variance, pixels = run(setting, make_frame(3, setting[2]), CENTER, [(14, 12)], 1e9)
    assert not pixels.any()
    assert np.isnan([mean, variance]).all()


@pytest.mark.parametrize("center", [(np.nan, 12), (14, np.inf), (18.5, 12), (14, 8.7), (-1e300, 12)])
def test_a_centre_that_is_nowhere_or_too_far_gives_no_profile(setting, center):
    done, mean, variance, pixels = run(setting, make_frame(3, setting[2]), center)
    assert not done
    assert np.isnan([mean, variance]).all()
    assert not pixels.any()


def test_centres_are_rounded_to_half_pixels():
    centers = np.linspace(-4, 4, 801)
    assert np.abs(np.array([center_step(c) for c in centers]) / 2 - centers).max() <= 0.25 + 1e-9


@pytest.mark.parametrize("center", [(0.2, 0.4), (29.6, 0.0), (-0.5, 23.5), (33.0, 27.0), (-3.9, -4.3)])
@pytest.mark.parametrize("outer", [6.0, 40.0, 400.0])
def test_beams_at_and_beyond_the_edges_see_what_there_is_of_their_rings(center, outer):
    nominal = tuple(np.clip(center, 0.0, np.array(SHAPE) - 1.0))
    edges = bin_edges(SHAPE, nominal, outer / 12, 0.0, outer)
    table = build_radial_table(SHAPE, nominal, ellipse_matrix(1.6, 0.8), edges, 5)
    frame, none = make_frame(4, np.zeros(SHAPE, bool)), np.zeros(0, np.float32)
    out = np.empty(12, np.float32), np.empty(12, np.float32), np.empty(12, np.int32)
    scratch = allocate_radial_scratch(table, 12)
    assert radial_profile(frame.copy(), 0, table, scratch, *center, none, none, 0.0, *out)
    half = np.floor(2 * np.array(center) + 0.5) / 2
    offset = np.indices(SHAPE) - half.reshape(2, 1, 1)
    ring = np.searchsorted(
        edges, np.hypot(*np.einsum("ij,jrc->irc", ellipse_matrix(1.6, 0.8), offset)), side="right"
    )
    np.testing.assert_array_equal(out[2], [(ring == k + 1).sum() for k in range(12)])
    sums = [frame[ring == k + 1].sum(dtype=float) for k in range(12)]
    np.testing.assert_allclose(np.nan_to_num(out[0]) * out[2], sums, rtol=1e-6)


@pytest.mark.parametrize(
    ("center", "half"), [(4.5, 2.0), (-1.0, 1.0), (-1.1, 1.0), (9.9, 1.2), (3.0, 0.0), (3.4, 0.2)]
)
def test_a_span_holds_the_pixels_within_reach(center, half):
    expected = [i for i in range(10) if abs(i - center) <= half]
    assert list(range(*span(center, half, 10))) == expected
