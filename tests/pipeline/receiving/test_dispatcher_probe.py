"""The probe is measured from the first frames, by a worker, and waited for no longer than it can come."""

from __future__ import annotations

from pathlib import Path

from dispatch_stories import (
    PROBE,
    SMALL,
    UNKNOWN_PROBE,
    FakePipeline,
    batch,
    end,
    start,
)
from livebragg.config.detection import ProbeConfig
from livebragg.config.pipeline import DispatchConfig
from livebragg.wire.messages import (
    AcquisitionDrained,
    AcquisitionOpened,
    DetectJob,
    EndReason,
    MeasureJob,
    ProbeChosen,
)


def test_a_configured_probe_is_announced_and_nothing_is_measured(tmp_path: Path) -> None:
    pipe = FakePipeline(tmp_path)
    worker = pipe.add_worker()
    pipe.send(start())
    pipe.send(batch(0, 8))
    opened, chosen = pipe.to_analyst
    assert isinstance(opened, AcquisitionOpened)
    assert (opened.serial, opened.n_frames_expected, opened.geometry.scan_shape) == (1, 40, (4, 10))
    assert chosen == ProbeChosen(serial=1, probe=PROBE, measured=False)
    assert isinstance(worker.jobs[0], DetectJob)
    assert worker.jobs[0].probe == PROBE


def test_the_probe_is_measured_from_enough_frames_and_then_everything_goes_out(tmp_path: Path) -> None:
    pipe = FakePipeline(tmp_path, config=SMALL, probe=UNKNOWN_PROBE)
    worker = pipe.add_worker()
    pipe.send(start())
    pipe.send(batch(0, 8))
    assert worker.jobs == []
    pipe.send(batch(8, 8))
    (measure,) = worker.jobs
    assert isinstance(measure, MeasureJob)
    assert [p.first_frame for p in measure.pieces] == [0, 8]
    assert pipe.dispatcher.measuring_probe(1)
    pipe.work("w0")
    assert pipe.told(ProbeChosen) == [ProbeChosen(serial=1, probe=PROBE, measured=True)]
    assert [type(job) for job in worker.jobs] == [DetectJob, DetectJob]
    assert not pipe.dispatcher.measuring_probe(1)


def test_fewer_frames_have_to_do_when_no_more_come(tmp_path: Path) -> None:
    pipe = FakePipeline(tmp_path, config=SMALL, probe=UNKNOWN_PROBE)
    worker = pipe.add_worker()
    pipe.send(start())
    pipe.send(batch(0, 3))
    pipe.tick(0.99)
    assert worker.jobs == []
    pipe.tick(0.02)
    assert isinstance(worker.jobs[0], MeasureJob)


def test_the_probe_is_tried_again_with_more_frames(tmp_path: Path) -> None:
    pipe = FakePipeline(tmp_path, config=SMALL, probe=UNKNOWN_PROBE)
    worker = pipe.add_worker()
    pipe.send(start(20))
    for first in range(0, 16, 8):
        pipe.send(batch(first, 8))
    pipe.work("w0", probe=None)
    assert pipe.notices.snapshot() == ["the probe could not be measured yet: no beam"]
    for first in range(16, 64, 8):
        assert worker.jobs == []
        pipe.send(batch(first, 8))
    (measure,) = worker.jobs
    assert sum(p.n_frames for p in measure.pieces) == 64
    pipe.work("w0")
    pipe.send(end(64))
    pipe.finish_work()
    assert sorted(pipe.frames_accepted(1)) == list(range(64))


def test_an_acquisition_without_a_usable_beam_ends_with_all_its_frames_counted_as_failed(tmp_path: Path) -> None:
    pipe = FakePipeline(tmp_path, config=SMALL, probe=UNKNOWN_PROBE)
    pipe.add_worker()
    pipe.send(start())
    pipe.send(batch(0, 8))
    pipe.send(end(8))
    pipe.work("w0", probe=None)
    (drained,) = pipe.told(AcquisitionDrained)
    assert drained.reason is EndReason.ABORTED
    assert "no probe: no beam" in drained.note
    assert pipe.streams[0].counters["frames_failed"] == 8
    assert pipe.unreleased() == 0
    assert any("set probe.radius, probe.edge_width and probe.center" in text for text in pipe.notices.snapshot())


def test_hopeless_first_frames_are_given_up_and_later_ones_analysed(tmp_path: Path) -> None:
    pipe = FakePipeline(tmp_path, config=DispatchConfig(batch_frames=256), probe=ProbeConfig(frames=1024))
    worker = pipe.add_worker()
    pipe.send(start(256))
    for first in range(0, 1024, 256):
        pipe.send(batch(first, 256))
    assert isinstance(worker.jobs[0], MeasureJob)
    pipe.work("w0", probe=None)
    assert pipe.streams[0].counters["frames_failed"] == 1024
    for first in range(1024, 2048, 256):
        pipe.send(batch(first, 256))
    pipe.work("w0")
    pipe.send(end(2048))
    pipe.finish_work()
    assert sorted(pipe.frames_accepted(1)) == list(range(1024, 2048))


def test_frames_that_wait_for_an_impossible_probe_do_not_fill_the_log_for_ever(tmp_path: Path) -> None:
    pipe = FakePipeline(tmp_path, config=SMALL, probe=UNKNOWN_PROBE, log_bytes=8 << 12)
    pipe.add_worker()
    pipe.send(start(200))
    first = 0
    for _ in range(4000):
        if first < 1500 and pipe.send(batch(first, 1)):  # the log holds 512 of them
            first += 1
            continue
        pipe.tick(0.3)
        pipe.work("w0", probe=None)
    assert first == 1500, "the sender is held back for ever"
    assert any("and the frame log is full" in text for text in pipe.notices.snapshot())
    pipe.send(end(1500))
    while pipe.work("w0", probe=None):
        pipe.tick(1)
    assert pipe.told(AcquisitionDrained)
    assert pipe.streams[0].counters["frames_failed"] == 1500
    assert pipe.unreleased() == 0


def test_a_measurement_goes_to_another_worker_when_its_worker_dies(tmp_path: Path) -> None:
    pipe = FakePipeline(tmp_path, config=SMALL, probe=UNKNOWN_PROBE)
    pipe.add_worker("w0")
    pipe.send(start())
    for first in (0, 8):
        pipe.send(batch(first, 8))
    pipe.add_worker("w1", pid=2)
    assert pipe.workers["w1"].jobs == []
    pipe.kill("w0")
    assert isinstance(pipe.workers["w1"].jobs[0], MeasureJob)


def test_frames_that_kill_every_worker_that_measures_are_given_up(tmp_path: Path) -> None:
    pipe = FakePipeline(tmp_path, config=SMALL, probe=UNKNOWN_PROBE)
    pipe.send(start())
    for first in (0, 8):
        pipe.send(batch(first, 8))
    for pid in range(3):
        pipe.add_worker("w0", pid=pid)
        assert isinstance(pipe.workers["w0"].jobs[0], MeasureJob)
        pipe.kill("w0")
    assert pipe.streams[0].counters["frames_failed"] == 16
    assert any("3 workers were lost while measuring it" in text for text in pipe.notices.snapshot())


def test_a_worker_that_measures_for_too_long_is_hung(tmp_path: Path) -> None:
    pipe = FakePipeline(tmp_path, config=SMALL, probe=UNKNOWN_PROBE)
    pipe.add_worker()
    pipe.send(start())
    for first in (0, 8):
        pipe.send(batch(first, 8))
    assert pipe.dispatcher.hung_workers(pipe.now + 4.9) == set()
    assert pipe.dispatcher.hung_workers(pipe.now + 5.1) == {"w0"}


def test_an_answer_to_a_measurement_nobody_waits_for_is_ignored(tmp_path: Path) -> None:
    pipe = FakePipeline(tmp_path, config=SMALL, probe=UNKNOWN_PROBE)
    worker = pipe.add_worker()
    pipe.send(start())
    for first in (0, 8):
        pipe.send(batch(first, 8))
    late = worker.jobs[0]
    pipe.kill("w0")
    pipe.workers["w0"] = worker
    worker.jobs = [late]
    pipe.work("w0")
    assert pipe.told(ProbeChosen) == []
