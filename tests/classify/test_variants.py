"""Which components fade, and about which nothing is learned any more."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from livebragg.classify import Factors, VariantFinder
from livebragg.model import TrackedPeaks

N = 900


def scene():
    """Light of twenty reflections and their inverses, a third of which fade from position to position."""
    rng = np.random.default_rng(5)
    half = rng.uniform(-40, 40, (20, 2))
    place = np.concatenate([half, -half]).astype(np.float32)
    fades = np.tile(np.arange(20) < 7, 2)
    strength = np.where(fades, 40.0, 120.0)
    order = rng.uniform(0, 1, N)
    light = rng.poisson(strength * np.where(fades, order[:, None], 1.0)).astype(np.float32)
    one = np.ones(40, np.float32)
    peaks = TrackedPeaks(
        peak_id=np.arange(40, dtype=np.int32), qx=place[:, 0], qy=place[:, 1], support=one, significance=one,
        covariance=np.zeros((40, 2, 2), np.float32),
    )  # fmt: skip
    forced = SimpleNamespace(
        stamp=np.ones(N, np.int32),
        current=lambda rows, columns: np.ones((rows.size, columns.size), np.bool_),
        roots=lambda rows, columns: np.sqrt(light[np.ix_(rows, columns)]),
    )
    return SimpleNamespace(forced=forced), peaks, strength


def factors(n, strength):
    weights, novelty = np.zeros((N, 1), np.float32), np.full(N, np.nan, np.float32)
    weights[:n], novelty[:n] = 1.0, 0.1
    pattern = np.sqrt(strength / strength.sum()).astype(np.float32)
    return Factors(component_ids=np.zeros(1, np.int32), patterns=pattern[None], weights=weights, novelty=novelty)


def test_a_class_that_fades_is_found_and_its_order_measured():
    table, peaks, strength = scene()
    finder = VariantFinder()
    order = finder.update(table, factors(N, strength), peaks, np.arange(N))
    assert list(finder.fadings) == [0] and np.isfinite(order).all()


def test_nothing_is_learned_about_a_locked_component():
    table, peaks, strength = scene()
    finder = VariantFinder()
    order = finder.update(table, factors(N, strength), peaks, np.arange(N), True, None, {0})
    assert not finder.fadings and np.isnan(order).all()


def test_a_component_that_is_kept_whole_does_not_fade_and_the_cost_of_that_is_known():
    table, peaks, strength = scene()
    finder = VariantFinder()
    finder.update(table, factors(N, strength), peaks, np.arange(N))
    [cost] = finder.costs(factors(N, strength)).values()
    part = strength[strength < 100].sum() / strength.sum()
    assert 0.5 < cost / (2 * (1 - np.sqrt(1 - part)) * N / 4) <= 1.01
    assert finder.costs(factors(N, strength), {0}) == {0: np.inf}
    order = finder.update(table, factors(N, strength), peaks, np.arange(N), True, None, (), {0})
    assert not finder.fadings and np.isnan(order).all()


def test_a_component_is_looked_at_again_when_enough_of_its_light_is_news():
    table, peaks, strength = scene()
    finder = VariantFinder()
    finder.update(table, factors(N, strength), peaks, np.arange(N))
    known = finder.fadings[0]
    finder.update(table, factors(N, strength), peaks, np.arange(100))
    assert finder.fadings[0] is known
    finder.update(table, factors(N, strength), peaks, np.arange(100))
    assert finder.fadings[0] is not known


def test_order_of_a_position_stays_when_its_light_is_no_longer_known():
    table, peaks, strength = scene()
    finder = VariantFinder()
    before = finder.update(table, factors(N, strength), peaks, np.arange(N))
    roots = table.forced.roots
    table.forced.roots = lambda rows, columns: np.full_like(roots(rows, columns), np.nan)
    after = finder.update(table, factors(N, strength), peaks, np.arange(5))
    np.testing.assert_array_equal(after, before)


def test_fading_that_is_new_is_said_to_concern_all_positions():
    table, peaks, strength = scene()
    finder, nobody = VariantFinder(), np.zeros(0, np.int64)
    finder.update(table, factors(N, strength), peaks, np.arange(N))
    assert finder.fadings and finder.judged_all
    finder.update(table, factors(N, strength), peaks, nobody, positions=nobody)
    assert finder.fadings and not finder.judged_all
