"""The status strip tells the truth, whatever the counters are."""

from __future__ import annotations

import json
import math

import pytest
from makers import acquisition, class_maps, snapshot_of, status

from livebragg_dashboards.feed.state import FeedState, Snapshot
from livebragg_dashboards.viewing.summary import strip

FEED = "tcp://127.0.0.1:7551"


def test_before_the_first_word_the_page_waits_for_a_pipeline_and_says_where() -> None:
    shown = strip(Snapshot(), 0.0, FEED)
    assert (shown["state"], shown["light"]) == ("never", "yellow")
    assert FEED in shown["start"]["title"]


def test_without_an_acquisition_the_page_waits_for_a_stream() -> None:
    shown = strip(snapshot_of(status(serial=0, acquisition=None, scan_shape=None, phase="waiting")), 0.1, FEED)
    assert (shown["state"], shown["name"]) == ("waiting", "No acquisition yet")
    assert "detector" in shown["start"]["text"]


def test_a_pipeline_without_workers_is_said_to_be_starting() -> None:
    message = status(serial=0, acquisition=None, scan_shape=None, phase="starting", workers=[])
    shown = strip(snapshot_of(message), 0.1, FEED)
    assert (shown["phase"], shown["start"]["title"]) == ("Starting", "The pipeline is starting")


def test_a_stalled_detector_is_spoken_of_with_the_age_of_the_newest_frame() -> None:
    snapshot = snapshot_of(class_maps(), status(phase="stalled"))
    trouble = strip(snapshot, 2.5, FEED)["trouble"]
    assert trouble["text"].startswith("No new frame for 3.0 s")
    assert trouble["over"] == "Live again after 3.0 s without frames"
    assert strip(snapshot_of(class_maps(), status()), 2.5, FEED)["trouble"] is None


def test_a_silent_pipeline_is_red_with_its_silence_in_words() -> None:
    shown = strip(snapshot_of(status()), 14.0, FEED)
    assert (shown["state"], shown["light"], shown["phase"]) == ("stale", "red", "No data")
    assert shown["banner"]["title"] == "No data for 14 s"
    assert "14 s" in shown["reasons"][0]


def test_the_light_and_its_reasons_are_the_pipelines() -> None:
    shown = strip(snapshot_of(status(light="red", reasons=["two workers died"], phase="stalled")), 0.1, FEED)
    assert (shown["light"], shown["phase"], shown["reasons"]) == ("red", "Stalled", ["two workers died"])
    assert strip(snapshot_of(status(light="purple")), 0.1, FEED)["light"] == "yellow"


@pytest.mark.parametrize("phase", ["running", "complete"])
def test_under_a_red_light_the_headline_does_not_say_that_all_is_well(phase: str) -> None:
    why = "results are not written: No space left on device"
    shown = strip(snapshot_of(status(light="red", reasons=[why], phase=phase)), 0.1, FEED)
    assert (shown["phase"], shown["reasons"]) == ("Trouble", [why])


def test_a_hub_that_failed_is_not_hidden_behind_a_green_light() -> None:
    shown = strip(snapshot_of(status()), 0.1, FEED, "the socket broke")
    assert (shown["light"], shown["reasons"]) == ("red", ["the socket broke"])


def test_progress_counts_rows_and_the_time_that_is_left() -> None:
    shown = strip(snapshot_of(status(counters={"rate_analysed_hz": 2.0})), 0.1, FEED)["progress"]
    assert shown == {"fraction": 7 / 15, "rows": "row 2 / 3", "left": "4.0 s left", "percent": "46 %"}


@pytest.mark.parametrize("seen", [0, 15, 10**9, -4])
def test_progress_stays_within_the_scan(seen: int) -> None:
    shown = strip(snapshot_of(status(positions_seen=seen, phase="complete")), 0.1, FEED)["progress"]
    assert 0 <= shown["fraction"] <= 1
    assert shown["rows"].split()[1] in ("0", "3")


def test_losses_and_malformed_messages_are_marked() -> None:
    state = FeedState()
    state.update(status(counters={"frames_dropped": 2.0, "frames_missing": 1.0, "messages_malformed": 4.0}), 0.0)
    state.reject("nonsense")
    numbers = strip(state.snapshot(), 0.1, FEED)["numbers"]
    assert numbers["lost"] == {"text": "3", "tone": "bad"}
    assert numbers["malformed"] == {"text": "5", "tone": "bad"}


def test_the_age_of_moving_data_warns_and_that_of_a_finished_scan_is_final() -> None:
    moving = snapshot_of(status(), class_maps())
    assert strip(moving, 2.9, FEED)["numbers"]["age"] == {"text": "3.4 s", "tone": "warn"}
    done = snapshot_of(status(phase="complete"), class_maps())
    assert strip(done, 1.0, FEED)["numbers"]["age"] == {"text": "final", "tone": ""}


def test_workers_that_died_are_named() -> None:
    counters = {"worker_restarts": 2.0}
    numbers = strip(snapshot_of(status(counters=counters)), 0.1, FEED)["numbers"]
    assert numbers["workers"] == {"text": "1 (+2 restarted)", "tone": "warn"}
    assert strip(snapshot_of(status(workers=[])), 0.1, FEED)["numbers"]["workers"]["tone"] == "bad"


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, -1.0, 1e308])
def test_any_counter_may_have_any_value(value: float) -> None:
    names = ("rate_received_hz", "rate_analysed_hz", "backlog_frames", "log_bytes", "log_capacity_bytes",
             "frames_dropped", "messages_malformed", "worker_restarts", "lag_p50_s")  # fmt: skip
    hostile = status(
        counters=dict.fromkeys(names, value),
        acquisition=acquisition(beam_energy_kev=-1e300, scan_step_nm=0.0),
        notices=["<script>alert(1)</script>\x00" * 100],
        reasons=["\u202e"] * 50,
        phase="<b>",
    )
    json.dumps(strip(snapshot_of(hostile), 0.1, FEED), allow_nan=False)


def test_a_shape_that_nobody_said_is_shown_as_a_guess_with_its_reason() -> None:
    note = "lines of 12 positions: 1.7 ms instead of 1 ms pass after every 12 frames"
    shown = strip(snapshot_of(status(shape_note=note, notices=["older", note])), 0.1, FEED)
    assert shown["notices"] == [note, "older"]
    assert ", a guess" in shown["about"]
    assert "a guess" not in strip(snapshot_of(status()), 0.1, FEED)["about"]
