"""Forced photometry, kernel by kernel, against NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from livebragg.detect import ProbeTemplate
from livebragg.detect.plan import build_plan
from livebragg.kernels.forced import COUPLED, NEIGHBOURS, allocate_forced
from livebragg.kernels.forced_background import clipped_mean, level_of_tiles
from livebragg.kernels.forced_solve import last_pivot
from livebragg.kernels.forced_sums import add_line, filtered, ring_sums, scatter, weighted_sums, write_template
from livebragg.kernels.photometry import measure_batch
from livebragg.kernels.plan import allocate_scratch

SHAPE = (40, 33)


@pytest.fixture(scope="module")
def kit():
    """Plan and memory of small non-square frames with one bad pixel."""
    bad = np.zeros(SHAPE, bool)
    bad[30, 20] = True
    probe = ProbeTemplate.disk(2.5, 0.5)
    plan = build_plan(probe, SHAPE, false_disks_per_frame=None, min_spacing=None, bad_pixels=bad)
    scratch = allocate_scratch(plan, 64)
    return probe, plan, scratch, allocate_forced(plan, scratch, 8)


def measure(kit, frame, positions):
    """Intensity, error and usable part of each position of one frame of counts."""
    _, plan, scratch, forced = kit
    places = np.ascontiguousarray(positions, float)[None]
    out = np.empty((3, 1, places.shape[1]), np.float32)
    pixels = np.ascontiguousarray(frame, np.float32)[None].view(np.uint8)
    counting = (5, 1.0, 0.0, 0.0)
    measure_batch(pixels, counting, plan, scratch, forced, places, np.zeros((1, 2)), out, np.zeros(5, np.int64))
    return out[:, 0].astype(float)


def stamped(probe, positions, intensities, level):
    """Mean counts of some disks on a flat background."""
    reach, image = probe.patch_radius, np.full((SHAPE[0] + 40, SHAPE[1] + 40), level)
    for (row, col), intensity in zip(positions, intensities, strict=True):
        r, c = round(row), round(col)
        patch = probe.image((row - r, col - c))
        image[20 + r - reach : 21 + r + reach, 20 + c - reach : 21 + c + reach] += intensity * patch
    return image[20:-20, 20:-20]


def test_the_sums_of_a_patch_are_those_of_weighted_least_squares(kit):
    _, plan, _, _ = kit
    rng = np.random.default_rng(1)
    n = plan.patch.size
    pixels, known, use = rng.random((3, n)).astype(np.float32)
    shape, weights = np.zeros(n, np.float32), np.zeros(n, np.float32)
    write_template(plan.templates[13], 0.05, -0.03, shape)
    expected = plan.templates[13, 0] + 0.05 * plan.templates[13, 1] - 0.03 * plan.templates[13, 2]
    np.testing.assert_allclose(shape, expected, rtol=1e-5, atol=1e-7)
    sums = weighted_sums(pixels, known, use, shape, 7.0, 0.3, 0.2, plan.plateau, weights)
    mean = known + 7.0 * np.maximum(shape, 0) + 0.3
    w = use / (mean + 0.05**2 * mean**2 + 0.2 + (0.01 * 7.0 * plan.plateau) ** 2)
    np.testing.assert_allclose(weights, w, rtol=1e-5)
    twin = [(w * a * b).sum() for a, b in ((shape, shape), (shape, 1), (1, 1), (shape, pixels), (1, pixels))]
    np.testing.assert_allclose(sums, twin, rtol=1e-4)
    twin = ((use * plan.outside * (pixels - known)).sum(), (use * plan.outside).sum())
    np.testing.assert_allclose(ring_sums(pixels, known, use, plan.outside), twin, rtol=1e-4, atol=1e-4)


def test_a_scattered_line_is_gathered_with_any_other_and_wiped_again(kit):
    _, plan, _, _ = kit
    image = np.zeros(plan.weight.size, np.float32)
    patch = plan.patch[: int(plan.inside_patch.sum())]
    line, other = np.random.default_rng(2).random((2, patch.size)).astype(np.float32)
    scatter(line, 300, patch, image)
    twin = np.zeros_like(image)
    twin[300 + patch.astype(int)] = line
    np.testing.assert_array_equal(image, twin)
    add_line(other, 3.0, 302, patch, image)
    twin[302 + patch.astype(int)] += 3 * other
    np.testing.assert_allclose(image, twin, rtol=1e-6)
    total = (twin[302 + patch.astype(int)] * other).sum()
    np.testing.assert_allclose(filtered(other, 302, patch, image), total, rtol=1e-4)
    image[:] = twin * 0
    scatter(line, 300, patch, image)
    scatter(np.zeros_like(line), 300, patch, image)
    assert not image.any()


@pytest.mark.parametrize("n", [1, 2, 5, COUPLED])
def test_the_last_pivot_is_one_over_the_last_variance(n):
    half = np.random.default_rng(n).normal(size=(n, n + 2))
    matrix = half @ half.T
    assert 1 / last_pivot(matrix.copy(), n) == pytest.approx(np.linalg.inv(matrix)[-1, -1], rel=1e-9)


def test_a_matrix_without_inverse_has_no_pivot():
    assert last_pivot(np.ones((3, 3)), 3) == 0


def test_the_coarse_background_is_the_mean_of_the_cells_without_disks():
    rng = np.random.default_rng(3)
    areas = np.full((12, 12), 36.0, np.float32)
    cells = rng.poisson(36 * 2.0, areas.shape).astype(np.float32)
    areas[3, 4], cells[3, 4] = 0.0, 5000.0  # listed
    cells[7, 8] = 400.0  # not listed
    level, area = clipped_mean(cells, areas, 0.0)
    keep = (areas > 0) & (cells < 200)
    assert level == pytest.approx(cells[keep].sum() / areas[keep].sum())
    assert area == areas[keep].sum()


def test_a_tile_without_free_cells_takes_the_level_of_the_frame_and_says_that_it_is_unsure():
    areas, cells = np.full((12, 12), 36.0, np.float32), np.full((12, 12), 72.0, np.float32)
    areas[:6, :6] = 0.0
    level, area, variance = np.zeros((3, 2, 2))
    level_of_tiles(cells, areas, 0.0, level, area, variance)
    np.testing.assert_allclose(level, 2.0)
    assert variance[0, 0] > 100 * variance[1, 1] > 0
    areas[:] = 0.0
    level_of_tiles(cells, areas, 0.0, level, area, variance)
    assert (variance > 1e9).all()
    assert np.isfinite(level).all()


def test_one_intensity_is_that_of_least_squares_with_the_coarse_background(kit):
    """The NumPy twin: both passes, with the same weights, at a place beside a bad pixel."""
    probe, plan, scratch, forced = kit
    place = np.array([29.3, 18.3])
    frame = np.random.default_rng(4).poisson(stamped(probe, [place], [300.0], 0.7)).astype(float)
    value, error, usable = measure(kit, frame, [place])[:, 0]
    good = plan.weight[plan.pad : -plan.pad, plan.pad : -plan.pad]
    padded, weight = np.pad(frame * good, plan.pad).ravel(), plan.weight.ravel()
    r, c = 29, 18
    pixels = (
        (r + plan.pad - plan.reach) * plan.weight.shape[1] + c + plan.pad - plan.reach + plan.patch.astype(int)
    )
    y, use = padded[pixels], weight[pixels] * plan.inside_patch
    rows, cols = np.divmod(pixels, plan.weight.shape[1])
    image = np.pad(stamped(probe, [place], [1.0], 0.0), plan.pad)
    t = image[rows, cols]
    i, j = (int(place[a] * scratch.level.shape[a] / SHAPE[a]) for a in (0, 1))
    level, variance, area = scratch.level[i, j], forced.tile_variance[i, j], forced.tile_area[i, j]
    base, amount, solution = level + 0.5 / area, 5.0, np.zeros(2)
    for second in (False, True):
        if second:
            ring, worth = use * plan.outside, base / variance
            base = ((ring * y).sum() + level * worth) / (ring.sum() + worth)
            amount = solution[0] + 1.0
        mean = amount * t + base
        w = use / (mean + 0.05**2 * mean**2 + (0.01 * plan.plateau * amount) ** 2)
        design = np.stack([t, np.ones_like(t)])
        matrix = (w * design) @ design.T + np.diag([0.0, 1.0 / variance])
        solution = np.linalg.solve(matrix, (w * design) @ y + [0.0, level / variance])
    spread = np.linalg.inv(matrix)[0, 0] + (0.01 * base * (w * t).sum() / (w * t * t).sum()) ** 2
    assert value == pytest.approx(solution[0], rel=2e-3)
    assert error == pytest.approx(np.sqrt(spread), rel=2e-3)
    assert usable == pytest.approx((t * use).sum() / (t * plan.inside_patch).sum(), abs=2e-3)
    assert 0.5 < usable < 0.97


def test_neighbours_without_noise_get_exactly_their_light_and_the_memory_is_left_empty(kit):
    probe, _, scratch, forced = kit
    positions, truth = [[14.2, 12.7], [14.9, 15.6], [17.1, 13.3], [25.0, 25.0]], [500.0, 20.0, 0.0, 90.0]
    value, error, _ = measure(kit, stamped(probe, positions, truth, 0.5), positions)
    np.testing.assert_allclose(value, truth, atol=0.3)
    assert (error > 0.5).all()
    assert not scratch.model.any()
    outside = np.ones(forced.filter.size, bool)
    outside[forced.pitch + forced.wide_patch.astype(int)] = False
    assert not forced.filter[outside].any()


def test_the_error_beside_neighbours_is_that_of_the_joint_normal_equations(kit):
    """Two disks that overlap by two thirds, on a background that is known: Fisher information of both."""
    probe = kit[0]
    positions, truth = [[14.2, 12.7], [14.2, 14.2]], [200.0, 200.0]
    frame = stamped(probe, positions, truth, 1.0)
    _, error, _ = measure(kit, frame, positions)
    units = np.stack([stamped(probe, [p], [1.0], 0.0).ravel() for p in positions])
    around = np.hypot(*(np.indices(SHAPE) - np.array([14.2, 13.4])[:, None, None])) < 6
    units = np.concatenate([units, around.reshape(1, -1)])
    bound = np.sqrt(np.linalg.inv((units / frame.ravel()) @ units.T).diagonal()[:2])
    np.testing.assert_allclose(error, bound, rtol=0.12)


def test_the_same_position_twice_is_not_known_but_its_neighbours_are(kit):
    probe = kit[0]
    positions = [[14.2, 12.7], [14.2, 12.7], [14.0, 18.5]]
    value, error, usable = measure(kit, stamped(probe, positions[1:], [200.0, 100.0], 0.5), positions)
    assert np.isnan(value[:2]).all()
    assert np.isnan(error[:2]).all()
    assert (usable == 1.0).all()
    assert value[2] == pytest.approx(100.0, abs=0.5)


def test_more_neighbours_than_can_be_told_apart_give_nan(kit):
    _, plan, scratch, _ = kit
    many = NEIGHBOURS + 2
    crowd = [[15.0 + 0.2 * i, 15.0 - 0.1 * i] for i in range(many)]
    room = (*kit[:3], allocate_forced(plan, scratch, many))
    value, _, usable = measure(room, np.ones(SHAPE), crowd)
    assert np.isnan(value).all()
    assert (usable > 0).all()
    assert COUPLED <= NEIGHBOURS
