from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from livebragg.classify import GrowingNMF
from livebragg.classify.factorisation import Factorisation
from livebragg.config.analysis import ClassifyConfig


def grown(view, label, **config):
    nmf = GrowingNMF(ClassifyConfig(**config))
    for rows in np.split(np.arange(label.size), label.size // 24):
        nmf.update(view, rows)
        nmf.refine(view)
    return nmf


def score(nmf, label):
    return adjusted_rand_score(label, nmf.snapshot().weights.argmax(axis=1))


@pytest.mark.parametrize("detection", [0.9, 0.6])
def test_every_grain_gets_one_component_and_its_positions(grains, detection):
    view, label = grains(detection=detection)
    nmf = grown(view, label)
    assert nmf.n_components == 4
    assert score(nmf, label) > 0.99
    nmf.finish(view)
    assert nmf.n_components == 4
    assert score(nmf, label) > 0.99


def test_a_grain_is_found_within_a_line_of_its_first_positions(grains):
    view, label = grains()
    nmf = GrowingNMF(ClassifyConfig())
    for line, rows in enumerate(np.split(np.arange(label.size), label.size // 24)):
        nmf.update(view, rows)
        assert nmf.n_components == line // 10 + 1


def test_ids_are_permanent_and_in_order_of_birth(grains):
    view, label = grains()
    nmf = grown(view, label)
    ids = nmf.snapshot().component_ids
    lead = nmf.snapshot().weights.argmax(axis=1)
    firsts = [ids[np.bincount(lead[label == grain]).argmax()] for grain in range(4)]
    assert firsts == sorted(firsts)


def test_two_grains_that_come_at_the_same_time_are_divided(grains):
    view, label = grains(regions=2)
    order = np.arange(480).reshape(2, 240).T.ravel()  # every batch has both
    nmf = GrowingNMF(ClassifyConfig())
    for rows in np.split(order, 20):
        nmf.update(view, np.sort(rows))
    nmf.finish(view)
    assert nmf.n_components == 2
    assert score(nmf, label) > 0.99


def test_rows_with_too_few_features_are_left_alone(grains):
    view, label = grains()
    view.tracked[:] = 2
    nmf = grown(view, label)
    assert nmf.n_components == 0
    assert np.isnan(nmf.snapshot().novelty).all()


def test_merging_conserves_the_weights(grains):
    view, label = grains()
    state = Factorisation(sparsity=0.0)
    state.make_room(view)
    for _ in range(2):
        state.add(np.ones(view.n_columns, np.float32))
    state.replace(1, np.linspace(1, 2, view.n_columns, dtype=np.float32))
    rows = np.arange(label.size)
    state.recode(view, rows)
    before = state.weights.sum()
    state.absorb(view, 0, 1)
    assert state.n_components == 1
    np.testing.assert_allclose(state.weights.sum(), before, rtol=1e-5)


def test_normalising_components_does_not_change_the_products(grains):
    view, label = grains()
    state = Factorisation(sparsity=0.02)
    state.make_room(view)
    state.add(np.ones(view.n_columns, np.float32))
    rows = np.arange(label.size)
    state.recode(view, rows)
    state.improve(3)
    np.testing.assert_allclose(np.linalg.norm(state.dictionary, axis=0), 1, rtol=1e-5)
    a, b = state._a.copy(), state._b.copy()
    state.recount(view)
    np.testing.assert_allclose(state._a, a, rtol=1e-4)
    np.testing.assert_allclose(state._b, b, rtol=1e-3, atol=1e-3)


def test_sums_stay_exact_when_rows_are_coded_again(grains):
    view, label = grains()
    nmf = grown(view, label)
    state = nmf._state
    a, b = state._a.copy(), state._b.copy()
    state.recount(view)
    np.testing.assert_allclose(a, state._a, rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(b, state._b, rtol=1e-3, atol=1e-3)


def test_a_component_without_disks_is_not_witnessed(grains):
    view, label = grains(regions=3)
    nmf = GrowingNMF(ClassifyConfig())
    nmf.update(view, np.arange(label.size))
    assert len(nmf.witnessed(view)) == nmf.n_components == 3
    view.tracked[label == 1] = 1
    assert len(nmf.witnessed(view)) == 2
    view.tracked[:] = 20
    assert len(nmf.witnessed(view)) == 2


def test_rows_taken_out_before_they_change_leave_the_sums_exact(grains):
    view, label = grains(regions=3)
    told, counted = (GrowingNMF(ClassifyConfig()) for _ in range(2))
    for nmf in (told, counted):
        nmf.update(view, np.arange(label.size))
    rows = np.arange(40, 90)
    told.forget(view, rows)
    view.value[view.start[40] : view.start[90]] *= 0.9
    for nmf in (told, counted):
        nmf.update(view, rows)
    np.testing.assert_allclose(told.snapshot().patterns, counted.snapshot().patterns, atol=1e-4)
    np.testing.assert_allclose(told.snapshot().weights, counted.snapshot().weights, atol=1e-3)


def test_rows_take_out_what_they_put_in_after_many_sweeps(grains):
    view, label = grains()
    nmf = grown(view, label)
    state, rows = nmf._state, np.arange(label.size)
    for _ in range(500):
        state.recode(view, rows[::7])
        state.improve()
    largest = state._a.max()
    state.take_out(view, rows)
    assert np.abs(state._a).max() < 1e-7 * largest


def test_events_tell_how_far_the_scan_was(grains):
    view, label = grains()
    nmf = GrowingNMF(ClassifyConfig())
    nmf.update(view, np.arange(label.size), 2 * label.size)
    assert {event.positions_seen for event in nmf.events} == {2 * label.size}
