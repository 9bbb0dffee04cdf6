"""Bitshuffle-LZ4, unpacked by the library that hdf5plugin brings, or by imagecodecs where that cannot be used.

The container is that of the HDF5 bitshuffle filter and of DECTRIS: 8 bytes big-endian uncompressed size, 4 bytes
big-endian block size in bytes, then the blocks, each with its size in front (4 bytes, big endian), then fewer than
8 elements as they are.

hdf5plugin has no function to call, but its library exports bitshuffle's. It is used only after it has
unpacked a known payload, and never sees a payload whose blocks reach beyond its end.
"""

from __future__ import annotations

import ctypes
import functools
import importlib.util
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from livebragg.errors import MalformedMessageError

BLOCK_BYTES = 8192
"""Block of the container: what bitshuffle itself and DECTRIS use."""

LZ4_MOST_RATIO = 255
"""LZ4 cannot pack more than this many bytes into one: what claims more would only exhaust the memory."""

HEADER = struct.Struct(">QI")
BLOCK = struct.Struct(">I")

_MOST_BLOCK_BYTES = 1 << 24

Unpack = Callable[[NDArray[np.uint8], NDArray[np.uint8], int, int], int]
"""Blocks (without the header), where to write, bytes of an element, elements in a block; returns the bytes read,
or a negative number."""


def decompress(payload: Any, out: NDArray[np.uint8], element_bytes: int) -> None:
    """Unpack one array.

    Parameters
    ----------
    payload : bytes-like
    out : NDArray[np.uint8], shape (bytes,)
        Filled; contiguous. Its size must be what the payload says; a payload that says 0 leaves it to the reader.
    element_bytes : int
        Bytes of the elements whose bits were shuffled.

    Raises
    ------
    MalformedMessageError
        The payload does not hold exactly that many bytes.
    """
    buffer = memoryview(payload)
    block_bytes = check_header(buffer, out.size, element_bytes)
    _check_blocks(buffer, out.size, element_bytes, block_bytes)
    source = np.frombuffer(buffer, np.uint8)[HEADER.size :]
    if _unpacker()(source, out, element_bytes, block_bytes // element_bytes) != source.size:
        raise MalformedMessageError(
            f"a bslz4 block of a payload of {buffer.nbytes} bytes is not LZ4, or unpacks to another size"
        )


def check_header(buffer: memoryview, wanted: int, element_bytes: int) -> int:
    """Bytes of a block; raises `MalformedMessageError` when `wanted` bytes cannot be in the payload."""
    if buffer.nbytes < HEADER.size:
        raise MalformedMessageError(f"bslz4 payload is truncated: {buffer.nbytes} bytes, its header has 12")
    size, block_bytes = HEADER.unpack_from(buffer)
    if size not in (wanted, 0):
        raise MalformedMessageError(f"bslz4 payload says it holds {size} bytes, its frames need {wanted}")
    if wanted > LZ4_MOST_RATIO * buffer.nbytes:
        raise MalformedMessageError(
            f"bslz4 payload of {buffer.nbytes} bytes is truncated: its frames of {wanted} bytes cannot be in it"
        )
    block_bytes = block_bytes or BLOCK_BYTES
    if block_bytes % (8 * element_bytes) or block_bytes > _MOST_BLOCK_BYTES:
        raise MalformedMessageError(
            f"bslz4 block size {block_bytes} must be a multiple of {8 * element_bytes} bytes, at most 16 MiB"
        )
    return int(block_bytes)


def _check_blocks(buffer: memoryview, wanted: int, element_bytes: int, block_bytes: int) -> None:
    """Walk over the sizes of the blocks; none may reach beyond the payload, and nothing may be left."""
    tail = wanted % (8 * element_bytes)
    at, end, size_of = HEADER.size, buffer.nbytes, BLOCK.unpack_from
    for _ in range(-(-(wanted - tail) // block_bytes)):
        if at + BLOCK.size > end:
            raise MalformedMessageError(f"bslz4 payload is truncated at byte {at} of {end}")
        packed = size_of(buffer, at)[0]
        at += BLOCK.size + packed
        if at > end:
            raise MalformedMessageError(
                f"bslz4 block at byte {at - packed} needs {packed} bytes, {end - at + packed} are left"
            )
    if end - at != tail:
        raise MalformedMessageError(f"bslz4 payload ends with {end - at} bytes where {tail} belong")


# ----------------------------------------------------------------------------------------- who does it
@functools.cache
def _unpacker() -> Unpack:
    """The quickest that works here."""
    return _plugin_unpacker() or unpack_by_imagecodecs


def _plugin_unpacker() -> Unpack | None:
    found = importlib.util.find_spec("hdf5plugin")
    for folder in (found.submodule_search_locations or []) if found else []:
        for path in sorted(Path(folder).glob("plugins/libh5bshuf.*")):
            try:
                unpack = _unpacker_of(ctypes.CDLL(str(path)))
            except (OSError, AttributeError):
                continue
            if _passes(unpack):
                return unpack
    return None


def _unpacker_of(library: ctypes.CDLL) -> Unpack:
    function = library.bshuf_decompress_lz4
    function.restype = ctypes.c_int64
    function.argtypes = [ctypes.c_void_p, ctypes.c_void_p, *[ctypes.c_size_t] * 3]

    def unpack(source: NDArray[np.uint8], out: NDArray[np.uint8], element_bytes: int, block: int) -> int:
        return int(function(source.ctypes.data, out.ctypes.data, out.size // element_bytes, element_bytes, block))

    return unpack


def _passes(unpack: Unpack) -> bool:
    """Whether a known payload (3 blocks, the last one shorter, and 3 elements more) comes out right."""
    known = (np.arange(8192 + 91, dtype=np.uint16) // 3).view(np.uint8)
    packed = np.frombuffer(compress(known.view(np.uint16)), np.uint8)[HEADER.size :]
    out = np.empty(known.size, np.uint8)
    return unpack(packed, out, 2, BLOCK_BYTES // 2) == packed.size and bool(np.array_equal(out, known))


def unpack_by_imagecodecs(
    source: NDArray[np.uint8], out: NDArray[np.uint8], element_bytes: int, block: int
) -> int:
    """See `Unpack`: the same with imagecodecs, block by block."""
    whole = out.size - out.size % (8 * element_bytes)
    shuffled, at = np.empty(out.size, np.uint8), 0
    for start in range(0, whole, block * element_bytes):
        target = shuffled[start : min(start + block * element_bytes, whole)]
        (packed,) = BLOCK.unpack_from(source.data, at)
        at += BLOCK.size
        try:
            done = imagecodecs.lz4_decode(source[at : at + packed].data, header=False, out=target)  # type: ignore[arg-type]
        except imagecodecs.Lz4Error:
            return -1
        if len(done) != target.size:
            return -1
        at += packed
        pixels = np.asarray(
            imagecodecs.bitshuffle_decode(target, itemsize=element_bytes, blocksize=target.size // element_bytes)
        )
        out[start : start + target.size] = pixels.view(np.uint8)
    out[whole:] = source[at : at + out.size - whole]
    return at + out.size - whole


def compress(flat: NDArray[Any]) -> bytes:
    """The container of a contiguous array of one axis."""
    per_block = BLOCK_BYTES // flat.itemsize
    whole = flat.size - flat.size % 8
    parts = [HEADER.pack(flat.nbytes, BLOCK_BYTES)]
    for start in range(0, whole, per_block):
        block = flat[start : min(start + per_block, whole)]
        shuffled = imagecodecs.bitshuffle_encode(block, itemsize=flat.itemsize, blocksize=block.size)
        packed = bytes(imagecodecs.lz4_encode(np.asarray(shuffled).data, header=False))  # type: ignore[arg-type]
        parts += [BLOCK.pack(len(packed)), packed]
    parts.append(flat[whole:].tobytes())
    return b"".join(parts)
