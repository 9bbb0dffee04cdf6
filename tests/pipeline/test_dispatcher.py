"""Who analyses what: with a clock of our own, workers that die, and every frame accounted for."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from dispatch_stories import PROBE, FakePipeline, batch, end, start
from livebragg.config.detection import ProbeConfig
from livebragg.config.pipeline import DispatchConfig
from livebragg.errors import WireError
from livebragg.model.scan import ScanOrder
from livebragg.pipeline.dispatcher import MAX_UNACCEPTED_JOBS
from livebragg.pipeline.health import losses
from livebragg.wire.messages import (
    AcquisitionDrained,
    AcquisitionOpened,
    DetectJob,
    EndReason,
    FrameBatch,
    MeasureJob,
    ProbeChosen,
    ResultAccepted,
)

UNKNOWN_PROBE = ProbeConfig(frames=16)
SMALL = DispatchConfig(batch_frames=8, flush_ms=20.0, job_timeout_s=5.0, probe_wait_s=1.0)


# --------------------------------------------------------------------------------------------- giving out
def test_a_full_job_is_given_out_at_once_and_a_small_one_after_the_flush_time(tmp_path: Path) -> None:
    pipe = FakePipeline(tmp_path)
    worker = pipe.add_worker()
    pipe.send(start())
    pipe.send(batch(0, 5))
    assert worker.jobs == []
    pipe.send(batch(5, 5))
    assert [len(job.pieces) for job in worker.jobs] == [2]
    pipe.send(batch(10, 3))
    pipe.tick(0.019)
    assert len(worker.jobs) == 1
    pipe.tick(0.002)
    assert [sum(p.n_frames for p in job.pieces) for job in worker.jobs] == [10, 3]


@pytest.mark.parametrize(("per_position", "flyback"), [(3, 0), (5, 2)])
def test_all_frames_of_a_position_are_in_one_job(tmp_path: Path, per_position: int, flyback: int) -> None:
    pipe = FakePipeline(tmp_path)
    pipe.send(start(8, 10, frames_per_position=per_position, flyback_frames=flyback))
    geometry = pipe.streams[0].geometry
    for first in range(0, geometry.n_frames, 7):
        pipe.send(batch(first, 7))
        pipe.tick(0.05)
    pipe.send(end(geometry.n_frames))
    pipe.finish_work()
    owner = pipe.owners(1)
    assert len(owner) == 80
    assert {len(jobs) for jobs in owner.values()} == {1}
    assert len(pipe.accepted) > 2


def each_position_is_in_one_job(pipe: FakePipeline) -> bool:
    owner = pipe.owners(1)
    geometry = pipe.streams[0].geometry
    assert sorted(pipe.frames_accepted(1)) == list(range(geometry.n_frames)), "every frame once"
    assert len(owner) == geometry.n_positions
    assert pipe.unreleased() == 0
    assert pipe.dispatcher.jobs.divided == {}
    return all(len(jobs) == 1 for jobs in owner.values())


def test_positions_are_whole_when_batches_overtake_each_other(tmp_path: Path) -> None:
    pipe = FakePipeline(tmp_path)
    pipe.add_worker(credits=64)
    pipe.send(start(6, 8, frames_per_position=3, scan_order=ScanOrder.SNAKE))
    for k in (0, 2, 1, 3, 4, 6, 5, 7, 8):
        pipe.send(batch(16 * k, 16))
        pipe.tick(0.05)
    pipe.send(end(144))
    pipe.finish_work()
    assert each_position_is_in_one_job(pipe)
    assert pipe.notices.snapshot() == []


def test_positions_are_whole_however_slow_the_sender_is(tmp_path: Path) -> None:
    pipe = FakePipeline(tmp_path)
    pipe.add_worker(credits=64)
    pipe.send(start(2, 3, frames_per_position=8))
    for frame in range(48):
        pipe.send(batch(frame, 1))
        pipe.tick(1.6)
    assert pipe.dispatcher.jobs.in_flight == 6, "they do not wait for the end of the acquisition"
    pipe.send(end(48))
    pipe.finish_work()
    assert each_position_is_in_one_job(pipe)


@pytest.mark.parametrize("seed", range(24))
def test_positions_are_whole_in_any_order(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    pipe = FakePipeline(tmp_path, config=DispatchConfig(batch_frames=rng.choice([1, 8, 32])))
    order = rng.choice([ScanOrder.RASTER, ScanOrder.SNAKE])
    pipe.send(
        start(5, 9, frames_per_position=rng.randint(2, 5), flyback_frames=rng.randint(0, 3), scan_order=order)
    )
    first, batches, n_frames = 0, [], pipe.streams[0].geometry.n_frames
    while first < n_frames:
        n = min(rng.randint(1, 17), n_frames - first)
        early = rng.randint(0, 3) if rng.random() < 0.2 else 0  # overlaps the batch before
        batches.append(batch(max(0, first - early), n + min(first, early)))
        first += n
    far = rng.choice([2, 5, 1000])
    batches = [b for _, b in sorted(enumerate(batches), key=lambda item: item[0] + rng.uniform(0, far))]
    for k, message in enumerate(batches):
        pipe.send(message)
        pipe.tick(rng.choice([0.0, 0.05, 20.0]))
        if k % 4 == 0:
            pipe.add_worker("w", pid=k, credits=rng.randint(1, 3))  # its predecessor is gone
        if rng.random() < 0.5 and pipe.work("w"):
            pipe.analyse()
            pipe.acknowledge()
            pipe.say_ready("w")
    pipe.send(end(n_frames))
    pipe.finish_work()
    assert pipe.streams[0].counters["frames_failed"] == 0
    assert each_position_is_in_one_job(pipe)


def test_a_frame_that_never_comes_holds_back_its_position_only(tmp_path: Path) -> None:
    pipe = FakePipeline(tmp_path)
    worker = pipe.add_worker(credits=64)
    pipe.send(start(4, 10, frames_per_position=3))
    for first in range(0, 120, 8):
        if first != 16:  # frames 16 to 23: of positions 5 (with 15), 6 and 7
            pipe.send(batch(first, 8))
            pipe.tick(0.05)
    while pipe.work("w0"):
        pipe.analyse()
    assert worker.jobs == []
    assert sorted(pipe.frames_accepted(1)) == [*range(15), *range(24, 120)]
    pipe.send(end(120))
    pipe.finish_work()
    assert sorted(pipe.frames_accepted(1)) == [*range(16), *range(24, 120)]
    assert pipe.unreleased() == 0


@pytest.mark.parametrize("drop", [False, True], ids=["block", "drop"])
def test_positions_that_stay_incomplete_do_not_fill_the_log(tmp_path: Path, drop: bool) -> None:
    pipe = FakePipeline(tmp_path, log_bytes=8 << 12, drop=drop)
    pipe.add_worker(credits=64)
    pipe.send(start(100, 10, frames_per_position=3))
    for frame in range(3000):  # the log holds 512 of them
        if frame % 100 == 7:
            continue
        assert pipe.send(batch(frame, 1))
        pipe.tick(0.05)
        while pipe.work("w0"):
            pipe.analyse()
            pipe.acknowledge()
        pipe.say_ready("w0")
    assert pipe.streams[0].counters["frames_dropped"] == 0
    assert any("without some of their frames" in text for text in pipe.notices.snapshot())
    pipe.send(end(3000))
    pipe.finish_work()
    assert sorted(pipe.frames_accepted(1)) == [f for f in range(3000) if f % 100 != 7]
    assert pipe.unreleased() == 0


def test_a_log_full_of_incomplete_positions_does_not_hold_back_the_sender_for_ever(tmp_path: Path) -> None:
    pipe = FakePipeline(tmp_path, log_bytes=8 << 12)
    pipe.add_worker(credits=64)
    pipe.send(start(40, 40, frames_per_position=2))
    sent, tries = 0, 0
    while sent < 1600 and tries < 20_000:
        tries += 1
        sent += pipe.send(batch(2 * sent, 1))
        pipe.tick(0.05)
        while pipe.work("w0"):
            pipe.analyse()
            pipe.acknowledge()
        pipe.say_ready("w0")
    assert sent == 1600
    assert any("without some of their frames" in text for text in pipe.notices.snapshot())
    pipe.send(end(3200))
    pipe.finish_work()
    assert sorted(pipe.frames_accepted(1)) == list(range(0, 3200, 2))
    assert pipe.unreleased() == 0


def test_a_payload_stays_in_the_log_until_both_its_parts_are_accepted(tmp_path: Path) -> None:
    pipe = FakePipeline(tmp_path)
    pipe.add_worker(credits=64)
    pipe.send(start(frames_per_position=3))
    pipe.send(batch(0, 10))
    pipe.tick(1.0)
    pipe.work("w0")
    pipe.analyse()
    pipe.acknowledge()
    assert pipe.frames_accepted(1) == list(range(9))
    assert pipe.unreleased() == 1
    pipe.send(batch(10, 2))
    pipe.tick(1.0)
    pipe.work("w0")
    pipe.analyse()
    pipe.acknowledge()
    assert pipe.frames_accepted(1) == list(range(12))
    assert pipe.unreleased() == 0


def test_what_is_held_when_the_operator_stops_at_once_is_skipped(tmp_path: Path) -> None:
    pipe = FakePipeline(tmp_path)
    pipe.send(start(frames_per_position=3))
    pipe.send(batch(0, 10))
    pipe.stop(immediately=True)
    assert pipe.streams[0].counters["frames_skipped"] == 10
    assert pipe.unreleased() == 0
    assert not pipe.dispatcher.busy


def test_jobs_go_round_before_anyone_gets_a_second_one(tmp_path: Path) -> None:
    pipe = FakePipeline(tmp_path)
    pipe.send(start())
    for first in range(0, 40, 8):
        pipe.send(batch(first, 8))
    for name in ("a", "b"):
        pipe.workers[name] = pipe.add_worker(name, pid=ord(name), credits=0)
        pipe.workers[name].credits = 2
    assert [len(w.jobs) for w in pipe.workers.values()] == [0, 0]
    pipe.say_ready("a")
    assert len(pipe.workers["a"].jobs) == 2, "it alone has credits"
    pipe.say_ready("b")
    assert [len(w.jobs) for w in pipe.workers.values()] == [2, 2]
    pipe.work("a")
    pipe.say_ready("a")
    assert len(pipe.workers["a"].jobs) == 2
    assert pipe.dispatcher.jobs.backlog_frames == 0


def test_jobs_carry_the_sensitivity_of_the_moment_they_are_given_out(tmp_path: Path) -> None:
    pipe = FakePipeline(tmp_path)
    worker = pipe.add_worker()
    pipe.send(start())
    pipe.send(batch(0, 8))
    pipe.dispatcher.false_disks_per_frame = 0.5
    pipe.send(batch(8, 8))
    assert [job.false_disks_per_frame for job in worker.jobs] == [0.1, 0.5]


def test_no_worker_gets_more_than_its_credits(tmp_path: Path) -> None:
    pipe = FakePipeline(tmp_path)
    worker = pipe.add_worker(credits=3)
    pipe.send(start(10))
    for first in range(0, 96, 8):
        pipe.send(batch(first, 8))
    assert len(worker.jobs) == 3
    assert pipe.dispatcher.jobs.backlog_frames == 96 - 24


def test_workers_wait_when_the_analyst_does_not_keep_up(tmp_path: Path) -> None:
    pipe = FakePipeline(tmp_path, config=DispatchConfig(batch_frames=1))
    pipe.add_worker()
    pipe.send(start(40))
    for first in range(400):
        pipe.send(batch(first, 1))
        while pipe.work("w0"):
            pipe.say_ready("w0")
    assert pipe.dispatcher.jobs.in_flight == MAX_UNACCEPTED_JOBS
    pipe.analyse()
    pipe.acknowledge()
    assert len(pipe.workers["w0"].jobs) == 3


# ----------------------------------------------------------------------------------------------- the probe
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


# ------------------------------------------------------------------------------------------- lost workers
def test_the_jobs_of_a_dead_worker_go_to_another_oldest_first(tmp_path: Path) -> None:
    pipe = FakePipeline(tmp_path)
    pipe.add_worker("w0")
    pipe.send(start())
    for first in range(0, 40, 8):
        pipe.send(batch(first, 8))
    pipe.kill("w0")
    pipe.add_worker("w1", pid=2)
    assert [job.pieces[0].first_frame for job in pipe.workers["w1"].jobs] == [0, 8, 16]
    pipe.send(end(40))
    pipe.finish_work()
    assert sorted(pipe.frames_accepted(1)) == list(range(40))
    assert pipe.unreleased() == 0


def test_frames_that_kill_three_workers_are_given_up_and_those_behind_them_are_not(tmp_path: Path) -> None:
    pipe = FakePipeline(tmp_path)
    pipe.send(start())
    for first in range(0, 40, 8):
        pipe.send(batch(first, 8))
    pipe.send(end(40))
    for pid in range(3):
        assert pipe.add_worker("w0", pid=pid).jobs[0].pieces[0].first_frame == 0
        pipe.kill("w0")
    assert pipe.streams[0].counters["frames_failed"] == 8
    assert any(text == "8 frames were given up: 3 workers were lost while analysing them"
               for text in pipe.notices.snapshot())  # fmt: skip
    pipe.finish_work()
    assert sorted(pipe.frames_accepted(1)) == list(range(8, 40))
    assert losses(pipe.told(AcquisitionDrained)[0].counters) == ["8 frames could not be analysed"]


def test_a_worker_that_holds_a_job_too_long_is_hung_and_one_that_waits_for_the_analyst_is_not(
    tmp_path: Path,
) -> None:
    pipe = FakePipeline(tmp_path, config=SMALL)
    pipe.add_worker("slow")
    pipe.add_worker("quick", pid=2)
    pipe.send(start())
    pipe.send(batch(0, 8))
    pipe.send(batch(8, 8))
    pipe.work("quick")
    pipe.say_ready("quick")
    pipe.now += 5.1
    assert pipe.dispatcher.hung_workers(pipe.now) == {"slow"}


def test_a_restarted_worker_does_not_answer_for_the_jobs_of_its_predecessor(tmp_path: Path) -> None:
    pipe = FakePipeline(tmp_path, config=SMALL)
    pipe.add_worker("w0", pid=1, credits=1)
    pipe.send(start())
    pipe.send(batch(0, 8))
    pipe.now += 4.0
    new = pipe.add_worker("w0", pid=2, credits=1)  # its ready comes before the news of the other's death
    assert [job.pieces[0].first_frame for job in new.jobs] == [0], "the job is given out again"
    assert pipe.dispatcher.hung_workers(pipe.now + 4.0) == set()


def test_a_late_word_of_a_lost_worker_does_not_finish_the_job_another_has_now(tmp_path: Path) -> None:
    pipe = FakePipeline(tmp_path, config=SMALL)
    old = pipe.add_worker("w0", credits=1)
    pipe.send(start())
    pipe.send(batch(0, 8))
    pipe.add_worker("w1", pid=2, credits=1)
    pipe.kill("w0")
    assert len(pipe.workers["w1"].jobs) == 1
    old.finished, old.credits = [pipe.workers["w1"].jobs[0].job_id], 0
    pipe.deliver(pipe.dispatcher.on_ready(old.ready(), pipe.now))
    assert pipe.dispatcher.hung_workers(pipe.now + 5.1) == {"w1"}


def test_a_result_that_was_on_the_way_when_its_worker_died_counts_once(tmp_path: Path) -> None:
    pipe = FakePipeline(tmp_path, config=DispatchConfig(batch_frames=8, max_attempts=1))
    pipe.add_worker("w0")
    pipe.send(start())
    pipe.send(batch(0, 8))
    pipe.work("w0")
    pipe.kill("w0")
    assert pipe.streams[0].counters["frames_failed"] == 8
    pipe.send(end(8))
    pipe.results.clear() if pipe.told(AcquisitionDrained) else None
    pipe.analyse()
    pipe.acknowledge()
    failed = pipe.streams[0].counters["frames_failed"]
    assert failed + len(pipe.frames_accepted(1)) == 8


def test_a_job_given_up_while_its_result_is_on_the_way_is_not_counted_as_lost(tmp_path: Path) -> None:
    pipe = FakePipeline(tmp_path, config=DispatchConfig(batch_frames=8, max_attempts=1))
    pipe.add_worker("w0")
    pipe.send(start())
    pipe.send(batch(0, 8))
    pipe.work("w0")
    pipe.kill("w0")
    pipe.analyse()
    pipe.acknowledge()
    assert pipe.streams[0].counters["frames_failed"] == 0
    assert pipe.unreleased() == 0


def test_a_job_whose_result_arrives_while_it_waits_again_is_not_done_twice(tmp_path: Path) -> None:
    pipe = FakePipeline(tmp_path)
    pipe.add_worker("w0")
    pipe.send(start())
    pipe.send(batch(0, 8))
    pipe.work("w0")
    pipe.kill("w0")
    pipe.analyse()
    pipe.acknowledge()
    assert pipe.dispatcher.jobs.backlog_frames == 0
    assert pipe.add_worker("w1", pid=2).jobs == []
    assert pipe.unreleased() == 0


def test_an_acceptance_that_comes_twice_releases_the_log_once(tmp_path: Path) -> None:
    pipe = FakePipeline(tmp_path)
    pipe.add_worker("w0")
    pipe.send(start())
    pipe.send(batch(0, 8))
    pipe.send(batch(8, 8))
    job = pipe.workers["w0"].jobs[0]
    for _ in range(3):
        pipe.deliver(pipe.dispatcher.on_accepted(ResultAccepted(job_id=job.job_id, serial=1), pipe.now))
    assert pipe.unreleased() == 1


# ------------------------------------------------------------------------------------------------ the end
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


# -------------------------------------------------------------------------------- every frame accounted for
@pytest.mark.parametrize("known_probe", [True, False], ids=["probe known", "probe measured"])
@pytest.mark.parametrize("drop", [False, True], ids=["block", "drop"])
@pytest.mark.parametrize("per_position", [1, 3])
@pytest.mark.parametrize("seed", range(12))
def test_every_frame_has_exactly_one_fate(
    tmp_path: Path, seed: int, per_position: int, drop: bool, known_probe: bool
) -> None:
    story = _Story(tmp_path, random.Random(seed), per_position, drop=drop, known_probe=known_probe)
    story.run()
    story.check()


class _Story:
    """Random acquisitions, and everything that can happen to them, on one clock."""

    def __init__(
        self, folder: Path, rng: random.Random, per_position: int, *, drop: bool, known_probe: bool
    ) -> None:
        self.per_position = per_position
        config = DispatchConfig(
            batch_frames=rng.choice([1, 8, 20]), flush_ms=20.0, max_attempts=rng.choice([1, 3])
        )
        if per_position > 1:  # jobs given up whose results were on the way are the subject of the other stories
            config = replace(config, max_attempts=100)
        probes = {} if known_probe else {"probe": ProbeConfig(frames=24)}
        self.pipe = FakePipeline(folder, config=config, drop=drop, log_bytes=8 << 12, **probes)
        self.rng = rng
        self.drop = drop
        self.offered: dict[int, Counter[str]] = {}
        self.pid = 10

    def run(self) -> None:
        for name in self.rng.choices(["a", "b", "c"], k=3):
            rows = self.rng.choice([5, 20, None])
            flyback = 0 if self.per_position == 1 else 2
            self.pipe.send(start(rows, 10, name, frames_per_position=self.per_position, flyback_frames=flyback))
            self._frames(name)
            if self.rng.random() < 0.6:
                self.pipe.send(end(self.pipe.streams[-1].newest_frame + 1 + self.rng.choice([0, 0, 3]), name))
        if self.rng.random() < 0.3:
            self.pipe.stop(immediately=self.rng.random() < 0.5)
        elif self.pipe.intake.stream is not None and not self.pipe.intake.stream.ended:
            self.pipe.stop()
        self.pipe.finish_work()

    def _frames(self, name: str) -> None:
        total = self.rng.choice([30, 60, 210])
        batches, first = [], 0
        while first < total:
            n = self.rng.randint(1, 9)
            batches.append(batch(first, n, name))
            first += n
        batches = [b for b in batches if self.rng.random() > 0.05]  # gaps
        batches += self.rng.sample(batches, min(4, len(batches)))  # duplicates
        batches += [batch(self.rng.randrange(total), self.rng.randint(1, 20), name) for _ in range(4)]  # overlaps
        for k in range(len(batches) - 1):  # out of order
            if self.rng.random() < 0.2:
                batches[k], batches[k + 1] = batches[k + 1], batches[k]
        for message in batches:
            self._send(message)
            self._something_happens()

    def _send(self, message: FrameBatch) -> None:
        for attempt in range(3000):
            try:
                if self.pipe.send(message):
                    break
            except WireError:
                break
            assert not self.drop, "with drop, nothing waits"
            self._something_happens()
            if attempt > 50 and not self.pipe.workers:
                self._new_worker()
        else:
            raise AssertionError("the sender was held back for ever")
        self.offered.setdefault(self.pipe.intake.serial, Counter())["frames"] += message.n_frames

    def _something_happens(self) -> None:
        pipe, chance = self.pipe, self.rng.random()
        names = list(pipe.workers)
        if chance < 0.05 or (chance < 0.3 and not names):
            self._new_worker()
        elif chance < 0.09 and names:
            pipe.kill(self.rng.choice(names))
        elif chance < 0.5 and names:
            name = self.rng.choice(names)
            pipe.work(name, probe=None if self.rng.random() < 0.5 else PROBE)
            if self.rng.random() < 0.8:
                pipe.say_ready(name)
        elif chance < 0.7:
            pipe.analyse()
        elif chance < 0.9:
            pipe.acknowledge()
        elif chance < 0.95:
            pipe.tick(6.0)
            for name in pipe.dispatcher.hung_workers(pipe.now):
                pipe.kill(name)
        else:
            pipe.tick(0.03)

    def _new_worker(self) -> None:
        self.pid += 1
        self.pipe.add_worker(self.rng.choice(["w0", "w1"]), pid=self.pid, credits=self.rng.randint(1, 3))

    def check(self) -> None:
        pipe = self.pipe
        assert sorted(d.serial for d in pipe.told(AcquisitionDrained)) == [1, 2, 3]
        assert pipe.unreleased() == 0, "every segment can be dropped"
        assert pipe.dispatcher.jobs.in_flight == pipe.dispatcher.jobs.backlog_frames == 0
        for stream in pipe.streams:
            counts, accepted = stream.counters, pipe.frames_accepted(stream.serial)
            assert len(set(accepted)) == len(accepted), "no frame twice"
            assert all(n in stream.received for n in accepted)
            assert counts["frames_received"] == len(stream.received)
            assert counts["frames_received"] == len(accepted) + counts["frames_failed"] + counts["frames_skipped"]
            assert min(counts.values(), default=0) >= 0
            if not self.drop:
                assert counts["frames_dropped"] == 0
            fates = ("frames_received", "frames_duplicate", "frames_dropped", "frames_out_of_range")
            assert self.offered[stream.serial]["frames"] == sum(counts[fate] for fate in fates)
