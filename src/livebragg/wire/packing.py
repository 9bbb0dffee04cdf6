"""Frames to payload bytes and back: raw, bitshuffle-LZ4, and checksums."""

from __future__ import annotations

import struct
import zlib
from typing import Any

import imagecodecs
import numpy as np
import xxhash
from numpy.typing import NDArray

from livebragg.errors import ChecksumError, MalformedMessageError
from livebragg.wire.messages import ChecksumKind, Encoding

LZ4_MOST_RATIO = 255
"""LZ4 cannot pack more than this many bytes into one: what claims more would only exhaust the memory."""

BLOCK_BYTES = 8192
"""Block of the bitshuffle container: what bitshuffle itself and DECTRIS use."""

_HEADER = struct.Struct(">QI")
_BLOCK = struct.Struct(">I")


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
    return _compress(little.reshape(-1))


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
        return _decompress(buffer, wanted, pixel).reshape(shape)
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


def _compress(flat: NDArray[Any]) -> bytes:
    per_block = BLOCK_BYTES // flat.itemsize
    whole = flat.size - flat.size % 8  # bitshuffle works on eights; the rest travels as it is
    parts = [_HEADER.pack(flat.nbytes, BLOCK_BYTES)]
    for start in range(0, whole, per_block):
        block = flat[start : min(start + per_block, whole)]
        shuffled = imagecodecs.bitshuffle_encode(block, itemsize=flat.itemsize, blocksize=block.size)
        packed = bytes(imagecodecs.lz4_encode(np.asarray(shuffled).data, header=False))  # type: ignore[arg-type]
        parts += [_BLOCK.pack(len(packed)), packed]
    parts.append(flat[whole:].tobytes())
    return b"".join(parts)


def _decompress(buffer: memoryview, wanted: int, pixel: np.dtype[Any]) -> NDArray[Any]:
    if buffer.nbytes < _HEADER.size:
        raise MalformedMessageError(f"bslz4 payload is truncated: {buffer.nbytes} bytes, its header has 12")
    size, block_bytes = _HEADER.unpack_from(buffer)
    if size != wanted:
        raise MalformedMessageError(f"bslz4 payload says it holds {size} bytes, its frames need {wanted}")
    if wanted > LZ4_MOST_RATIO * buffer.nbytes:
        raise MalformedMessageError(
            f"bslz4 payload of {buffer.nbytes} bytes is truncated: its frames of {wanted} bytes cannot be in it"
        )
    block_bytes = block_bytes or BLOCK_BYTES
    if block_bytes % (8 * pixel.itemsize) or not 0 < block_bytes <= 1 << 24:
        raise MalformedMessageError(
            f"bslz4 block size {block_bytes} must be a multiple of {8 * pixel.itemsize} bytes, at most 16 MiB"
        )
    shuffled = np.empty(wanted, np.uint8)
    whole = wanted - wanted % (8 * pixel.itemsize)
    end = _decompress_blocks(buffer, shuffled[:whole], block_bytes)
    tail = buffer[end:]
    if tail.nbytes != wanted - whole:
        raise MalformedMessageError(f"bslz4 payload ends with {tail.nbytes} bytes where {wanted - whole} belong")
    return _unshuffle(shuffled, whole, block_bytes, tail, pixel)


def _decompress_blocks(buffer: memoryview, out: NDArray[np.uint8], block_bytes: int) -> int:
    at = _HEADER.size
    for start in range(0, out.size, block_bytes):
        block = out[start : start + block_bytes]
        if at + _BLOCK.size > buffer.nbytes:
            raise MalformedMessageError(f"bslz4 payload is truncated at byte {at} of {buffer.nbytes}")
        (packed,) = _BLOCK.unpack_from(buffer, at)
        at += _BLOCK.size
        if at + packed > buffer.nbytes:
            raise MalformedMessageError(
                f"bslz4 block at byte {at} needs {packed} bytes, {buffer.nbytes - at} are left"
            )
        try:
            done = imagecodecs.lz4_decode(buffer[at : at + packed], header=False, out=block)  # type: ignore[arg-type]
        except imagecodecs.Lz4Error as error:
            raise MalformedMessageError(f"bslz4 block at byte {at} is not LZ4: {error}") from None
        if len(done) != block.size:
            raise MalformedMessageError(f"bslz4 block at byte {at} unpacks to {len(done)} bytes, not {block.size}")
        at += packed
    return at


def _unshuffle(
    shuffled: NDArray[np.uint8], whole: int, block_bytes: int, tail: memoryview, pixel: np.dtype[Any]
) -> NDArray[Any]:
    full = whole - whole % block_bytes
    frames = np.empty(shuffled.size // pixel.itemsize, pixel)
    flat = frames.view(np.uint8)
    block = block_bytes // pixel.itemsize
    for start, stop, size in ((0, full, block), (full, whole, (whole - full) // pixel.itemsize)):
        if stop > start:
            piece = shuffled[start:stop].view(pixel)
            flat[start:stop] = np.asarray(
                imagecodecs.bitshuffle_decode(piece, itemsize=pixel.itemsize, blocksize=size)
            ).view(np.uint8)
    flat[whole:] = np.frombuffer(tail, np.uint8)
    return frames
