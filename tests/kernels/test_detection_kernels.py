"""Every detection kernel against a plain NumPy twin. Also meant to be run with NUMBA_DISABLE_JIT=1."""

from __future__ import annotations

import math

import numpy as np
import pytest
from livebragg.kernels.refine import PHASES, add_disk, gather_patch, normal_equations, phase_of, solve_symmetric
from livebragg.kernels.spans import column_prefix, disk_spans, disk_sum, row_of_disk_sums
from scipy import optimize, stats

from livebragg.detect.template import ProbeTemplate
from livebragg.detect.virtual import pack_masks
from livebragg.errors import FrameError
from livebragg.kernels.batch import find_beam
from livebragg.kernels.hot import replace_hot_pixel
from livebragg.kernels.load import load_frame
from livebragg.kernels.maxima import find_maxima, sort_descending
from livebragg.kernels.noise import SEGMENTS, measure_noise
from livebragg.kernels.score import root_deviance, score_frame
from livebragg.kernels.virtual import collect, collect_packed

PAD = 9


@pytest.fixture
def image():
    """Padded 20 x 27 image of small counts."""
    inner = np.random.default_rng(3).poisson(2.0, (20, 27)).astype(np.float32)
    return np.pad(inner, PAD)


def disk_mask(radius: float, reach: int = PAD):
    """Boolean stencil of the pixels whose centre lies within the radius."""
    axis = np.arange(-reach, reach + 1)
    return axis[:, None] ** 2 + axis[None, :] ** 2 <= radius**2


def plain_disk_sums(image, radius):
    """Disk sum about every unpadded pixel, the slow way."""
    windows = np.lib.stride_tricks.sliding_window_view(image, (2 * PAD + 1, 2 * PAD + 1))
    return (windows * disk_mask(radius)).sum(axis=(2, 3))


@pytest.mark.parametrize("radius", [1.0, 1.5, 3.0, 5.2, 8.0])
def test_the_spans_of_a_disk_cover_the_pixels_whose_centres_lie_in_it(radius):
    offsets, halves = disk_spans(radius)
    drawn = np.zeros((2 * PAD + 1, 2 * PAD + 1), bool)
    for offset, half in zip(offsets, halves, strict=True):
        drawn[PAD - half : PAD + half + 1, PAD + offset] = True
    np.testing.assert_array_equal(drawn, disk_mask(radius))


@pytest.mark.parametrize("radius", [1.5, 5.2])
def test_disk_sums_from_the_prefix_equal_plain_sums(image, radius):
    prefix = np.empty((image.shape[0] + 1, image.shape[1]), np.int32)
    column_prefix(image, 1.0, prefix)
    offsets, halves = disk_spans(radius)
    expected, row = plain_disk_sums(image, radius), np.empty(27, np.int32)
    for r in range(20):
        row_of_disk_sums(prefix, offsets, halves, r, PAD, row)
        np.testing.assert_array_equal(row, expected[r])
    assert disk_sum(prefix, offsets, halves, 4, 26, PAD) == expected[4, 26]


@pytest.mark.filterwarnings("ignore:overflow encountered")
def test_disk_sums_stay_exact_when_the_prefix_wraps_around():
    image = np.zeros((60 + 2 * PAD, 3 + 2 * PAD), np.float32)
    image[PAD:-PAD, PAD:-PAD] = 2.0**26
    prefix = np.empty((image.shape[0] + 1, image.shape[1]), np.int32)
    column_prefix(image, 1.0, prefix)
    assert prefix.min() < 0
    assert disk_sum(prefix, *disk_spans(1.0), 55, 1, PAD) == 5 * 2**26


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.uint32, np.int16, np.int32, np.float32, np.float64])
def test_frames_of_every_type_become_electrons(dtype):
    frame = np.arange(12).reshape(3, 4).astype(dtype)
    valid = np.pad(np.ones((3, 4), np.float32), PAD)
    valid[PAD, PAD + 3] = 0
    out, health = np.zeros_like(valid), np.zeros(5, np.int64)
    top = load_frame(frame, 2.0, 1.0, True, PAD, valid, out, health)
    expected = (frame.astype(float) - 1) / 2
    expected[0, 3] = 0
    np.testing.assert_allclose(out[PAD:-PAD, PAD:-PAD], expected)
    assert top == 5.0
    assert not health.any()


@pytest.mark.filterwarnings("ignore:invalid value encountered")
def test_odd_pixels_become_zero_and_are_counted():
    frame = np.array([[np.nan, 1, -2], [np.inf, 5, 3]], np.float32)
    valid, health = np.pad(np.ones((2, 3), np.float32), PAD), np.zeros(5, np.int64)
    out = np.zeros_like(valid)
    top = load_frame(frame, 1.0, 0.0, False, PAD, valid, out, health)
    np.testing.assert_array_equal(out[PAD:-PAD, PAD:-PAD], [[0, 1, 0], [0, 5, 3]])
    assert top == 5.0
    assert health.tolist() == [2, 1, 0, 0, 1]


def test_the_score_is_the_difference_of_stabilised_counts(image):
    prefix = np.empty((image.shape[0] + 1, image.shape[1]), np.int32)
    column_prefix(image, 4.0, prefix)
    rng = np.random.default_rng(0)
    ratio, norm = rng.uniform(0.3, 0.6, (2, 20, 27)).astype(np.float32)
    score = np.empty((20, 27), np.float32)
    scratch = np.empty((2, 27), np.int32)
    score_frame(prefix, disk_spans(3.0), disk_spans(6.0), PAD, 0.25, ratio, norm, 1.5, scratch, score)
    inner = plain_disk_sums(image, 3.0)
    ring = plain_disk_sums(image, 6.0) - inner
    expected = norm * (np.sqrt(inner + 0.375 + 1.5) - np.sqrt(ratio * ring + 0.375 + 1.5))
    np.testing.assert_allclose(score, expected, rtol=2e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("on", "off", "ratio", "known_on", "known_off"),
    [(30, 20, 0.5, 0, 0), (5, 0, 0.4, 0, 0), (40, 30, 0.5, 12, 9), (8, 3, 1.0, 0, 2), (3, 40, 0.5, 0, 0)],
)
def test_the_significance_is_the_root_of_the_likelihood_ratio(on, off, ratio, known_on, known_off):
    def minus_log_likelihood(source, background):
        means = [source + ratio * background + known_on, background + known_off]
        return -sum(stats.poisson.logpmf(n, max(m, 1e-12)) for n, m in zip((on, off), means, strict=True))

    null = optimize.minimize_scalar(lambda b: minus_log_likelihood(0.0, b), bounds=(0, 500), method="bounded")
    best = min(
        optimize.minimize_scalar(lambda b, s=s: minus_log_likelihood(s, b), bounds=(0, 500), method="bounded").fun
        for s in np.linspace(0, 60, 601)
    )
    got = root_deviance(on, off, ratio, known_on, known_off)
    assert got == pytest.approx(math.sqrt(2 * max(null.fun - best, 0)), abs=0.02)


def test_maxima_are_the_pixels_no_neighbour_beats():
    score = np.random.default_rng(5).normal(size=(31, 70)).astype(np.float32)
    rows, cols, heights = np.zeros(500, np.int32), np.zeros(500, np.int32), np.zeros(500, np.float32)
    n = find_maxima(score, 1.0, rows, cols, heights)
    padded = np.pad(score, 1, constant_values=-np.inf)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3))
    expected = np.argwhere((score == windows.max(axis=(2, 3))) & (score > 1.0))
    np.testing.assert_array_equal(np.stack([rows[:n], cols[:n]], 1), expected)
    np.testing.assert_array_equal(heights[:n], score[rows[:n], cols[:n]])


def test_more_maxima_than_room_are_counted_but_not_written():
    score = np.zeros((9, 9), np.float32)
    score[::2, ::2] = 1.0
    rows, cols, heights = np.zeros(3, np.int32), np.zeros(3, np.int32), np.zeros(3, np.float32)
    assert find_maxima(score, 0.5, rows, cols, heights) == 25


def test_a_plateau_has_one_maximum():
    score = np.zeros((8, 40), np.float32)
    score[3:5, 30:33] = 2.0
    rows, cols, heights = np.zeros(9, np.int32), np.zeros(9, np.int32), np.zeros(9, np.float32)
    assert find_maxima(score, 1.0, rows, cols, heights) == 1


def test_sorting_puts_the_largest_first():
    keys = np.random.default_rng(1).normal(size=57).astype(np.float32)
    order = np.zeros(60, np.int32)
    sort_descending(keys, 57, order)
    np.testing.assert_array_equal(keys[order[:57]], np.sort(keys)[::-1])


@pytest.mark.parametrize("position", [0.0, 3.2, 7.96, -0.3, 11.5])
def test_a_position_is_pixel_and_phase_and_rest(position):
    pixel, phase, rest = phase_of(position)
    assert 0 <= phase < PHASES
    assert abs(rest) <= 0.5 / PHASES + 1e-12
    assert pixel + phase / PHASES + rest == pytest.approx(position)


def test_a_disk_put_into_the_model_is_the_template_at_its_place():
    probe = ProbeTemplate.disk(3.0, 0.6)
    model = np.zeros((20 + 2 * PAD, 27 + 2 * PAD), np.float32)
    add_disk(probe.phases(), PAD, 9.33, 12.81, 500.0, model)
    rows, cols = np.indices((20, 27))
    reach = probe.patch_radius
    expected = np.zeros((20, 27))
    expected[9 - reach : 10 + reach, 13 - reach : 14 + reach] = 500 * probe.image((0.33, -0.19))
    np.testing.assert_allclose(model[PAD:-PAD, PAD:-PAD], expected, atol=0.1)
    centroid = (model[PAD:-PAD, PAD:-PAD] * np.stack([rows, cols])).sum((1, 2)) / model.sum()
    np.testing.assert_allclose(centroid, [9.33, 12.81], atol=0.02)
    add_disk(probe.phases(), PAD, 9.33, 12.81, -500.0, model)
    assert np.abs(model).max() < 1e-4


def test_the_normal_equations_are_those_of_weighted_least_squares(image):
    probe = ProbeTemplate.disk(3.0, 0.6)
    templates, n = probe.phases(), 2 * probe.patch_radius + 1
    rng = np.random.default_rng(2)
    model = rng.uniform(0, 0.5, image.shape).astype(np.float32)
    weight = (rng.uniform(size=image.shape) > 0.1).astype(np.float32)
    matrix, vector = np.zeros((4, 4)), np.zeros(4)
    patch = np.zeros((3, n, n), np.float32)
    gather_patch(image, model, weight, PAD, 8.25, 10.5, patch)
    normal_equations(patch, templates, 8.25, 10.5, 40.0, 0.7, 0.3, matrix, vector)
    top, left = 8 + PAD - n // 2, 10 + PAD - n // 2
    window = (slice(top, top + n), slice(left, left + n))
    t = templates[2, 4].astype(float)
    mean = model[window] + 40.0 * t[0] + 0.7
    plateau = 40.0 * t[0][n // 2, n // 2]
    round_patch = disk_mask(n / 2.0, n // 2)
    w = weight[window] * round_patch / (mean + (0.05 * mean) ** 2 + 0.3 + (0.01 * plateau) ** 2)
    design = np.stack([*t, np.ones((n, n))]).reshape(4, -1)
    expected = (design * w.ravel()) @ design.T
    np.testing.assert_allclose(matrix[np.triu_indices(4)], expected[np.triu_indices(4)], rtol=1e-3, atol=1e-4)
    data = (image - model)[window].ravel()
    np.testing.assert_allclose(vector, (design * w.ravel()) @ data, rtol=1e-3, atol=1e-3)


def test_the_small_solver_inverts_and_reports_singular_matrices():
    a = np.random.default_rng(0).normal(size=(4, 6))
    full = a @ a.T
    matrix, vector, inverse = np.triu(full), np.arange(4.0), np.zeros((4, 4))
    assert solve_symmetric(matrix, vector, inverse)
    np.testing.assert_allclose(inverse, np.linalg.inv(full), rtol=1e-9)
    np.testing.assert_allclose(vector, np.linalg.solve(full, np.arange(4.0)), rtol=1e-9)
    assert not solve_symmetric(np.zeros((4, 4)), np.zeros(4), inverse)


def test_a_hot_pixel_is_replaced_and_a_bright_disk_is_not():
    image = np.pad(np.ones((20, 27), np.float32), PAD)
    weight, disk = (image > 0).astype(np.float32), disk_spans(5.0)
    image[PAD + 9 : PAD + 14, PAD + 9 : PAD + 14] = 50.0
    assert not replace_hot_pixel(image, weight, disk, PAD, 11, 11, 2.0)
    image[PAD + 3, PAD + 4] = 200.0
    assert replace_hot_pixel(image, weight, disk, PAD, 4, 4, 2.0)
    assert image[PAD + 3, PAD + 4] == 1.0


@pytest.mark.parametrize(("gain", "read"), [(1.0, 0.0), (5.0, 0.0), (12.0, 2.0), (0.2, 0.0)])
def test_gain_and_read_noise_are_measured_from_one_frame(gain, read):
    rng = np.random.default_rng(7)
    rows, cols = np.indices((128, 160))
    mean = 40.0 / (1 + ((rows - 60) ** 2 + (cols - 80) ** 2) / 50.0**2)
    frame = (gain * (rng.poisson(mean) + read * rng.normal(size=mean.shape))).astype(np.float32)
    noise = np.zeros(2)
    measure_noise(frame, 0.0, np.zeros((3, SEGMENTS), np.float32), np.zeros(SEGMENTS, np.int32), noise)
    total = noise[0] ** 2 * noise[1] + noise[0] * 20 * gain
    assert total == pytest.approx(gain**2 * read**2 + gain * 20 * gain, rel=0.15)
    assert noise[0] == pytest.approx(gain, rel=0.3)


def test_the_virtual_detectors_equal_masked_sums(image):
    masks = np.random.default_rng(4).integers(0, 2, (2, 20, 27)).astype(np.float32)
    out, total = np.empty(5, np.float32), np.ones((20, 27), np.float32)
    collect(image, PAD, 2.0, masks, out, total)
    inner = image[PAD:-PAD, PAD:-PAD].astype(float)
    rows, cols = np.indices(inner.shape)
    expected = [*(2 * masks * inner).sum((1, 2)), 2 * inner.sum()]
    expected += [(rows * inner).sum() / inner.sum(), (cols * inner).sum() / inner.sum()]
    np.testing.assert_allclose(out, expected, rtol=1e-5)
    np.testing.assert_allclose(total, 1 + 2 * inner)


def test_an_empty_frame_has_no_centre_of_mass():
    out = np.empty(4, np.float32)
    collect(
        np.zeros((38, 45), np.float32),
        PAD,
        1.0,
        np.ones((1, 20, 27), np.float32),
        out,
        np.zeros((20, 27), np.float32),
    )
    assert out[:2].tolist() == [0, 0]
    assert np.isnan(out[2:]).all()


def sensitivities():
    """Four detectors on 20 x 27 pixels: a disk, one over it in two grades, speckle, and noise."""
    rows, cols = np.indices((20, 27))
    r, rng = np.hypot(rows - 9, cols - 14), np.random.default_rng(4)
    graded = 0.5 * (r <= 4) + 0.25 * (r <= 3)
    return np.stack([r <= 6, graded, rng.integers(0, 2, r.shape), rng.normal(size=r.shape)])


@pytest.mark.parametrize("n", [0, 1, 2, 4])
def test_the_packed_virtual_detectors_equal_masked_sums(image, n):
    masks = sensitivities()[:n].astype(np.float32)
    out, total = np.empty(n + 3, np.float32), np.ones((20, 27), np.float32)
    packed = pack_masks(masks)
    for _ in range(2):
        total[:] = 1.0
        collect_packed(image, PAD, 2.0, packed, out, total)
    inner = image[PAD:-PAD, PAD:-PAD].astype(float)
    rows, cols = np.indices(inner.shape)
    expected = [*(2 * masks * inner).sum((1, 2)), 2 * inner.sum()]
    expected += [(rows * inner).sum() / inner.sum(), (cols * inner).sum() / inner.sum()]
    np.testing.assert_allclose(out, expected, rtol=1e-5, atol=1e-4)
    np.testing.assert_allclose(total, 1 + 2 * inner)


def test_outlines_are_stored_for_plain_detectors_and_pixels_for_irregular_ones():
    packed = pack_masks(sensitivities())
    assert packed.dense_detectors.tolist() == [2, 3]
    assert set(packed.detectors) == {0, 1}
    assert packed.steps[packed.detectors == 0].tolist().count(1.0) == 13
    assert np.count_nonzero(packed.detectors == 0) == 26


@pytest.mark.parametrize("masks", [np.ones((20, 27)), np.full((1, 20, 27), np.nan)])
def test_virtual_detectors_that_are_none_are_refused(masks):
    with pytest.raises(FrameError, match="virtual detectors"):
        pack_masks(masks)


def test_a_dark_field_below_a_direct_beam_of_many_million_electrons_stays_exact():
    image = np.pad(np.ones((20, 27), np.float32), PAD)
    image[PAD + 3, PAD + 4 : PAD + 20] = 9_999_999.0
    masks = np.ones((1, 20, 27), np.float32)
    masks[0, :10] = 0
    out = np.empty(4, np.float32)
    collect_packed(image, PAD, 1.0, pack_masks(masks), out, np.zeros((20, 27), np.float32))
    assert out[0] == 270


def test_an_empty_frame_has_no_centre_of_mass_in_packed_detectors_either():
    out = np.empty(4, np.float32)
    whole = pack_masks(np.ones((1, 20, 27)))
    collect_packed(np.zeros((38, 45), np.float32), PAD, 1.0, whole, out, np.zeros((20, 27), np.float32))
    assert out[:2].tolist() == [0, 0]
    assert np.isnan(out[2:]).all()


def test_the_direct_beam_may_be_outshone_from_afar_but_not_lost():
    columns = np.array([[10, 16, 40], [10, 10, 40], [50, 90, 900], [1, 1, 1], [0.1, 0.2, 0.3]], np.float32)
    beam = np.zeros(3, np.float32)
    find_beam(columns, (10.5, 10.0), 8.0, beam)
    np.testing.assert_allclose(beam, [10, 10, 0.1])
    find_beam(columns, (80.0, 80.0), 8.0, beam)
    assert np.isnan(beam).all()
