"""A frame with its centre in place and its disks blanked, ready to be summed by `livebragg.kernels.radial`."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from livebragg.kernels.compiled import kernel
from livebragg.kernels.radial_table import COVERED, USABLE, RadialScratch


@kernel()
def place_frame(
    image: NDArray[np.float32],
    pad: int,
    frame_shape: tuple[int, int],
    top: int,
    left: int,
    out_canvas: NDArray[np.float32],
) -> None:  # pragma: no cover - compiled
    """Copy a frame to ``(top, left)`` of the canvas and clear what lies around it."""
    rows, cols = frame_shape
    out_canvas[:top] = 0.0
    out_canvas[top + rows :] = 0.0
    for r in range(rows):
        line = out_canvas[r + top]
        line[:left] = 0.0
        line[left + cols :] = 0.0
        source, target = image[r + pad, pad : pad + cols], line[left : left + cols]
        for c in range(cols):
            target[c] = source[c]


@kernel()
def span(center: float, half: float, size: int) -> tuple[int, int]:  # pragma: no cover - compiled
    """Pixels of a line within `half` of `center`, as ``(first, end)``; empty for NaN."""
    if not (half >= 0.0 and center + half >= 0.0 and center - half <= size - 1.0):
        return 0, 0
    return math.ceil(max(center - half, 0.0)), math.floor(min(center + half, size - 1.0)) + 1


@kernel()
def cover_disk(
    row: float,
    col: float,
    radius: float,
    bins: NDArray[np.int16],
    top: int,
    left: int,
    scratch: RadialScratch,
    out_pixels: NDArray[np.int32],
) -> None:  # pragma: no cover - compiled
    """Blank a disk on the canvas and take its pixels from the counts, once where disks overlap."""
    rows, cols = scratch.state.shape
    first_row, end_row = span(row, radius, rows)
    for r in range(first_row, end_row):
        first, end = span(col, math.sqrt(max(radius**2 - (r - row) ** 2, 0.0)), cols)
        state = scratch.state[r, first:end]
        pixels = scratch.canvas[r + top, first + left : end + left]
        line = bins[r + top, first + left : end + left]
        for c in range(end - first):
            if state[c] == USABLE:
                state[c] = COVERED
                pixels[c] = 0.0
                if line[c] >= 0:
                    out_pixels[line[c]] -= 1


@kernel()
def uncover_square(
    row: float, col: float, radius: float, out_state: NDArray[np.uint8]
) -> None:  # pragma: no cover - compiled
    """Make the pixels around a disk usable again, once all disks are counted."""
    rows, cols = out_state.shape
    first_row, end_row = span(row, radius, rows)
    first, end = span(col, radius, cols)
    for r in range(first_row, end_row):
        state = out_state[r, first:end]
        for c in range(end - first):
            state[c] = min(state[c], np.uint8(USABLE))
