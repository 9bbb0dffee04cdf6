"""The hub against a pipeline on real sockets: late, hostile, killed and started again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from fake_pipeline import FakePipeline
from fake_scene import Scene
from makers import class_maps

from livebragg.errors import ConfigError
from livebragg.wire.codec import encode, topic_of
from livebragg.wire.messages import ClassMaps, StatusRequest, VectorMap
from livebragg_dashboards.feed.state import Snapshot
from livebragg_dashboards.listening.hub import Hub


@pytest.fixture
def hub(pipeline: FakePipeline) -> Iterator[Hub]:
    with Hub(pipeline.feed, pipeline.control) as made:
        yield made


def wait_for(hub: Hub, wanted: Callable[[Snapshot], bool], limit_s: float = 10.0) -> Snapshot:
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        snapshot = hub.snapshot()
        if wanted(snapshot):
            return snapshot
        time.sleep(0.01)
    raise AssertionError(f"not within {limit_s} s: {hub.snapshot()}")


def test_it_has_all_the_pipeline_says_soon_after_it_started(hub: Hub, pipeline: FakePipeline) -> None:
    snapshot = wait_for(hub, lambda s: len(s.slots) == 6)
    maps = snapshot.get(ClassMaps)
    assert maps is not None
    np.testing.assert_array_equal(maps.labels[:8], pipeline.scene.labels[:8])
    assert snapshot.rejected == 0


def test_it_may_be_started_before_the_pipeline(scene: Scene, pipeline: FakePipeline) -> None:
    feed, control = pipeline.feed, pipeline.control
    pipeline.__exit__()
    with Hub(feed, control) as hub:
        time.sleep(0.3)
        assert hub.snapshot().status is None
        with FakePipeline(scene, feed=feed, control=control, start=50, interval_s=0.1):
            wait_for(hub, lambda s: ClassMaps in s.slots)


def test_it_goes_on_with_a_pipeline_that_was_started_again(hub: Hub, scene: Scene, pipeline: FakePipeline) -> None:
    before = wait_for(hub, lambda s: ClassMaps in s.slots and s.updates > 3)
    pipeline.__exit__()
    with FakePipeline(scene, feed=pipeline.feed, control=pipeline.control, start=20, interval_s=0.1, rate_hz=1):
        after = wait_for(hub, lambda s: s.epoch > before.epoch and ClassMaps in s.slots)
    maps = after.get(ClassMaps)
    assert maps is not None and maps.labels[3:].max() == -1


def test_a_new_acquisition_clears_the_old_one(hub: Hub, pipeline: FakePipeline) -> None:
    before = wait_for(hub, lambda s: VectorMap in s.slots)
    pipeline.new_acquisition("the next scan")
    after = wait_for(hub, lambda s: s.epoch > before.epoch and ClassMaps in s.slots)
    assert after.status is not None and after.status.acquisition is not None
    assert after.status.acquisition.acquisition_id == "the next scan"
    maps = after.get(ClassMaps)
    assert maps is not None and (maps.serial, maps.labels[10:].max()) == (2, -1)


def test_hostile_messages_are_counted_and_the_feed_goes_on(hub: Hub, pipeline: FakePipeline) -> None:
    wait_for(hub, lambda s: ClassMaps in s.slots)
    topic = topic_of(ClassMaps)
    bad = [bytes(p) for p in encode(class_maps(confidence=np.zeros((9, 9), np.float32)))]
    wrong_type = [bytes(p) for p in encode(StatusRequest())]
    hostile = [[topic], [topic, b"\xc1"], [topic, *bad], [topic, *wrong_type], [topic + b"_of_another", b"x"]]
    for parts in hostile:
        count = hub.snapshot().rejected
        pipeline.inject(parts)
        wait_for(hub, lambda s, count=count: s.rejected > count)  # type: ignore[misc]
    updates = hub.snapshot().updates
    snapshot = wait_for(hub, lambda s: s.updates > updates + 3)
    assert snapshot.rejected == len(hostile)
    assert snapshot.rejected_reason


def test_a_frame_that_is_asked_for_comes(hub: Hub, pipeline: FakePipeline) -> None:
    wait_for(hub, lambda s: ClassMaps in s.slots)
    hub.ask_frame("me", 1, 31)
    end = time.monotonic() + 5
    while hub.answer("me") is None and time.monotonic() < end:
        time.sleep(0.01)
    answer = hub.answer("me")
    assert answer is not None and answer.reply is not None
    np.testing.assert_array_equal(answer.reply.frame, pipeline.scene.frame(31))
    hub.forget("me")
    assert hub.answer("me") is None


def test_trends_are_kept_for_sessions_that_come_later(hub: Hub) -> None:
    wait_for(hub, lambda s: hub.trend_columns(0.0)["age"].size >= 2)
    columns = hub.trend_columns(time.monotonic())
    assert columns["rate_analysed_hz"].size >= 2 and np.all(columns["age"] <= 0)


def test_an_endpoint_that_cannot_be_one_is_refused_at_once() -> None:
    with pytest.raises(ConfigError, match=r"dashboard\.feed"):
        Hub("nowhere", "tcp://127.0.0.1:1")
