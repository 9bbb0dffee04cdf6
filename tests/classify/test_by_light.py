"""Classes of positions with little light."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from livebragg.classify import Factors
from livebragg.classify.by_light import NO_CRYSTAL, NOT_ASKED, LightClasses
from livebragg.config.analysis import ClassifyConfig

ROWS, COLS, PEAKS = 24, 40, 60
N = ROWS * COLS
TRUTH = np.tile(np.repeat([3, 7, NO_CRYSTAL, 9], 10), ROWS)
"""Component of every position."""


def scene(light, seed=0, truth=TRUTH):
    """Measured light of a scan, and what the factorisation knows about it: half of the leaders."""
    rng = np.random.default_rng(seed)
    typical = {c: np.where(np.arange(PEAKS) // 20 == k, light, 0.0) for k, c in enumerate((3, 7, 9))}
    typical[NO_CRYSTAL] = np.zeros(PEAKS)
    roots = (np.array([typical[c] for c in truth]) + rng.normal(0, 0.6, (N, PEAKS))).astype(np.float32)
    forced = SimpleNamespace(stamp=np.ones(N, np.int32), roots=lambda rows, columns: roots[rows])
    leader = np.where(rng.random(N) < 0.5, truth, -1).astype(np.int32)
    ids = np.int32([3, 7, 9])
    factors = Factors(
        component_ids=ids, patterns=np.zeros((3, PEAKS), np.float32), weights=np.zeros((N, 3), np.float32),
        novelty=np.where(leader >= 0, 0.2, np.nan).astype(np.float32),
    )  # fmt: skip
    table = SimpleNamespace(columns=np.arange(PEAKS, dtype=np.int32), forced=forced)
    return table, factors, leader, ids


def looked_at(*scene, **kwargs):
    classes = LightClasses(ClassifyConfig(), COLS)
    return classes, classes.update(*scene, **kwargs)


def test_faint_positions_get_the_class_of_their_light_and_neighbours():
    classes, found = looked_at(*scene(0.5))
    wrong = (found.component != TRUTH).mean()
    assert wrong < 0.01
    assert classes.coupling > 0.5
    own = LightClasses(ClassifyConfig(), 1)  # nobody beside anybody
    assert (own.update(*scene(0.5)).component != TRUTH).mean() > 4 * wrong


def test_a_single_position_with_light_of_its_own_stays():
    truth = TRUTH.copy()
    lonely = 12 * COLS + 25
    truth[lonely] = 7
    _, found = looked_at(*scene(1.6, truth=truth))
    assert found.component[lonely] == 7
    assert found.confidence[lonely] > 0.99


def test_crystals_are_inside_where_only_one_position_beside_them_is_none():
    truth = TRUTH.copy()
    hole = 12 * COLS + 5
    truth[hole] = NO_CRYSTAL
    _, found = looked_at(*scene(1.6, truth=truth))
    assert found.component[hole] == NO_CRYSTAL
    assert found.inside[hole + 1]
    border = found.inside.reshape(ROWS, COLS)[:, 19]
    assert not border.any()
    assert not found.inside[found.component < 0].any()


def test_bright_classes_are_left_to_their_features():
    _, found = looked_at(*scene(4.0))
    assert (found.component == NOT_ASKED).all()


def test_positions_that_were_not_measured_or_belong_to_other_light_are_not_asked():
    table, factors, leader, ids = scene(1.0)
    table.forced.stamp[:100] = 0
    leader[200:210] = 11
    _, found = looked_at(table, factors, leader, ids)
    assert (found.component[:100] == NOT_ASKED).all()
    assert (found.component[200:210] == NOT_ASKED).all()
    assert (found.component[210:] == TRUTH[210:]).mean() > 0.98


def test_what_is_not_looked_at_stays_until_its_component_is_gone():
    table, factors, leader, ids = scene(1.0)
    classes, before = looked_at(table, factors, leader, ids)
    leader[leader == 9] = -1
    after = classes.update(table, factors, leader, ids[:2], np.arange(0, N, 2))
    there = np.arange(1, N, 2)
    kept = before.component[there] != 9
    assert (after.component[there][kept] == before.component[there][kept]).all()
    assert (after.component != 9).all()


@pytest.mark.parametrize("known", [0, 1])
def test_one_class_alone_says_nothing(known):
    table, factors, leader, ids = scene(1.0)
    _, found = looked_at(table, factors, leader, ids[:known])
    assert (found.component == NOT_ASKED).all()


def test_reset_forgets():
    classes, _ = looked_at(*scene(1.0))
    classes.reset()
    assert classes.coupling == 0
    table, factors, leader, ids = scene(4.0)
    assert (classes.update(table, factors, leader, ids).component == NOT_ASKED).all()


def test_a_position_of_two_crystals_is_not_none_though_neither_explains_it():
    table, factors, leader, ids = scene(1.6)
    between = 12 * COLS + 10
    rows = [between + COLS * k for k in (-2, 0, 2)]
    light = table.forced.roots(np.arange(N), None).copy()
    light[rows] = (light[np.array(rows) - 4] + light[np.array(rows) + 4]) / 2
    table.forced.roots = lambda rows, columns: light[rows]
    alone = LightClasses(ClassifyConfig(), 1).update(table, factors, leader, ids)
    factors.weights[rows] = [1.0, 0.6, 0.0]
    factors.novelty[rows] = 0.2
    mixed = LightClasses(ClassifyConfig(), 1).update(table, factors, leader, ids)
    assert (alone.component[rows] == NO_CRYSTAL).any()
    assert (mixed.component[rows] != NO_CRYSTAL).all()


def test_one_faint_class_among_bright_ones_is_no_low_dose():
    table, factors, leader, ids = scene(4.0)
    light = table.forced.roots(np.arange(N), None).copy()
    light[TRUTH == 9, 40:44] *= 0.5
    light[TRUTH == 9, 44:] = 0.0
    table.forced.roots = lambda rows, columns: light[rows]
    _, found = looked_at(table, factors, leader, ids)
    assert (found.component == NOT_ASKED).all()
