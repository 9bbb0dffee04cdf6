"""The receiver's own judgement: light, words and numbers."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from dispatch_stories import FakePipeline, batch, end, start
from livebragg.config.detection import ProbeConfig
from livebragg.config.pipeline import DispatchConfig
from livebragg.pipeline.receiving.report import BEHIND_FRAMES, STARTING_S, make_report
from livebragg.wire.codec import decode, encode
from livebragg.wire.messages import ReceiverReport


def report(pipe: FakePipeline, **changes: Any) -> ReceiverReport:
    fields: dict[str, Any] = {
        "counters": Counter(messages_received=9),
        "rate_hz": 100.0,
        "silent_s": 0.2,
        "quiet_warning_s": 5.0,
        "endpoint": "tcp://scope:7550",
        "held_back": "",
        "stopping": False,
        "running_s": 10.0,
        "had_workers": False,
        "now": pipe.now,
    }
    made = make_report(
        intake=pipe.intake, dispatcher=pipe.dispatcher, log=pipe.log, notices=pipe.notices, **{**fields, **changes}
    )
    assert decode([bytes(p) for p in encode(made)]) == made
    return made


@pytest.fixture
def pipe(tmp_path: Path) -> FakePipeline:
    made = FakePipeline(tmp_path)
    made.add_worker(pid=42)
    return made


def test_waiting_is_green_and_says_what_for(pipe: FakePipeline) -> None:
    made = report(pipe)
    assert (made.phase, made.light, made.serial) == ("waiting", "green", 0)
    assert made.reasons == ["waiting for an acquisition from tcp://scope:7550"]


def test_nobody_sending_is_said(pipe: FakePipeline) -> None:
    made = report(pipe, silent_s=6.0)
    assert made.light == "green"
    assert made.reasons == ["no message from tcp://scope:7550 yet; start the sender, or check the endpoint"]


def test_a_healthy_scan_is_green_with_its_numbers(pipe: FakePipeline) -> None:
    pipe.send(start())
    pipe.send(batch(0, 8))
    pipe.send(batch(8, 3))
    made = report(pipe)
    assert (made.phase, made.light, made.serial) == ("running", "green", 1)
    expected = {"frames_received": 11, "frames_expected": 40, "backlog_frames": 3, "jobs_in_flight": 1}
    expected |= {"frames_missing": 0, "rate_received_hz": 100.0, "messages_received": 9}
    assert {key: made.counters[key] for key in expected} == expected
    assert 0 < made.counters["log_bytes"] <= made.counters["log_capacity_bytes"] == 1 << 20
    (worker,) = made.workers
    assert (worker["worker_id"], worker["pid"]) == ("w0", 42.0)


def test_the_probe_is_being_measured(tmp_path: Path) -> None:
    pipe = FakePipeline(tmp_path, probe=ProbeConfig())
    pipe.send(start())
    assert report(pipe).phase == "measuring"


def test_a_sender_that_falls_silent_within_a_scan_is_red(pipe: FakePipeline) -> None:
    pipe.send(start())
    made = report(pipe, silent_s=7.4)
    assert (made.phase, made.light) == ("stalled", "red")
    assert made.reasons == ["no message from tcp://scope:7550 for 7 s; is the sender running?"]


def test_no_worker_is_yellow_at_first_and_red_later(tmp_path: Path) -> None:
    pipe = FakePipeline(tmp_path)
    assert report(pipe).light == "yellow"
    made = report(pipe, running_s=STARTING_S + 1)
    assert made.light == "red"
    assert "no worker is ready" in made.reasons[0]


def test_a_sender_held_back_and_a_long_backlog_are_yellow(tmp_path: Path) -> None:
    pipe = FakePipeline(tmp_path, config=DispatchConfig(batch_frames=4096))
    pipe.add_worker(credits=1)
    pipe.send(start(400))
    pipe.send(batch(0, BEHIND_FRAMES + 1))
    made = report(pipe, held_back="the frame log is full")
    assert made.light == "yellow"
    assert made.reasons == [
        "the frame log is full: the sender is held back",
        f"{BEHIND_FRAMES + 1} frames behind, catching up when the rate allows",
    ]


def test_missing_frames_show_while_the_scan_runs_and_stay_after_it(pipe: FakePipeline) -> None:
    pipe.send(start())
    pipe.send(batch(0, 4))
    pipe.send(batch(10, 4))
    assert report(pipe).reasons == ["6 frames never came"]
    pipe.send(end(16))
    made = report(pipe)
    assert (made.light, made.reasons) == ("yellow", ["8 frames never came"])
    assert made.counters["frames_missing"] == 8


def test_a_late_batch_takes_the_missing_frames_back(pipe: FakePipeline) -> None:
    pipe.send(start())
    pipe.send(batch(4, 4))
    assert report(pipe).light == "yellow"
    pipe.send(batch(0, 4))
    made = report(pipe)
    assert made.light == "green"
    assert made.counters["batches_reordered"] == 1


def test_a_second_start_without_end_is_counted_where_it_can_be_seen(pipe: FakePipeline) -> None:
    pipe.send(start(name="a"))
    pipe.send(start(name="b"))
    made = report(pipe)
    assert made.counters["starts_without_end"] == 1
    assert made.light == "green", "the earlier scan's file says it; this scan is well"
    assert any("before the end of 'a'" in text for text in made.notices)


def test_messages_that_could_not_be_used_are_yellow(pipe: FakePipeline) -> None:
    made = report(pipe, counters=Counter(messages_malformed=3))
    assert (made.light, made.reasons) == ("yellow", ["3 messages could not be used"])


def test_after_a_scan_it_finishes_and_then_waits(pipe: FakePipeline) -> None:
    pipe.send(start())
    pipe.send(batch(0, 8))
    pipe.send(end(8))
    assert report(pipe).phase == "finishing"
    pipe.finish_work()
    made = report(pipe)
    assert (made.phase, made.light) == ("waiting", "green")
    assert made.reasons == ["waiting for the next acquisition from tcp://scope:7550"]
    assert report(pipe, stopping=True).phase == "stopped"


def test_a_worker_that_ended_is_no_worker_that_compiles(tmp_path: Path) -> None:
    bare = FakePipeline(tmp_path)
    assert "compiles the kernels" in report(bare).reasons[0]
    made = report(bare, had_workers=True, running_s=STARTING_S + 1)
    assert (made.light, made.reasons) == ("yellow", ["no worker is left; a new one is started"])
