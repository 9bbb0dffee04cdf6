"""DECTRIS STREAM V2: nothing that is wrong is believed, and it costs nothing else."""

from __future__ import annotations

import contextlib
import re
import struct

import cbor2
import numpy as np
import pytest

import dectris_messages as made
from dectris_stream import Stream
from livebragg.errors import MalformedMessageError, WireError

FRAME = made.frames(1)[0]
GOOD = made.image(5, FRAME)


def _with(data: object) -> bytes:
    return made.image(0, FRAME, data={"threshold_1": data})


def _array(shape: object, tag: int, data: object) -> cbor2.CBORTag:
    return cbor2.CBORTag(40, [shape, cbor2.CBORTag(tag, data)])


NO_MESSAGE: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "not CBOR"),
    "JSON": (b'{"htype":"dheader-1.0"}', "series must be a whole number"),
    "a truncated image": (GOOD[:-40], "not CBOR"),
    "magic only": (made.MAGIC, "not CBOR"),
    "a list": (cbor2.dumps([1, 2]), "must be a map"),
    "a map without type": (cbor2.dumps({"series_id": 1}), "not None"),
    "another type": (made.message("image2"), "start, an image or an end, not 'image2'"),
    "a type that is a list": (made.message("start", type=["start"]), "a start, an image or an end"),
    "an image without number": (made.message("image"), "image_id must be a whole number"),
    "a negative number": (made.message("image", image_id=-1), "not -1"),
    "a number of 2^63": (made.message("image", image_id=1 << 63), "9223372036854775808"),
    "a number with a fraction": (made.message("image", image_id=1.5), "not 1.5"),
    "a number beyond all series": (made.image(1 << 62, FRAME), "beyond"),
    "a series that is text": (made.message("image", series="7", image_id=0), "series_id must be"),  # type: ignore[arg-type]
    "no data": (made.message("image", image_id=0), "map of channels as data, not None"),
    "empty data": (made.message("image", image_id=0, data={}), "map of channels"),
    "data that is a list": (made.message("image", image_id=0, data=[1]), "map of channels"),
    "an untagged array": (_with([1, 2, 3]), "array of tag 40"),
    "an array of three sides": (_with(_array([1, 2, 3], 69, b"ab")), "array of tag 40"),
    "complex pixels": (_with(_array([1, 1], 99, b"ab")), "CBOR tag 99"),
    "64-bit pixels": (_with(_array([1, 1], 71, bytes(8))), "CBOR tag 71"),
    "an image without pixels": (_with(_array([0, 31], 69, b"")), "within 1 and 16384"),
    "an image of 2^40 pixels": (_with(_array([1 << 20, 1 << 20], 69, b"")), "16384"),
    "an image with negative sides": (_with(_array([-5, -5], 69, b"")), "within 1"),
    "nested beyond reason": (b"\x81" * 100_000, "not CBOR"),
    "a string that says it has 2^63 bytes": (b"\x5b\x7f" + b"\xff" * 7, "not CBOR"),
    "an array that says it has 2^40 items": (b"\x9b\x00\x00\x01" + bytes(5), "not CBOR"),
    "a number of 65536 bytes": (b"\xc2\x5a\x00\x01\x00\x00" + b"\xff" * 65536, "not CBOR|must be a map"),
    "a regular expression": (b"\xd8\x23\x61\x28", "not CBOR"),
    "a list that holds itself": (b"\xd8\x1c\x81\xd8\x1d\x00", "must be a map"),
    "a start with an absurd shape": (made.start(1 << 30, 31, 5), "within 1 and 16384"),
}


@pytest.mark.parametrize("name", NO_MESSAGE)
def test_what_is_no_message_is_refused_with_its_reason(name: str) -> None:
    message, text = NO_MESSAGE[name]
    with pytest.raises(MalformedMessageError, match=text):
        Stream().take(message)


@pytest.mark.parametrize("name", NO_MESSAGE)
def test_a_bad_message_in_between_does_not_disturb_the_series(name: str) -> None:
    message, _ = NO_MESSAGE[name]
    frames = made.frames(2)
    stream = Stream().take(made.start(24, 31, 2), made.image(0, frames[0]))
    with contextlib.suppress(WireError):
        stream.take(message)
    stream.take(made.image(1, frames[1]), made.end())
    read, _ = stream.frames()
    assert np.array_equal(read[0], frames[0])
    assert np.array_equal(read[1], frames[1])


def test_a_message_of_two_parts_is_refused() -> None:
    with pytest.raises(MalformedMessageError, match="one part, not 2"):
        Stream().decoder.decode([GOOD, GOOD])


def _lying(uncompressed: int, block: int = 8192) -> cbor2.CBORTag:
    payload = struct.pack(">QI", uncompressed, block) + made.bslz4(FRAME)[12:]
    return _array([24, 31], 69, cbor2.CBORTag(56500, ["bslz4", 2, payload]))


def _packed(algorithm: object, element: object, payload: object) -> cbor2.CBORTag:
    return _array([24, 31], 69, cbor2.CBORTag(56500, [algorithm, element, payload]))


BAD_PIXELS: dict[str, tuple[object, str]] = {
    "another shape": (made.array(made.frames(1, 31, 24)[0]), "31, 24. pixels of uint16, its series"),
    "another type": (made.array(made.frames(1, dtype="uint32")[0]), "pixels of uint32, its series"),
    "a header that says more": (_lying(FRAME.nbytes + 2), "says it holds"),
    "a header that says 2^63": (_lying(1 << 63), "9223372036854775808"),
    "odd blocks": (_lying(FRAME.nbytes, 100), "block size 100"),
    "blocks of 4 GB": (_lying(FRAME.nbytes, (1 << 32) - 16), "at most 16 MiB"),
    "smaller blocks": (_lying(FRAME.nbytes, 64), "bslz4"),
    "no compressed byte": (_packed("bslz4", 2, b""), "truncated: 0 bytes"),
    "a cut payload": (_packed("bslz4", 2, made.bslz4(FRAME)[:-9]), "bslz4"),
    "garbage": (_packed("bslz4", 2, bytes(range(256)) * 3), "says it holds"),
    "elements of 3 bytes": (_packed("bslz4", 3, made.bslz4(FRAME)), "elements of 3 bytes"),
    "elements of another size": (_packed("bslz4", 8, made.bslz4(FRAME)), "bslz4"),
    "zstd": (_packed("zstd", 2, b"1234"), "compression 'zstd' is not known"),
    "a compression that is a number": (_packed(2, 2, b"1234"), "tag 56500 of three"),
    "a payload that is text": (_packed("bslz4", 2, "1234"), "tag 56500 of three"),
    "lz4 without header": (_packed("lz4", 0, b"12"), "says it holds -1"),
    "lz4 that says more": (_packed("lz4", 0, struct.pack(">QI", 99, 8192)), "says it holds 99"),
    "lz4 garbage": (_packed("lz4", 0, made.lz4_framed(FRAME)[:16] + b"\xff" * 300), "lz4"),
    "too few bytes": (_array([24, 31], 69, FRAME.tobytes()[:-1]), "1487 bytes came where 1488"),
    "a number instead of bytes": (_array([24, 31], 69, 7), "must be a byte string"),
}


@pytest.mark.parametrize("name", BAD_PIXELS)
def test_an_image_with_bad_pixels_is_lost_alone_with_its_reason(name: str) -> None:
    value, text = BAD_PIXELS[name]
    good = made.frames(3)
    bad = made.image(1, FRAME, data={"threshold_1": value})
    stream = Stream().take(made.start(24, 31, 3), made.image(0, good[0]), bad, made.image(2, good[2])).flush()
    read, problems = stream.frames()
    assert sorted(read) == [0, 2]
    assert np.array_equal(read[2], good[2])
    assert list(problems) == [1]
    assert re.search(text, problems[1])


@pytest.mark.parametrize("algorithm", ["lz4", "bslz4"])
def test_a_few_bytes_that_claim_a_large_frame_are_refused(algorithm: str) -> None:
    bomb = _array([4096, 4096], 69, cbor2.CBORTag(56500, [algorithm, 2, struct.pack(">QI", 1 << 25, 8192)]))
    _, problems = Stream().take(_with(bomb)).flush().frames()
    assert "cannot be in" in problems[0]


def test_an_image_cut_in_the_middle_is_found_by_the_worker() -> None:
    frames = made.frames(3)
    messages = [made.image(k, f) for k, f in enumerate(frames)]
    stream = Stream().take(made.start(24, 31, 3), messages[0], messages[1][:-100], messages[2]).flush()
    read, problems = stream.frames()
    assert sorted(read) == [0, 2]
    assert "not CBOR" in problems[1]


def test_a_channel_that_is_not_there_is_named_with_those_that_are() -> None:
    stream = Stream("threshold_3").take(made.start(24, 31, 1), made.image(0, FRAME)).flush()
    _, problems = stream.frames()
    assert "there is no channel 'threshold_3' in the image, only ['threshold_1']" in problems[0]
