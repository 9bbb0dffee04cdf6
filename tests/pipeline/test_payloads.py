"""From payloads in the frame log to frames of positions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from livebragg.errors import ChecksumError, MalformedMessageError
from livebragg.model import Acquisition, ScanGeometry, ScanOrder
from livebragg.pipeline.payloads import batch_of, empty_batch, frames_to_positions, read_piece, stack_frames
from livebragg.storage.frame_log import FrameLogReader, FrameLogWriter
from livebragg.wire.messages import ChecksumKind, DetectResult, Encoding, Piece
from livebragg.wire.packing import checksum, pack

ACQUISITION = Acquisition(acquisition_id="a", scan_shape=(2, 3), frame_shape=(4, 5), dtype="uint16")


def numbered(numbers: Any, dtype: str = "uint16") -> Any:
    """Frames of 4x5 pixels that are all their number."""
    return np.broadcast_to(np.asarray(numbers, dtype)[:, None, None], (len(numbers), 4, 5)).copy()


@pytest.mark.parametrize("encoding", list(Encoding))
@pytest.mark.parametrize("kind", list(ChecksumKind))
def test_a_payload_in_the_log_is_read_and_verified(tmp_path: Path, encoding: Encoding, kind: ChecksumKind) -> None:
    frames = numbered([3, 4])
    payload = bytes(pack(frames, encoding))
    with FrameLogWriter(tmp_path, 4096, 8192) as log, FrameLogReader(tmp_path) as reader:
        entry = log.append(payload)
        fields: dict[str, Any] = {
            "first_frame": 3, "n_frames": 2, "segment": 0, "offset": entry.offset, "nbytes": entry.nbytes,
            "encoding": encoding, "checksum_kind": kind, "checksum": checksum(payload, kind), "sent_at": 0.0,
        }  # fmt: skip
        read, failed = read_piece(reader, Piece(**fields), ACQUISITION)
        assert not failed
        assert np.array_equal(read, frames)
        if kind is not ChecksumKind.NONE:
            with pytest.raises(ChecksumError):
                read_piece(reader, Piece(**{**fields, "checksum": fields["checksum"] ^ 1}), ACQUISITION)
        with pytest.raises(MalformedMessageError):
            read_piece(reader, Piece(**{**fields, "n_frames": 3, "checksum_kind": ChecksumKind.NONE}), ACQUISITION)
        with pytest.raises(LookupError):
            read_piece(reader, Piece(**{**fields, "segment": 9}), ACQUISITION)


def test_frames_without_a_position_are_left_out() -> None:
    geometry = ScanGeometry(scan_shape=(2, 3), flyback_frames=1)
    numbers = np.arange(2, 10)
    frames, index = frames_to_positions(numbered(numbers), numbers, geometry)
    assert index.tolist() == [2, 3, 4, 5]
    assert frames[:, 0, 0].tolist() == [2, 4, 5, 6]
    none, index = frames_to_positions(numbered([3]), np.array([3]), geometry)
    assert none.shape == (0, 4, 5)
    assert index.size == 0


def test_one_frame_per_position_is_not_copied() -> None:
    frames = numbered(range(4))
    same, _ = frames_to_positions(frames, np.arange(4), ScanGeometry(scan_shape=(2, 3)))
    assert same is frames


@settings(deadline=None, max_examples=100)
@given(st.data())
def test_frames_of_one_position_are_added_in_whatever_order_they_came(data: st.DataObject) -> None:
    per_position, flyback = data.draw(st.integers(1, 4)), data.draw(st.integers(0, 2))
    order = data.draw(st.sampled_from(ScanOrder))
    geometry = ScanGeometry(
        scan_shape=(3, 4), frames_per_position=per_position, flyback_frames=flyback, scan_order=order
    )
    numbers = np.array(data.draw(st.permutations(range(geometry.n_frames))), np.int64)
    frames, index = frames_to_positions(numbered(numbers), numbers, geometry)
    expected = np.zeros(12, np.int64)
    places = geometry.scan_index(numbers)
    np.add.at(expected, places[places >= 0], numbers[places >= 0])
    assert sorted(index.tolist()) == list(range(12))
    assert frames[:, 3, 4].tolist() == expected[index].tolist()


@pytest.mark.parametrize(
    ("dtype", "value", "expected"),
    [
        ("uint8", 255, 510),
        ("uint16", 65535, 131070),
        ("int16", -5, -10),
        ("uint32", (1 << 32) - 1, (1 << 31) - 1),
        ("int32", -(1 << 31), -(1 << 31)),
        ("float64", 1e300, 2e300),
    ],
)
def test_sums_do_not_wrap_round(dtype: str, value: float, expected: float) -> None:
    geometry = ScanGeometry(scan_shape=(1, 1), frames_per_position=2)
    frames, _ = frames_to_positions(np.full((2, 4, 5), value, dtype), np.arange(2), geometry)
    assert frames[0, 0, 0] == expected
    assert frames.dtype == (np.float64 if dtype == "float64" else np.int32)


def test_stacked_frames_are_read_only_like_those_from_the_log() -> None:
    for blocks in ([numbered([1])], [numbered([1]), numbered([2, 3])]):
        stacked = stack_frames(blocks)
        assert stacked[:, 0, 0].tolist() == [1, 2, 3][: len(stacked)]
        assert not stacked.flags.writeable


def test_a_batch_survives_as_a_result() -> None:
    empty = empty_batch((4, 5))
    assert len(empty) == 0
    result = DetectResult(
        worker_id="w", job_id=1, serial=1, pieces=[], newest_sent_at=0.0,
        geometry=ScanGeometry(scan_shape=(2, 3)), frames_analysed=0, frames_unmapped=0,
        frames_failed=0, nonfinite_pixels=0, negative_pixels=0, hot_pixels=0, problems=[], busy_s=0.0,
        timed_frames=np.zeros(0, np.int64), start_times=np.zeros(0),
        scan_index=np.array([4]), offsets=np.array([0, 2]), qx=np.array([1, 2], np.float32),
        qy=np.array([3, 4], np.float32), intensity=np.array([5, 6], np.float32),
        intensity_error=np.array([7, 8], np.float32), position_error=np.array([9, 10], np.float32),
        direct_beam=np.ones((1, 3), np.float32), virtual=np.ones((1, 5), np.float32),
        sum_pattern=np.ones((4, 5), np.float32), profile_radii=np.array([0.5, 1.5], np.float32),
        profile_mean=np.array([[7, 8]], np.float32), profile_variance=np.array([[1, 2]], np.float32),
        profile_pixels=np.array([[3, 4]], np.int32),
    )  # fmt: skip
    batch = batch_of(result)
    assert batch.profiles is not None
    assert [getattr(batch.profiles, c).tolist() for c in ("mean", "variance", "pixels")] == [
        [[7, 8]],
        [[1, 2]],
        [[3, 4]],
    ]
    assert batch.scan_index.tolist() == [4]
    columns = ("qx", "qy", "intensity", "intensity_error", "position_error")
    assert [getattr(batch.peaks, c).tolist() for c in columns] == [[1, 2], [3, 4], [5, 6], [7, 8], [9, 10]]
