"""DECTRIS STREAM V1: JSON multipart messages, as several senders make them."""

from __future__ import annotations

import json
from typing import Any

import imagecodecs
import numpy as np
import pytest
from numpy.typing import NDArray

import dectris_messages as made
from dectris_stream import Stream
from livebragg.detectors import KeptFrames
from livebragg.errors import MalformedMessageError, SequenceError
from livebragg.model import unpack_mask
from livebragg.wire.messages import AcquisitionEnd, AcquisitionStart, EndReason

ROWS, COLS = 24, 31
FRAME = made.frames(1)[0]


def part(**fields: Any) -> bytes:
    return json.dumps(fields).encode()


def config(n: int = 6, **changes: Any) -> bytes:
    facts = {
        "x_pixels_in_detector": COLS,
        "y_pixels_in_detector": ROWS,
        "bit_depth_image": 16,
        "nimages": 1,
        "ntrigger": n,
        "trigger_mode": "exte",
        "photon_energy": 200_000,
        "frame_time": 1e-3,
        "countrate_correction_count_cutoff": 60_000,
    }
    return part(**facts | changes)


def header(detail: str = "basic", series: int = 7) -> bytes:
    return part(htype="dheader-1.0", series=series, header_detail=detail)


def image(
    number: int, frame: NDArray[Any] = FRAME, encoding: str = "bs16-lz4<", series: int = 7, **changes: Any
) -> list[bytes]:
    raw = np.ascontiguousarray(frame).tobytes()
    blob = raw if len(encoding) == 1 else b""
    if encoding.startswith("lz4"):
        blob = bytes(imagecodecs.lz4_encode(raw, header=False))
    elif encoding.startswith("bs"):
        blob = made.bslz4(frame)
    blob = changes.pop("blob", blob)
    about = {
        "htype": "dimage_d-1.0",
        "shape": [frame.shape[1], frame.shape[0]],
        "type": frame.dtype.newbyteorder("=").name,
        "encoding": encoding,
        "size": len(blob),
    }
    times = part(htype="dconfig-1.0", start_time=0, stop_time=1, real_time=1)
    first = part(htype="dimage-1.0", series=series, frame=number, hash="0" * 32)
    return [first, part(**about | changes), blob, times]


def end(series: int = 7) -> list[bytes]:
    return [part(htype="dseries_end-1.0", series=series)]


@pytest.mark.parametrize(
    ("dtype", "encoding"),
    [
        ("uint8", "bs8-lz4<"),
        ("uint16", "bs16-lz4<"),
        ("uint32", "bs32-lz4<"),
        ("uint16", "lz4<"),
        ("uint8", "<"),
        ("uint16", "<"),
        (">u2", ">"),
        (">u4", "lz4>"),
    ],
)
def test_every_encoding_is_read_bit_by_bit(dtype: str, encoding: str) -> None:
    frames = made.frames(4, dtype=dtype)
    stream = Stream().take(*(image(k, f, encoding) for k, f in enumerate(frames))).flush()
    read, problems = stream.frames()
    assert not problems
    for number, frame in enumerate(frames):
        assert np.array_equal(read[number], frame)


@pytest.mark.parametrize("split", [False, True], ids=["one message", "two messages"])
def test_a_header_becomes_an_acquisition(split: bool) -> None:
    messages = [[header()], [config()]] if split else [[header(), config()]]
    stream = Stream().take(*messages, *(image(k) for k in range(6)), end())
    start, kept, last = stream.out
    assert start.n_frames == 6
    assert stream.acquisition.frame_shape == (ROWS, COLS)
    assert stream.acquisition.dtype == "uint16"
    assert stream.acquisition.highest_count == 60_000
    assert stream.acquisition.metadata.beam_energy_kev == 200.0
    assert (kept.first_frame, kept.n_frames) == (0, 6)
    assert (last.frames_sent, last.reason) == (6, EndReason.FINISHED)


@pytest.mark.parametrize(
    ("mode", "n_images"), [("exte", 5), ("inte", 5), ("exts", 15), ("ints", 15), (None, 15)], ids=str
)
def test_the_number_of_images_depends_on_the_trigger(mode: str | None, n_images: int) -> None:
    stream = Stream().take([header(), config(5, nimages=3, trigger_mode=mode)])
    assert stream.of(AcquisitionStart)[0].n_frames == n_images


def test_a_header_of_all_details_brings_the_mask_and_an_appendix_the_scan() -> None:
    mask = np.zeros((ROWS, COLS), np.uint32)
    mask[3, 4] = 2
    tables = [
        part(htype="dflatfield-1.0", shape=[COLS, ROWS], type="float32"),
        np.ones((ROWS, COLS), np.float32).tobytes(),
        part(htype="dpixelmask-1.0", shape=[COLS, ROWS], type="uint32"),
        mask.tobytes(),
        part(htype="dcountrate_table-1.0", shape=[2, 5], type="float32"),
        np.ones(10, np.float32).tobytes(),
    ]
    stream = Stream().take([header("all"), config(), *tables, b'{"scan_shape": [2, 3], "flyback": 1}'])
    acquisition = stream.acquisition
    assert np.argwhere(unpack_mask(acquisition.bad_pixels, (ROWS, COLS))).tolist() == [[3, 4]]
    assert acquisition.scan_shape == (2, 3)
    assert acquisition.flyback_frames == 1


@pytest.mark.parametrize("detail", ["none", "basic"])
def test_a_header_that_says_nothing_waits_for_the_first_image(detail: str) -> None:
    stream = Stream().take([header(detail)])
    assert stream.out == []
    stream.take([*image(0), b"appendix"]).flush()
    assert stream.acquisition.frame_shape == (ROWS, COLS)


def test_a_payload_with_a_zeroed_header_is_read() -> None:
    blob = bytes(12) + made.bslz4(FRAME)[12:]
    read, problems = Stream().take(image(0, blob=blob)).flush().frames()
    assert not problems
    assert np.array_equal(read[0], FRAME)


@pytest.mark.parametrize(
    ("about", "mask", "text"),
    [
        ({"shape": [3, 3]}, b"1234", "(3, 3) pixels has 4 bytes"),
        (
            {"shape": [ROWS, COLS]},
            bytes(4 * ROWS * COLS),
            f"({COLS}, {ROWS}) pixels, the frames have ({ROWS}, {COLS})",
        ),
        ({"shape": "large"}, b"", "must be [columns, rows]"),
    ],
    ids=["too short", "transposed", "no shape"],
)
def test_a_mask_that_does_not_fit_is_said_and_the_frames_are_used_without_it(
    about: dict[str, Any], mask: bytes, text: str
) -> None:
    table = [part(htype="dpixelmask-1.0", type="uint32", **about), mask]
    stream = Stream().take([header("all"), config(), *table], image(0)).flush()
    assert sorted(stream.frames()[0]) == [0]
    assert stream.acquisition.bad_pixels == b""
    assert stream.acquisition.metadata.dwell_time_s == 1e-3
    (notice,) = stream.notices
    assert text in notice


def test_the_start_of_each_image_is_told_where_it_says_one() -> None:
    messages = [image(0), image(1)[:3], [*image(2)[:3], b"no JSON"], image(3)]
    messages[3][3] = part(htype="dconfig-1.0", start_time=2_500_000_000)
    stream = Stream().take([header(), config()], *messages).flush()
    told = stream.times()
    assert np.array_equal(told, [np.nan, np.nan, np.nan, 2.5], equal_nan=True)
    assert sorted(stream.frames()[0]) == [0, 1, 2, 3]


def test_both_protocols_may_come_on_one_socket() -> None:
    stream = Stream().take([header(), config(1)], image(0), end())
    stream.take(made.start(ROWS, COLS, 1, series=8), made.image(0, FRAME, 8), made.end(8))
    assert [k.encoding for k in stream.of(KeptFrames)] == ["dectris-v1", "dectris-v2"]
    assert len(stream.of(AcquisitionEnd)) == 2


def test_stale_images_are_refused() -> None:
    stream = Stream().take([header(), config()], image(0))
    with pytest.raises(SequenceError, match="belongs to series 6"):
        stream.take(image(1, series=6))


NO_MESSAGE: dict[str, tuple[list[bytes], str]] = {
    "cut JSON": ([b'{"htype":"dim'], "not JSON"),
    "JSON nested beyond reason": ([b'{"a":' + b"[" * 100_000], "not JSON"),
    "a mebibyte of JSON": ([b'{"a":"' + b"x" * (1 << 20) + b'"}'], "1048576"),
    "no htype": ([part(series=1)], "not None"),
    "an htype that is a number": ([part(series=1, htype=3)], "not 3"),
    "another htype": ([part(series=1, htype="dimages-1.0")], "not 'dimages-1.0'"),
    "no series": ([part(htype="dimage-1.0", frame=1)], "series must be a whole number"),
    "a series of 2^63": ([part(htype="dseries_end-1.0", series=1 << 63)], "series must be"),
    "an image of one part": (image(0)[:1], "four parts, not 1"),
    "a negative frame": (image(-1), "frame must be"),
    "a frame that is true": (image(True), "frame must be"),
    "a shape of one side": (image(0, shape=[4]), "must be \\[columns, rows\\]"),
    "a shape of text": (image(0, shape="31x24"), "must be"),
    "a shape of 2^80": (image(0, shape=[1 << 40, 1 << 40]), "16384"),
    "complex pixels": (image(0, type="complex64"), "pixels of type 'complex64'"),
    "an unknown encoding": (image(0, encoding="bs16-zstd<"), "encoding 'bs16-zstd<'"),
    "an encoding without byte order": (image(0, encoding="lz4"), "encoding 'lz4'"),
    "a shuffle without compression": (image(0, encoding="bs16<"), "encoding 'bs16<'"),
    "a second part in no JSON": ([image(0)[0], b"{]", b"", b""], "not JSON"),
    "a second part that is a list": ([image(0)[0], b"[1]", b"", b""], "JSON object"),
}


@pytest.mark.parametrize("name", NO_MESSAGE)
def test_what_is_no_message_is_refused_with_its_reason(name: str) -> None:
    message, text = NO_MESSAGE[name]
    with pytest.raises(MalformedMessageError, match=text):
        Stream().take(message)


@pytest.mark.parametrize(
    ("bad", "text"),
    [
        (image(1, shape=[COLS, ROWS - 1]), "its series"),
        (image(1, made.frames(1, dtype="uint32")[0], "bs32-lz4<"), "its series"),
        (image(1, blob=b""), "truncated"),
        (image(1, blob=made.bslz4(FRAME)[:-5]), "bslz4"),
        (image(1, encoding="lz4<", blob=b"\xff" * 200), "lz4"),
        (image(1, encoding="<", blob=b"1234"), "4 bytes came where 1488 are due"),
    ],
    ids=["shape", "type", "no blob", "cut blob", "garbage", "raw and short"],
)
def test_an_image_with_bad_pixels_is_lost_alone_with_its_reason(bad: list[bytes], text: str) -> None:
    read, problems = Stream().take([header(), config()], image(0), bad, image(2)).flush().frames()
    assert sorted(read) == [0, 2]
    assert text in problems[1]


# ------------------------------------------------------------------------------- words that need no parsing
USUAL = b'{"htype":"dimage-1.0","series":7,"frame":%d,"hash":"00"}'


@pytest.mark.parametrize(
    "first",
    [
        b'{"htype":"dimage-1.0","series":7,"frame":1,"frame":4}',  # the last one counts
        b'{"htype":"dimage-1.0","series":7,"frame":1,"hash":"00","frame":4}',
        b'{"series":7,"frame":4,"htype":"dimage-1.0"}',
        b'{"htype":"dimage-1.0","series":7,"frame":4,"other":[1,{"frame":2}]}',
        b' {"htype": "dimage-1.0", "series": 7, "frame": 4}'.lstrip(),
    ],
)
def test_an_image_in_unusual_words_is_still_the_image_it_is(first: bytes) -> None:
    stream = Stream().take([header(), config()], image(0), [first, *image(4)[1:]]).flush()
    assert sorted(stream.frames()[0]) == [0, 4]


@pytest.mark.parametrize(
    "first", [b'{"htype":"dimage-1.0","series":7,"frame":01}', USUAL % 1 + b"x", USUAL[:-1] % 1, b'{"frame":1}']
)
def test_what_only_looks_like_an_image_is_refused(first: bytes) -> None:
    stream = Stream().take([header(), config()], image(0))
    with pytest.raises(MalformedMessageError):
        stream.take([first, *image(1)[1:]])
    assert sorted(stream.flush().frames()[0]) == [0]


def test_most_images_are_not_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Stream().take([header(), config(300)], image(0))
    monkeypatch.setattr(json, "loads", None)
    stream.take(*([USUAL % k, *image(k)[1:]] for k in range(1, 300)))
    monkeypatch.undo()
    assert sorted(stream.flush().frames()[0]) == list(range(300))


def test_images_of_another_series_in_the_same_words_are_not_mixed_in() -> None:
    stream = Stream().take([header(), config()], image(0), image(1))
    with pytest.raises(SequenceError, match="series 6"):
        stream.take(image(2, series=6))
    with pytest.raises(SequenceError, match="series 8"):
        stream.take(image(2, series=8))
    assert sorted(stream.take(end()).frames()[0]) == [0, 1]
    with pytest.raises(SequenceError, match="after its end"):
        stream.take(image(2))
