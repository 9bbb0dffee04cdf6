"""Workers die, hang and come back: their jobs go to others, and no result counts twice."""

from __future__ import annotations

from pathlib import Path

from dispatch_stories import (
    SMALL,
    FakePipeline,
    batch,
    end,
    start,
)
from livebragg.config.pipeline import DispatchConfig
from livebragg.pipeline.health import losses
from livebragg.wire.messages import (
    AcquisitionDrained,
    ResultAccepted,
)


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
