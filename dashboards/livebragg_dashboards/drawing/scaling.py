"""From numbers to the 8-bit pictures that travel to the browser: reduced, scaled by percentiles, never more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

NO_VALUE = 0
"""Pixel of a scaled picture that has no value; 1 to 255 run from low to high."""

_SAMPLE = 1 << 16


@dataclass(frozen=True, slots=True)
class Range:
    """Values shown as the darkest and the brightest colour."""

    low: float
    high: float


def block_size(shape: tuple[int, ...], limit: int) -> int:
    """Pixels to put into one so that no side is longer than `limit`."""
    return max(1, -(-max(shape) // limit))


def reduce_mean(image: NDArray[np.float32], block: int) -> NDArray[np.float32]:
    """Mean of blocks, ignoring NaN; blocks at the end may be smaller.

    Examples
    --------
    >>> reduce_mean(np.array([[1.0, 3.0, 5.0]], np.float32), 2)
    array([[2., 5.]], dtype=float32)
    """
    if block == 1:
        return image
    known = np.isfinite(image)
    total = _blocks(np.add, np.where(known, image, 0), block, 0)
    count = _blocks(np.add, known.astype(np.float32), block, 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(total / count, np.float32)


def reduce_max(image: NDArray[np.float32], block: int) -> NDArray[np.float32]:
    """Maximum of blocks, for pictures whose peaks must not fade; NaN only where all of a block is."""
    return image if block == 1 else _blocks(np.fmax, image, block, np.nan).astype(np.float32)


def _blocks(function: np.ufunc, image: NDArray[Any], block: int, fill: float) -> NDArray[Any]:
    """Combine the pixels of blocks: one strided pass for each place in a block, which NumPy does fast."""
    rows, cols = (-(-n // block) * block for n in image.shape)
    if image.shape != (rows, cols):
        image = np.pad(image, [(0, rows - image.shape[0]), (0, cols - image.shape[1])], constant_values=fill)
    out = image[::block, ::block].copy()
    for row in range(block):
        for col in range(block):
            if row or col:
                function(out, image[row::block, col::block], out=out)
    return out


def robust_range(image: NDArray[np.floating], low: float = 0.5, high: float = 99.5) -> Range:
    """Percentiles of the finite values, of a sample when there are many; always low < high."""
    values = image.reshape(-1)
    values = values[:: max(1, values.size // _SAMPLE)]
    values = values[np.isfinite(values)]
    if values.size == 0:
        return Range(0.0, 1.0)
    a, b = (float(v) for v in np.percentile(values.astype(np.float64), [low, high]))
    return Range(a, b) if b > a else Range(a, a + max(1.0, abs(a)) * 1e-3)


def to_bytes(image: NDArray[np.floating], limits: Range) -> NDArray[np.uint8]:
    """1 to 255 from low to high, clipped; `NO_VALUE` where not finite."""
    unit = (image.astype(np.float64) - limits.low) / (limits.high - limits.low)
    known = np.isfinite(unit)
    return np.where(known, 1.5 + 254 * np.clip(np.where(known, unit, 0), 0, 1), NO_VALUE).astype(np.uint8)


def compress(image: NDArray[np.floating], scale: str) -> NDArray[np.float64]:
    """Counts on a scale on which weak and strong ones can be seen together.

    Parameters
    ----------
    image : NDArray, counts; negative ones count as 0
    scale : {"linear", "sqrt", "log"}
        The logarithm is that of one plus the count over the median of the positive counts.
    """
    counts = np.clip(image.astype(np.float64), 0, None)
    if scale == "linear":
        return counts
    if scale == "sqrt":
        return np.sqrt(counts)
    positive = counts[counts > 0]
    typical = float(np.median(positive)) if positive.size else 1.0
    return np.log1p(counts / typical)
