"""As many groups of profiles as there are phases, whatever the dose, and one for an even variation."""

from __future__ import annotations

import numpy as np
import pytest

from livebragg.classify.phases import find_groups, inside_domains, unit_roots

RADII = np.arange(40)
AREA = (2 * np.pi * (RADII + 5)).astype(np.float32)
LIMITS = {"separation": 6.0, "cosine": 0.998, "members": 5}


def halo(radius, width):
    """Counts per pixel of a halo on a falling background."""
    return np.exp(-RADII / 12.0) + 0.4 * np.exp(-0.5 * ((RADII - radius) / width) ** 2)


def counted(profiles, dose, seed=0):
    """Rows as they come from frames of this many counts."""
    expected = profiles * AREA
    expected = expected * (dose / expected.sum(axis=1, keepdims=True))
    return unit_roots((np.random.default_rng(seed).poisson(expected) / AREA).astype(np.float32), AREA)


def judges(n):
    return np.arange(n) % 2 == 1


@pytest.mark.parametrize("dose", [2_000, 20_000, 1_000_000])
@pytest.mark.parametrize("phases", [1, 2, 4])
def test_as_many_groups_are_found_as_there_are_phases(dose, phases):
    kinds = np.array([halo(8 + 6 * k, 3) for k in range(phases)])
    label = np.arange(600) * phases // 600
    groups = find_groups(counted(kinds[label], dose), judges(600), **LIMITS)
    assert len(groups) == phases
    assert all(np.unique(label[group]).size == 1 for group in groups)
    assert sum(group.size for group in groups) == 600


@pytest.mark.parametrize("seed", range(3))
def test_an_even_variation_is_one_phase(seed):
    share = np.random.default_rng(seed).uniform(0, 1, (600, 1))
    profiles = share * halo(10, 3) + (1 - share) * halo(20, 3)
    assert len(find_groups(counted(profiles, 1_000_000, seed), judges(600), **LIMITS)) == 1


def test_a_small_phase_between_two_large_ones_is_found():
    kinds = np.array([halo(8, 3), halo(14, 3), halo(20, 3)])
    label = np.repeat([0, 1, 2], [400, 40, 400])
    groups = find_groups(counted(kinds[label], 20_000), judges(840), **LIMITS)
    assert sorted(group.size for group in groups) == [40, 400, 400]


def test_profiles_that_only_differ_in_dose_are_alike():
    rows = unit_roots(np.outer([1.0, 7.0], halo(10, 3)).astype(np.float32), AREA)
    np.testing.assert_allclose(rows[0], rows[1], rtol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1.0, rtol=1e-6)


def test_too_few_rows_make_no_group():
    assert find_groups(counted(halo(10, 3)[None].repeat(4, 0), 1000), judges(4), **LIMITS) == []


def test_positions_at_a_boundary_are_not_inside():
    kinds = np.array([halo(8, 3), halo(20, 3)])
    label = np.repeat([0, 1], [12, 12])[None].repeat(20, 0)
    rows = counted(kinds[label].reshape(-1, RADII.size), 100_000).reshape(20, 24, -1)
    counts = np.full(label.shape, 1e5, np.float32)
    where = np.ones(label.shape, bool)
    where[:, :3] = False
    columns = np.unique(inside_domains(rows, where, counts) % 24)
    assert not np.isin(columns, [0, 1, 2, 3, 11, 12]).any(), "neither beside another kind nor at the boundary"
    assert np.isin([6, 18], columns).all()


def stripes(share, apart=0.1, n=40):
    """Rows along a line across stripes of two phases, the share of the second one given over a period; who is
    beside whom."""
    share = np.tile(share, n)
    angle = apart * share + np.random.default_rng(2).normal(0, 0.003, share.size)
    index = np.arange(share.size)
    near = np.stack([np.maximum(index - 1, 0), index, np.minimum(index + 1, index[-1])], axis=1)
    return np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32), near


def test_mixtures_at_a_boundary_do_not_make_one_of_two_phases():
    rows, near = stripes([0, 0, 0, 0, 0, 0.4, 0.6, 1, 1, 1, 1, 1, 0.6, 0.4])
    options = {**LIMITS, "noise": 0.003}
    assert len(find_groups(rows, judges(len(rows)), near=near, **options)) == 2
    assert len(find_groups(rows, judges(len(rows)), **options)) == 1, "the neighbours make the difference"


def test_a_boundary_is_no_phase():
    rows, near = stripes([0] * 7 + [0.5] + [1] * 6 + [0.5], apart=0.2)
    options = {**LIMITS, "noise": 0.003}
    assert len(find_groups(rows, judges(len(rows)), **options)) == 3
    assert len(find_groups(rows, judges(len(rows)), near=near, **options)) == 2
