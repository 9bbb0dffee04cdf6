"""Each alert is raised once, and again only after its value has come back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from livebragg.config.alerts import AlertsConfig
from livebragg.config.loader import from_table
from livebragg.model import Acquisition
from livebragg.pipeline.alerts.engine import AlertEngine
from livebragg.wire.messages import ClassMaps, PipelineStatus, VirtualImageSet

SHAPE = (40, 10)
STAMP: dict[str, Any] = {"serial": 1, "revision": 1, "published_at": 0.0, "newest_sent_at": 0.0}


def engine(**rules: dict[str, Any]) -> AlertEngine:
    return AlertEngine(from_table(AlertsConfig, rules))


def status(seen: int = 400, phase: str = "running", serial: int = 1, **counters: float) -> PipelineStatus:
    acquisition = Acquisition(acquisition_id="gold", scan_shape=SHAPE, frame_shape=(8, 8), dtype="uint16")
    return PipelineStatus(
        revision=1, published_at=0.0, phase=phase, light="green", reasons=[], serial=serial,
        acquisition=acquisition, scan_shape=SHAPE, probe=None, positions_seen=seen, newest_sent_at=0.0,
        counters=counters, workers=[], notices=[], results_path="",
    )  # fmt: skip


def images(**by_name: np.ndarray) -> VirtualImageSet:
    return VirtualImageSet(
        **STAMP, names=list(by_name), images=np.stack(list(by_name.values())).astype(np.float32)
    )


def maps(counts: dict[int, int]) -> ClassMaps:
    nothing = np.full(SHAPE, -1, np.int16)
    return ClassMaps(
        **STAMP, labels=nothing, confidence=np.zeros(SHAPE, np.float32), class_ids=list(counts),
        class_names=[f"Crystal {c}" for c in counts], class_families=["crystal"] * len(counts),
        class_counts=list(counts.values()), second=nothing, parts=np.zeros((2, *SHAPE), np.uint8),
    )  # fmt: skip


def rows(values: np.ndarray) -> np.ndarray:
    return np.repeat(np.asarray(values, np.float32)[:, None], SHAPE[1], axis=1)


def test_losses_are_told_once_with_value_limit_and_scan() -> None:
    watched = engine(lost={"frames": 5})
    assert watched.update(status(frames_dropped=3.0, frames_missing=2.0), 1.0) == []
    (alert,) = watched.update(status(frames_dropped=3.0, frames_missing=4.0), 2.0)
    assert (alert.rule, alert.acquisition, alert.raised_at, alert.active) == ("lost", "gold", 2.0, True)
    assert "7 frames lost (limit 5)" in alert.text
    assert watched.update(status(frames_dropped=30.0), 3.0) == []


def test_the_next_scan_may_raise_it_again() -> None:
    watched = engine()
    assert len(watched.update(status(frames_missing=1.0), 1.0)) == 1
    assert watched.update(status(serial=2), 2.0) == []
    assert [a.active for a in watched.alerts] == [False]
    assert len(watched.update(status(serial=2, frames_missing=1.0), 3.0)) == 1


def test_a_value_that_trembles_about_its_limit_is_told_once() -> None:
    watched = engine(area={"on": True, "percent": 50.0})
    watched.update(status(), 0.0)
    raised = [len(watched.update(maps({3: n}), 1.0)) for n in (190, 201, 199, 202, 198, 201, 150, 201)]
    assert raised == [0, 1, 0, 0, 0, 0, 0, 1]


def test_at_the_beginning_one_class_is_everything_and_that_is_no_news() -> None:
    watched = engine(area={"on": True, "percent": 50.0, "after_percent": 10.0})
    watched.update(status(seen=39), 0.0)
    assert watched.update(maps({0: 39}), 0.5) == []
    watched.update(status(seen=40), 1.0)
    assert len(watched.update(maps({0: 40}), 1.5)) == 1


def test_only_the_named_classes_are_watched_where_some_are_named() -> None:
    watched = engine(area={"on": True, "percent": 10.0, "classes": ["Crystal 4"]})
    watched.update(status(), 0.0)
    assert [a.rule for a in watched.update(maps({3: 300, 4: 90}), 1.0)] == ["area 4"]


def test_a_stall_is_told_after_its_time_and_rearmed_when_it_is_over() -> None:
    watched = engine(stalled={"seconds": 10.0})
    times = [
        (0, "stalled"),
        (9, "stalled"),
        (11, "stalled"),
        (12, "stalled"),
        (13, "running"),
        (14, "stalled"),
        (25, "stalled"),
    ]
    raised = [len(watched.update(status(phase=phase), float(at))) for at, phase in times]
    assert raised == [0, 0, 1, 0, 0, 0, 1]


def test_a_pipeline_that_finishes_a_scan_may_be_silent_for_a_minute() -> None:
    watched = engine(stalled={"seconds": 10.0})
    watched.update(status(phase="finishing"), 0.0)
    assert watched.tick(59.0) == [] and len(watched.tick(61.0)) == 1


def test_a_pipeline_that_falls_silent_is_told() -> None:
    watched = engine(stalled={"seconds": 10.0})
    assert watched.tick(1000.0) == []
    watched.update(status(), 0.0)
    assert watched.tick(9.0) == [] and len(watched.tick(10.5)) == 1 and watched.tick(11.0) == []
    watched.update(status(), 20.0)
    watched.tick(20.1)
    assert len(watched.tick(40.0)) == 1


def test_a_wandering_beam_is_told_and_a_still_one_is_not() -> None:
    still, ramp = np.full(SHAPE[0], 32.0), np.linspace(30.0, 33.0, SHAPE[0])
    watched = engine(drift={"on": True, "pixels": 2.0})
    watched.update(status(), 0.0)
    assert watched.update(images(origin_qx=rows(still), origin_qy=rows(still)), 1.0) == []
    (alert,) = watched.update(images(origin_qx=rows(ramp), origin_qy=rows(still)), 2.0)
    assert "px" in alert.text and alert.rule == "drift"


@pytest.mark.parametrize(("end", "raised"), [(1.0, 0), (0.7, 1), (1.3, 1), (0.9, 0)])
def test_a_change_of_intensity_is_told_in_both_directions(end: float, raised: int) -> None:
    watched = engine(trend={"on": True, "percent": 20.0})
    watched.update(status(), 0.0)
    image = rows(np.linspace(1.0, end, SHAPE[0]))
    image[30:] = np.nan
    image[:30] = rows(np.linspace(1.0, end, 30))
    assert len(watched.update(images(total=image), 1.0)) == raised


def test_few_lines_and_odd_values_are_not_judged() -> None:
    watched = engine(trend={"on": True}, drift={"on": True})
    watched.update(status(), 0.0)
    short = np.full(SHAPE, np.nan)
    short[:4] = 5.0
    assert watched.update(images(total=short, origin_qx=short, origin_qy=short), 1.0) == []
    assert watched.update(images(total=np.zeros(SHAPE)), 1.0) == []


def test_classes_of_the_start_are_no_news_and_later_ones_are_with_enough_positions() -> None:
    watched = engine(new_class={"on": True, "after_percent": 25.0, "positions": 10})
    watched.update(status(seen=60), 0.0)
    assert watched.update(maps({0: 40, 1: 20}), 0.5) == []
    watched.update(status(seen=200), 1.0)
    assert watched.update(maps({0: 100, 1: 60, 2: 9}), 1.5) == []
    (alert,) = watched.update(maps({0: 100, 1: 60, 2: 12}), 2.0)
    assert "Crystal 2 has appeared" in alert.text
    assert watched.update(maps({0: 100, 1: 60, 2: 13}), 2.5) == []


def test_an_alert_about_a_class_that_is_no_more_is_over() -> None:
    watched = engine(area={"on": True, "percent": 50.0})
    watched.update(status(), 1.0)
    assert len(watched.update(maps({1: 100, 3: 300}), 2.0)) == 1
    watched.update(maps({1: 400}), 3.0)
    assert [(alert.rule, alert.active) for alert in watched.alerts] == [("area 1", True), ("area 3", False)]


def test_maps_of_another_scan_and_rules_that_are_off_raise_nothing() -> None:
    watched = engine(area={"on": True, "percent": 1.0}, lost={"on": False}, stalled={"on": False})
    assert watched.update(maps({0: 400}), 0.0) == []
    watched.update(status(serial=2, frames_missing=5.0), 1.0)
    assert watched.update(maps({0: 400}), 2.0) == [] and watched.tick(1e6) == []
    assert watched.update(replace(maps({0: 400}), serial=2), 3.0)


def test_what_is_kept_of_the_past_is_bounded() -> None:
    watched = engine()
    for serial in range(1, 200):
        watched.update(status(serial=serial, frames_missing=1.0), float(serial))
    assert len(watched.alerts) <= 51 and watched.alerts[0].active
