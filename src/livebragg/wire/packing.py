"""Frames to payload bytes and back: raw, bitshuffle-LZ4, and checksums."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
import xxhash
from numpy.typing import NDArray

from livebragg.errors import ChecksumError, MalformedMessageError
from livebragg.wire import bitshuffle
from livebragg.wire.messages import ChecksumKind, Encoding


def checksum(payload: Any, kind: ChecksumKind) -> int:
    """Checksum of payload bytes; 0 for `ChecksumKind.NONE`."""
    if kind is ChecksumKind.XXH3_64:
        return xxhash.xxh3_64_intdigest(payload)
    if kind is ChecksumKind.CRC32:
        return zlib.crc32(payload)
    return 0


def verify_checksum(payload: Any, kind: ChecksumKind, expected: int) -> None:
    """Raise `ChecksumError` unless the payload has the checksum it was sent with."""
    found = checksum(payload, kind)
    if kind is not ChecksumKind.NONE and found != expected:
        raise ChecksumError(
            f"{kind} of the payload is {found:#x}, the sender said {expected:#x}: bytes were changed on the way"
        )


def pack(frames: NDArray[Any], encoding: Encoding) -> bytes | memoryview:
    """Payload of some frames.

    Parameters
    ----------
    frames : NDArray, shape (n_frames, frame_rows, frame_cols)
        Any of the protocol's pixel types.
    encoding : Encoding
        Raw is not copied when the frames are contiguous.
    """
    little = np.ascontiguousarray(frames, frames.dtype.newbyteorder("<"))
    if encoding is Encoding.RAW:
        return little.reshape(-1).view(np.uint8).data
    return bitshuffle.compress(little.reshape(-1))


def unpack(payload: Any, encoding: Encoding, shape: tuple[int, int, int], dtype: str) -> NDArray[Any]:
    """Frames of a payload, as a read-only view for raw payloads.

    Raises
    ------
    MalformedMessageError
        The payload does not hold exactly ``shape`` pixels of ``dtype``.
    """
    pixel = np.dtype(dtype).newbyteorder("<")
    wanted = int(np.prod(shape, dtype=np.int64)) * pixel.itemsize
    buffer = memoryview(payload)
    if encoding is Encoding.BSLZ4:
        bitshuffle.check_header(buffer, wanted, pixel.itemsize)  # before memory is taken for them
        frames = np.empty(shape, pixel)
        bitshuffle.decompress(buffer, frames.reshape(-1).view(np.uint8), pixel.itemsize)
        return frames
    check_raw_size(buffer.nbytes, wanted, shape, dtype)
    frames = np.frombuffer(buffer, pixel).reshape(shape)
    frames.flags.writeable = False
    return frames


def check_raw_size(nbytes: int, wanted: int, shape: tuple[int, ...], dtype: str) -> None:
    """Raise unless a raw payload has the size of its frames."""
    if nbytes != wanted:
        word = "truncated" if nbytes < wanted else "too long"
        raise MalformedMessageError(
            f"payload is {word}: {nbytes} bytes, but {shape[0]} frames of {shape[1]}x{shape[2]} {dtype} are "
            f"{wanted}"
        )
