"""Jobs from payloads: filled, given out, taken back, retired."""

from __future__ import annotations

from livebragg.pipeline.job_table import MAX_SKIPPED, JobTable
from livebragg.wire.messages import ChecksumKind, Encoding, Piece


def piece(first: int, n: int = 4, skip: tuple[int, ...] = ()) -> Piece:
    return Piece(
        first_frame=first, n_frames=n, segment=0, offset=0, nbytes=1, encoding=Encoding.RAW,
        checksum_kind=ChecksumKind.NONE, checksum=0, sent_at=0.0, skip=skip,
    )  # fmt: skip


def table(*pieces: Piece, batch_frames: int = 8, max_attempts: int = 3) -> JobTable:
    jobs = JobTable(batch_frames, 0.02, max_attempts)
    for p in pieces:
        jobs.add(1, p, 10.0)
    return jobs


def test_payloads_join_until_a_job_has_its_frames() -> None:
    jobs = table(piece(0), piece(4), piece(8))
    job = jobs.issue("w", 10.0, {1})
    assert job is not None
    assert [p.first_frame for p in job.pieces] == [0, 4]
    assert jobs.issue("w", 10.0, {1}) is None
    assert jobs.backlog_frames == 4


def test_frames_to_skip_do_not_fill_a_job() -> None:
    jobs = table(piece(0, 8, skip=(0, 1, 2)), piece(8, 2))
    assert jobs.issue("w", 10.0, {1}) is None
    jobs.add(1, piece(10, 1), 10.0)
    job = jobs.issue("w", 10.0, {1})
    assert job is not None
    assert (job.n_frames, job.n_skipped) == (8, 3)


def test_a_job_does_not_name_more_skipped_frames_than_its_message_may() -> None:
    jobs = table(piece(0, MAX_SKIPPED + 1, skip=tuple(range(MAX_SKIPPED))))
    assert jobs.issue("w", 10.0, {1}) is not None


def test_payloads_of_two_acquisitions_never_share_a_job() -> None:
    jobs = table(piece(0))
    jobs.add(2, piece(0), 10.0)
    jobs.close_open()
    one, two = jobs.issue("w", 10.0, {1, 2}), jobs.issue("w", 10.0, {1, 2})
    assert one is not None
    assert two is not None
    assert (one.serial, two.serial) == (1, 2)


def test_time_flushes_a_small_job() -> None:
    jobs = table(piece(0))
    assert jobs.flush(10.005) is not None
    assert abs((jobs.flush(10.005) or 0) - 0.015) < 1e-9
    assert jobs.issue("w", 10.0, {1}) is None
    assert jobs.flush(10.02) is None
    assert jobs.issue("w", 10.0, {1}) is not None
    assert jobs.flush(11.0) is None


def test_only_acquisitions_that_are_ready_are_given_out() -> None:
    jobs = table(piece(0, 8), piece(8, 8))
    jobs.add(2, piece(0, 8), 10.0)
    assert jobs.issue("w", 10.0, set()) is None
    job = jobs.issue("w", 10.0, {2})
    assert job is not None
    assert job.serial == 2
    assert jobs.outstanding(1) == 2
    assert jobs.outstanding(2) == 1


def test_a_lost_workers_jobs_return_in_order_to_the_front() -> None:
    jobs = table(*(piece(8 * k, 8) for k in range(4)))
    for _ in range(3):
        jobs.issue("a", 10.0, {1})
    assert jobs.worker_lost("a") == []
    order = [jobs.issue("b", 11.0, {1}) for _ in range(4)]
    assert [job.pieces[0].first_frame for job in order if job] == [0, 8, 16, 24]


def test_only_the_job_that_was_begun_counts_as_tried() -> None:
    jobs = table(*(piece(8 * k, 8) for k in range(3)), max_attempts=2)
    given_up: list[int] = []
    for _ in range(2):
        for _ in range(3):
            jobs.issue("a", 10.0, {1})
        given_up += [job.pieces[0].first_frame for job in jobs.worker_lost("a")]
    assert given_up == [0]
    assert jobs.backlog_frames == 16


def test_a_job_that_was_done_before_its_worker_died_was_not_tried_in_vain() -> None:
    jobs = table(piece(0, 8), piece(8, 8), max_attempts=1)
    first = jobs.issue("a", 10.0, {1})
    jobs.issue("a", 10.0, {1})
    assert first is not None
    jobs.done(first.job_id, "a")
    assert [job.pieces[0].first_frame for job in jobs.worker_lost("a")] == [8]
    assert jobs.backlog_frames == 8


def test_a_job_is_retired_once_wherever_it_is() -> None:
    jobs = table(piece(0, 8), piece(8, 8))
    first, second = jobs.issue("a", 10.0, {1}), jobs.issue("a", 10.0, {1})
    assert first is not None
    assert second is not None
    assert jobs.accepted(first.job_id) is first
    assert jobs.accepted(first.job_id) is None
    jobs.worker_lost("a")
    assert jobs.accepted(second.job_id) is second, "it waits again, but its result was on the way"
    assert (jobs.backlog_frames, jobs.in_flight, jobs.outstanding(1)) == (0, 0, 0)
    assert jobs.accepted(12345) is None


def test_a_job_is_overdue_until_its_worker_says_that_it_is_done() -> None:
    jobs = table(piece(0, 8))
    job = jobs.issue("a", 10.0, {1})
    assert job is not None
    assert jobs.overdue(15.0, 5.0) == set()
    assert jobs.overdue(15.1, 5.0) == {"a"}
    jobs.done(job.job_id, "b")
    assert jobs.overdue(15.1, 5.0) == {"a"}, "another worker has no say in it"
    jobs.done(job.job_id, "a")
    assert jobs.overdue(15.1, 5.0) == set()
    assert (jobs.held_by("a"), jobs.in_flight) == (0, 1)


def test_what_waits_can_be_taken_out_for_one_acquisition_or_all() -> None:
    jobs = table(piece(0, 8), piece(8, 3))
    jobs.add(2, piece(0, 8), 10.0)
    issued = jobs.issue("a", 10.0, {1})
    assert [job.n_frames for job in jobs.take_waiting(1)] == [3]
    assert jobs.backlog_frames == 8
    assert [job.serial for job in jobs.take_waiting()] == [2]
    assert issued is not None
    assert (jobs.backlog_frames, jobs.in_flight) == (0, 1)
