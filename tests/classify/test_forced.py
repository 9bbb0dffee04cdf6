from __future__ import annotations

import numpy as np
import pytest

from livebragg.accumulate import VectorStore
from livebragg.classify.forced import ForcedStore
from livebragg.model import BraggPeaks, ForcedIntensities, TrackedPeaks


def tracked(places, ids):
    places = np.asarray(places, np.float32).reshape(-1, 2)
    one = np.ones(len(places), np.float32)
    return TrackedPeaks(
        peak_id=np.array(ids, np.int32), qx=places[:, 0], qy=places[:, 1], support=one, significance=one,
        covariance=np.zeros((len(places), 2, 2), np.float32),
    )  # fmt: skip


def measured(values):
    values = np.asarray(values, np.float32)
    return ForcedIntensities(intensity=values, error=np.ones_like(values), usable=np.ones_like(values))


@pytest.fixture
def store():
    store = ForcedStore(4)
    store.track(tracked([(9, 0), (0, 12)], [3, 5]))
    return store


def test_a_new_peak_makes_all_positions_stale_and_only_its_own_values_old(store):
    store.put(np.array([0, 2]), measured([[4, 9], [16, 25]]), store.catalogue)
    assert store.stale(np.arange(4)).tolist() == [1, 3]
    store.track(tracked([(9, 0), (0, 12), (20, 20)], [3, 5, 6]))
    assert store.stale(np.arange(4)).tolist() == [0, 1, 2, 3]
    assert store.current(np.array([0, 1]), np.array([3, 5, 6])).tolist() == [[True, True, False], [False] * 3]
    np.testing.assert_allclose(store.intensity(5), [9, np.nan, 25, np.nan])


def test_a_peak_that_wanders_is_measured_again_however_slowly_it_goes(store):
    store.put(np.arange(4), measured(np.ones((4, 2))), store.catalogue)
    for shift in (0.2, 0.4):
        store.track(tracked([(9 + shift, 0), (0, 12)], [3, 5]))
        assert store.stale(np.arange(4)).size == 0
    store.track(tracked([(9.6, 0), (0, 12)], [3, 5]))
    assert store.stale(np.arange(4)).size == 4
    assert store.current(np.array([0]), np.array([3, 5])).tolist() == [[False, True]]


def test_the_slot_of_a_peak_that_died_does_not_speak_for_its_successor(store):
    store.put(np.arange(4), measured(np.full((4, 2), 7)), store.catalogue)
    store.track(tracked([(9, 0), (30, 1)], [3, 8]))
    assert np.isnan(store.intensity(5)).all() and np.isnan(store.intensity(8)).all()
    store.put(np.array([1]), measured([[1, 36]]), store.catalogue)
    np.testing.assert_allclose(store.intensity(8), [np.nan, 36, np.nan, np.nan])
    assert np.isfinite(store.roots(np.array([1]), np.array([3, 8]))).all()


def test_light_that_was_asked_for_before_the_peaks_changed_counts_for_those_that_did_not(store):
    earlier = store.catalogue
    store.track(tracked([(9, 0), (30, 1)], [3, 8]))
    store.put(np.arange(4), measured(np.full((4, 2), 7)), earlier)
    np.testing.assert_allclose(store.intensity(3), 7, rtol=0.05)
    assert np.isnan(store.intensity(8)).all()
    assert store.stale(np.arange(4)).size == 4


def test_positions_without_frames_are_asked_for_once(store):
    store.give_up(np.array([1, 2]))
    assert store.stale(np.arange(4)).tolist() == [0, 3]


def test_a_value_that_could_not_be_told_is_never_current(store):
    store.put(np.array([0]), measured([[np.nan, 4]]), store.catalogue)
    assert store.current(np.array([0]), np.array([3, 5])).tolist() == [[False, True]]
    assert store.stale(np.array([0])).size == 0


def test_memory_is_two_bytes_a_value(store):
    store.make_room(1000)
    assert store.stored.nbytes == 2 * store.stored.size and len(store.stored) == 1000


def test_a_scan_that_grows_line_by_line_is_seldom_copied(store):
    copies, before = 0, store.stored
    for n in range(100, 10_000, 100):
        store.make_room(n)
        copies += store.stored is not before
        before = store.stored
    assert copies < 15 and len(store.stored) < 15_000


def test_light_that_is_lacking_is_counted_by_the_class_a_position_shows(store):
    store.put(np.arange(4), measured(np.ones((4, 2))), store.catalogue)
    store.track(tracked([(9, 0), (0, 12), (20, 20)], [3, 5, 6]))
    patterns = np.zeros((2, 7), np.float32)
    patterns[0, [3, 5]], patterns[1, [5, 6]] = [0.6, 0.8], [0.6, 0.8]
    lacks = store.lacking_light(np.arange(3), np.array([0, 1, -1]), patterns)
    np.testing.assert_allclose(lacks, [0, 0.64, 1 / 3], atol=1e-6)


def test_light_at_peaks_younger_than_the_patterns_is_not_lacking_to_a_class(store):
    store.put(np.arange(4), measured(np.ones((4, 2))), store.catalogue)
    store.track(tracked([(9, 0), (0, 12), (20, 20)], [3, 5, 6]))
    patterns = np.zeros((1, 6), np.float32)
    patterns[0, 3] = 1.0
    assert store.lacking_light(np.arange(4), np.zeros(4, np.int64), patterns).tolist() == [0, 0, 0, 0]


def test_a_disk_on_no_peak_makes_light_beside_it_unknown_where_its_place_is_sure(store):
    one = np.ones(4, np.float32)
    peaks = BraggPeaks(
        qx=np.array([14, 14, 14, 30], np.float32), qy=5 * one, intensity=one, intensity_error=one,
        position_error=np.array([0.1, 0.1, 0.9, 0.1], np.float32), offsets=np.array([0, 1, 2, 4]),
    )  # fmt: skip
    vectors = VectorStore(4)
    vectors.update(np.arange(3), peaks)
    store.put(np.arange(4), measured(np.ones((4, 2))), store.catalogue)
    column = np.array([-1, -2, -1, 5], np.int16)
    store.shadow(vectors.view, column, np.arange(3), np.full((3, 2), 5.0, np.float32), 4.0)
    assert store.current(np.arange(4), np.array([3, 5])).tolist() == [[False, True], *[[True, True]] * 3]
