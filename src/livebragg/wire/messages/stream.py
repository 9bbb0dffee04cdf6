"""The native detector stream: protocol ``livebragg``, version 1.

Transport
    ZeroMQ. The detector side **binds a PUSH socket**; livebragg connects a PULL socket. One message is one
    ZeroMQ multipart message: part 0 is the header, the parts after it are raw bytes.

Header
    A msgpack map with string keys, at most 1 MiB. Every header has::

        protocol   "livebragg"
        version    1
        type       one of the four below

    and the fields of the class with that type, by their names. A field with a default may be left out. A
    few bytes (``bad_pixels``) are msgpack binary. The payload travels as a raw part, and the header may leave it
    out or say ``{"part": k}`` (part k + 1 of the multipart message); without it, the raw parts are taken in
    order. Keys that a reader does not know are ignored, so optional fields can be added without a new version;
    anything else that changes meaning raises ``version``.

Order
    ``acquisition_start``, then any number of ``frame_batch``, then ``acquisition_end``; ``heartbeat`` at any
    time, at least once a second while nothing else is sent. Batches may come in any order and may overlap:
    a frame that was already received is counted as a duplicate and ignored. A frame that never comes is a
    hole in the maps, never a shift of the others.

Frames
    Numbered from 0 in the order of acquisition, fly-back frames included. Pixels are little endian, row by
    row. Pixel types: ``uint8 uint16 uint32 int8 int16 int32 float32 float64``.

Encodings
    ``raw``    the frames one after the other: ``n_frames * rows * cols * itemsize`` bytes.
    ``bslz4``  bitshuffle with LZ4, as one array of ``n_frames * rows * cols`` elements, in the container of
               the HDF5 bitshuffle filter (id 32008) and of DECTRIS: 8 bytes big-endian uncompressed size,
               4 bytes big-endian block size in bytes, then the blocks, each with its size in front (4 bytes,
               big endian).

Checksum
    Over the payload bytes as sent: ``xxh3_64`` (fast), ``crc32`` (zlib; in every standard library), or
    ``none``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from livebragg.errors import MalformedMessageError
from livebragg.model import Acquisition

MAX_FRAMES = 1 << 40
"""Largest frame number: 290 years at 120,000 frames/s."""

MAX_BATCH_FRAMES = 1 << 16

MAX_BATCH_BYTES = 1 << 30
"""Most bytes the frames of one batch may have, unpacked: a worker holds them in memory."""


def _check_time(sent_at: float | None) -> None:
    if sent_at is not None and not math.isfinite(sent_at):
        raise MalformedMessageError(f"sent_at must be finite seconds since 1970-01-01 UTC, not {sent_at}")


class Encoding(StrEnum):
    """How the frames of a batch are packed."""

    RAW = "raw"
    BSLZ4 = "bslz4"


class ChecksumKind(StrEnum):
    """What the checksum of a batch is."""

    NONE = "none"
    XXH3_64 = "xxh3_64"
    CRC32 = "crc32"


class EndReason(StrEnum):
    """Why an acquisition ended."""

    FINISHED = "finished"
    STOPPED = "stopped"
    ABORTED = "aborted"


@dataclass(frozen=True, slots=True, kw_only=True)
class AcquisitionStart:
    """A scan begins (type ``acquisition_start``)."""

    acquisition: Acquisition
    """Name, shapes, pixel type, scan order, and optional metadata with units; a nested map."""
    n_frames: int | None = None
    """Frames the sender means to send, fly-back included; ``None`` when it does not know."""
    sent_at: float | None = None
    """Sender's clock, seconds since 1970-01-01 UTC."""

    def __post_init__(self) -> None:
        if self.n_frames is not None and not 0 < self.n_frames <= MAX_FRAMES:
            raise MalformedMessageError(f"n_frames must be between 1 and {MAX_FRAMES}, not {self.n_frames}")
        _check_time(self.sent_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameBatch:
    """Consecutive frames (type ``frame_batch``)."""

    acquisition_id: str
    """Which acquisition the frames belong to."""
    first_frame: int
    """Number of the first frame, from 0."""
    n_frames: int
    """Number of frames in the payload."""
    encoding: Encoding = Encoding.RAW
    """How the payload is packed."""
    checksum_kind: ChecksumKind = ChecksumKind.NONE
    """What `checksum` is."""
    checksum: int = 0
    """Checksum of the payload bytes."""
    sent_at: float | None = None
    """Sender's clock when the last frame of the batch was read out, seconds since 1970-01-01 UTC."""
    payload: bytes | memoryview
    """The frames; a raw part."""

    def __post_init__(self) -> None:
        if not 0 <= self.first_frame <= MAX_FRAMES:
            raise MalformedMessageError(f"first_frame must be between 0 and {MAX_FRAMES}, not {self.first_frame}")
        if not 1 <= self.n_frames <= MAX_BATCH_FRAMES:
            raise MalformedMessageError(
                f"a batch holds 1 to {MAX_BATCH_FRAMES} frames, not {self.n_frames}; send smaller batches"
            )
        if not 0 <= self.checksum < 1 << 64:
            raise MalformedMessageError(f"checksum must fit 64 bits without a sign, not {self.checksum}")
        _check_time(self.sent_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class AcquisitionEnd:
    """No more frames of this acquisition follow (type ``acquisition_end``)."""

    acquisition_id: str
    """Which acquisition ended."""
    frames_sent: int
    """Frames the sender sent, each counted once."""
    reason: EndReason = EndReason.FINISHED
    """Why."""

    def __post_init__(self) -> None:
        if not 0 <= self.frames_sent <= MAX_FRAMES:
            raise MalformedMessageError(f"frames_sent must be between 0 and {MAX_FRAMES}, not {self.frames_sent}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    """The sender is alive (type ``heartbeat``)."""

    acquisition_id: str | None = None
    """The acquisition under way, if any."""
    frames_sent: int = 0
    """Frames sent so far."""
    sent_at: float | None = None
    """Sender's clock, seconds since 1970-01-01 UTC."""

    def __post_init__(self) -> None:
        _check_time(self.sent_at)


StreamMessage = AcquisitionStart | FrameBatch | AcquisitionEnd | Heartbeat
