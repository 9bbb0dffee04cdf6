from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from livebragg.classify import GrowingNMF, LockedPattern
from livebragg.classify.factorisation import Factorisation
from livebragg.config.analysis import ClassifyConfig
from livebragg.errors import ClassRequestError
from livebragg.model import TrackedPeaks


def grown(view, label, **config):
    nmf = GrowingNMF(ClassifyConfig(**config))
    for rows in np.split(np.arange(label.size), label.size // 24):
        nmf.update(view, rows)
        nmf.refine(view)
    return nmf


def score(nmf, label):
    return adjusted_rand_score(label, nmf.view.weights.argmax(axis=1))


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
    ids = nmf.view.component_ids
    lead = nmf.view.weights.argmax(axis=1)
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
    assert np.isnan(nmf.view.novelty).all()


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
    told.take_out(view, rows)
    view.value[view.start[40] : view.start[90]] *= 0.9
    for nmf in (told, counted):
        nmf.update(view, rows)
    np.testing.assert_allclose(told.view.patterns, counted.view.patterns, atol=1e-4)
    np.testing.assert_allclose(told.view.weights, counted.view.weights, atol=1e-3)


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


@pytest.mark.parametrize("wanted", [2, 3])
def test_the_scan_ends_with_the_number_of_components_that_was_asked_for(grains, wanted):
    view, label = grains()
    nmf = grown(view, label, n_classes=wanted)
    assert nmf.n_components == 4
    nmf.finish(view)
    assert nmf.n_components == wanted
    assert (np.bincount(nmf.view.weights.argmax(axis=1), minlength=wanted) > 0).all()


def test_grains_that_were_taken_for_one_are_told_apart_where_more_are_asked_for(grains):
    view, label = grains()
    nmf = GrowingNMF(ClassifyConfig(max_classes=2, n_classes=2))
    for rows in np.split(np.arange(label.size), label.size // 24):
        nmf.update(view, rows)
    nmf.n_classes = 3
    nmf.reach(view)
    assert nmf.n_components == 3


def test_what_differs_by_chance_is_not_divided_to_reach_a_number(grains):
    view, label = grains()
    nmf = grown(view, label, n_classes=6)
    nmf.finish(view)
    assert nmf.n_components == 4
    assert score(nmf, label) > 0.99


def test_joining_on_request_leaves_the_other_components_as_they_are(grains):
    view, label = grains(detection=0.45)
    nmf = grown(view, label)
    nmf.finish(view)
    before, nmf.n_classes = nmf.view, 3
    assert nmf.reach(view)
    kept = [np.array_equal(nmf.view.patterns[k], before.patterns[before.component_ids == number][0])
            for k, number in enumerate(nmf.view.component_ids)]  # fmt: skip
    assert sorted(kept) == [False, True, True]


def test_a_number_that_is_right_mends_what_the_data_left_open(grains):
    view, label = grains(detection=0.4, seed=3)
    nmf = grown(view, label, n_classes=4)
    nmf.finish(view)
    assert nmf.n_components == 4
    assert score(nmf, label) > 0.95


def peaks_of(n, moved=0.0):
    place = np.arange(n, dtype=np.float32) * 5 + np.float32(moved)
    one = np.ones(n, np.float32)
    return TrackedPeaks(
        peak_id=np.arange(n, dtype=np.int32), qx=place, qy=place, support=one, significance=one,
        covariance=np.zeros((n, 2, 2), np.float32),
    )  # fmt: skip


def test_a_locked_component_keeps_its_pattern_and_id_to_the_end(grains):
    view, label = grains()
    nmf = GrowingNMF(ClassifyConfig(n_classes=2))
    nmf.update(view, np.arange(240))
    number = int(nmf.view.component_ids[0])
    before = nmf.view.patterns[0]
    nmf.lock(number, peaks_of(view.n_columns))
    nmf.update(view, np.arange(240, label.size))
    nmf.finish(view)
    kept = nmf.view.component_ids.tolist().index(number)
    assert nmf.n_components == 2
    np.testing.assert_allclose(nmf.view.patterns[kept], before, atol=1e-6)
    nmf.unlock(number)
    view.value[view.start[0] : view.start[200]] **= 2
    nmf.update(view, np.arange(240))
    assert np.abs(nmf.view.patterns[kept] - before).max() > 1e-3


def test_a_locked_pattern_follows_its_peaks_to_new_numbers(grains):
    view, _ = grains()
    nmf = GrowingNMF(ClassifyConfig())
    nmf.update(view, np.arange(240))
    nmf.lock(0, peaks_of(view.n_columns))
    before = nmf.view.patterns[0]
    other = replace(peaks_of(view.n_columns, 0.3), peak_id=np.arange(view.n_columns, dtype=np.int32) + 7)
    nmf.track(other, view.n_columns + 7, 2.0)
    np.testing.assert_allclose(nmf.view.patterns[0][7:], before, atol=1e-6)
    nmf.track(peaks_of(view.n_columns, 3.0), view.n_columns + 7, 2.0)
    assert not nmf.view.patterns[0].any()


def test_a_component_known_beforehand_takes_its_positions(grains):
    view, label = grains()
    nmf = grown(view, label)
    pattern = LockedPattern.of(nmf.view.patterns[2], peaks_of(view.n_columns))
    again = GrowingNMF(ClassifyConfig())
    number = again.add_locked(pattern)
    again.track(peaks_of(view.n_columns), view.n_columns, 2.0)
    again.update(view, np.arange(label.size))
    again.finish(view)
    assert number == 0 and again.n_components == 4
    assert (again.view.weights.argmax(axis=1) == 0).sum() == 240


def test_a_component_is_divided_on_request_and_stays_so(grains):
    view, label = grains()
    nmf = grown(view, label)
    new = nmf.divide(view, int(nmf.view.component_ids[0]))
    assert nmf.n_components == 5 and new == nmf.view.component_ids[-1]
    nmf.update(view, np.arange(24))
    nmf.finish(view)
    assert nmf.n_components == 5
    assert score(nmf, label) > 0.8


def test_two_grains_that_were_taken_for_one_are_divided_where_they_meet(grains):
    view, label = grains(regions=2)
    nmf = GrowingNMF(ClassifyConfig(max_classes=1))
    nmf.update(view, np.arange(label.size))
    assert nmf.n_components == 1
    nmf.change(ClassifyConfig())
    nmf.divide(view, 0)
    nmf.finish(view)
    assert score(nmf, label) > 0.99


def test_too_few_positions_are_not_divided(grains):
    view, _ = grains()
    nmf = GrowingNMF(ClassifyConfig())
    nmf.update(view, np.arange(15))
    with pytest.raises(ClassRequestError, match="it has 15 positions that can be compared; dividing takes 16"):
        nmf.divide(view, 0)
    assert nmf.n_components == 1


def test_components_that_share_its_disks_among_them_are_one_grain(grains):
    view, label = grains()
    nmf = grown(view, label)
    state, columns = nmf._state, np.flatnonzero(nmf.view.patterns[0] > 0)
    halves = np.zeros((2, view.n_columns), np.float32)
    halves[0, columns[::2]], halves[1, columns[1::2]] = 1.0, 1.0
    state.replace(0, halves[0])
    nmf._born(halves[1], "by mistake")
    state.recode(view, np.arange(label.size))
    assert state.similarity()[0, -1] == 0 and state.company()[0, -1] > 0.5
    nmf._rejoin(view)
    assert nmf.n_components == 4 and nmf.events[-1].kind == "component_merged"
    nmf.finish(view)
    assert score(nmf, label) > 0.99


def test_a_surplus_class_goes_before_two_large_grains_that_are_more_alike(grains):
    view, label = grains()
    nmf = grown(view, label)
    state = nmf._state
    cosine = np.full((4, 4), -1.0)
    cosine[0, 1], cosine[0, 2], cosine[1, 2], cosine[0, 3], cosine[1, 3], cosine[2, 3] = 0.5, 0, 0, 0.1, 0, 0
    nmf._joinable = lambda: cosine
    state.owned[:] = [300, 300, 300, 10]
    assert nmf._cheapest()[0] == (0, 3)
    state.owned[:] = 240
    assert nmf._cheapest()[0] == (0, 1)


def test_a_second_class_of_a_component_goes_first_where_it_costs_least(grains):
    view, label = grains()
    nmf = grown(view, label, n_classes=4)
    nmf.variants = {1: 3.0, 2: 2.0}
    assert nmf.reach(view) and nmf.n_components == 4
    assert nmf.whole == {1, 2} and not nmf.variants
    nmf.finish(view)
    assert not nmf.whole


def test_locked_second_classes_stay_and_components_are_joined(grains):
    view, label = grains()
    nmf = grown(view, label, n_classes=4)
    nmf.variants = {1: np.inf}
    assert nmf.reach(view) and nmf.n_components == 3 and nmf.variants == {1: np.inf}
