"""Jobs from payloads: filled, given out, taken back, retired."""

from __future__ import annotations

from livebragg.model import ScanGeometry
from livebragg.pipeline.receiving.job_table import MAX_PARTS, MAX_PIECES, MAX_SKIPPED, HeldPositions, JobTable
from livebragg.wire.messages import ChecksumKind, Encoding, Piece


def piece(first: int, n: int = 4, skip: tuple[int, ...] = (), *, offset: int = 0) -> Piece:
    return Piece(
        first_frame=first, n_frames=n, segment=0, offset=offset, nbytes=1, encoding=Encoding.RAW,
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
    jobs.flush(10.005)
    assert abs((jobs.seconds_to_flush(10.005) or 0) - 0.015) < 1e-9
    assert jobs.issue("w", 10.0, {1}) is None
    assert jobs.seconds_to_flush(10.5) == 0.0  # whoever asks must not wait before it is given out
    jobs.flush(10.02)
    assert jobs.issue("w", 10.0, {1}) is not None
    assert jobs.seconds_to_flush(11.0) is None


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


# ---------------------------------------------------------------------------------- several frames a position
def holder(per_position: int = 3, cols: int = 10, flyback: int = 0, max_bytes: int = 1 << 20) -> HeldPositions:
    geometry = ScanGeometry(scan_shape=(10, cols), frames_per_position=per_position, flyback_frames=flyback)
    return HeldPositions(geometry, max_bytes, {})


def frames(group: list[Piece]) -> list[int]:
    return [p.first_frame + k for p in group for k in range(p.n_frames) if k not in p.skip]


def test_a_payload_of_whole_positions_is_passed_on_as_it_is() -> None:
    held = holder(flyback=2, cols=4)
    for p in (piece(0, 6), piece(6, 8), piece(14, 3), piece(17, 10)):
        if p.first_frame != 17:
            assert held.add(p) == [[p]]
            assert not held.newest_waits
    assert held.divided == {}
    assert len(held) == 0


def test_a_payload_that_ends_within_a_position_is_divided() -> None:
    held = holder()
    one, two = piece(0, 8, offset=0), piece(8, 4, offset=64)
    assert [frames(group) for group in held.add(one)] == [list(range(6))]
    assert (len(held), held.newest_waits) == (1, True)
    assert [frames(group) for group in held.add(two)] == [[6, 7, 8], [9, 10, 11]]
    assert (len(held), held.newest_waits) == (0, False)
    assert held.divided == {(0, 0): 8, (0, 64): 4}


def test_frames_that_came_before_do_not_complete_a_position() -> None:
    held = holder()
    assert held.add(piece(0, 2, offset=0)) == []
    assert held.add(piece(0, 2, skip=(1,), offset=64)) == [[piece(0, 2), piece(0, 2, skip=(1,), offset=64)]]
    held = holder()
    assert held.add(piece(0, 3, skip=(1,))) == [], "frame 1 is on its way to be counted, from another payload"
    assert [frames(group) for group in held.add(piece(1, 1, offset=64))] == [[0, 2, 1]]


def test_parts_of_a_payload_in_the_same_job_are_read_once() -> None:
    held, jobs = holder(), table()
    jobs.divided = held.divided
    for p in (piece(0, 8, offset=0), piece(8, 4, offset=64)):
        jobs.add_groups(1, held.add(p), 10.0, more=held.newest_waits)
    job = jobs.issue("w", 10.0, {1})
    assert job is not None
    assert [(p.offset, p.skip) for p in job.pieces] == [(0, ()), (64, ())]
    assert job.n_frames == 12
    assert [jobs.last_of_payload(p) for p in job.pieces] == [True, True]
    assert jobs.divided == {}


def test_a_payload_is_needed_until_its_last_part_is_retired() -> None:
    held, jobs = holder(), table(batch_frames=1)
    jobs.divided = held.divided
    (body,) = held.add(piece(0, 8))
    assert not jobs.last_of_payload(body[0])
    (rest,) = held.let_go_of_all()
    assert jobs.last_of_payload(rest[0])
    assert jobs.last_of_payload(piece(100, 3)), "one that was never divided"


def test_a_job_does_not_wait_for_ever_for_the_rest_of_its_payloads() -> None:
    jobs = table()
    for k in range(4):
        assert jobs.issue("w", 10.0, {1}) is None
        jobs.add_groups(1, [[piece(8 * k, 8, offset=64 * k)]], 10.0, more=True)
    assert jobs.issue("w", 10.0, {1}) is not None


def test_the_oldest_position_is_given_up_when_much_has_come_since() -> None:
    held = holder(max_bytes=64 * 3)
    assert held.add(piece(0, 1)) == []
    for k in range(1, 4):
        assert len(held.add(piece(3 * k, 3, offset=64 * k))) == 1
    assert [frames(group) for group in held.add(piece(12, 3, offset=256))] == [[0], [12, 13, 14]]
    assert held.cut == {0}
    assert [frames(group) for group in held.add(piece(1, 2, offset=320))] == [[1, 2]], "nothing to wait for"
    assert held.let_go_of_oldest() == []


def test_a_group_does_not_make_a_job_larger_than_its_message_may_be() -> None:
    held = holder(per_position=3 * MAX_PARTS)
    groups = [group for k in range(MAX_PARTS) for group in held.add(piece(k, 1, offset=64 * k))]
    assert [len(group) for group in groups] == [MAX_PARTS]
    jobs = table(batch_frames=MAX_PIECES)
    for _ in range(3):
        jobs.add_groups(1, groups, 10.0, more=True)
    jobs.close_open()
    sizes = [len(job.pieces) for job in jobs.take_waiting()]
    assert sizes == [MAX_PIECES, MAX_PARTS]
    assert holder(per_position=1 << 16).add(piece(0, MAX_SKIPPED + 1, skip=tuple(range(MAX_SKIPPED)))) != []
