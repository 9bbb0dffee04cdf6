"""Jobs: full ones at once, small ones in time, whole positions, and everybody in turn."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from dispatch_stories import (
    FakePipeline,
    batch,
    each_position_is_in_one_job,
    end,
    start,
)
from livebragg.config.pipeline import DispatchConfig
from livebragg.model.scan import ScanOrder
from livebragg.pipeline.receiving.dispatcher import MAX_UNACCEPTED_JOBS


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
