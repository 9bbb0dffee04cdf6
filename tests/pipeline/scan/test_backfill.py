"""Which positions are measured, when, and what becomes of light that comes late."""

from __future__ import annotations

from concurrent.futures import Future

import numpy as np
import pytest

from livebragg.accumulate import VectorStore
from livebragg.classify import FeatureTable
from livebragg.config.analysis import ClassifyConfig
from livebragg.model import BraggPeaks, ForcedIntensities, MapGeometry, TrackedPeaks
from livebragg.pipeline.scan.backfill import Backfill

GEOMETRY = MapGeometry.around((64, 64), center=(32.0, 32.0), sampling=2.0)
N = 8
ORIGINS = np.full((N, 2), 32.0, np.float32)


def peaks_at(*places):
    n = len(places)
    q, one = np.array(places, np.float32), np.ones(n, np.float32)
    return TrackedPeaks(
        peak_id=np.arange(n, dtype=np.int32), qx=q[:, 0], qy=q[:, 1], support=one, significance=one,
        covariance=np.zeros((n, 2, 2), np.float32),
    )  # fmt: skip


def values_of(light):
    return ForcedIntensities(intensity=light, error=np.ones_like(light), usable=np.ones_like(light))


class Light:
    """Position 1 has no frame; the light of the others is as large as their number. Answers when told to."""

    capacity = 5

    def __init__(self):
        self.asked, self.tasks = [], []

    def _values(self, index, places):
        return values_of(np.repeat(index[:, None], len(places), axis=1).astype(np.float32))

    def measure(self, scan_index, places, origins, wanted):
        self.asked.append(scan_index.tolist())
        self.wanted = wanted
        index = scan_index[scan_index != 1]
        yield index, self._values(index, places)

    def begin(self, scan_index, places, origins, wanted):
        self.asked.append(scan_index.tolist())
        self.wanted = wanted
        for i in scan_index[scan_index != 1]:
            self.tasks.append((Future(), np.array([i]), places))
            yield np.array([i]), self.tasks[-1][0]

    def answer(self, count=None):
        for task, index, places in self.tasks[:count]:
            task.set_result(self._values(index, places))
        del self.tasks[:count]


@pytest.fixture
def vectors():
    store = VectorStore(N)
    none = np.zeros(0, np.float32)
    peaks = BraggPeaks(
        qx=none, qy=none, intensity=none, intensity_error=none, position_error=none, offsets=np.zeros(N + 1, int)
    )
    store.update(np.arange(N), peaks)
    return store.view


@pytest.fixture
def features(vectors):
    table = FeatureTable(GEOMETRY, ClassifyConfig(), match_radius=2.0, center_radius=4.0)
    table.track(peaks_at((10, 0), (0, 12)))
    table.update(vectors, np.arange(N), ORIGINS)
    return table


def refreshed(backfill, vectors, most=100, arrived=range(N)):
    return sorted(backfill.refresh(vectors, np.array(arrived), ORIGINS, most).tolist())


def test_the_newest_are_measured_first_and_what_has_no_frame_is_not_asked_for_again(features, vectors):
    light = Light()
    backfill = Backfill(light, features, lambda positions: None)
    assert refreshed(backfill, vectors, most=3) == [5, 6, 7]
    assert refreshed(backfill, vectors, most=9) == [0, 2, 3, 4]
    assert refreshed(backfill, vectors, most=9) == []
    assert light.asked == [[5, 6, 7], [0, 1, 2, 3, 4]]


def test_in_the_background_nothing_waits_and_one_round_follows_the_other(features, vectors):
    light, told = Light(), []
    backfill = Backfill(light, features, lambda positions: told.extend(positions.tolist()), background=True)
    assert refreshed(backfill, vectors) == []
    light.answer(2)
    assert refreshed(backfill, vectors) == [3, 4] == told
    assert light.asked == [[3, 4, 5, 6, 7]]  # no more than its capacity, and no second round yet
    light.answer()
    assert refreshed(backfill, vectors) == [5, 6, 7]
    assert light.asked[1:] == [[0, 1, 2]]
    np.testing.assert_allclose(features.forced.intensity(0)[3:], np.arange(3, N), rtol=0.1)


def test_light_of_peaks_that_changed_meanwhile_is_measured_again_after_what_never_was(features, vectors):
    light = Light()
    backfill = Backfill(light, features, lambda positions: None, background=True)
    refreshed(backfill, vectors, most=2)
    features.track(peaks_at((10, 0), (20, 20)))  # the second one died, another took its place
    light.answer()
    assert refreshed(backfill, vectors, most=4) == [6, 7]
    assert light.asked[-1] == [2, 3, 4, 5]
    assert np.isnan(features.forced.intensity(1)).all()
    np.testing.assert_allclose(features.forced.intensity(0)[6:], [6, 7], rtol=0.05)
    light.answer()
    refreshed(backfill, vectors)
    assert light.asked[-1] == [0, 1, 6, 7]


def test_in_a_hurry_no_round_begins(features, vectors):
    light = Light()
    backfill = Backfill(light, features, lambda positions: None, background=True)
    assert refreshed(backfill, vectors, most=0) == [] == light.asked


def test_the_end_takes_what_was_asked_for_and_measures_the_rest(features, vectors):
    light = Light()
    backfill = Backfill(light, features, lambda positions: None, background=True)
    refreshed(backfill, vectors, most=2)
    light.answer()
    done = backfill.finish(vectors, np.arange(N), ORIGINS, 100)
    assert done.tolist() == [0, 2, 3, 4, 5, 6, 7]
    assert features.forced.stale(np.arange(N)).size == 0


def test_without_a_photometer_nothing_happens(features, vectors):
    backfill = Backfill(None, features, lambda positions: None)
    assert refreshed(backfill, vectors) == []
    assert backfill.finish(vectors, np.arange(N), ORIGINS, 100).size == 0


def test_light_that_comes_while_other_light_is_taken_is_taken_next(features, vectors):
    light = Light()
    backfill = Backfill(light, features, lambda positions: light.answer(1), background=True)
    refreshed(backfill, vectors, most=3)
    light.answer(1)
    taken = [refreshed(backfill, vectors, most=0) for _ in range(3)]
    assert taken == [[5], [6], [7]]


def test_a_measurement_that_failed_is_told_once_and_does_not_keep_the_scan_from_its_end(features, vectors):
    light = Light()
    backfill = Backfill(light, features, lambda positions: None, background=True)
    refreshed(backfill, vectors, most=1)
    light.tasks[0][0].set_exception(MemoryError("no room"))
    with pytest.raises(MemoryError):
        refreshed(backfill, vectors, most=0)
    assert backfill.finish(vectors, np.arange(N), ORIGINS, 100).tolist() == [0, 2, 3, 4, 5, 6, 7]


def test_new_peaks_are_measured_where_their_class_is_shown_and_elsewhere_at_the_end(features, vectors):
    patterns = np.array([[0.8, 0.6, 0.0], [0.0, 0.6, 0.8]], np.float32)
    leader = np.where(np.arange(N) < 4, 1, 0)
    backfill = Backfill(Light(), features, lambda positions: None, shows=lambda rows: (leader[rows], patterns))
    refreshed(backfill, vectors)
    features.track(peaks_at((10, 0), (0, 12), (20, 20)))  # a reflection of the second class
    assert refreshed(backfill, vectors) == [0, 2, 3]
    assert backfill.finish(vectors, np.arange(N), ORIGINS, 100).tolist() == [4, 5, 6, 7]


def test_without_a_class_a_position_is_measured_again_when_half_of_the_peaks_are_new(features, vectors):
    backfill = Backfill(Light(), features, lambda positions: None)
    refreshed(backfill, vectors)
    places = (10, 0), (0, 12), (20, 20), (-20, 20)
    features.track(peaks_at(*places[:3]))
    assert refreshed(backfill, vectors) == []
    features.track(peaks_at(*places))
    assert refreshed(backfill, vectors) == [0, 2, 3, 4, 5, 6, 7]


def test_a_round_looks_at_the_newest_and_at_others_in_turn(features, vectors, monkeypatch):
    monkeypatch.setattr("livebragg.pipeline.scan.backfill._LOOKED_AT", 2)
    backfill = Backfill(Light(), features, lambda positions: None)
    rounds = [refreshed(backfill, vectors) for _ in range(4)]
    assert rounds == [[0, 6, 7], [2, 3], [4, 5], []]


def test_only_what_is_not_known_or_shines_is_measured_again(features, vectors):
    light = Light()
    backfill = Backfill(light, features, lambda positions: None)
    refreshed(backfill, vectors)
    assert light.wanted.all()
    features.forced.put(np.array([2]), light._values(np.array([-9]), np.zeros((2, 2))), features.forced.catalogue)
    features.track(peaks_at((10, 0), (0, 12), (20, 20)))
    light._values = lambda index, places: values_of(np.full((index.size, len(places)), 100.0, np.float32))
    backfill.finish(vectors, np.arange(N), ORIGINS, 100)
    assert light.wanted[:3].tolist() == [[False, False, True], [False, False, True], [True] * 3]
    light = np.stack([features.forced.intensity(peak) for peak in range(3)], axis=1)
    np.testing.assert_allclose(light[[0, 2, 5]], [[0, 0, 100], [-9, -9, 100], [100, 100, 100]], rtol=0.05)
