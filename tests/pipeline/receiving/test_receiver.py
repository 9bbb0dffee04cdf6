"""The receiver on real sockets, turn by turn: what it does with a detector that it cannot listen to just now."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from dispatch_stories import batch, end, start
from livebragg.config.loader import from_table
from livebragg.config.schema import Config
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
        assert made.turn_until(lambda: made.told and made.report.serial == 1)
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
