"""An acquisition is drained when its last result is accepted, however it ends."""

from __future__ import annotations

from pathlib import Path

from dispatch_stories import (
    SMALL,
    UNKNOWN_PROBE,
    FakePipeline,
    batch,
    end,
    start,
)
from livebragg.pipeline.health import losses
from livebragg.wire.messages import (
    AcquisitionDrained,
    EndReason,
)


def test_an_acquisition_is_drained_only_when_its_last_result_is_accepted(tmp_path: Path) -> None:
    pipe = FakePipeline(tmp_path)
    pipe.add_worker("w0")
    pipe.send(start())
    pipe.send(batch(0, 8))
    pipe.send(end(8))
    pipe.work("w0")
    pipe.say_ready("w0")
    assert pipe.told(AcquisitionDrained) == []
    pipe.analyse()
    assert pipe.told(AcquisitionDrained) == []
    pipe.acknowledge()
    (drained,) = pipe.told(AcquisitionDrained)
    assert (drained.serial, drained.reason) == (1, EndReason.FINISHED)
    assert drained.note == "the sender finished after 8 frames"
    assert not pipe.dispatcher.busy


def test_an_acquisition_without_frames_is_drained_at_once(tmp_path: Path) -> None:
    pipe = FakePipeline(tmp_path)
    pipe.send(start())
    pipe.send(end(0))
    assert [d.serial for d in pipe.told(AcquisitionDrained)] == [1]
    assert not pipe.dispatcher.busy


def test_the_next_acquisition_does_not_wait_for_the_last(tmp_path: Path) -> None:
    pipe = FakePipeline(tmp_path, config=SMALL, probe=UNKNOWN_PROBE)
    pipe.send(start(name="a"))
    pipe.send(batch(0, 8, "a"))
    pipe.send(start(name="b"))
    pipe.send(batch(0, 8, "b"))
    pipe.send(end(8, "b"))
    pipe.finish_work()
    assert sorted(pipe.frames_accepted(1)) == sorted(pipe.frames_accepted(2)) == list(range(8))
    assert {d.serial: d.reason for d in pipe.told(AcquisitionDrained)} == {
        1: EndReason.ABORTED,
        2: EndReason.FINISHED,
    }


def test_stopping_at_once_skips_what_nobody_has_begun(tmp_path: Path) -> None:
    pipe = FakePipeline(tmp_path)
    pipe.add_worker(credits=1)
    pipe.send(start())
    for first in range(0, 32, 8):
        pipe.send(batch(first, 8))
    pipe.send(batch(32, 3))
    pipe.stop(immediately=True)
    assert pipe.streams[0].counters["frames_skipped"] == 27
    pipe.work("w0")
    pipe.analyse()
    pipe.acknowledge()
    (drained,) = pipe.told(AcquisitionDrained)
    assert drained.reason is EndReason.STOPPED
    assert drained.note.startswith("stopped")
    assert losses(drained.counters) == ["27 frames were not analysed, it was stopped at once"]
    assert pipe.frames_accepted(1) == list(range(8))
    assert pipe.unreleased() == 0


def test_stopping_while_the_probe_is_unknown_comes_to_an_end(tmp_path: Path) -> None:
    pipe = FakePipeline(tmp_path, config=SMALL, probe=UNKNOWN_PROBE)
    pipe.add_worker()
    pipe.send(start())
    pipe.send(batch(0, 8))
    pipe.stop(immediately=True)
    assert [d.reason for d in pipe.told(AcquisitionDrained)] == [EndReason.STOPPED]
    assert pipe.streams[0].counters["frames_skipped"] == 8
    pipe.work("w0")
    assert not pipe.dispatcher.busy
