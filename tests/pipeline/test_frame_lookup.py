"""Frames of positions, from the log and from recordings."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from livebragg.model import Acquisition, ScanGeometry
from livebragg.pipeline.frame_lookup import LogLookup, RecordingLookup
from livebragg.storage.frame_log import FrameLogReader, FrameLogWriter
from livebragg.storage.recordings import open_recording
from livebragg.wire.messages import ChecksumKind, Encoding, Piece
from livebragg.wire.packing import pack

ACQUISITION = Acquisition(acquisition_id="a", scan_shape=(3, 4), frame_shape=(2, 3), dtype="uint16")
Store = Callable[..., Piece]


@pytest.fixture
def log(tmp_path: Path) -> Iterator[FrameLogWriter]:
    with FrameLogWriter(tmp_path, 1 << 12, 1 << 13) as writer:
        yield writer


@pytest.fixture
def store(log: FrameLogWriter) -> Store:
    """Puts frames that are all 100 + their number into the log."""

    def put(first: int, n: int, encoding: Encoding = Encoding.RAW, **changes: Any) -> Piece:
        numbers = np.arange(100 + first, 100 + first + n, dtype=np.uint16)
        entry = log.append(pack(np.broadcast_to(numbers[:, None, None], (n, 2, 3)), encoding))
        return Piece(
            first_frame=first, n_frames=n, segment=entry.segment, offset=entry.offset, nbytes=entry.nbytes,
            encoding=encoding, checksum_kind=ChecksumKind.NONE, checksum=0, sent_at=0.0, **changes,
        )  # fmt: skip

    return put


def lookup(tmp_path: Path, **geometry: Any) -> LogLookup:
    return LogLookup(FrameLogReader(tmp_path), ACQUISITION, ScanGeometry(**{"scan_shape": (3, 4), **geometry}))


def value(found: LogLookup, index: int) -> float | None:
    frame = found.frame(index)
    if frame is None:
        return None
    assert frame.shape == (2, 3)
    assert frame.dtype == np.float32
    assert frame.min() == frame.max()
    return float(frame[0, 0])


@pytest.mark.parametrize("encoding", list(Encoding))
def test_a_position_gives_its_frame(tmp_path: Path, store: Store, encoding: Encoding) -> None:
    found = lookup(tmp_path)
    found.add([store(4, 4, encoding), store(0, 4, encoding)])
    assert [value(found, k) for k in range(12)] == [100, 101, 102, 103, 104, 105, 106, 107] + [None] * 4


@pytest.mark.parametrize("index", [-1, 12, 10**12])
def test_a_position_outside_of_the_scan_has_no_frame(tmp_path: Path, store: Store, index: int) -> None:
    found = lookup(tmp_path)
    found.add([store(0, 12)])
    assert found.frame(index) is None


def test_skipped_and_flyback_frames_are_not_shown(tmp_path: Path, store: Store) -> None:
    found = lookup(tmp_path, flyback_frames=1)
    found.add([store(0, 6, skip=(2,))])
    assert [value(found, k) for k in range(6)] == [100, 101, None, 103, 105, None]
    assert [(i.tolist(), f[:, 0, 0].tolist()) for i, f in found.blocks()] == [([0, 1, 3, 4], [100, 101, 103, 105])]


def test_frames_of_one_position_are_added_across_payloads(tmp_path: Path, store: Store) -> None:
    found = lookup(tmp_path, frames_per_position=3)
    found.add([store(0, 4), store(4, 5)])
    assert value(found, 0) == 100 + 101 + 102
    assert value(found, 1) == 103 + 104 + 105
    assert value(found, 2) == 106 + 107 + 108


def test_a_job_that_was_done_twice_does_not_double_its_frames(tmp_path: Path, store: Store) -> None:
    found = lookup(tmp_path)
    pieces = [store(0, 4), store(4, 4)]
    for _ in range(3):
        found.add(pieces)
    assert value(found, 5) == 105
    assert sum(len(index) for index, _ in found.blocks()) == 8


def test_a_snake_is_followed(tmp_path: Path, store: Store) -> None:
    found = lookup(tmp_path, scan_order="snake")
    found.add([store(0, 8)])
    assert [value(found, k) for k in range(4, 8)] == [104, 105, 106, 107]


def test_frames_that_left_the_log_are_gone_without_noise(
    tmp_path: Path, store: Store, log: FrameLogWriter
) -> None:
    found = lookup(tmp_path)
    old, new = store(0, 4), store(4, 4)
    found.add([old, new])
    log.close()
    assert [value(found, k) for k in (0, 4)] == [None, None]
    assert list(found.blocks()) == []


def test_a_damaged_payload_has_no_frames(tmp_path: Path, store: Store, log: FrameLogWriter) -> None:
    found = lookup(tmp_path)
    entry = log.append(b"garbage")
    damaged = Piece(
        first_frame=4, n_frames=4, segment=entry.segment, offset=entry.offset, nbytes=7, encoding=Encoding.BSLZ4,
        checksum_kind=ChecksumKind.NONE, checksum=0, sent_at=0.0,
    )  # fmt: skip
    found.add([store(0, 4), damaged])
    assert value(found, 4) is None
    assert [index.tolist() for index, _ in found.blocks()] == [[0, 1, 2, 3]]


def test_a_scan_of_unknown_length_grows(tmp_path: Path, store: Store) -> None:
    found = lookup(tmp_path, scan_shape=(1, 4), open_ended=True)
    found.add([store(0, 4)])
    found.add([store(40, 4)])
    assert value(found, 41) == 141
    assert value(found, 20) is None


def test_a_frame_far_from_its_other_half_is_found_without_reading_all_between(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = lookup(tmp_path, scan_shape=(1, 40), frames_per_position=2)
    found.add([store(0, 1), *(store(k, 2) for k in range(2, 40, 2)), store(1, 1)])
    reads: list[int] = []
    real = FrameLogReader.read

    def counting(self: FrameLogReader, segment: int, offset: int, nbytes: int) -> memoryview:
        reads.append(offset)
        return real(self, segment, offset, nbytes)

    monkeypatch.setattr(FrameLogReader, "read", counting)
    assert value(found, 0) == 201
    assert len(reads) == 2


def test_a_recording_gives_the_frames_of_its_file(tmp_path: Path) -> None:
    frames = np.arange(3 * 4 * 2 * 5, dtype=np.uint16).reshape(3, 4, 2, 5)
    np.save(tmp_path / "scan.npy", frames)
    with open_recording(tmp_path / "scan.npy") as recording:
        found = RecordingLookup(recording, block_frames=5)
        frame = found.frame(7)
        assert frame is not None
        assert frame.dtype == np.float32
        assert np.array_equal(frame, frames[1, 3])
        assert (found.frame(-1), found.frame(12)) == (None, None)
        blocks = list(found.blocks())
        assert np.concatenate([index for index, _ in blocks]).tolist() == list(range(12))
        assert np.array_equal(np.concatenate([f for _, f in blocks]), frames.reshape(12, 2, 5))


def taken(found: LogLookup | RecordingLookup, index: list[int]) -> dict[int, float]:
    blocks = list(found.some(np.array(index, np.int64)))
    assert all(len(part) == len(frames) for part, frames in blocks)
    return {int(i): float(frame.max()) for part, frames in blocks for i, frame in zip(part, frames, strict=True)}


def test_some_positions_give_their_frames(tmp_path: Path, store: Store) -> None:
    found = lookup(tmp_path)
    found.add([store(0, 5), store(5, 4, Encoding.BSLZ4)])
    assert taken(found, [1, 4, 6, 11]) == {1: 101, 4: 104, 6: 106}


def test_some_positions_of_several_frames_give_their_sum(tmp_path: Path, store: Store) -> None:
    found = lookup(tmp_path, frames_per_position=3)
    found.add([store(0, 4), store(4, 5)])
    assert taken(found, [0, 1, 2]) == {0: 303, 1: 312, 2: 321}
