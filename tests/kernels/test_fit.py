"""The pieces of a disk's fit, each against plain linear algebra."""

from __future__ import annotations

import numpy as np
import pytest

from livebragg.kernels.fit import (
    MISFIT,
    PHASES,
    ROUGHNESS,
    add_disk,
    aperture_sums,
    brightest,
    gather,
    multiply,
    normal_equations,
    phase_of,
    solve,
    subtract,
    take_out,
    variance_of,
)

PLACES = [(20.0, 26.0), (19.33, 26.81), (20.5, 25.5), (0.2, 51.4), (-0.4, 13.9)]


def parts_of(plan, place):
    """Corner of the patch, template, and the rests of a place."""
    (row, phase_row, rest_row), (col, phase_col, rest_col) = map(phase_of, place)
    corner = (row + plan.pad - plan.reach) * plan.weight.shape[1] + col + plan.pad - plan.reach
    return corner, plan.templates[phase_row * PHASES + phase_col], rest_row, rest_col


@pytest.mark.parametrize("position", [0.0, 3.2, 7.96, -0.3, 11.5, 4.0625, -2.0])
def test_a_position_is_pixel_and_phase_and_rest(position):
    pixel, phase, rest = phase_of(position)
    assert 0 <= phase < PHASES
    assert abs(rest) <= 0.5 / PHASES + 1e-12
    assert pixel + phase / PHASES + rest == pytest.approx(position)


def test_a_patch_is_gathered_around_its_pixel(plan):
    image = np.random.default_rng(0).normal(size=plan.weight.shape).astype(np.float32)
    line, corner = np.zeros(plan.patch.size, np.float32), parts_of(plan, (17.0, 30.0))[0]
    gather(image.reshape(-1), corner, plan.patch, line)
    top, left, size = 17 + plan.pad - plan.reach, 30 + plan.pad - plan.reach, 2 * plan.reach + 1
    square = image[top : top + size, left : left + size]
    used = plan.inside_patch > 0
    rows, cols = np.divmod(plan.patch[used].astype(np.int64), plan.weight.shape[1])
    np.testing.assert_array_equal(line[used], square[rows, cols])
    axis = np.arange(size) - plan.reach
    distance = np.hypot(axis[:, None], axis[None, :])
    radius = distance[rows, cols].max()
    assert sorted(zip(rows, cols, strict=True)) == [tuple(p) for p in np.argwhere(distance <= radius)]


@pytest.mark.parametrize("place", PLACES)
def test_a_disk_put_into_the_model_is_the_template_at_its_place(plan, probe, place):
    corner, template, *rests = parts_of(plan, place)
    model = np.zeros(plan.weight.shape, np.float32)
    add_disk(template, plan.patch[: plan.lit], corner, 500.0, *rests, model.reshape(-1))
    pixel = np.floor(np.array(place) + 0.5).astype(int)
    reach, shift = probe.patch_radius, tuple(np.array(place) - pixel)
    expected = np.zeros_like(model)
    top, left = pixel + plan.pad - reach
    expected[top : top + 2 * reach + 1, left : left + 2 * reach + 1] = 500 * probe.image(shift)
    # The table is exact at its phases; in between, the second derivative is missing.
    np.testing.assert_allclose(model, expected, atol=0.02 * expected.max())
    rows, cols = np.indices(model.shape) - plan.pad
    np.testing.assert_allclose((model * np.stack([rows, cols])).sum((1, 2)) / model.sum(), place, atol=0.02)
    assert model.sum() == pytest.approx(500, rel=0.02)


@pytest.mark.parametrize("place", PLACES)
def test_a_disk_added_and_added_negatively_is_gone(plan, place):
    corner, template, *rests = parts_of(plan, place)
    before = np.random.default_rng(1).uniform(0, 5, plan.weight.shape).astype(np.float32)
    model = before.copy()
    for amount in (500.0, -500.0):
        add_disk(template, plan.patch[: plan.lit], corner, amount, *rests, model.reshape(-1))
    np.testing.assert_allclose(model, before, atol=1e-5)


@pytest.mark.parametrize("place", PLACES)
def test_taking_a_disk_out_of_its_patch_leaves_the_others(plan, place):
    corner, template, *rests = parts_of(plan, place)
    model = np.zeros(plan.weight.shape, np.float32)
    other = parts_of(plan, (place[0] + 4.3, place[1] - 2.2))
    add_disk(other[1], plan.patch[: plan.lit], other[0], 90.0, *other[2:], model.reshape(-1))
    alone, line = np.zeros((2, plan.patch.size), np.float32)
    gather(model.reshape(-1), corner, plan.patch, alone)
    add_disk(template, plan.patch[: plan.lit], corner, 500.0, *rests, model.reshape(-1))
    gather(model.reshape(-1), corner, plan.patch, line)
    take_out(template, 500.0, *rests, line)
    used = plan.inside_patch > 0
    assert alone.max() > 0.5
    # The model ends where the disk is unlit; the patch goes on, and knows a thousandth of the disk's top there.
    np.testing.assert_allclose(line[used], alone[used], atol=2e-3 * 500 * plan.plateau)
    np.testing.assert_allclose(line[: plan.lit], alone[: plan.lit], atol=1e-4)


def test_known_disks_are_subtracted_but_never_added():
    known, pixels = np.array([1, -1e-6, 0, 2], np.float32), np.array([3, 3, 3, 1], np.float32)
    subtract(known, pixels)
    assert known.tolist() == [1, 0, 0, 2]
    assert pixels.tolist() == [2, 3, 3, -1]


def test_lines_are_multiplied():
    line = np.arange(5, dtype=np.float32)
    multiply(np.array([0, 1, 0.5, 2, 0], np.float32), line)
    assert line.tolist() == [0, 1, 1, 6, 0]


@pytest.mark.parametrize(("intensity", "read"), [(40.0, 0.3), (2000.0, 0.0), (-3.0, 1.0)])
def test_the_normal_equations_are_those_of_weighted_least_squares(plan, intensity, read):
    rng, n = np.random.default_rng(2), plan.patch.size
    pixels, known = rng.poisson(2.0, n).astype(np.float32), rng.uniform(0, 0.5, n).astype(np.float32)
    use = plan.inside_patch * (rng.uniform(size=n) > 0.1).astype(np.float32)
    template = plan.templates[2 * PHASES + 4]
    matrix, vector = np.full((4, 4), 9.0), np.zeros(4)
    normal_equations(pixels, known, use, template, intensity, 0.7, read, plan.plateau, matrix, vector)
    shape, amount = template[:3].astype(np.float64), max(intensity, 0.0)
    mean = known + amount * shape[0] + 0.7
    variance = mean + (ROUGHNESS * mean) ** 2 + read + (MISFIT * plan.plateau * amount) ** 2
    design = np.vstack([shape, np.ones(n)])
    expected = (design * (use / variance)) @ design.T
    lower = np.tril_indices(4)
    np.testing.assert_allclose(matrix[lower], expected[lower], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(vector, (design * (use / variance)) @ pixels, rtol=1e-4, atol=1e-4)
    assert (matrix[np.triu_indices(4, 1)] == 9.0).all()


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_the_small_solver_agrees_with_linear_algebra(n):
    rng = np.random.default_rng(n)
    a = rng.normal(size=(n, 7))
    full, right = a @ a.T, rng.normal(size=n)
    matrix, vector = np.full((4, 4), np.nan), np.full(4, np.nan)
    matrix[:n, :n][np.tril_indices(n)], vector[:n] = full[np.tril_indices(n)], right
    assert solve(matrix, vector, n)
    np.testing.assert_allclose(vector[:n], np.linalg.solve(full, right), rtol=1e-9)
    variances = [variance_of(matrix, i, n) for i in range(n)]
    np.testing.assert_allclose(variances, np.diag(np.linalg.inv(full)), rtol=1e-9)
    factor = np.tril(matrix[:n, :n])
    np.testing.assert_allclose(factor.T @ factor, np.linalg.inv(full), rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize(
    "matrix", [np.zeros((4, 4)), np.diag([1.0, 1.0, 0.0, 1.0]), np.ones((4, 4)), np.full((4, 4), np.nan)]
)
def test_the_small_solver_reports_singular_matrices(matrix):
    assert not solve(matrix.copy(), np.ones(4), 4)


def test_one_step_from_near_the_truth_finds_disk_and_background(plan, probe):
    place, amount, base = (20.0, 26.0), 3000.0, 2.0
    model = np.full(plan.weight.shape, base, np.float32)
    corner, template, *rests = parts_of(plan, (place[0] + 0.05, place[1] - 0.04))
    add_disk(template, plan.patch[: plan.lit], corner, amount, *rests, model.reshape(-1))
    corner, template, *_ = parts_of(plan, place)
    pixels, nothing = np.zeros((2, plan.patch.size), np.float32)
    gather(model.reshape(-1), corner, plan.patch, pixels)
    matrix, vector = np.zeros((4, 4)), np.zeros(4)
    normal_equations(pixels, nothing, plan.inside_patch, template, 2500.0, 1.0, 0.0, plan.plateau, matrix, vector)
    assert solve(matrix, vector, 4)
    assert vector[0] == pytest.approx(amount, rel=1e-3)
    np.testing.assert_allclose(vector[1:3] / vector[0], [0.05, -0.04], atol=1e-3)
    assert vector[3] == pytest.approx(base, rel=1e-2)


def test_apertures_are_summed_with_and_without_known_disks(plan):
    rng, n = np.random.default_rng(3), plan.patch.size
    pixels, known = rng.normal(3, 2, (2, n)).astype(np.float32)
    use = plan.inside_patch * (rng.uniform(size=n) > 0.2).astype(np.float32)
    inside = plan.templates[5, 3]
    sums = aperture_sums(pixels, known, use, inside, plan.outside)
    on, off = (use * inside).astype(np.float64), (use * plan.outside).astype(np.float64)
    expected = [on @ pixels, off @ pixels, on @ known, off @ known, on.sum(), off.sum()]
    np.testing.assert_allclose(sums, expected, rtol=1e-5)


def test_aperture_and_surroundings_of_a_plan_are_apart(plan):
    assert not (plan.templates[:, 3] * plan.outside).any()
    assert not (plan.outside[plan.inside_patch == 0]).any()
    assert len({int(inside.sum()) for inside in plan.templates[:, 3]}) == 1


def test_the_brightest_pixel_is_that_of_the_aperture():
    rng, work = np.random.default_rng(4), np.zeros(50, np.float32)
    pixels, inside = rng.normal(0, 3, 50).astype(np.float32), (rng.uniform(size=50) < 0.4).astype(np.float32)
    assert brightest(pixels, inside, work) == pixels[inside > 0].max()
    assert brightest(-np.abs(pixels), np.zeros(50, np.float32), work) == 0.0


def test_an_aperture_of_negative_pixels_has_a_brightest_of_zero():
    pixels, inside = np.array([-5, -1, -2], np.float32), np.array([1, 1, 0], np.float32)
    assert brightest(pixels, inside, np.zeros(3, np.float32)) == 0.0
