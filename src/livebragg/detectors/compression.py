"""Compressed arrays of DECTRIS detectors, both protocols."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from livebragg.errors import MalformedMessageError
from livebragg.wire import bitshuffle
from livebragg.wire.bitshuffle import HEADER, LZ4_MOST_RATIO


@dataclass(frozen=True, slots=True)
class Packed:
    """Pixels of one frame, as they were received."""

    shape: tuple[int, int]
    dtype: np.dtype[Any]
    payload: Any
    """Bytes-like."""
    algorithm: str
    """See `fill`."""
    element_bytes: int = 0


def check_frame(shape: tuple[int, int], dtype: np.dtype[Any], out_frame: NDArray[Any]) -> None:
    """Raise `MalformedMessageError` unless a frame is one of its series."""
    if shape != out_frame.shape or dtype.newbyteorder("<") != out_frame.dtype:
        raise MalformedMessageError(
            f"the image has {shape} pixels of {dtype.name}, its series {out_frame.shape} of {out_frame.dtype.name}"
        )


def fill_frame(out_frame: NDArray[Any], packed: Packed) -> None:
    """Decompress one frame.

    Parameters
    ----------
    out_frame : NDArray, shape (frame_rows, frame_cols)
        Little-endian and contiguous; filled.
    packed : Packed

    Raises
    ------
    MalformedMessageError
        It does not hold exactly such a frame.
    """
    check_frame(packed.shape, packed.dtype, out_frame)
    fill(out_frame.reshape(-1).view(np.uint8), packed.payload, packed.algorithm, packed.element_bytes)
    if packed.dtype.byteorder == ">":
        out_frame.byteswap(inplace=True)


def fill(out: NDArray[np.uint8], payload: Any, algorithm: str, element_bytes: int) -> None:
    """Decompress (or copy) one array.

    Parameters
    ----------
    out : NDArray[np.uint8], shape (bytes,)
        Contiguous; filled whole.
    payload : bytes-like
    algorithm : str
        ``"none"``; ``"bslz4"`` and ``"lz4"`` with the headers of the HDF5 filters; ``"lz4-bare"``, one LZ4 block.
    element_bytes : int
        For ``"bslz4"``: bytes of the elements whose bits were shuffled.

    Raises
    ------
    MalformedMessageError
        The payload does not hold exactly `out`.
    """
    if algorithm == "bslz4":
        if element_bytes not in (1, 2, 4, 8):
            raise MalformedMessageError(f"bslz4 elements of {element_bytes} bytes; 1, 2, 4 and 8 are possible")
        bitshuffle.decompress(payload, out, element_bytes)
    elif algorithm in ("lz4", "lz4-bare"):
        _lz4(out, memoryview(payload), framed=algorithm == "lz4")
    elif algorithm == "none":
        source = np.frombuffer(payload, np.uint8)
        if source.size != out.size:
            raise MalformedMessageError(f"an array of {source.size} bytes came where {out.size} are due")
        out[:] = source
    else:
        raise MalformedMessageError(f"compression {algorithm[:20]!r} is not known; use bslz4, lz4 or none")


def _lz4(out: NDArray[np.uint8], buffer: memoryview, *, framed: bool) -> None:
    if framed:
        size = HEADER.unpack_from(buffer)[0] if buffer.nbytes >= HEADER.size else -1
        if size != out.size:
            raise MalformedMessageError(f"an lz4 payload says it holds {size} bytes, its frame needs {out.size}")
    if out.size > LZ4_MOST_RATIO * buffer.nbytes:
        raise MalformedMessageError(f"{out.size} bytes cannot be in an lz4 payload of {buffer.nbytes} bytes")
    try:
        if framed:
            done = imagecodecs.lz4h5_decode(buffer, out=out)  # type: ignore[arg-type]
        else:
            done = imagecodecs.lz4_decode(buffer, header=False, out=out)  # type: ignore[arg-type]
    except (imagecodecs.Lz4Error, imagecodecs.Lz4h5Error, ValueError) as error:
        raise MalformedMessageError(f"a payload of {buffer.nbytes} bytes is not lz4: {error}") from None
    if len(done) != out.size:
        raise MalformedMessageError(f"an lz4 payload unpacks to {len(done)} bytes where {out.size} are due")
