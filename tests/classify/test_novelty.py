from __future__ import annotations

import numpy as np

from livebragg.classify.novelty import coherence, coherent_group, separation_of, two_groups


def noisy(pattern, n, detection, seed=0):
    rows = pattern * (np.random.default_rng(seed).random((n, pattern.size)) < detection)
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def pattern(first, n=20, size=60):
    out = np.zeros(size)
    out[first : first + n] = np.linspace(0.7, 1.3, n)
    return out


def test_the_largest_group_that_agrees_is_found_among_strays():
    strays = np.abs(np.random.default_rng(1).normal(size=(15, 60))) * (np.eye(60)[:15] > 0)
    rows = np.concatenate([strays.astype(np.float32), noisy(pattern(0), 20, 0.5), noisy(pattern(30), 9, 0.5)])
    group = coherent_group(rows, 0.55, 8)
    assert set(group.tolist()) <= set(range(15, 35))
    assert group.size >= 18


def test_too_few_positions_found_nothing():
    assert coherent_group(noisy(pattern(0), 7, 0.9), 0.55, 8) is None


def test_two_grains_are_two_groups_and_a_noisy_one_is_not():
    mixed = np.concatenate([noisy(pattern(0), 60, 0.7), noisy(pattern(12), 60, 0.7, seed=1)])
    mixed = mixed[np.random.default_rng(2).permutation(120)]
    second = two_groups(mixed, 6.0, 0.82, 8)
    assert second is not None and 55 <= second.sum() <= 65
    assert two_groups(noisy(pattern(0), 120, 0.5), 6.0, 0.82, 8) is None


def test_an_evenly_bending_crystal_is_one_group():
    share = np.linspace(0, 1, 200)[:, None]
    rows = (1 - share) * pattern(0) + share * pattern(5)
    assert two_groups(rows.astype(np.float32), 6.0, 0.82, 8) is None


def test_separation_counts_standard_deviations():
    rng = np.random.default_rng(0)
    low, high = rng.normal(0, 1, (400, 1)), rng.normal(8, 1, (400, 1))
    assert abs(separation_of(low, high) - 8) < 0.4


def test_domains_are_coherent_and_chance_is_not():
    index = np.arange(400)
    assert coherence(index[:200], index[200:]) > 0.95
    coin = np.random.default_rng(0).random(400) < 0.5
    assert abs(coherence(index[coin], index[~coin])) < 0.15
