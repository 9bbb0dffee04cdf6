from __future__ import annotations

import numpy as np
import pytest

from livebragg.classify.order import find_fading, friedel_pairs

COLUMNS = np.arange(40, dtype=np.int64) + 100


def lattice(rng):
    """Twenty reflections and their inverses, 14 of them superlattice ones and a third as bright."""
    half = rng.uniform(-40, 40, (20, 2))
    place = np.concatenate([half, -half]).astype(np.float32)
    fades = np.tile(np.arange(20) < 7, 2)
    strength = np.tile(rng.uniform(60, 200, 20), 2)
    strength[fades] /= 3
    return place, fades, strength


def frames(rng, order, strength, fades, tilt=0.0, n=600):
    """Intensities of positions whose superlattice reflections have `order` of their full light."""
    share = np.where(fades, order[:, None], 1.0)
    lean = 1 + tilt * rng.uniform(-1, 1, (n, 1)) * np.repeat([1, -1], 20) * rng.uniform(0.5, 1, 40)
    thickness = rng.uniform(0.8, 1.2, (n, 1))
    return rng.poisson(strength * share * lean * thickness).astype(np.float32)


def test_reflections_that_fade_together_are_found_and_measure_the_order():
    rng = np.random.default_rng(0)
    place, fades, strength = lattice(rng)
    order = np.clip(np.linspace(-0.2, 1.2, 600), 0, 1)
    intensity = frames(rng, order, strength, fades, tilt=0.4)
    fading = find_fading(intensity, place, COLUMNS)
    assert sorted(fading.fading) == sorted(COLUMNS[fades])
    assert sorted(fading.staying) == sorted(COLUMNS[~fades])
    measured = fading.order(intensity[:, fading.columns - COLUMNS[0]])
    assert np.abs(measured - order).mean() < 0.06
    steps = measured.reshape(-1, 50).mean(axis=1)
    assert (np.diff(steps) > -0.02).all()


def test_a_crystal_that_only_bends_does_not_fade():
    rng = np.random.default_rng(1)
    place, fades, strength = lattice(rng)
    intensity = frames(rng, np.ones(600), strength, fades, tilt=0.9)
    assert find_fading(intensity, place, COLUMNS) is None


def test_counting_noise_is_no_fading():
    rng = np.random.default_rng(2)
    place, fades, strength = lattice(rng)
    assert find_fading(frames(rng, np.ones(600), strength / 30, fades), place, COLUMNS) is None


def test_a_few_disordered_positions_do_not_make_a_variant():
    rng = np.random.default_rng(3)
    place, fades, strength = lattice(rng)
    order = np.where(np.arange(600) < 15, 0.0, 1.0)
    assert find_fading(frames(rng, order, strength, fades), place, COLUMNS) is None


def test_what_is_unknown_has_not_faded():
    rng = np.random.default_rng(4)
    place, fades, strength = lattice(rng)
    order = np.linspace(0, 1, 600)
    intensity = frames(rng, order, strength, fades)
    intensity[::2, np.flatnonzero(fades)[:4]] = np.nan
    fading = find_fading(intensity, place, COLUMNS)
    assert sorted(fading.fading) == sorted(COLUMNS[fades])
    measured = fading.order(intensity[:, fading.columns - COLUMNS[0]])
    assert abs(measured[::2].mean() - measured[1::2].mean()) < 0.03


def test_reflections_known_at_some_positions_only_do_not_fade_by_that():
    rng = np.random.default_rng(6)
    place, fades, strength = lattice(rng)
    intensity = frames(rng, np.ones(600), strength, fades)
    intensity[:400, fades] = np.nan
    assert find_fading(intensity, place, COLUMNS) is None


def test_order_is_not_told_where_most_of_the_light_is_unknown():
    rng = np.random.default_rng(8)
    place, fades, strength = lattice(rng)
    intensity = frames(rng, np.linspace(0, 1, 600), strength, fades)
    fading = find_fading(intensity, place, COLUMNS)
    light = intensity[:, fading.columns - COLUMNS[0]]
    light[:10, : fading.fading.size] = np.nan
    order = fading.order(light)
    assert np.isnan(order[:10]).all() and np.isfinite(order[10:]).all()


def test_pairs_are_mutual_and_near_the_inverse():
    place = np.array([[10, 0], [-10.5, 0.5], [0, 20], [0, -23], [30, 3]], np.float32)
    assert friedel_pairs(place).tolist() == [[0, 1]]


def test_no_places_have_no_pairs():
    assert friedel_pairs(np.zeros((0, 2), np.float32)).shape == (0, 2)


def test_light_that_is_only_noise_shows_nothing():
    rng = np.random.default_rng(7)
    place, _, _ = lattice(rng)
    intensity = rng.normal(-1.0, 3.0, (600, 40)).astype(np.float32)
    intensity[:50] = np.nan
    assert find_fading(intensity, place, COLUMNS) is None


def found_disks(rng, intensity, limit):
    """Intensities as found disks show them: none below the limit of detection."""
    return np.where(rng.normal(intensity, 1.0) > limit, intensity, 0.0).astype(np.float32)


def test_disks_that_are_missed_by_chance_do_not_fade():
    rng = np.random.default_rng(8)
    place, fades, strength = lattice(rng)
    fades = np.tile(np.arange(20) < 3, 2)
    found = np.where(rng.random((600, 40)) < np.where(fades, 0.2, 0.95), strength, 0.0).astype(np.float32)
    assert find_fading(found, place, COLUMNS) is None


@pytest.mark.parametrize("seed", range(3))
def test_disks_lost_where_the_crystal_is_thinner_do_not_fade(seed):
    rng = np.random.default_rng(seed)
    place, fades, _ = lattice(rng)
    faint = np.where(fades, 14.0, 150.0) * np.linspace(0.35, 1.1, 600)[:, None]
    found = found_disks(rng, rng.poisson(faint), 12.0)
    assert find_fading(found, place, COLUMNS) is not None  # as if nothing could hide
    assert find_fading(found, place, COLUMNS, float(found[found > 0].min())) is None


def test_bright_disks_that_fade_are_found_from_disks_alone():
    rng = np.random.default_rng(9)
    place, fades, strength = lattice(rng)
    order = np.clip(np.linspace(-0.2, 1.2, 600), 0, 1)
    found = found_disks(rng, frames(rng, order, 3 * strength, fades), 9.0)
    fading = find_fading(found, place, COLUMNS, float(found[found > 0].min()))
    assert sorted(fading.fading) == sorted(COLUMNS[fades])


def half_tracked(seed):
    """Two pairs that fade and three whose partner is not tracked, all on light that is there without them; returns
    intensities, places, columns, which fade, the light beneath, and the true order."""
    rng = np.random.default_rng(seed)
    place, _, strength = lattice(rng)
    fades = np.tile(np.arange(20) < 5, 2)
    strength = np.where(fades, 14.0, strength)
    order = np.clip(np.linspace(-0.4, 1.4, 600), 0, 1)
    dark = np.where(fades, 5.0, 0.0).astype(np.float32)
    tracked = np.setdiff1d(np.arange(40), [22, 23, 24])
    light = frames(rng, order, strength, fades) + rng.poisson(dark, (600, 40)).astype(np.float32)
    return light[:, tracked], place[tracked], COLUMNS[tracked], fades[tracked], dark[tracked], order


@pytest.mark.parametrize("seed", range(4))
def test_faint_reflections_on_other_light_fade_though_not_all_partners_are_tracked(seed):
    light, place, columns, fades, dark, order = half_tracked(seed)
    assert find_fading(light, place, columns) is None
    fading = find_fading(light, place, columns, dark=dark)
    assert set(fading.fading) <= set(columns[fades]) and fading.fading.size >= 6
    measured = fading.order(light[:, np.searchsorted(columns, fading.columns)])
    assert np.corrcoef(measured, order)[0, 1] > 0.9
    assert abs(measured[order == 1].mean() - 1) < 0.12 and measured[order == 0].mean() < 0.12


def test_partners_that_are_not_tracked_do_not_fade_by_bending():
    """Reflections of one side dim together where a crystal tilts away from them."""
    rng = np.random.default_rng(3)
    place, _, strength = lattice(rng)
    side = place @ np.array([1.0, 0.3]) > 0
    lean = np.clip(np.linspace(-0.4, 1.4, 600), 0, 1)
    light = rng.poisson(np.where(side, lean[:, None], 1.0) * strength).astype(np.float32)
    tracked = np.setdiff1d(np.arange(40), np.flatnonzero(~side)[:8])
    assert find_fading(light[:, tracked], place[tracked], COLUMNS[tracked], dark=np.zeros(tracked.size)) is None
