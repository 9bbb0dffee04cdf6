"""Merlin: counters of every depth and layout, acquisitions without an end, units that are none."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from dectris_stream import Stream
from livebragg.detectors import KeptFrames, MerlinDecoder
from livebragg.errors import MalformedMessageError
from livebragg.model import Acquisition
from livebragg.wire.messages import AcquisitionStart, EndReason
from livebragg.wire.mpx import PREFIX_BYTES
from livebragg_simulators.merlin.writer import MerlinWriter


class Merlin(Stream):
    def __init__(self) -> None:
        super().__init__()
        self.decoder = MerlinDecoder(32, self.notices.append)


def units(writer: MerlinWriter, frames: NDArray[Any], scan_shape: tuple[int, int] | None = None) -> list[bytes]:
    acquisition = Acquisition(
        acquisition_id="a", scan_shape=scan_shape, frame_shape=frames.shape[1:], dtype="uint32"
    )
    messages = [
        *writer.start(acquisition, len(frames)),
        *writer.frames(0, frames),
        *writer.end(0, EndReason.FINISHED),
    ]
    return [parts[0][PREFIX_BYTES:] for parts in messages]


def counts(depth: int, shape: tuple[int, int] = (256, 256), n: int = 3) -> NDArray[Any]:
    return np.random.default_rng(depth).integers(0, 1 << depth, (n, *shape)).astype(np.uint32)


@pytest.mark.parametrize("raw", [False, True], ids=["plain", "raw"])
@pytest.mark.parametrize("layout", ["1x1", "2x2", "2x2G"])
@pytest.mark.parametrize("depth", [1, 6, 12, 24])
def test_every_depth_and_layout_is_read_bit_by_bit(depth: int, layout: str, raw: bool) -> None:
    side = {"1x1": 256, "2x2": 512, "2x2G": 514}[layout]
    frames = counts(depth, (side, side))
    if layout == "2x2G":
        frames[:, 256:258, :] = frames[:, :, 256:258] = 0
    stream = Merlin().take(*units(MerlinWriter(depth, layout, raw), frames)).flush()
    read, problems = stream.frames()
    assert not problems
    assert np.array_equal([read[k] for k in range(3)], frames)
    assert stream.acquisition.dtype == {1: "uint8", 6: "uint8", 12: "uint16", 24: "uint32"}[depth]


def raw_unit(pixels: bytes, depth: int = 12, size: tuple[int, int] = (1, 64)) -> bytes:
    text = f"MQ1,000001,00384,01,{size[1]:04d},{size[0]:04d},R64,   1x1,01,2026,0,0,0,0,MQ1A,2026,1ns,{depth},"
    return text.encode().ljust(384, b"\0") + pixels


def test_the_first_raw_counter_is_in_the_lowest_bits_of_a_big_endian_word() -> None:
    word = bytes.fromhex("0004000300020001")
    read, _ = Merlin().take(raw_unit(word * 16)).flush().frames()
    assert read[0].reshape(-1)[:8].tolist() == [1, 2, 3, 4, 1, 2, 3, 4]
    one_bit = (0b101).to_bytes(8, "big")
    read, _ = Merlin().take(raw_unit(one_bit, 1)).flush().frames()
    assert np.flatnonzero(read[0]).tolist() == [0, 2]
    six_bits = bytes(range(8, 0, -1))
    read, _ = Merlin().take(raw_unit(six_bits * 8, 6)).flush().frames()
    assert read[0].reshape(-1)[:8].tolist() == [1, 2, 3, 4, 5, 6, 7, 8]


def test_counts_of_64_bits_stop_at_32() -> None:
    text = b"MQ1,000001,00384,01,0002,0001,U64,   1x1,01,2026,0,"
    unit = text.ljust(384, b"\0") + np.array([7, 1 << 40], ">u8").tobytes()
    read, _ = Merlin().take(unit).flush().frames()
    assert read[0].tolist() == [[7, 0xFFFFFFFF]]


def test_the_header_tells_scan_and_number_of_frames() -> None:
    stream = Merlin().take(*units(MerlinWriter(12, frame_time_s=2e-3), counts(12, n=6), (2, 3))).flush()
    (start,) = stream.of(AcquisitionStart)
    assert start.n_frames == 6
    assert start.acquisition.scan_shape == (2, 3)
    assert start.acquisition.acquisition_id == "merlin-1"
    assert start.acquisition.metadata.dwell_time_s == 2e-3


def test_a_new_header_begins_a_new_acquisition_and_lost_frames_are_gaps() -> None:
    first = units(MerlinWriter(12), counts(12, n=5))
    stream = Merlin().take(*first[:3], *first[4:], *first).flush()
    assert [m.acquisition.acquisition_id for m in stream.of(AcquisitionStart)] == ["merlin-1", "merlin-2"]
    told = [(k.acquisition_id, k.first_frame, k.n_frames) for k in stream.of(KeptFrames)]
    assert told == [("merlin-1", 0, 2), ("merlin-1", 3, 2), ("merlin-2", 0, 5)]


def test_counting_from_one_again_is_a_new_acquisition_although_its_header_is_lost() -> None:
    first = units(MerlinWriter(12), counts(12, n=3))
    stream = Merlin().take(*first, *first[1:]).flush()
    assert [k.acquisition_id for k in stream.of(KeptFrames)] == ["merlin-1", "merlin-2"]


def test_attaching_in_the_middle_takes_shape_and_type_from_the_frame() -> None:
    stream = Merlin().take(*units(MerlinWriter(6), counts(6, n=5))[3:]).flush()
    assert stream.acquisition.frame_shape == (256, 256)
    assert stream.of(KeptFrames)[0].first_frame == 2


HEAD = b"MQ1,000001,00384,01,0256,0256,U16,   1x1,01,2026-11-24,0.1,"


def frame_unit(head: bytes = HEAD, n_bytes: int = 131_072) -> bytes:
    return head.ljust(384, b"\0") + bytes(n_bytes)


BAD: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "begins with HDR, or MQ1"),
    "another unit": (b"TQ1,000001,", "begins with HDR, or MQ1"),
    "no sequence": (frame_unit(b"MQ1,abc,00384,"), "must be a number from 1"),
    "sequence 0": (frame_unit(b"MQ1,000000,00384,"), "must be a number from 1"),
    "a sequence without end": (b"MQ1," + b"9" * 5000, "beyond|must be|begins with"),
    "a short header": (b"MQ1,000001,00384", "begins with"),
    "a header of letters": (frame_unit(b"MQ1,000001,0x384,01,0256,0256,U16,   1x1,01,"), "begins with"),
    "no pixels": (HEAD.ljust(384, b"\0"), "0 bytes of pixels"),
    "half of the pixels": (frame_unit(n_bytes=65_536), "65536 bytes of pixels"),
    "more pixels": (frame_unit(n_bytes=131_073), "131073 bytes"),
    "an unknown type": (frame_unit(HEAD.replace(b"U16", b"F32")), "type 'F32'"),
    "no rows": (frame_unit(HEAD.replace(b"0256,0256", b"0256,0000")), "0 x 256 pixels"),
    "9999 columns": (frame_unit(HEAD.replace(b"0256,0256", b"99999,9999")), "must be within"),
    "an offset beyond the unit": (frame_unit(HEAD.replace(b"00384", b"99999999")), "bytes of pixels"),
    "raw counters of 3 bits": (frame_unit(HEAD.replace(b"U16", b"R64"), 24_576), "raw counters"),
    "raw counters, but none": (frame_unit(HEAD.replace(b"U16", b"R64"), 0), "raw counters"),
    "a raw quad of one chip": (
        frame_unit(HEAD.replace(b"U16", b"R64").replace(b"1x1", b"2x2")),
        "four raw chips have 262144 pixels",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_a_unit_that_is_none_is_refused_with_its_reason(name: str) -> None:
    unit, text = BAD[name]
    with pytest.raises(MalformedMessageError, match=text):
        Merlin().take(unit)


def test_a_damaged_first_frame_of_the_next_acquisition_costs_none_that_are_held() -> None:
    good = units(MerlinWriter(12), counts(12, n=3))
    stream = Merlin().take(*good)
    with pytest.raises(MalformedMessageError, match="bytes of pixels"):
        stream.take(good[1][:-7])
    stream.take(*good[1:]).flush()
    told = [(k.acquisition_id, k.first_frame, k.n_frames) for k in stream.of(KeptFrames)]
    assert told == [("merlin-1", 0, 3), ("merlin-2", 0, 3)]


def test_the_start_of_each_frame_is_told_where_its_header_says_one() -> None:
    texts = [b"2026-11-24 10:00:00.250000", b"2026-11-24 10:00:01.000000", b"yesterday", b"", b"9999999"]
    heads = [b"MQ1,%06d,00384,01,0256,0256,U16,   1x1,01,%b,0.1," % (k + 1, t) for k, t in enumerate(texts)]
    told = Merlin().take(*map(frame_unit, heads)).flush().times()
    assert told[1] - told[0] == 0.75
    assert np.isnan(told[2:]).all()


def test_a_damaged_frame_is_lost_alone() -> None:
    good = units(MerlinWriter(12), counts(12, n=3))
    stream = Merlin().take(good[0], good[1], good[2][:-7], good[3]).flush()
    read, problems = stream.frames()
    assert sorted(read) == [0, 2]
    assert "131065 bytes of pixels" in problems[1]


@pytest.mark.parametrize(
    "text",
    [
        b"HDR,",
        b"HDR,\t\nFrames in Acquisition (Number):\t-5\nScanX:\t1e9\nScanY:\tmany\nEnd\t",
        b"HDR,\t\nScanX:\t99999999\nScanY:\t99999999\n",
        b"HDR," + bytes(range(256)) * 100,
        b"HDR,\t\nFrames in Acquisition (Number):\t" + b"9" * 5000,
    ],
    ids=["empty", "nonsense", "a scan of 10^16 positions", "bytes", "a long number"],
)
def test_a_header_that_makes_no_sense_is_left_to_the_frames(text: bytes) -> None:
    frames = units(MerlinWriter(12), counts(12, n=2))[1:]
    stream = Merlin().take(text, *frames).flush()
    assert stream.of(AcquisitionStart)[0].n_frames is None
    assert stream.acquisition.scan_shape is None
    assert sorted(stream.frames()[0]) == [0, 1]
