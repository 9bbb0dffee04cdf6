"""Masks of detector pixels as few bytes, so that they can travel with an acquisition."""

from __future__ import annotations

import zlib

import numpy as np
from numpy.typing import NDArray

from livebragg.errors import FrameError

MAX_MASK_BYTES = 1 << 18
"""Packed masks beyond this are no list of exceptions."""


def pack_mask(mask: NDArray[np.bool_]) -> bytes:
    """Bytes of a mask, none for one without a true pixel.

    Examples
    --------
    >>> mask = np.zeros((192, 192), bool)
    >>> mask[17, 4] = True
    >>> len(pack_mask(mask)) < 100, np.argwhere(unpack_mask(pack_mask(mask), mask.shape)).tolist()
    (True, [[17, 4]])
    """
    return zlib.compress(np.packbits(mask).tobytes(), 6) if mask.any() else b""


def unpack_mask(packed: bytes | memoryview, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Mask from its bytes.

    Raises
    ------
    FrameError
        They are no mask of this shape.
    """
    n_pixels = shape[0] * shape[1]
    n_bytes = -(-n_pixels // 8)
    if not packed:
        return np.zeros(shape, bool)
    try:
        bits = zlib.decompressobj().decompress(packed, n_bytes + 1)
    except zlib.error as error:
        raise FrameError(f"bad_pixels must be packed bits, compressed by zlib: {error}") from None
    if len(bits) != n_bytes:
        raise FrameError(f"bad_pixels holds {len(bits)} bytes or more; a mask of {shape} pixels has {n_bytes}")
    return np.unpackbits(np.frombuffer(bits, np.uint8), count=n_pixels).reshape(shape).astype(bool)
