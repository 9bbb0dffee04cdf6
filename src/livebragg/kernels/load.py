"""Detector counts to electrons in a padded single-precision image, with bad pixels out of the way."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from livebragg.kernels.maxima import row_maximum

_LARGEST_FINITE = 0x7F7FFFFF
"""Bit pattern of the largest finite single-precision number."""


@njit(cache=True, nogil=True, error_model="numpy")
def load_frame(
    frame: NDArray[np.generic],
    gain: float,
    offset: float,
    keep_negative: bool,
    pad: int,
    valid: NDArray[np.float32],
    out_image: NDArray[np.float32],
    out_health: NDArray[np.int64],
) -> float:  # pragma: no cover - compiled
    """Write ``(frame - offset) / gain`` into the middle of `out_image` and return its largest value.

    Parameters
    ----------
    frame : NDArray, shape (frame_rows, frame_cols)
        Detector counts, any real dtype.
    keep_negative : bool
        Negative pixels are noise (a detector with read noise); otherwise they become 0 and are counted.
    valid : NDArray[np.float32], shape (frame_rows + 2 * pad, frame_cols + 2 * pad)
        1 for pixels to be used, 0 for bad pixels and the padding.
    out_image : NDArray[np.float32], same shape as `valid`
        Electrons; 0 where not valid. The padding is not touched.
    out_health : NDArray[np.int64], shape (5,)
        Counters that grow: ``[0]`` pixels that were not finite and ``[1]`` negative pixels, all of which became
        0; ``[4]`` frames with such pixels.
    """
    rows, cols = frame.shape
    inverse = np.float32(1.0 / gain)
    shift = np.float32(offset)
    top = np.float32(0.0)
    before = out_health[0] + out_health[1]
    for r in range(rows):
        source = frame[r]
        use = valid[r + pad, pad : pad + cols]
        target = out_image[r + pad, pad : pad + cols]
        for c in range(cols):
            target[c] = (np.float32(source[c]) - shift) * inverse * use[c]
        if _largest_bits(target.view(np.uint32)) > _LARGEST_FINITE:
            _repair_row(use, keep_negative, target, out_health)
        top = max(top, np.float32(row_maximum(target)))
    out_health[4] += out_health[0] + out_health[1] > before
    return float(top)


@njit(cache=True, nogil=True)
def _largest_bits(bits: NDArray[np.uint32]) -> int:  # pragma: no cover - compiled
    """Bit patterns rise from 0 to infinity, NaN and then the negative numbers: one look finds all odd."""
    top = np.uint32(0)
    for i in range(bits.size):
        top = max(top, bits[i])
    return int(top)


@njit(cache=True, nogil=True, error_model="numpy")
def _repair_row(
    use: NDArray[np.float32],
    keep_negative: bool,
    target: NDArray[np.float32],
    out_health: NDArray[np.int64],
) -> None:  # pragma: no cover - compiled
    for c in range(target.size):
        value = target[c]
        if not np.isfinite(value):
            target[c] = 0.0
            out_health[0] += use[c] > 0
        elif value < 0 and not keep_negative:
            target[c] = 0.0
            out_health[1] += 1
