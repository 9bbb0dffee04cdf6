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


@njit(cache=True, nogil=True)
def aperture_sums(
    image: NDArray[np.float64], bins: NDArray[np.float64], radius: float, out_sum: NDArray[np.float64]
) -> None:
    """Sum of `image` within `radius` bins of each place in `bins` (n, 2), each scaled to the full area."""
    rows, cols = image.shape
    area = np.pi * radius * radius
    for p in range(bins.shape[0]):
        total = 0.0
        n = 0
        for r in range(int(np.ceil(bins[p, 0] - radius)), int(np.floor(bins[p, 0] + radius)) + 1):
            for c in range(int(np.ceil(bins[p, 1] - radius)), int(np.floor(bins[p, 1] + radius)) + 1):
                if r < 0 or c < 0 or r >= rows or c >= cols:
                    continue
                dr = r - bins[p, 0]
                dc = c - bins[p, 1]
                if dr * dr + dc * dc <= radius * radius:
                    total += image[r, c]
                    n += 1
        out_sum[p] = total * area / n if n > 0 else 0.0


@njit(cache=True, nogil=True)
def peak_moments(
    image: NDArray[np.float64],
    background: NDArray[np.float64],
    owner: NDArray[np.int16],
    reach: int,
    bins: NDArray[np.float64],
    out_moments: NDArray[np.float64],
) -> None:
    """Weight, centroid and covariance of each peak over the bins that it owns.

    Parameters
    ----------
    image, background : NDArray[np.float64], shape (rows, cols)
        Map and the local background that is subtracted.
    owner : NDArray[np.int16], shape (rows, cols)
        Index of the peak each bin belongs to, -1 for none.
    reach : int
        Bins to look around the starting place.
    bins : NDArray[np.float64], shape (n, 2)
        Starting places.
    out_moments : NDArray[np.float64], shape (n, 6)
        Weight, row, column, variance along rows, covariance, variance along columns (in bins).
    """
    rows, cols = image.shape
    for p in range(bins.shape[0]):
        r0 = int(np.rint(bins[p, 0]))
        c0 = int(np.rint(bins[p, 1]))
        s = sr = sc = srr = src = scc = 0.0
        for r in range(max(r0 - reach, 0), min(r0 + reach + 1, rows)):
            for c in range(max(c0 - reach, 0), min(c0 + reach + 1, cols)):
                if owner[r, c] != p:
                    continue
                w = image[r, c] - background[r, c]
                dr = r - bins[p, 0]
                dc = c - bins[p, 1]
                s += w
                sr += w * dr
                sc += w * dc
                srr += w * dr * dr
                src += w * dr * dc
                scc += w * dc * dc
        out_moments[p, 0] = s
        if s > 0:
            out_moments[p, 1] = bins[p, 0] + sr / s
            out_moments[p, 2] = bins[p, 1] + sc / s
            out_moments[p, 3] = max(srr / s - (sr / s) ** 2, 0.0)
            out_moments[p, 4] = src / s - sr * sc / (s * s)
            out_moments[p, 5] = max(scc / s - (sc / s) ** 2, 0.0)
        else:
            out_moments[p, 1:3] = bins[p]
            out_moments[p, 3:] = 0.0
