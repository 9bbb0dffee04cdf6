"""One viewer's controls: who may act, one act at a time, and what became of it."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from makers import class_maps, status, vector_map

from livebragg.errors import ConfigError
from livebragg.model import Calibration, EllipseEstimate
from livebragg.wire.messages import SettingsRequest, VirtualImageSet
from livebragg_dashboards.acting.desk import Desk
from livebragg_dashboards.acting.drawer import drawer
from livebragg_dashboards.asking.acts import Outcome
from livebragg_dashboards.drawing.calibration_ring import NO_RING, on_ring, outline, straightened
from livebragg_dashboards.drawing.orientation import q_axes
from livebragg_dashboards.feed.checks import problem_of
from livebragg_dashboards.feed.state import FeedState, Snapshot
from livebragg_dashboards.listening.floor import IDLE_S, Floor
from livebragg_dashboards.listening.hubs import MAX_HUBS, close_hubs, other_hub, retire, shared_hub
from livebragg_dashboards.viewing.actions import read_action
from livebragg_dashboards.viewing.viewer import Viewer


class FakeHub:
    """What a desk needs of a hub."""

    feed, control, problem = "tcp://here:1", "tcp://here:2", ""

    def __init__(self) -> None:
        self.floor, self.asked, self.outcomes = Floor(), [], []

    def act(self, owner: str, number: int, request: object) -> None:
        self.asked.append((owner, number, request))

    def outcome(self, owner: str) -> Outcome | None:
        return self.outcomes.pop(0) if self.outcomes else None


def snapshot(*messages: Any) -> Snapshot:
    state = FeedState()
    for message in (status(), class_maps(), vector_map(), *messages):
        state.update(message, 0.0)
    return state.snapshot()


def desk(hub: Any = None, owner: str = "a", **changes: Any) -> Any:
    made = {"name": "Ada", "viewer": Viewer(), "looks_only": False, "attach": lambda feed, control: ""} | changes
    return Desk(hub or FakeHub(), owner, made["name"], made["viewer"], made["looks_only"], made["attach"])


def act(who: Any, kind: str, now: float = 0.0, **more: Any) -> bool:
    return bool(who.act({"kind": kind, **more}, snapshot(), {}, now))


def texts(who: Any, *messages: Any, now: float = 0.0) -> dict[str, Any]:
    made = drawer(who, snapshot(*messages), None, now)
    json.dumps(made, allow_nan=False)
    return made


def test_an_act_is_pending_until_the_pipeline_has_answered() -> None:
    hub = FakeHub()
    who = desk(hub)
    act(who, "floor", take=True)
    assert act(who, "do", what="sensitivity", value="0.05")
    assert hub.asked == [("a", 1, SettingsRequest(values={"detection.false_disks_per_frame": 0.05}))]
    assert texts(who)["acts"][0]["state"] == "pending"
    act(who, "do", what="save")
    assert "one thing at a time" in texts(who)["acts"][0]["note"] and len(hub.asked) == 1
    hub.outcomes.append(Outcome(1, False, "between 0 and 1000"))
    assert who.poll() and not who.poll()
    assert [a["state"] for a in texts(who)["acts"]] == ["refused", "refused"]
    assert texts(who)["acts"][0]["note"] == "between 0 and 1000"


def test_without_control_or_on_a_page_that_only_looks_nothing_is_sent() -> None:
    hub = FakeHub()
    who, other, looker = desk(hub), desk(hub, "b", name="Bo"), desk(hub, "c", looks_only=True)
    act(who, "do", what="save")
    assert "take control first" in texts(who)["acts"][0]["note"]
    act(looker, "floor", take=True)
    act(looker, "do", what="stop", confirmed=True)
    act(looker, "attach", feed="tcp://a:1", control="tcp://a:2")
    assert [a["state"] for a in texts(looker)["acts"]] == ["refused"] * 2
    act(other, "floor", take=True)
    act(who, "floor", take=True)
    act(who, "do", what="save")
    assert texts(who)["acts"][0]["note"] == "Bo has control"
    assert [texts(w)["control"]["state"] for w in (who, other, looker)] == ["other", "mine", "view"]
    assert hub.asked == []


def test_control_can_be_released_and_taken_from_who_did_nothing_for_long() -> None:
    hub = FakeHub()
    who, other = desk(hub), desk(hub, "b")
    act(who, "floor", take=True)
    act(who, "do", 100.0, what="save")
    act(other, "floor", 100.0 + IDLE_S - 1, take=True)
    assert who.has_control
    assert texts(other, now=101.0 + IDLE_S)["control"]["state"] == "idle"
    act(other, "floor", 101.0 + IDLE_S, take=True)
    assert other.has_control and not who.has_control
    act(who, "floor", take=False)
    assert other.has_control
    act(other, "floor", take=False)
    assert hub.floor.holder == ""


def test_when_the_hub_does_not_listen_nothing_is_asked_and_what_was_asked_is_not_known() -> None:
    hub = FakeHub()
    who = desk(hub)
    act(who, "floor", take=True)
    act(who, "do", what="save")
    hub.problem = "no socket"
    assert who.poll() and not who.pending
    assert texts(who)["acts"][0]["note"] == "not known: no socket"
    act(who, "do", what="save")
    assert texts(who)["acts"][0]["note"] == "no socket" and len(hub.asked) == 1


def test_a_thousand_acts_make_one_request() -> None:
    hub = FakeHub()
    who = desk(hub)
    act(who, "floor", take=True)
    for _ in range(1000):
        act(who, "do", what="save")
    assert len(hub.asked) == 1 and len(who.acts) <= 3


def test_a_pending_act_is_not_forgotten_because_others_were_refused() -> None:
    hub = FakeHub()
    who = desk(hub)
    act(who, "floor", take=True)
    for _ in range(10):
        act(who, "do", what="save")
    assert who.pending and len(hub.asked) == 1


@pytest.mark.parametrize(
    "text", ["", "nonsense", "[1]", '{"kind": "hover"}', '{"kind": ["do"]}', "9" * 5000, "[" * 3000]
)
def test_what_is_none_of_the_controls_actions_is_left_to_others(text: str) -> None:
    assert desk().act(read_action(text), snapshot(), {}, 0.0) is False


def test_a_picked_ring_snaps_to_its_peaks_and_its_preview_says_what_it_would_set() -> None:
    angle = np.linspace(0, 2 * np.pi, 7)[:6]
    ring = {"peak_ids": np.arange(6), "peak_qx": (2 * np.cos(angle)).astype(np.float32),
            "peak_qy": (2 * np.sin(angle)).astype(np.float32), "peak_support": np.ones(6, np.float32)}  # fmt: skip
    message = vector_map(**ring, revision=6)
    shot = snapshot(message)
    axes = {"vectors": q_axes(message.map.shape, (4.0, 6.0), None, 2.0)}
    who = desk()
    who.act({"kind": "ring", "panel": "vectors", "x": 0.0, "y": 2.06}, shot, axes, 0.0)
    assert who.radius == pytest.approx(2.0, abs=1e-3)
    act(who, "ring", spacing="2,5")
    made = drawer(who, shot, None, 0.0)["ring"]
    assert "0.2 1/Å" in made["preview"] and "from 6 peaks" in made["preview"]
    who.act({"kind": "ring", "radius": "3.5"}, shot, axes, 0.0)
    assert "too few peaks" in drawer(who, shot, None, 0.0)["ring"]["preview"]
    for radius in ("", "1e999", "-3", "x"):
        who.act({"kind": "ring", "radius": radius}, shot, axes, 0.0)
        assert "pick a ring" in drawer(who, shot, None, 0.0)["ring"]["preview"]


def test_a_ring_is_drawn_as_the_ellipse_that_is_seen() -> None:
    known = Calibration(ellipse=EllipseEstimate.from_axes(1.21, 0.0, "given"))
    matrix = straightened(status(calibration=known))
    drawn = outline(2.0, vector_map(), q_axes((9, 13), (4.0, 6.0), None, 2.0), matrix)
    assert drawn["y"].max() / drawn["x"].max() == pytest.approx(1.21, rel=1e-3)
    assert on_ring(2.0, vector_map(), np.eye(2)).size == 0 and NO_RING["x"].size == 0


def test_marks_are_of_the_selected_position() -> None:
    hub, viewer = FakeHub(), Viewer()
    who = desk(hub, viewer=viewer)
    act(who, "floor", take=True)
    viewer.selected = (1, 3)
    act(who, "do", what="mark", note="crack", where="position")
    assert hub.asked[0][2].scan_index == 8


def test_what_is_known_of_the_calibration_is_told_with_error_and_source() -> None:
    known = Calibration(
        ellipse=EllipseEstimate.from_axes(1.02, 30.0, "halo", 0.001), q_pixel_size_inv_angstrom=0.0213,
        q_pixel_size_error=0.00006,
    )  # fmt: skip
    made = texts(desk(), status(calibration=known, revision=6))
    assert made["ellipse"] == "1.0200 ± 0.0020 at 30 ± 3°, from halo" and made["pixel"] == "0.02130 ± 0.00006 1/Å"
    none = texts(desk(), status(calibration=Calibration(ellipse_note="one orientation"), revision=6))
    assert "one orientation" in none["ellipse"]


@pytest.mark.parametrize("e1", [float("nan"), float("inf"), 800.0])
def test_a_hostile_calibration_is_no_status(e1: float) -> None:
    bad = Calibration(ellipse=EllipseEstimate(e1=e1, e2=0.0, error=0.0, source="x" * 9999))
    assert "calibration" in problem_of(status(calibration=bad))
    assert "calibration" in problem_of(status(calibration=Calibration(q_pixel_size_error=float("nan"))))


def test_hostile_settings_are_shown_short_or_not_at_all() -> None:
    strange = {"detection.false_disks_per_frame": float("nan"), "analysis.calibration.ellipse": "<b>" * 999,
               "analysis.families.vacuum_share": 1e300, "analysis.calibration.flip": 7}  # fmt: skip
    limits = {"analysis.families.vacuum_share": "<b>" * 999}
    shown = texts(desk(), status(settings=strange, limits=limits, revision=6))
    values, vacuum = shown["values"], shown["thresholds"]["vacuum_share"]
    assert values["sensitivity"] == vacuum["value"] == values["flip"] == "" and len(values["ellipse"]) <= 10
    assert len(vacuum["limits"]) <= 60


def test_only_endpoints_of_the_network_can_be_attached_to_and_not_too_many() -> None:
    from livebragg.config.dashboard import DashboardConfig

    try:
        first = shared_hub(DashboardConfig(feed="tcp://127.0.0.1:1", control="tcp://127.0.0.1:2"))
        for feed in ("ipc:///tmp/x", "file:///etc/passwd", "tcp://", "tcp://a:1 b", "tcp://*:1", "x" * 9000):
            with pytest.raises(ConfigError):
                other_hub(feed, "tcp://127.0.0.1:2")
        others = []
        for port in range(10, 9 + MAX_HUBS):
            others.append(other_hub(f"tcp://127.0.0.1:{port}", "tcp://127.0.0.1:2"))
            others[-1].owners.add("me")
        with pytest.raises(ConfigError, match="listened to already"):
            other_hub("tcp://127.0.0.1:99", "tcp://127.0.0.1:2")
        retire(others[0], "me")
        assert other_hub("tcp://127.0.0.1:99", "tcp://127.0.0.1:2") is not others[0]
        retire(first, "me")
        assert other_hub("tcp://127.0.0.1:1", "tcp://127.0.0.1:2") is first
    finally:
        close_hubs()


def test_the_origin_is_the_mean_of_the_positions_as_soon_as_they_have_one() -> None:
    origins = np.full((2, 2, 5), np.nan, np.float32)
    origins[:, 0] = [[60.0] * 5, [64.0, 65.0, 66.0, np.nan, np.nan]]
    images = VirtualImageSet(
        serial=1,
        revision=6,
        published_at=0.0,
        newest_sent_at=0.0,
        names=["origin_qx", "origin_qy"],
        images=origins,
    )
    assert texts(desk(), images, status(revision=6))["origin"].startswith("(60.00, 65.00) px")


@pytest.mark.parametrize(
    ("phase", "over"),
    [("file", "as they are in the file"), ("complete", "the scan is over"), ("running", "")],
)
def test_what_cannot_be_changed_any_more_is_said(phase: str, over: str) -> None:
    made = texts(desk(), status(phase=phase, revision=6))
    assert made["over"] == over and (made["control"]["state"] == "file") == (phase == "file")


def test_outcomes_of_the_scan_before_are_not_shown_in_the_next() -> None:
    who = desk(FakeHub())
    act(who, "do", what="save")
    assert texts(who)["acts"]
    who.forget_acquisition()
    assert texts(who)["acts"] == []
