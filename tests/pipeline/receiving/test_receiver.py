"""The receiver on real sockets, turn by turn: what it does with a detector that it cannot listen to just now."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import dectris_messages as dectris
from dispatch_stories import batch, end, start
from livebragg.config.loader import from_table
from livebragg.config.schema import Config
from livebragg.errors import FrameLogFullError
from livebragg.pipeline.receiving import receiver as receiver_module
from livebragg.pipeline.receiving import tee as tee_module
from livebragg.pipeline.receiving.receiver import Receiver
from livebragg.pipeline.runtime import Runtime, create_runtime
from livebragg.wire import sockets
from livebragg.wire.messages import AcquisitionDrained, ReceiverReport, StopAll

PROBE = {"radius": 2.0, "edge_width": 0.5, "center": [1.0, 1.0]}


class Bench:
    """A receiver without workers, its detector, the program it forwards to, and the analyst's ear."""

    def __init__(self, ctx: Any, runtime: Runtime) -> None:
        stream = runtime.config.stream
        self.detector = sockets.open_socket(ctx, sockets.PUSH, bind=stream.endpoint, linger_ms=0)
        self.analyst = sockets.open_socket(ctx, sockets.PULL, bind=runtime.results)
        self.receiver = Receiver(runtime, ctx)
        self.answers = sockets.open_socket(ctx, sockets.PUSH, connect=runtime.accepted, linger_ms=0)
        self.ctx = ctx
        self.told: list[Any] = []

    def send(self, *messages: object) -> None:
        for message in messages:
            sockets.send(self.detector, message)

    def turn_until(self, condition: Callable[[], Any], seconds: float = 10.0) -> bool:
        """Let the receiver work until something is so; False when it is not so in time."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.receiver._turn()
            while (message := sockets.receive(self.analyst)) is not None:
                self.told.append(message)
            if condition():
                return True
        return False

    @property
    def report(self) -> ReceiverReport:
        return next(m for m in reversed(self.told) if isinstance(m, ReceiverReport))

    def counted(self, key: str) -> float:
        return self.report.counters.get(key, 0.0) if any(isinstance(m, ReceiverReport) for m in self.told) else 0.0


@contextmanager
def bench(folder: Path, monkeypatch: pytest.MonkeyPatch, **sections: dict[str, Any]) -> Iterator[Bench]:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    stream = {"endpoint": f"ipc://{folder}/detector", **sections.pop("stream", {})}
    table = {"stream": stream, "probe": PROBE, "frame_log": {"directory": str(folder)}, **sections}
    runtime = create_runtime(from_table(Config, table), once=False)
    with sockets.context() as ctx:
        made = Bench(ctx, runtime)
        try:
            yield made
        finally:
            made.receiver.close()
            ctx.destroy(linger=0)
            runtime.remove()


def test_a_detector_that_waits_for_the_forwarded_program_is_not_silent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tee_module, "HIGH_WATER", 1)
    forward = f"ipc://{tmp_path}/forward"
    stream = {"forward": forward, "forward_when_full": "block", "end_after_s": 0.3, "quiet_warning_s": 0.3}
    with bench(tmp_path, monkeypatch, stream=stream) as made:
        made.send(start(100, 10), *(batch(k, 1) for k in range(40)))
        assert made.turn_until(lambda: any(isinstance(m, ReceiverReport) and m.serial == 1 for m in made.told))
        assert not made.turn_until(lambda: made.receiver._intake.stream.ended, seconds=1.5)
        assert made.report.light == "yellow"
        assert "stream.forward does not take the stream: the sender is held back" in " ".join(made.report.reasons)
        assert not made.receiver._source._watched, "it would spin while it waits"
        program = sockets.open_socket(made.ctx, sockets.PULL, connect=forward, linger_ms=0)

        def all_came() -> bool:
            while sockets.receive_parts(program) is not None:
                pass
            return made.counted("frames_received") == 40

        assert made.turn_until(all_came)
        assert made.receiver._intake.counters["ends_missing"] == 0


def test_after_a_stop_nothing_more_is_taken_from_the_detector(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with bench(tmp_path, monkeypatch) as made:
        made.send(start(), batch(0, 8))
        assert made.turn_until(lambda: made.counted("frames_received") == 8)
        sockets.send(made.answers, StopAll())
        assert made.turn_until(lambda: made.receiver._stopping)
        made.send(batch(8, 8))
        made.turn_until(lambda: False, seconds=0.3)
        assert made.receiver._source.receive() is not None, "it is still there for whoever comes next"


def full_log(made: Bench) -> None:
    """Frames until the log is full, and three messages more."""
    frame = 6
    n = (1 << 20) // frame // 4
    made.send(start(1024, 1024), *(batch(k * n, n) for k in range(11)))
    made.turn_until(lambda: made.receiver._held)


LOG = {"segment_mb": 1, "capacity_mb": 2}


def test_messages_that_wait_for_room_when_it_is_stopped_are_filed_when_there_is_some(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with bench(tmp_path, monkeypatch, frame_log={"directory": str(tmp_path), **LOG}) as made:
        full_log(made)
        before = made.receiver._intake.stream.counters["frames_received"]
        waiting = sum(m.n_frames for m in made.receiver._held)
        assert waiting > 0
        sockets.send(made.answers, StopAll())
        made.turn_until(lambda: made.receiver._stopping)
        assert not made.receiver._intake.stream.ended
        for segment in made.receiver._log._segments.values():
            segment.unreleased = 0
        assert made.turn_until(lambda: made.receiver._intake.stream.ended)
        assert made.receiver._intake.stream.counters["frames_received"] == before + waiting


def test_messages_that_wait_for_room_when_it_is_stopped_at_once_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with bench(tmp_path, monkeypatch, frame_log={"directory": str(tmp_path), **LOG}) as made:
        full_log(made)
        stream = made.receiver._intake.stream
        before, waiting = stream.counters["frames_received"], sum(m.n_frames for m in made.receiver._held)
        sockets.send(made.answers, StopAll(immediately=True))
        assert made.turn_until(lambda: any(isinstance(m, AcquisitionDrained) for m in made.told))
        counted = stream.counters
        assert counted["frames_dropped"] == waiting
        assert counted["frames_received"] == counted["frames_skipped"] == before
        assert counted["frames_missing"] == 0


def test_messages_not_forwarded_belong_to_the_acquisition_like_all_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tee_module, "HIGH_WATER", 1)
    with bench(tmp_path, monkeypatch, stream={"forward": f"ipc://{tmp_path}/forward"}) as made:
        made.send(start(4, 10, "a"), *(batch(k, 1) for k in range(40)), end(40))
        assert made.turn_until(lambda: made.counted("messages_not_forwarded") >= 40)
        made.send(start(4, 10, "b"))
        assert made.turn_until(lambda: made.report.serial == 2)
        assert made.counted("messages_not_forwarded") <= 1


DECTRIS = {"detector": "dectris"}


def images(made_by: Bench, numbers: range) -> None:
    """Images one by one, as a detector sends them."""
    for number in numbers:
        sockets.send_parts(made_by.detector, [dectris.image(number, np.full((4, 6), 1, np.uint16))])


def payloads(made_by: Bench) -> list[int]:
    """Frames of every payload that was filed."""
    jobs = made_by.receiver._dispatcher.jobs
    jobs.close_open()
    return [piece.n_frames for job in jobs._waiting for piece in job.pieces]


def test_images_that_come_one_by_one_are_filed_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flush = {"flush_ms": 9000.0, "batch_frames": 8}
    with bench(tmp_path, monkeypatch, stream=DECTRIS, dispatch=flush) as made:
        sockets.send_parts(made.detector, [dectris.start(4, 6, 40)])
        assert made.turn_until(lambda: made.receiver._counters["messages_received"] == 1)
        for number in range(12):
            images(made, range(number, number + 1))
            assert made.turn_until(lambda n=number: made.receiver._counters["messages_received"] == n + 2)
        assert made.receiver._intake.stream.received.missing_below(8) == 0, "as soon as a job is full"
        assert 8 not in made.receiver._intake.stream.received
        assert 11 not in made.receiver._intake.stream.received
        made.receiver._kept_back -= 10.0
        made.receiver._file_until -= 10.0
        assert made.turn_until(lambda: 11 in made.receiver._intake.stream.received), "when their time is up"
        assert payloads(made) == [8, 4]
        newest = made.receiver._dispatcher.jobs._waiting[-1]
        assert newest.made_at == newest.pieces[0].sent_at < time.time() - 10.0, "when the first of them came"


@pytest.mark.parametrize("why", ["stopped", "the log is full", "the program is full"])
def test_images_that_wait_for_others_are_filed_when_none_can_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    with bench(tmp_path, monkeypatch, stream=DECTRIS, dispatch={"flush_ms": 9000.0}) as made:
        sockets.send_parts(made.detector, [dectris.start(4, 6, 40)])
        images(made, range(5))
        assert made.turn_until(lambda: made.receiver._counters["messages_received"] == 6)
        assert len(made.receiver._intake.stream.received) == 0
        if why == "stopped":
            sockets.send(made.answers, StopAll())
        else:
            monkeypatch.setattr(Receiver, "_held_back", why)
        assert made.turn_until(lambda: len(made.receiver._intake.stream.received) == 5)


def test_the_socket_rests_while_a_job_fills_unless_somebody_waits_for_the_stream(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with bench(tmp_path, monkeypatch, stream=DECTRIS, dispatch={"flush_ms": 9000.0}) as made:
        assert made.receiver._rest_until == 0.0
        sockets.send_parts(made.detector, [dectris.start(4, 6, 40)])
        images(made, range(5))
        assert made.turn_until(lambda: made.receiver._rest_until > 0.0)
        made.receiver._rest_until = time.monotonic() + 0.3
        images(made, range(5, 6))
        seen = made.receiver._counters["messages_received"]
        made.receiver._turn()
        assert not made.receiver._source._watched
        assert made.turn_until(lambda: made.receiver._counters["messages_received"] > seen)
        made.receiver._rest_until = 0.0
        monkeypatch.setattr(tee_module.Tee, "passes", True)
        made.receiver._rest()
        assert made.receiver._rest_until == 0.0


def test_a_clock_that_is_set_does_not_stop_the_receiver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SimpleNamespace(time=time.time, monotonic=time.monotonic)
    monkeypatch.setattr(receiver_module, "time", clock)
    stream = DECTRIS | {"end_after_s": 60.0}
    with bench(tmp_path, monkeypatch, stream=stream, dispatch={"flush_ms": 500.0}) as made:
        sockets.send_parts(made.detector, [dectris.start(4, 6, 40)])
        images(made, range(5))
        received = made.receiver._counters
        assert made.turn_until(lambda: received["messages_received"] == 6 and made.receiver._rest_until > 0.0)
        for number, step in ((5, -3600.0), (6, 7200.0)):
            clock.time = lambda step=step: time.time() + step
            reported = len(made.told)
            images(made, range(number, number + 1))
            assert made.turn_until(lambda n=number: received["messages_received"] == n + 2), "it rests"
            assert made.turn_until(lambda n=number: n in made.receiver._intake.stream.received), "nothing is filed"
            assert made.turn_until(lambda n=reported: len(made.told) > n), "it says nothing"
        assert not made.receiver._intake.stream.ended


def test_frames_whose_time_is_up_are_filed_without_waiting_for_anything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with bench(tmp_path, monkeypatch) as made:
        made.receiver._file_until = time.monotonic() - 1.0
        assert made.receiver._patience_s(time.time()) == 0.0
        made.receiver._file_until = 0.0
        made.receiver._rest_until = time.monotonic() - 1.0
        assert made.receiver._patience_s(time.time()) == receiver_module.IDLE_WAIT_S


def test_an_image_that_is_kept_back_when_the_log_fills_up_is_filed_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with bench(tmp_path, monkeypatch, stream=DECTRIS, dispatch={"flush_ms": 9000.0}) as made:
        sockets.send_parts(made.detector, [dectris.start(4, 6, 40)])
        images(made, range(2))
        assert made.turn_until(lambda: made.receiver._counters["messages_received"] == 3)
        room, handle = [False], made.receiver._intake.handle

        def full(*args: Any) -> Any:
            if not room[0]:
                raise FrameLogFullError("full")
            return handle(*args)

        monkeypatch.setattr(made.receiver._intake, "handle", full)
        images(made, range(5, 6))  # those before it are filed: they do not join
        assert made.turn_until(lambda: made.receiver._held)
        room[0] = True
        assert made.turn_until(lambda: 5 in made.receiver._intake.stream.received, seconds=2.0)
