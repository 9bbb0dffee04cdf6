"""One pixel is not a disk."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from livebragg.kernels.compiled import kernel


@kernel()
def replace_hot_pixel(
    image: NDArray[np.float32],
    weight: NDArray[np.float32],
    pad: int,
    row: int,
    col: int,
    reach: int,
    peakedness: float,
) -> bool:  # pragma: no cover - compiled
    """Replace the brightest pixel of a disk by its neighbours' mean when no disk can be that sharp.

    Parameters
    ----------
    image, weight : NDArray[np.float32]
        Padded image, in electrons, and validity.
    row, col : int
        Pixel in the middle of the disk, which counts without the padding.
    reach : int
        How far around it the pixel may be.
    peakedness : float
        Ratio of a pixel to the third brightest of its neighbours that a disk never exceeds.

    Returns
    -------
    bool
        True when a pixel was replaced.
    """
    best, best_r, best_c = np.float32(0.0), row + pad, col + pad
    for r in range(row + pad - reach, row + pad + reach + 1):
        for c in range(col + pad - reach, col + pad + reach + 1):
            if image[r, c] > best:
                best, best_r, best_c = image[r, c], r, c
    third, mean = _neighbours(image, weight, best_r, best_c)
    if best <= peakedness * third + 6.0 * math.sqrt(third + 1.0):
        return False
    image[best_r, best_c] = mean
    return True


@kernel()
def _neighbours(
    image: NDArray[np.float32], weight: NDArray[np.float32], row: int, col: int
) -> tuple[float, float]:  # pragma: no cover - compiled
    """Third brightest of the eight neighbours, and the mean of those that are not brighter."""
    first = second = third = 0.0
    total, used = 0.0, 0
    for r in range(row - 1, row + 2):
        for c in range(col - 1, col + 2):
            if (r == row and c == col) or weight[r, c] == 0.0:
                continue
            value = image[r, c]
            total += value
            used += 1
            if value > first:
                first, second, third = value, first, second
            elif value > second:
                second, third = value, second
            elif value > third:
                third = value
    calm = max(used - 2, 1)
    return third, max(total - first - second, 0.0) / calm
