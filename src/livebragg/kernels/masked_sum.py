"""Sums of frames without their disks."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray


@njit(cache=True, nogil=True)
def add_masked(
    frames: NDArray[np.float32],
    qx: NDArray[np.float32],
    qy: NDArray[np.float32],
    offsets: NDArray[np.int64],
    radius: float,
    covered: NDArray[np.bool_],
    out_sum: NDArray[np.float64],
    out_number: NDArray[np.int64],
) -> None:  # pragma: no cover - compiled
    """Add every pixel that no disk covers, and count how often it was added.

    Parameters
    ----------
    frames : NDArray[np.float32], shape (n, frame_rows, frame_cols)
    qx, qy : NDArray[np.float32], shape (n_disks,)
        Rows and columns of the disks; those of frame ``i`` are ``offsets[i]:offsets[i + 1]``. Places that are NaN
        or off the frame cover nothing.
    radius : float
        Of what a disk covers, in pixels.
    covered : NDArray[np.bool_], shape (frame_rows, frame_cols)
        Scratch.
    out_sum : NDArray[np.float64], shape (frame_rows, frame_cols)
    out_number : NDArray[np.int64], shape (frame_rows, frame_cols)
    """
    n, rows, cols = frames.shape
    for i in range(n):
        covered[:] = False
        for d in range(offsets[i], offsets[i + 1]):
            row, col = np.float64(qx[d]), np.float64(qy[d])
            if not (-radius < row < rows + radius and -radius < col < cols + radius):
                continue
            for r in range(max(int(np.ceil(row - radius)), 0), min(int(np.floor(row + radius)) + 1, rows)):
                for c in range(max(int(np.ceil(col - radius)), 0), min(int(np.floor(col + radius)) + 1, cols)):
                    if (r - row) ** 2 + (c - col) ** 2 <= radius * radius:
                        covered[r, c] = True
        for r in range(rows):
            for c in range(cols):
                if not covered[r, c]:
                    out_sum[r, c] += frames[i, r, c]
                    out_number[r, c] += 1
