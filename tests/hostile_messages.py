"""One corpus of bad messages, used at every level: codec, detector decoder, intake, worker, requests, processes.

Each entry says which level refuses it: the codec when it is decoded; intake, once the acquisition `START` is
under way; or the worker, which finds damaged payloads, counts their frames and goes on.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import Any, Literal

import msgpack
import numpy as np

from livebragg.errors import (
    ChecksumError,
    LiveBraggError,
    MalformedMessageError,
    SequenceError,
    VersionError,
)
from livebragg.model import Acquisition
from livebragg.wire.messages import AcquisitionStart, Encoding
from livebragg.wire.packing import pack

Parts = list[bytes]

ACQUISITION = Acquisition(acquisition_id="scan-1", scan_shape=(3, 4), frame_shape=(8, 10), dtype="uint16")
START = AcquisitionStart(acquisition=ACQUISITION, n_frames=12)
FRAMES = np.random.default_rng(7).poisson(3, (2, 8, 10)).astype(np.uint16)
RAW = FRAMES.tobytes()
PACKED = bytes(pack(FRAMES, Encoding.BSLZ4))


@dataclass(frozen=True, slots=True)
class Hostile:
    """A bad message, who refuses it, and how."""

    name: str
    parts: Parts
    error: type[LiveBraggError]
    text: str
    level: Literal["codec", "intake", "worker"] = "codec"


def header(kind: object, **fields: Any) -> bytes:
    """Header of a message that need not make sense."""
    return bytes(msgpack.packb({"protocol": "livebragg", "version": 1, "type": kind, **fields}))


_PLAIN = {"acquisition_id": "scan-1", "scan_shape": [3, 4], "frame_shape": [8, 10], "dtype": "uint16"}


def start(**changes: Any) -> Parts:
    """An acquisition start with some fields of the acquisition changed."""
    return [header("acquisition_start", acquisition={**_PLAIN, **changes})]


def start_header(**fields: Any) -> Parts:
    """An acquisition start with some fields beside the acquisition."""
    return [header("acquisition_start", acquisition=_PLAIN, **fields)]


def batch(payload: bytes | None = RAW, **changes: Any) -> Parts:
    """A frame batch with some fields changed."""
    fields = {"acquisition_id": "scan-1", "first_frame": 0, "n_frames": 2, **changes}
    return [header("frame_batch", **fields), *([] if payload is None else [payload])]


def batch_where(payload: object) -> Parts:
    """A batch whose header says where its payload is."""
    return [header("frame_batch", acquisition_id="scan-1", first_frame=0, n_frames=2, payload=payload), RAW]


def bslz4(payload: bytes, **changes: Any) -> Parts:
    """A compressed batch."""
    return batch(payload, encoding="bslz4", **changes)


def end(**changes: Any) -> Parts:
    """An acquisition end with some fields changed."""
    return [header("acquisition_end", **{"acquisition_id": "scan-1", "frames_sent": 12, **changes})]


def frame_reply(shape: list[int], part: bytes = b"", dtype: str = "float32", index: int = 0) -> Parts:
    """A message with arrays of a shape the sender claims."""
    array = {"part": index, "dtype": dtype, "shape": shape}
    arrays = dict.fromkeys(("frame", "qx", "qy", "intensity", "origin"), array)
    return [header("frame_reply", serial=1, scan_index=0, label=0, **arrays), part]


def nested(depth: int) -> bytes:
    """A header whose type is a list in a list in a list ..."""
    known = msgpack.packb("protocol") + msgpack.packb("livebragg") + msgpack.packb("version") + b"\x01"
    return bytes(b"\x83" + known + msgpack.packb("type") + b"\x91" * depth + b"\xc0")


_M, _V, _S, _C = MalformedMessageError, VersionError, SequenceError, ChecksumError

_NOT_OURS = [
    Hostile("no parts at all", [], _M, "not 0"),
    Hostile("an empty header", [b""], _M, "not msgpack"),
    Hostile("text instead of msgpack", [b'{"htype":"dheader-1.0"}'], _M, "not msgpack"),
    Hostile("a reserved msgpack byte", [b"\xc1"], _M, "not msgpack"),
    Hostile("a map that says it has 4 billion items", [b"\xdf\xff\xff\xff\xff"], _M, "not msgpack"),
    Hostile("a list that says it has 4 billion items", [b"\xdd\xff\xff\xff\xff"], _M, "not msgpack"),
    Hostile("a string that says it has 4 GB", [b"\x81\xdb\xff\xff\xff\xff"], _M, "not msgpack"),
    Hostile("a truncated header", [batch()[0][:-3], RAW], _M, "not msgpack"),
    Hostile("bytes after the header", [header("heartbeat") + b"\x00"], _M, "not msgpack"),
    Hostile("a string that is not UTF-8", [b"\x81\xa1\xff\x01"], _M, "not msgpack"),
    Hostile("an impossible time stamp", [b"\x81\xa1a\xd7\xff" + b"\xff" * 8], _M, "not msgpack"),
    Hostile("a list as a key", [b"\x81\x91\x01\x01"], _M, "not msgpack"),
    Hostile("a list instead of a map", [msgpack.packb([1, 2])], _M, "must be a msgpack map, not list"),
    Hostile("a header of more than a mebibyte", [header("heartbeat", note="x" * (1 << 20))], _M, "1048576"),
    Hostile("nesting beyond msgpack", [nested(100_000)], _M, "not msgpack"),
    Hostile("nesting beyond Python's stack", [nested(1000)], _M, "unknown message type [[[["),
    Hostile("no protocol", [msgpack.packb({"a": 1})], _V, "protocol None"),
    Hostile("another protocol", [msgpack.packb({"protocol": "jungfrau", "version": 1})], _V, "'jungfrau'"),
    Hostile("a protocol of 100 kB", [msgpack.packb({"protocol": "x" * 100_000})], _V, "..."),
    Hostile("no version", [msgpack.packb({"protocol": "livebragg"})], _V, "version None"),
    Hostile("a later version", [msgpack.packb({"protocol": "livebragg", "version": 2})], _V, "version 2 is not"),
    Hostile("a version in words", [msgpack.packb({"protocol": "livebragg", "version": "1"})], _V, "same release"),
    Hostile("no type", [msgpack.packb({"protocol": "livebragg", "version": 1})], _M, "unknown message type None"),
    Hostile("an unknown type", [header("frame_batches")], _M, "'frame_batches'"),
    Hostile("a type that is a list", [header(["frame_batch"])], _M, "unknown message type"),
    Hostile("a class name as type", [header("FrameBatch")], _M, "unknown message type"),
    Hostile("a nested class as type", [header("piece")], _M, "unknown message type"),
    Hostile("too many parts", [*batch(), *[b"x"] * 64], _M, "1 to 65 parts, not 66"),
]

_STARTS = [
    Hostile("a start without acquisition", [header("acquisition_start")], _M, "lacks the field 'acquisition'"),
    Hostile("an acquisition that is a number", [header("acquisition_start", acquisition=3)], _M, "must be a map"),
    Hostile("an empty id", start(acquisition_id=""), _M, "1 to 200 printable"),
    Hostile("a long id", start(acquisition_id="a" * 201), _M, "1 to 200 printable"),
    Hostile("an id with an escape sequence", start(acquisition_id="a\x1b[2J"), _M, r"\x1b"),
    Hostile("an id with a zero byte", start(acquisition_id="a\0b"), _M, r"\x00"),
    Hostile("an id with a line break", start(acquisition_id="a\nb"), _M, r"\n"),
    Hostile("an id that turns writing round", start(acquisition_id="a\u202eb"), _M, r"\u202e"),
    Hostile("an id that is a number", start(acquisition_id=7), _M, ".acquisition_id' must be a string"),
    Hostile("a frame without rows", start(frame_shape=[0, 10]), _M, "within 1 and 16384 pixels, not (0, 10)"),
    Hostile("a frame with -1 columns", start(frame_shape=[8, -1]), _M, "not (8, -1)"),
    Hostile("a frame larger than any detector", start(frame_shape=[16385, 1]), _M, "16384"),
    Hostile("a frame of three dimensions", start(frame_shape=[8, 10, 2]), _M, "a list of 2 items"),
    Hostile("a frame shape with a fraction", start(frame_shape=[8.5, 10]), _M, "'acquisition.frame_shape[0]'"),
    Hostile("a frame shape with true", start(frame_shape=[True, 10]), _M, "must be an integer, not True"),
    Hostile("an unknown dtype", start(dtype="complex64"), _M, "dtype 'complex64' is not supported; send one of"),
    Hostile("an object dtype", start(dtype="O"), _M, "uint8, uint16"),
    Hostile("a dtype that is a number", start(dtype=2), _M, "must be a string"),
    Hostile("a scan without positions", start(scan_shape=[0, 4]), _M, "not (0, 4)"),
    Hostile("a scan with negative rows", start(scan_shape=[-3, -4]), _M, "at least 1"),
    Hostile("a scan of 2^80 positions", start(scan_shape=[1 << 40, 1 << 40]), _M, "positions"),
    Hostile("no frame per position", start(frames_per_position=0), _M, "frames_per_position must be 1 to"),
    Hostile("negative fly-back", start(flyback_frames=-1), _M, "flyback_frames 0 to"),
    Hostile("an unknown scan order", start(scan_order="spiral"), _M, "one of raster, snake, not 'spiral'"),
    Hostile("a scan order that is a list", start(scan_order=["snake"]), _M, "one of raster, snake"),
    Hostile("a beam energy in words", start(metadata={"beam_energy_kev": "200 kV"}), _M, "must be a number"),
    Hostile("a beam energy that is NaN", start(metadata={"beam_energy_kev": float("nan")}), _M, "finite number"),
    Hostile("an infinite dwell time", start(metadata={"dwell_time_s": float("inf")}), _M, "dwell_time_s must be"),
    Hostile("a sample with a zero byte", start(metadata={"sample_name": "a\0b"}), _M, "sample_name must be"),
    Hostile("an operator of 2000 characters", start(metadata={"operator": "x" * 2000}), _M, "at most 1000"),
    Hostile("no frames expected", start_header(n_frames=0), _M, "n_frames must be between 1 and"),
    Hostile("a negative number of frames", start_header(n_frames=-1), _M, "not -1"),
    Hostile("a number of frames with a fraction", start_header(n_frames=1.5), _M, "'n_frames' must be an integer"),
    Hostile("a start at no time", start_header(sent_at=float("nan")), _M, "sent_at must be finite"),
]

_STARTS += [
    Hostile("a channel of 300 characters", start(channel="x" * 300), _M, "channel must be at most 200"),
    Hostile("a channel with an escape sequence", start(channel="\x1b[2J"), _M, "printable"),
    Hostile("a highest count below 0", start(highest_count=-1), _M, "highest_count must be above 0"),
    Hostile("a highest count of 2^64", start(highest_count=1 << 63), _M, "fit 63 bits"),
    Hostile("a mask that is text", start(bad_pixels="none"), _M, "'acquisition.bad_pixels' must be binary"),
    Hostile("a mask of half a mebibyte", start(bad_pixels=b"x" * (1 << 19)), _M, "at most 262144"),
]

_BATCHES = [
    Hostile("a batch without id", [header("frame_batch", n_frames=2), RAW], _M, "'acquisition_id'"),
    Hostile("a batch of just an id", [header("frame_batch", acquisition_id="a"), RAW], _M, "'first_frame'"),
    Hostile("a batch without payload", batch(None), _M, "below the 0 raw parts"),
    Hostile("a payload in a part that is not there", batch_where({"part": 1}), _M, "'payload' must be"),
    Hostile("a payload in part -1", batch_where({"part": -1}), _M, "'part': -1"),
    Hostile("a payload in part 'a'", batch_where({"part": "a"}), _M, "'part': 'a'"),
    Hostile("a payload in part true", batch_where({"part": True}), _M, "'part': True"),
    Hostile("a payload within the header", batch_where(RAW), _M, "1 raw parts"),
    Hostile("a negative first frame", batch(first_frame=-1), _M, "first_frame must be between 0"),
    Hostile("a first frame of 2^63", batch(first_frame=1 << 63), _M, "9223372036854775808"),
    Hostile("a first frame with a fraction", batch(first_frame=0.0), _M, "must be an integer, not 0.0"),
    Hostile("a batch of no frames", batch(n_frames=0), _M, "a batch holds 1 to 65536 frames, not 0"),
    Hostile("a batch of -2 frames", batch(n_frames=-2), _M, "not -2"),
    Hostile("a batch of 2^40 frames", batch(n_frames=1 << 40), _M, "send smaller batches"),
    Hostile("an unknown encoding", batch(encoding="zstd"), _M, "one of raw, bslz4, not 'zstd'"),
    Hostile("an unknown checksum kind", batch(checksum_kind="md5"), _M, "one of none, xxh3_64, crc32"),
    Hostile("a negative checksum", batch(checksum=-1), _M, "64 bits"),
    Hostile("a checksum in words", batch(checksum="0xabc"), _M, "'checksum' must be an integer"),
    Hostile("a batch sent at no time", batch(sent_at=float("nan")), _M, "sent_at must be finite"),
    Hostile("a batch sent at infinity", batch(sent_at=float("-inf")), _M, "not -inf"),
    Hostile("a heartbeat at no time", [header("heartbeat", sent_at=float("nan"))], _M, "sent_at must be finite"),
    Hostile("an end without count", [header("acquisition_end", acquisition_id="scan-1")], _M, "'frames_sent'"),
    Hostile("an end after -1 frames", end(frames_sent=-1), _M, "frames_sent must be between 0"),
    Hostile("an end for no known reason", end(reason="tired"), _M, "finished, stopped, aborted"),
]

_ARRAYS = [
    Hostile("an array of another size than its part", frame_reply([3], b"1234"), _M, "needs 12 bytes"),
    Hostile("an array with a negative side", frame_reply([-1, -1], b"1234"), _M, "'frame.shape'"),
    Hostile("an array of five dimensions", frame_reply([1] * 5, b"1234"), _M, "at most 4 sizes"),
    Hostile("an array of 2^96 elements", frame_reply([(1 << 32) - 1] * 3, b"1234"), _M, "its part has 4"),
    Hostile("an empty array no address space can hold", frame_reply([1 << 31, 1 << 31, 0, 1 << 31]), _M, "shape"),
    Hostile("an array of another dtype", frame_reply([1], b"1234", "int32"), _M, "'frame.dtype' must be float32"),
    Hostile("an array of objects", frame_reply([1], b"12345678", "O"), _M, "'frame.dtype'"),
    Hostile("an array in a part that is not there", frame_reply([1], b"1234", index=1), _M, "1 raw parts"),
    Hostile("a request that lacks its position", [header("frame_request", serial=0)], _M, "'scan_index'"),
]


_BOMB = zlib.compress(bytes(1 << 26), 9)


def _crc(payload: bytes, wrong: int = 0) -> dict[str, Any]:
    return {"checksum_kind": "crc32", "checksum": zlib.crc32(payload) ^ wrong}


def _lies(uncompressed: int, block: int = 8192) -> bytes:
    """A compressed payload whose header claims other sizes."""
    return struct.pack(">QI", uncompressed, block) + PACKED[12:]


_AT_INTAKE = [
    Hostile("a mask that is not compressed", start(bad_pixels=b"abc"), _M, "bad_pixels must be packed bits"),
    Hostile("a mask of another detector", start(bad_pixels=zlib.compress(bytes(99))), _M, "has 10"),
    Hostile("a mask that unpacks to a gibibyte", start(bad_pixels=_BOMB), _M, "holds 11 bytes or more"),
    Hostile("frames of another acquisition", batch(acquisition_id="scan-2"), _S, "came without its start"),
    Hostile("frames of an id with an escape sequence", batch(acquisition_id="\x1b[2J"), _S, r"'\x1b[2J'"),
    Hostile("the end of another acquisition", end(acquisition_id="scan-2"), _S, "an end of acquisition 'scan-2'"),
    Hostile("frames beyond the scan", batch(first_frame=12), _S, "beyond the end of the scan of 12 frames"),
    Hostile("frames far beyond the scan", batch(first_frame=1 << 40), _S, "beyond the end of the scan"),
    Hostile("a payload without a byte", batch(b""), _M, "truncated: 0 bytes, but 2 frames of 8x10 uint16 are 320"),
    Hostile("a truncated payload", batch(RAW[:-1]), _M, "truncated: 319 bytes"),
    Hostile("a payload that is too long", batch(RAW + b"\0"), _M, "too long: 321 bytes"),
    Hostile("one part for each frame", [*batch(RAW[:160]), RAW[160:]], _M, "truncated: 160 bytes"),
    Hostile("65536 frames in 320 bytes", batch(n_frames=65536), _M, "truncated"),
    Hostile("more compressed than plain bytes", bslz4(PACKED + bytes(5000)), _M, "cannot hold 2 frames of 320"),
]

_AT_THE_WORKER = [
    Hostile("a wrong crc32", batch(**_crc(RAW, 1)), _C, "crc32 of the payload is", "worker"),
    Hostile("a wrong xxh3_64", batch(checksum_kind="xxh3_64", checksum=5), _C, "the sender said 0x5", "worker"),
    Hostile("compressed: no byte", bslz4(b""), _M, "truncated: 0 bytes", "worker"),
    Hostile("compressed: half a header", bslz4(PACKED[:7]), _M, "truncated: 7 bytes", "worker"),
    Hostile("compressed: header only", bslz4(PACKED[:12]), _M, "truncated", "worker"),
    Hostile("compressed: cut in the middle", bslz4(PACKED[:60]), _M, "are left", "worker"),
    Hostile("compressed: bytes at the end", bslz4(PACKED + b"\0\0"), _M, "ends with 2 bytes", "worker"),
    Hostile("compressed: garbage", bslz4(bytes(range(200))), _M, "says it holds", "worker"),
    Hostile("compressed: another size", bslz4(_lies(319)), _M, "holds 319 bytes, its frames need 320", "worker"),
    Hostile("compressed: 2^63 bytes", bslz4(_lies(1 << 63)), _M, "9223372036854775808", "worker"),
    Hostile("compressed: odd blocks", bslz4(_lies(320, 100)), _M, "block size 100", "worker"),
    Hostile("compressed: blocks of 4 GB", bslz4(_lies(320, (1 << 32) - 16)), _M, "at most 16 MiB", "worker"),
    Hostile("compressed: smaller blocks", bslz4(_lies(320, 64)), _M, "bslz4 payload", "worker"),
    Hostile("compressed: LZ4 garbage", bslz4(PACKED[:16] + b"\xff" * (len(PACKED) - 16)), _M, "LZ4", "worker"),
    Hostile("compressed, but raw", bslz4(RAW), _M, "says it holds", "worker"),
]

HOSTILE = [*_NOT_OURS, *_STARTS, *_BATCHES, *_ARRAYS]
"""Refused when it is decoded."""

REFUSED_BY_INTAKE = [Hostile(h.name, h.parts, h.error, h.text, "intake") for h in _AT_INTAKE]
"""Well-formed, and refused while `START` is under way."""

REFUSED_BY_WORKER = _AT_THE_WORKER
"""Stored by intake, and found to be damaged by the worker."""

EVERYTHING = [*HOSTILE, *REFUSED_BY_INTAKE, *REFUSED_BY_WORKER]
