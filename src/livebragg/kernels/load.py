"""Detector counts of any pixel type to a padded single-precision image, with odd and bad pixels out of the way.

Kernels get a frame as its bytes and a number for its pixel type, so that everything above is compiled once.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from livebragg.kernels.compiled import kernel

PIXEL_TYPES = ("u1", "u2", "u4", "i2", "i4", "f4", "f8")
"""Pixel types that are read as they are, in the byte order of this machine; the index is the kernels' number."""

_UNSIGNED = 3
"""How many of these types, the first ones, hold no negative and no odd numbers."""

_LARGEST_FINITE = 0x7F7FFFFF
"""Bit pattern of the largest finite single-precision number."""

_LOWEST_FINITE = 0xFF7FFFFF
"""Bit pattern, read without sign, of the lowest one; above are minus infinity and negative NaN."""


@kernel()
def load_frame(
    frame: NDArray[np.uint8],
    pixel_type: int,
    offset: float,
    keep_negative: bool,
    pad: int,
    bad: NDArray[np.int64],
    out_image: NDArray[np.float32],
    out_health: NDArray[np.int64],
) -> float:  # pragma: no cover - compiled
    """Write ``frame - offset`` into the middle of `out_image` and return its largest value.

    Parameters
    ----------
    frame : NDArray[np.uint8], shape (frame_rows, bytes of a row)
        Detector counts.
    pixel_type : int
        Index into `PIXEL_TYPES`.
    keep_negative : bool
        Negative pixels are noise (a detector with read noise); otherwise they become 0 and are counted.
    bad : NDArray[np.int64]
        Flat positions in `out_image` of the pixels not to be used, rising; they become 0.
    out_image : NDArray[np.float32], shape (frame_rows + 2 * pad, frame_cols + 2 * pad)
        The padding is not touched.
    out_health : NDArray[np.int64], shape (5,)
        Counters that grow: ``[0]`` pixels that were not finite and ``[1]`` negative pixels, all of which became
        0.
    """
    width = out_image.shape[1]
    limit = _LOWEST_FINITE if keep_negative else _LARGEST_FINITE
    flat, next_bad, top = out_image.reshape(-1), 0, 0
    counts = pixel_type < _UNSIGNED and offset <= 0.0  # nothing can be odd
    for r in range(frame.shape[0]):
        target = out_image[r + pad, pad : width - pad]
        load_row(frame[r], pixel_type, np.float32(offset), target)
        while next_bad < bad.size and bad[next_bad] < (r + pad + 1) * width:
            flat[bad[next_bad]] = 0.0
            next_bad += 1
        high, highest = _row_bounds(target, counts)
        if highest > limit or high > _LARGEST_FINITE:
            _repair_row(keep_negative, target, out_health)
            high, _ = _row_bounds(target, True)
        top = max(top, high)
    return _number_of(top)


@kernel()
def load_row(
    row: NDArray[np.uint8], pixel_type: int, offset: np.float32, out: NDArray[np.float32]
) -> None:  # pragma: no cover - compiled
    """One loop for each pixel type, which vectorises; the list is that of `PIXEL_TYPES`."""
    if pixel_type == 0:
        for c in range(out.size):
            out[c] = np.float32(np.int32(row[c])) - offset
    elif pixel_type == 1:
        pixels2 = row.view(np.uint16)
        for c in range(out.size):
            out[c] = np.float32(np.int32(pixels2[c])) - offset
    elif pixel_type == 2:
        pixels4 = row.view(np.uint32)
        for c in range(out.size):
            out[c] = np.float32(pixels4[c]) - offset
    elif pixel_type == 3:
        signed2 = row.view(np.int16)
        for c in range(out.size):
            out[c] = np.float32(np.int32(signed2[c])) - offset
    elif pixel_type == 4:
        signed4 = row.view(np.int32)
        for c in range(out.size):
            out[c] = np.float32(signed4[c]) - offset
    elif pixel_type == 5:
        single = row.view(np.float32)
        for c in range(out.size):
            out[c] = single[c] - offset
    else:
        double = row.view(np.float64)
        for c in range(out.size):
            out[c] = np.float32(double[c]) - offset


@kernel()
def _row_bounds(row: NDArray[np.float32], counts: bool) -> tuple[int, int]:  # pragma: no cover - compiled
    """Largest bit pattern read with a sign (the largest number) and without (odd numbers come highest).

    Bit patterns rise from 0 to infinity and NaN, and without sign then come the negative numbers. Integer
    maxima vectorise, maxima of floating-point numbers do not. With `counts` the second is not looked for.
    """
    signed, plain = row.view(np.int32), row.view(np.uint32)
    high, highest = np.int32(0), np.uint32(0)
    for i in range(signed.size):
        high = max(high, signed[i])
    if not counts:
        for i in range(plain.size):
            highest = max(highest, plain[i])
    return int(high), int(highest)


@kernel()
def _number_of(bits: int) -> float:  # pragma: no cover - compiled
    """The non-negative single-precision number of a bit pattern."""
    exponent, fraction = bits >> 23, bits & 0x7FFFFF
    if exponent == 0:
        return 0.0
    return float((1.0 + fraction / 8388608.0) * 2.0 ** (exponent - 127))


@kernel()
def scale_image(factor: float, pad: int, out_image: NDArray[np.float32]) -> None:  # pragma: no cover - compiled
    """Multiply the frame in the middle of a padded image."""
    scale = np.float32(factor)
    for r in range(pad, out_image.shape[0] - pad):
        row = out_image[r]
        for c in range(row.size):
            row[c] *= scale


@kernel()
def drop_negative(
    pad: int, out_image: NDArray[np.float32], out_health: NDArray[np.int64]
) -> None:  # pragma: no cover
    """Turn negative pixels into 0, and count them, once it is known that they are not noise."""
    width = out_image.shape[1]
    for r in range(pad, out_image.shape[0] - pad):
        row = out_image[r, pad : width - pad]
        _, highest = _row_bounds(row, False)
        if highest > _LARGEST_FINITE:
            _repair_row(False, row, out_health)


@kernel()
def _repair_row(
    keep_negative: bool, target: NDArray[np.float32], out_health: NDArray[np.int64]
) -> None:  # pragma: no cover - compiled
    for c in range(target.size):
        value = target[c]
        if not np.isfinite(value):
            target[c] = 0.0
            out_health[0] += 1
        elif value < 0 and not keep_negative:
            target[c] = 0.0
            out_health[1] += 1
