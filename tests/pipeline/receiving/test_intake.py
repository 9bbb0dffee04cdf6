"""Every message of the stream is judged, and every frame gets one fate."""

from __future__ import annotations

from pathlib import Path

import pytest

from dispatch_stories import FakePipeline, acquisition, batch, end, start
from hostile_messages import ACQUISITION, REFUSED_BY_INTAKE, REFUSED_BY_WORKER, START, Hostile
from livebragg.config.pipeline import ScanConfig
from livebragg.detectors import NativeDecoder
from livebragg.errors import FrameLogFullError, MalformedMessageError, SequenceError
from livebragg.model import Acquisition, ScanGeometry
from livebragg.pipeline.health import Notices
from livebragg.pipeline.receiving.intake import MAX_JUMP_FRAMES, Ended, Intake, Opened, Stored
from livebragg.storage.frame_log import FrameLogReader, FrameLogWriter
from livebragg.wire.messages import (
    AcquisitionStart,
    Encoding,
    EndReason,
    FrameBatch,
    Heartbeat,
)


@pytest.fixture
def pipe(tmp_path: Path) -> FakePipeline:
    return FakePipeline(tmp_path)


def make_intake(
    folder: Path, *, scan: ScanConfig | None = None, log_bytes: int = 1 << 20, drop: bool = False
) -> Intake:
    log = FrameLogWriter(folder, log_bytes // 2, log_bytes)
    return Intake(scan or ScanConfig(), log, drop_when_full=drop, notices=Notices())


@pytest.mark.parametrize("bad", REFUSED_BY_INTAKE, ids=lambda bad: bad.name)
def test_a_message_that_does_not_fit_is_refused_and_changes_nothing(tmp_path: Path, bad: Hostile) -> None:
    intake = make_intake(tmp_path)
    intake.handle(START, 1.0)
    with pytest.raises(bad.error) as caught:
        intake.handle(NativeDecoder().decode(bad.parts)[0], 1.0)
    assert type(caught.value) is bad.error
    assert bad.text in str(caught.value)
    assert str(caught.value).isprintable()
    stream = intake.stream
    assert stream is not None
    assert len(stream.received) == 0
    assert not stream.ended
    assert intake._log.allocated_bytes == 0


@pytest.mark.parametrize("bad", REFUSED_BY_WORKER, ids=lambda bad: bad.name)
def test_damage_inside_of_a_payload_is_left_to_the_worker(tmp_path: Path, bad: Hostile) -> None:
    intake = make_intake(tmp_path)
    intake.handle(START, 1.0)
    (stored,) = intake.handle(NativeDecoder().decode(bad.parts)[0], 1.0)
    assert isinstance(stored, Stored)
    assert stored.piece.nbytes == memoryview(bad.parts[1]).nbytes


# ----------------------------------------------------------------------------------------- start and end
def test_a_scan_opens_takes_frames_and_ends(tmp_path: Path) -> None:
    intake = make_intake(tmp_path)
    (opened,) = intake.handle(start(4, 10), 5.0)
    assert isinstance(opened, Opened)
    stream = opened.stream
    assert (stream.serial, stream.n_frames_expected, stream.opened_at) == (1, 40, 5.0)
    message = batch(0, 3, encoding=Encoding.RAW, sent_at=4.5)
    (stored,) = intake.handle(message, 6.0)
    assert isinstance(stored, Stored)
    assert (stored.piece.first_frame, stored.piece.n_frames, stored.piece.skip) == (0, 3, ())
    assert stored.piece.sent_at == 4.5
    with FrameLogReader(tmp_path) as reader:
        piece = stored.piece
        assert bytes(reader.read(piece.segment, piece.offset, piece.nbytes)) == message.payload
    (ended,) = intake.handle(end(3), 7.0)
    assert ended == Ended(stream, EndReason.FINISHED, "the sender finished after 3 frames")
    assert stream.counters["frames_missing"] == 0


def test_without_a_clock_of_the_sender_the_receivers_own_is_used(tmp_path: Path) -> None:
    intake = make_intake(tmp_path)
    intake.handle(start(), 1.0)
    (stored,) = intake.handle(batch(0, 1), 77.0)
    assert isinstance(stored, Stored)
    assert stored.piece.sent_at == 77.0


def test_frames_without_a_start_are_refused_with_advice(tmp_path: Path) -> None:
    intake = make_intake(tmp_path)
    with pytest.raises(SequenceError, match=r"frames of acquisition 'a' came without its start; attach before"):
        intake.handle(batch(0, 1), 1.0)
    with pytest.raises(SequenceError, match="an end of acquisition 'a' came without its start"):
        intake.handle(end(0), 1.0)
    assert intake.counters["messages_without_start"] == 2
    assert intake.serial == 0


def test_frames_and_ends_after_the_end_are_refused(tmp_path: Path) -> None:
    intake = make_intake(tmp_path)
    intake.handle(start(), 1.0)
    intake.handle(end(0), 1.0)
    for message in (batch(0, 1), end(0)):
        with pytest.raises(SequenceError, match="came after its end and were not used"):
            intake.handle(message, 1.0)
    assert intake.counters["messages_after_end"] == 2


def test_a_second_start_ends_the_first_scan_and_counts_what_it_lacked(tmp_path: Path) -> None:
    intake = make_intake(tmp_path)
    intake.handle(start(name="a"), 1.0)
    intake.handle(batch(4, 2, "a"), 1.0)
    first = intake.stream
    assert first is not None
    ended, opened = intake.handle(start(name="b"), 2.0)
    assert ended == Ended(
        first, EndReason.ABORTED, "a new acquisition started before the end of 'a' after 2 of 40 frames"
    )
    assert isinstance(opened, Opened)
    assert opened.stream.serial == 2
    assert intake.counters["starts_without_end"] == 1
    assert first.counters["frames_missing"] == 4
    assert first.counters["frames_received"] == 2
    with pytest.raises(SequenceError):
        intake.handle(batch(0, 1, "a"), 2.0)


def test_the_same_id_may_come_again_and_gets_a_new_serial(tmp_path: Path) -> None:
    intake = make_intake(tmp_path)
    for serial in (1, 2, 3):
        *_, opened = intake.handle(start(), 1.0)
        assert isinstance(opened, Opened)
        assert opened.stream.serial == serial
        assert intake.handle(batch(0, 5), 1.0)


def test_the_operators_stop_ends_the_scan_once(tmp_path: Path) -> None:
    intake = make_intake(tmp_path)
    assert intake.stop("stopped") == []
    intake.handle(start(), 1.0)
    intake.handle(batch(2, 1), 1.0)
    (ended,) = intake.stop("stopped by the operator")
    assert isinstance(ended, Ended)
    assert (ended.reason, ended.note) == (EndReason.STOPPED, "stopped by the operator after 1 of 40 frames")
    assert ended.stream.counters["frames_missing"] == 2
    assert intake.stop("stopped") == []


def test_a_heartbeat_changes_nothing(tmp_path: Path) -> None:
    assert make_intake(tmp_path).handle(Heartbeat(acquisition_id="a", frames_sent=3), 1.0) == []


@pytest.mark.parametrize("reason", list(EndReason))
def test_the_end_says_why(tmp_path: Path, reason: EndReason) -> None:
    intake = make_intake(tmp_path)
    intake.handle(start(), 1.0)
    (ended,) = intake.handle(end(0, reason=reason), 1.0)
    assert isinstance(ended, Ended)
    words = {
        "finished": "the sender finished",
        "stopped": "the sender was stopped",
        "aborted": "the sender aborted",
    }
    assert ended.note == f"{words[reason]} after 0 frames"


# -------------------------------------------------------------------- duplicates, gaps, order and range
def test_overlapping_batches_are_analysed_without_the_frames_that_came_before(pipe: FakePipeline) -> None:
    pipe.send(start())
    pipe.send(batch(0, 4))
    pipe.send(batch(6, 2))
    pipe.send(batch(2, 8))
    stream = pipe.streams[0]
    piece = pipe.dispatcher.jobs._waiting[0].pieces[-1]
    assert (piece.first_frame, piece.n_frames, piece.skip) == (2, 8, (0, 1, 4, 5))
    assert stream.counters["frames_received"] == 10
    assert stream.counters["frames_duplicate"] == 4


def test_a_batch_of_duplicates_only_is_not_stored(tmp_path: Path) -> None:
    intake = make_intake(tmp_path)
    intake.handle(start(), 1.0)
    intake.handle(batch(0, 8), 1.0)
    used = intake._log._segments[0].used
    assert intake.handle(batch(2, 4), 1.0) == []
    assert intake.stream is not None
    assert intake.stream.counters["frames_duplicate"] == 4
    assert intake._log._segments[0].used == used


def test_reordered_batches_are_taken_and_counted(tmp_path: Path) -> None:
    intake = make_intake(tmp_path)
    intake.handle(start(), 1.0)
    for first in (8, 0, 4):
        assert intake.handle(batch(first, 4), 1.0)
    stream = intake.stream
    assert stream is not None
    assert stream.counters["batches_reordered"] == 2
    assert stream.missing_below(12) == 0


def test_frames_that_never_came_are_counted_at_the_end_and_said(pipe: FakePipeline) -> None:
    pipe.send(start())
    pipe.send(batch(0, 4))
    pipe.send(batch(10, 4))
    pipe.send(end(20))
    assert pipe.streams[0].counters["frames_missing"] == 12
    assert pipe.notices.snapshot() == ["12 of 20 frames of 'a' never came"]


def test_an_end_that_says_less_than_came_loses_nothing(pipe: FakePipeline) -> None:
    pipe.send(start())
    pipe.send(batch(0, 8))
    pipe.send(end(3))
    assert pipe.streams[0].counters["frames_missing"] == 0
    assert pipe.streams[0].counters["frames_received"] == 8


def test_the_part_of_a_batch_beyond_the_scan_is_left_out_and_is_not_missing(tmp_path: Path) -> None:
    intake = make_intake(tmp_path)
    intake.handle(start(4, 10), 1.0)
    intake.handle(batch(0, 36), 1.0)
    (stored,) = intake.handle(batch(36, 10), 1.0)
    assert isinstance(stored, Stored)
    assert (stored.piece.n_frames, stored.piece.skip) == (10, (4, 5, 6, 7, 8, 9))
    assert stored.stream.counters["frames_received"] == 40
    assert stored.stream.counters["frames_out_of_range"] == 6
    intake.handle(end(46), 1.0)
    assert stored.stream.counters["frames_missing"] == 0
    assert intake._notices.snapshot() == ["frames beyond the end of the scan of 40 frames are not used"]


def test_flyback_and_frames_per_position_belong_to_the_scan(tmp_path: Path) -> None:
    intake = make_intake(tmp_path)
    intake.handle(start(2, 3, frames_per_position=2, flyback_frames=1), 1.0)
    assert intake.stream is not None
    assert intake.stream.frame_limit == 14
    assert intake.handle(batch(0, 14), 1.0)
    with pytest.raises(SequenceError, match="scan of 14 frames"):
        intake.handle(batch(14, 1), 1.0)
    assert intake.stream.counters["frames_out_of_range"] == 1


def test_the_configured_shape_overrides_the_announced_one(tmp_path: Path) -> None:
    intake = make_intake(tmp_path, scan=ScanConfig(shape=(2, 5)))
    (opened,) = intake.handle(start(4, 10), 1.0)
    assert isinstance(opened, Opened)
    assert opened.stream.geometry.scan_shape == (2, 5)
    with pytest.raises(SequenceError, match="scan of 10 frames"):
        intake.handle(batch(10, 1), 1.0)


# --------------------------------------------------------------------------------- scans of unknown shape
def test_a_scan_of_unknown_shape_takes_lines_of_the_configured_length(tmp_path: Path) -> None:
    intake = make_intake(tmp_path, scan=ScanConfig(fallback_cols=7))
    (opened,) = intake.handle(start(None), 1.0)
    assert isinstance(opened, Opened)
    geometry = opened.stream.geometry
    assert (geometry.scan_shape, geometry.open_ended, opened.stream.n_frames_expected) == ((1, 7), True, None)
    for first in range(0, 5000, 1000):
        assert intake.handle(batch(first, 1000), 1.0)
    assert any("lines of 7 positions are assumed" in text for text in intake._notices.snapshot())


def test_a_frame_number_from_nowhere_does_not_make_the_maps_grow_to_it(tmp_path: Path) -> None:
    intake = make_intake(tmp_path)
    intake.handle(start(None), 1.0)
    intake.handle(batch(0, 1), 1.0)
    assert intake.handle(batch(MAX_JUMP_FRAMES, 1), 1.0), "a long gap is still a gap"
    with pytest.raises(SequenceError, match=r"more than 1048576, in a scan of unknown shape, .* set scan\.shape"):
        intake.handle(batch(2 * MAX_JUMP_FRAMES + 1, 1), 1.0)
    with pytest.raises(SequenceError, match="beyond the end"):
        intake.handle(batch(1 << 40, 1), 1.0)
    assert intake.stream is not None
    assert intake.stream.counters["frames_out_of_range"] == 2
    assert intake.stream.newest_frame == MAX_JUMP_FRAMES


def test_a_shape_that_is_said_while_frames_come_ends_the_scan_where_it_says(pipe: FakePipeline) -> None:
    pipe.add_worker(credits=99)
    pipe.send(start(None))
    pipe.send(batch(0, 8))
    true = ScanGeometry(scan_shape=(3, 4))
    pipe.dispatcher.change_geometry(1, true)
    pipe.dispatcher.change_geometry(7, true)  # an acquisition that is drained
    pipe.send(batch(8, 8))
    pipe.tick(0.1)
    stream = pipe.streams[0]
    assert [job.geometry.scan_shape for job in pipe.workers["w0"].jobs] == [(1, 256), (3, 4)]
    assert (stream.n_frames_expected, stream.counters["frames_out_of_range"]) == (12, 4)
    (ended,) = pipe.intake.silent(1.5, 0.0)
    assert isinstance(ended, Ended)
    assert ended.reason is EndReason.FINISHED


def test_the_senders_number_of_frames_limits_a_scan_of_unknown_shape(tmp_path: Path) -> None:
    intake = make_intake(tmp_path)
    intake.handle(AcquisitionStart(acquisition=acquisition(None), n_frames=20), 1.0)
    (stored,) = intake.handle(batch(16, 8), 1.0)
    assert isinstance(stored, Stored)
    assert stored.piece.skip == (4, 5, 6, 7)
    with pytest.raises(SequenceError, match="scan of 20 frames"):
        intake.handle(batch(20, 1), 1.0)


# ----------------------------------------------------------------------------------------- sizes, full log
def test_a_payload_larger_than_the_log_is_refused_since_waiting_would_never_end(tmp_path: Path) -> None:
    intake = make_intake(tmp_path, log_bytes=8192)
    intake.handle(start(200), 1.0)
    with pytest.raises(MalformedMessageError, match=r"12000 bytes never fits the frame log of 8192 bytes; send"):
        intake.handle(batch(0, 2000), 1.0)
    assert intake.handle(batch(0, 1000), 1.0)


def test_a_compressed_batch_may_not_unpack_to_more_than_a_gibibyte(tmp_path: Path) -> None:
    intake = make_intake(tmp_path)
    side = 1 << 14
    big = Acquisition(acquisition_id="a", scan_shape=(9, 9), frame_shape=(side, side), dtype="uint16")
    intake.handle(AcquisitionStart(acquisition=big), 1.0)
    fields = {"acquisition_id": "a", "first_frame": 0, "encoding": Encoding.BSLZ4, "payload": bytes(900)}
    assert intake.handle(FrameBatch(n_frames=2, **fields), 1.0)
    with pytest.raises(MalformedMessageError, match=r"3 frames of 536870912 bytes in one batch; at most 10737"):
        intake.handle(FrameBatch(n_frames=3, **fields), 1.0)


def test_with_block_a_full_log_changes_nothing_so_that_the_message_can_be_tried_again(tmp_path: Path) -> None:
    intake = make_intake(tmp_path, log_bytes=8192)
    intake.handle(start(200, 10), 1.0)
    intake.handle(batch(0, 600), 1.0)
    intake.handle(batch(600, 600), 1.0)
    before = dict(intake.stream.counters) if intake.stream else {}
    for _ in range(50):
        with pytest.raises(FrameLogFullError, match=r"raise frame_log\.capacity_mb or use more workers"):
            intake.handle(batch(1100, 1000), 1.0)
    assert intake.stream is not None
    assert dict(intake.stream.counters) == before
    intake._log.release(0)
    assert intake.handle(batch(1100, 600), 1.0)
    assert intake.stream.counters["frames_duplicate"] == 100


def test_with_drop_a_full_log_costs_the_new_frames_and_they_are_not_also_missing(tmp_path: Path) -> None:
    intake = make_intake(tmp_path, log_bytes=8192, drop=True)
    intake.handle(start(200, 10), 1.0)
    for first in (0, 600):
        assert intake.handle(batch(first, 600), 1.0)
    assert intake.handle(batch(1100, 600), 1.0) == []
    stream = intake.stream
    assert stream is not None
    assert stream.counters["frames_dropped"] == 500
    assert stream.counters["frames_duplicate"] == 100
    intake.handle(end(1710), 1.0)
    assert stream.counters["frames_missing"] == 10
    assert any(text.startswith("frames dropped: the frame log holds") for text in intake._notices.snapshot())


def test_the_hostile_corpus_is_about_the_acquisition_it_says() -> None:
    assert START.acquisition is ACQUISITION


# --------------------------------------------------------------------------------------------- no end
def test_a_scan_whose_frames_have_all_come_needs_no_end(tmp_path: Path) -> None:
    intake = make_intake(tmp_path)
    intake.handle(start(2, 3), 1.0)
    intake.handle(batch(0, 6), 1.0)
    assert intake.silent(0.9, 0.0) == []
    (ended,) = intake.silent(1.1, 0.0)
    assert isinstance(ended, Ended)
    assert ended.reason is EndReason.FINISHED
    assert intake.counters["ends_missing"] == 1
    assert intake.handle(end(6), 5.0) == []  # late, and no harm


def test_a_scan_that_lacks_frames_is_ended_by_silence_only_if_that_is_configured(tmp_path: Path) -> None:
    intake = make_intake(tmp_path)
    intake.handle(start(2, 3), 1.0)
    intake.handle(batch(0, 3), 1.0)
    assert intake.silent(1e6, 0.0) == []
    assert intake.silent(29.0, 30.0) == []
    (ended,) = intake.silent(31.0, 30.0)
    assert isinstance(ended, Ended)
    assert ended.reason is EndReason.STOPPED
    assert intake.silent(99.0, 30.0) == []
