"""Sum of frames of any pixel type, and the pixels that stand out of it alone."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from livebragg.kernels.compiled import kernel
from livebragg.kernels.load import load_row

_HOT = 3.0
"""A pixel this much brighter than its brightest neighbour, in the sum of some frames, is hot."""

_LEAST = 10.0
"""Counts that single electrons in the dark do not come to."""

_LARGEST = np.float32(1e30)
"""Counts beyond this are no counts, and their sum would overflow."""


@kernel()
def sum_frames(
    frames: NDArray[np.uint8], pixel_type: int, line: NDArray[np.float32], out_sum: NDArray[np.float32]
) -> None:  # pragma: no cover - compiled
    """Add up frames; pixels that are not finite count as 0.

    Parameters
    ----------
    frames : NDArray[np.uint8], shape (n, frame_rows, bytes of a row)
    pixel_type : int
        As in `load_frame`.
    line : NDArray[np.float32], shape (frame_cols,)
        Scratch.
    out_sum : NDArray[np.float32], shape (frame_rows + 2, frame_cols + 2)
        The frames are added within a border.
    """
    for i in range(frames.shape[0]):
        for r in range(frames.shape[1]):
            load_row(frames[i, r], pixel_type, np.float32(0.0), line)
            target = out_sum[r + 1, 1:]
            for c in range(line.size):
                target[c] += line[c] if abs(line[c]) < _LARGEST else np.float32(0.0)


@kernel()
def find_hot(total: NDArray[np.float32], out_hot: NDArray[np.int64]) -> int:  # pragma: no cover - compiled
    """Pixels far brighter than each of their neighbours.

    Parameters
    ----------
    total : NDArray[np.float32], shape (frame_rows + 2, frame_cols + 2)
        Sum of some frames in a border of zeros.
    out_hot : NDArray[np.int64], shape (frame_rows * frame_cols,)
        Flat positions in the frame, rising.

    Returns
    -------
    int
        How many there are.
    """
    found, rows, cols = 0, total.shape[0] - 2, total.shape[1] - 2
    for r in range(rows):
        for c in range(cols):
            level, left, above = total[r + 1, c + 1], total[r + 1, c], total[r, c + 1]
            if level <= max(_HOT * (left if left > above else above), _LEAST):
                continue  # nearly all of them, and quickly
            around = _brightest_neighbour(total, r + 1, c + 1)
            if level > _HOT * around + 5.0 * math.sqrt(around) + _LEAST:
                out_hot[found] = r * cols + c
                found += 1
    return found


@kernel()
def _brightest_neighbour(total: NDArray[np.float32], row: int, col: int) -> float:  # pragma: no cover - compiled
    """Largest of the eight pixels around one, at least 0."""
    brightest = 0.0
    for r in range(row - 1, row + 2):
        for c in range(col - 1, col + 2):
            if (r != row or c != col) and total[r, c] > brightest:
                brightest = float(total[r, c])
    return brightest
