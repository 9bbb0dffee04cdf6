"""The frame log: nothing is dropped that is needed, nothing is kept beyond the limit."""

from __future__ import annotations

import errno
import os
import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from livebragg.errors import FrameLogFullError, PipelineError
from livebragg.storage.frame_log import ALIGNMENT, MAPPED_SEGMENTS, FrameLogReader, FrameLogWriter

SEGMENT = 4096
_REAL_FALLOCATE = os.posix_fallocate


@pytest.fixture
def log(tmp_path: Path) -> Iterator[FrameLogWriter]:
    with FrameLogWriter(tmp_path, SEGMENT, 4 * SEGMENT) as writer:
        yield writer


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[FrameLogReader]:
    with FrameLogReader(tmp_path) as made:
        yield made


def test_a_payload_is_read_as_it_was_written(log: FrameLogWriter, reader: FrameLogReader) -> None:
    payloads = [bytes([k]) * (100 + 7 * k) for k in range(20)]
    entries = [log.append(memoryview(p)) for p in payloads]
    assert [bytes(reader.read(e.segment, e.offset, e.nbytes)) for e in entries] == payloads
    assert {e.offset % ALIGNMENT for e in entries} == {0}


def test_arrays_on_payloads_are_aligned_views_that_cannot_be_written(
    log: FrameLogWriter, reader: FrameLogReader
) -> None:
    log.append(b"odd")
    entry = log.append(np.arange(10.0))
    array = np.frombuffer(reader.read(entry.segment, entry.offset, entry.nbytes), np.float64)
    assert array.flags.aligned
    assert array.tolist() == list(range(10))
    with pytest.raises(ValueError, match="read-only"):
        array[0] = 1


def test_a_payload_larger_than_a_segment_gets_one_of_its_own(log: FrameLogWriter, reader: FrameLogReader) -> None:
    big = bytes(range(256)) * 40
    entry = log.append(big)
    assert bytes(reader.read(entry.segment, entry.offset, entry.nbytes)) == big
    assert log.allocated_bytes == len(big)


def test_room_is_made_by_dropping_the_oldest_that_nobody_needs(tmp_path: Path, log: FrameLogWriter) -> None:
    for _ in range(4):
        log.append(bytes(SEGMENT))
    log.release(0)
    assert log.append(bytes(SEGMENT)).segment == 4
    assert sorted(p.name for p in tmp_path.iterdir()) == [f"segment-0000000{k}.frames" for k in (1, 2, 3, 4)]
    assert log.allocated_bytes == log.capacity_bytes


def test_a_segment_stays_until_its_last_payload_is_released(log: FrameLogWriter) -> None:
    for _ in range(4):
        log.append(bytes(SEGMENT // 2))
        log.append(bytes(SEGMENT // 2))
    log.release(0)
    with pytest.raises(FrameLogFullError, match=r"holds 0 MiB of at most 0 MiB .* raise frame_log\.capacity_mb"):
        log.append(bytes(SEGMENT))
    log.release(0)
    assert log.append(bytes(SEGMENT)).segment == 4


def test_a_younger_segment_is_not_dropped_before_an_older_one(log: FrameLogWriter) -> None:
    for _ in range(4):
        log.append(bytes(SEGMENT))
    log.release(2)
    with pytest.raises(FrameLogFullError):
        log.append(b"x")


def test_released_payloads_can_be_read_until_the_room_is_needed(
    log: FrameLogWriter, reader: FrameLogReader
) -> None:
    entry = log.append(b"old frames")
    log.release(entry.segment)
    assert bytes(reader.read(entry.segment, entry.offset, entry.nbytes)) == b"old frames"


def test_a_refused_payload_costs_no_room(log: FrameLogWriter) -> None:
    for _ in range(4):
        log.append(bytes(SEGMENT))
    for _ in range(100):
        with pytest.raises(FrameLogFullError):
            log.append(b"x")
    assert log.allocated_bytes == 4 * SEGMENT
    log.release(0)
    assert log.append(b"x").segment == 4


def test_releasing_too_often_or_what_is_gone_does_no_harm(log: FrameLogWriter) -> None:
    log.append(b"x")
    for segment in (0, 0, 0, 7, -1):
        log.release(segment)
    log.append(b"y")
    assert log._segments[0].unreleased == 1


def test_a_view_outlives_its_segment_and_a_new_read_says_that_it_is_gone(
    log: FrameLogWriter, reader: FrameLogReader, tmp_path: Path
) -> None:
    entry = log.append(b"frames")
    view = reader.read(entry.segment, entry.offset, entry.nbytes)
    log.close()
    reader.forget_dropped()
    assert bytes(view) == b"frames"
    with pytest.raises(LookupError, match="segment 0 is no longer in the frame log"):
        reader.read(entry.segment, entry.offset, entry.nbytes)
    assert list(tmp_path.iterdir()) == []


def test_a_reader_keeps_only_so_many_segments_mapped(tmp_path: Path, reader: FrameLogReader) -> None:
    with FrameLogWriter(tmp_path, 4096, 4096 * 100) as writer:
        entries = [writer.append(bytes([k]) * 4096) for k in range(MAPPED_SEGMENTS + 10)]
        for k, entry in enumerate(entries):
            assert reader.read(entry.segment, entry.offset, 1)[0] == k
        assert len(reader._maps) == MAPPED_SEGMENTS
        assert reader.read(0, 0, 1)[0] == 0


def test_a_folder_that_is_not_there_is_a_clear_error(tmp_path: Path) -> None:
    with (
        FrameLogWriter(tmp_path / "none", SEGMENT, 4 * SEGMENT) as writer,
        pytest.raises(PipelineError, match=r"cannot reserve 0 MiB .* No such file .* set frame_log\.directory"),
    ):
        writer.append(b"x")


def test_a_disk_without_room_is_a_clear_error_and_leaves_no_file(tmp_path: Path) -> None:
    with (
        FrameLogWriter(tmp_path, 1 << 62, 1 << 62) as writer,
        pytest.raises(PipelineError, match=r"cannot reserve .* lower frame_log\.capacity_mb"),
    ):
        writer.append(b"x")
    assert list(tmp_path.iterdir()) == []


def test_two_writers_cannot_share_a_folder(tmp_path: Path, log: FrameLogWriter) -> None:
    log.append(b"mine")
    with (
        FrameLogWriter(tmp_path, SEGMENT, 4 * SEGMENT) as other,
        pytest.raises(PipelineError, match="File exists"),
    ):
        other.append(b"x")


@pytest.mark.parametrize("seed", range(5))
def test_what_is_needed_is_never_lost_and_the_limit_never_passed(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    needed: list[tuple[int, int, int, bytes]] = []
    with FrameLogWriter(tmp_path, SEGMENT, 4 * SEGMENT) as writer, FrameLogReader(tmp_path) as reader:
        for k in range(600):
            payload = bytes([k % 256]) * rng.choice([0, 1, 63, 64, 65, 500, SEGMENT, SEGMENT + 1])
            try:
                entry = writer.append(payload)
                needed.append((entry.segment, entry.offset, entry.nbytes, payload))
            except FrameLogFullError:
                assert needed, "a log whose payloads are all released has room"
            while needed and rng.random() < 0.5:
                writer.release(needed.pop(rng.randrange(len(needed)) if rng.random() < 0.5 else 0)[0])
            reader.forget_dropped()
            assert writer.allocated_bytes <= writer.capacity_bytes
            assert all(bytes(reader.read(s, o, n)) == data for s, o, n, data in needed)
    assert list(tmp_path.iterdir()) == []


def _disk_full(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_disk_filled_by_others_is_a_full_log_until_something_can_be_given_back(
    log: FrameLogWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = log.append(bytes(SEGMENT))
    monkeypatch.setattr(os, "posix_fallocate", _disk_full)
    with pytest.raises(FrameLogFullError, match=r"cannot reserve .* No space left on device; lower frame_log"):
        log.append(bytes(SEGMENT))
    log.release(entry.segment)
    failures = iter([True])

    def room_after_one_segment_went(*arguments: int) -> None:
        if next(failures, False):
            _disk_full()
        _REAL_FALLOCATE(*arguments)

    monkeypatch.setattr(os, "posix_fallocate", room_after_one_segment_went)
    assert log.append(bytes(SEGMENT)).segment == 1
    assert log.allocated_bytes == SEGMENT


def test_a_disk_that_is_full_from_the_start_fails_with_the_remedy(
    log: FrameLogWriter, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(os, "posix_fallocate", _disk_full)
    with pytest.raises(PipelineError, match=r"set frame_log\.directory to a disk with room"):
        log.append(b"first")
    assert list(tmp_path.iterdir()) == []
