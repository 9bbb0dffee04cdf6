"""The newest of everything: what is kept, what is forgotten, what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from makers import acquisition, class_maps, latest_frame, status, virtual_images

from livebragg.wire.messages import ClassMaps, LatestFrame, StatusRequest
from livebragg_dashboards.feed.state import STALE_AFTER_S, FeedState


def test_nothing_is_known_before_the_first_message() -> None:
    snapshot = FeedState().snapshot()
    assert (snapshot.status, snapshot.silence_s(5.0), snapshot.is_stale(1e9)) == (None, None, False)


def test_the_newest_message_of_each_kind_is_kept() -> None:
    state = FeedState()
    for revision in (1, 2):
        state.update(class_maps(revision=revision), now=float(revision))
    state.update(status(), now=3.0)
    snapshot = state.snapshot()
    maps = snapshot.get(ClassMaps)
    assert maps is not None and maps.revision == 2
    assert snapshot.updates == 2
    assert snapshot.get(LatestFrame) is None


def test_a_greeting_that_repeats_a_message_is_no_update() -> None:
    state = FeedState()
    for now in (1.0, 9.0):
        state.update(class_maps(), now)
    state.update(status(), 9.0)
    assert state.snapshot().updates == 1
    assert state.snapshot().slots[ClassMaps].received_at == 1.0


def test_superseded_maps_count_as_updates() -> None:
    state = FeedState()
    state.superseded(ClassMaps)
    state.update(class_maps(), 0.0)
    assert state.snapshot().updates == 2


def test_maps_of_another_acquisition_than_the_status_are_not_shown() -> None:
    state = FeedState()
    state.update(status(serial=2), 0.0)
    state.update(class_maps(serial=1), 0.1)
    assert state.snapshot().get(ClassMaps) is None


def test_maps_that_overtake_the_status_of_their_acquisition_are_shown_when_it_comes() -> None:
    state = FeedState()
    state.update(status(), 0.0)
    state.update(class_maps(), 0.0)
    state.update(class_maps(serial=2, revision=8), 1.0)
    assert state.snapshot().get(ClassMaps) is None
    state.update(status(serial=2, revision=8, acquisition=acquisition("next")), 1.0)
    maps = state.snapshot().get(ClassMaps)
    assert maps is not None and maps.serial == 2


@pytest.mark.parametrize(
    "after",
    [
        status(serial=2, revision=9),
        status(revision=1),
        status(revision=9, positions_seen=1),
        status(revision=9, acquisition=acquisition("other")),
    ],
    ids=["new serial", "lower revision", "fewer positions", "another acquisition"],
)
def test_a_new_acquisition_or_a_restart_clears_everything_of_the_old_one(after: object) -> None:
    state = FeedState()
    state.update(class_maps(), 0.0)
    state.update(virtual_images(), 0.0)
    state.update(status(), 0.5)
    epoch = state.snapshot().epoch
    state.update(after, 2.0)
    snapshot = state.snapshot()
    assert snapshot.epoch == epoch + 1
    assert not snapshot.slots
    assert len(state.trends) == 1


def test_the_greeting_of_a_restarted_pipeline_survives_its_first_status() -> None:
    state = FeedState()
    state.update(status(revision=900), 0.0)
    state.update(class_maps(revision=3), 1.0)
    state.update(latest_frame(revision=899), 1.0)
    state.update(status(revision=4), 1.0)
    assert set(state.snapshot().slots) == {ClassMaps}


def test_a_growing_scan_is_the_same_acquisition() -> None:
    state = FeedState()
    state.update(status(), 0.0)
    state.update(status(revision=6, positions_seen=40, scan_shape=(9, 5)), 0.1)
    assert state.snapshot().epoch == 0


def test_silence_makes_stale_and_a_word_makes_fresh() -> None:
    state = FeedState()
    state.update(status(), 10.0)
    assert not state.snapshot().is_stale(10.0 + STALE_AFTER_S)
    assert state.snapshot().is_stale(10.1 + STALE_AFTER_S)
    state.update(status(revision=6), 20.0)
    assert not state.snapshot().is_stale(20.5)


def test_a_pipeline_that_finishes_may_be_silent_for_longer() -> None:
    state = FeedState()
    state.update(status(phase="finishing"), 0.0)
    assert not state.snapshot().is_stale(10.0)
    assert state.snapshot().is_stale(100.0)


def test_the_age_of_data_adds_the_time_in_the_pipeline_and_the_time_since() -> None:
    state = FeedState()
    state.update(status(), 50.0)
    state.update(class_maps(published_at=1e9, newest_sent_at=1e9 - 0.25), 50.0)
    assert state.snapshot().data_age_s(51.0) == pytest.approx(1.25)
    state.update(class_maps(revision=6, newest_sent_at=0.0), 51.0)
    assert state.snapshot().data_age_s(52.0) is None


def test_messages_that_do_not_fit_are_counted_with_their_reason() -> None:
    state = FeedState()
    state.update(class_maps(confidence=np.zeros((2, 2), np.float32)), 0.0)
    state.update(StatusRequest(), 0.0)
    snapshot = state.snapshot()
    assert snapshot.rejected == 2
    assert "StatusRequest" in snapshot.rejected_reason
    assert snapshot.last_heard is None
