"""Sums over disks from a prefix sum down the columns: two loads per column of the disk, whatever its height.

The prefix sum runs down the columns because then every step is one whole row added to the row above: it
vectorises, where a prefix sum along the rows is one long chain of dependent additions. The sums are 32-bit
integers: exact, and still exact when they wrap around, because only differences are used.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray


def disk_spans(radius: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Columns of a disk about a pixel's centre.

    Parameters
    ----------
    radius : float
        Radius in pixels; a pixel belongs to the disk when its centre does.

    Returns
    -------
    offsets, halves : NDArray[np.int64], shape (2 * floor(radius) + 1,)
        Column ``offsets[i]`` reaches from row ``-halves[i]`` to row ``halves[i]``, both included.
    """
    reach = int(np.floor(radius))
    offsets = np.arange(-reach, reach + 1, dtype=np.int64)
    halves = np.floor(np.sqrt(np.maximum(radius**2 - offsets.astype(np.float64) ** 2, 0.0))).astype(np.int64)
    return offsets, halves


@njit(cache=True, nogil=True)
def column_prefix(
    image: NDArray[np.float32], scale: float, out_prefix: NDArray[np.int32]
) -> None:  # pragma: no cover - compiled
    """Sum each column from the top: ``out_prefix[r] = sum(image[:r] * scale)``, as integers modulo 2**32."""
    rows, cols = image.shape
    out_prefix[0, :] = 0
    factor = np.float32(scale)
    for r in range(rows):
        pixels = image[r]
        above = out_prefix[r]
        below = out_prefix[r + 1]
        for c in range(cols):
            below[c] = above[c] + np.int32(pixels[c] * factor)


@njit(cache=True, nogil=True)
def row_of_disk_sums(
    prefix: NDArray[np.int32],
    offsets: NDArray[np.int64],
    halves: NDArray[np.int64],
    row: int,
    pad: int,
    out_sums: NDArray[np.int32],
) -> None:  # pragma: no cover - compiled
    """Sum over the disk about every pixel of one row; `row` counts without the padding of width `pad`."""
    cols = out_sums.size
    middle = offsets.size // 2
    low = prefix[row + pad + halves[middle] + 1, pad : pad + cols]
    high = prefix[row + pad - halves[middle], pad : pad + cols]
    for c in range(cols):
        out_sums[c] = low[c] - high[c]
    # Columns left and right of the middle are equally high and share their two rows of the prefix sums.
    for k in range(middle):
        bottom, top = prefix[row + pad + halves[k] + 1], prefix[row + pad - halves[k]]
        left, right = pad + offsets[k], pad - offsets[k]
        low, high = bottom[left : left + cols], top[left : left + cols]
        low_right, high_right = bottom[right : right + cols], top[right : right + cols]
        for c in range(cols):
            out_sums[c] += low[c] - high[c] + low_right[c] - high_right[c]


@njit(cache=True, nogil=True)
def disk_sum(
    prefix: NDArray[np.int32],
    offsets: NDArray[np.int64],
    halves: NDArray[np.int64],
    row: int,
    col: int,
    pad: int,
) -> int:  # pragma: no cover - compiled
    """Sum over the disk about one pixel; `row` and `col` count without the padding."""
    total = np.int32(0)
    for k in range(offsets.size):
        c = col + pad + offsets[k]
        total = np.int32(total + prefix[row + pad + halves[k] + 1, c] - prefix[row + pad - halves[k], c])
    return int(total)
