"""Bilinear histogram of Bragg vectors about the origin."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray


@njit(cache=True, nogil=True)
def bin_vectors(
    qx: NDArray[np.float32],
    qy: NDArray[np.float32],
    weight: NDArray[np.float32],
    start: NDArray[np.int64],
    count: NDArray[np.int32],
    origin: NDArray[np.float32],
    sampling: float,
    sign: float,
    out_map: NDArray[np.float64],
) -> None:
    """Add (`sign` 1) or take away (`sign` -1) the disks of some positions.

    Parameters
    ----------
    qx, qy, weight : NDArray[np.float32], shape (n_disks,)
        Disks in detector pixels; an empty `weight` counts each as 1.
    start, count : shape (n,)
        Disks of position ``i`` are ``start[i]:start[i] + count[i]``.
    origin : NDArray[np.float32], shape (n, 2)
        Origin of each position, in detector pixels.
    sampling : float
        Bins per pixel.
    out_map : NDArray[np.float64]
        Map whose middle bin is the origin; what falls outside is left out.
    """
    rows, cols = out_map.shape
    middle_row = rows // 2
    middle_col = cols // 2
    counting = weight.size == 0
    for i in range(start.size):
        for d in range(start[i], start[i] + count[i]):
            row = (qx[d] - origin[i, 0]) * sampling + middle_row
            col = (qy[d] - origin[i, 1]) * sampling + middle_col
            if not (row >= 0 and col >= 0 and row < rows - 1 and col < cols - 1):
                continue
            r = int(row)
            c = int(col)
            fr = row - r
            fc = col - c
            w = sign if counting else sign * weight[d]
            out_map[r, c] += w * (1 - fr) * (1 - fc)
            out_map[r, c + 1] += w * (1 - fr) * fc
            out_map[r + 1, c] += w * fr * (1 - fc)
            out_map[r + 1, c + 1] += w * fr * fc
