"""Peaks of a map: sums, moments, and which maxima are peaks of their own."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray


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


@njit(cache=True, nogil=True)
def separate_maxima(
    image: NDArray[np.float64],
    bins: NDArray[np.float64],
    height: NDArray[np.float64],
    limit: NDArray[np.float64],
    reach: float,
    most: int,
    out_keep: NDArray[np.int64],
) -> int:
    """Keep the maxima that a dip separates from every stronger neighbour; returns how many.

    Parameters
    ----------
    image : NDArray[np.float64], shape (rows, cols)
        Smoothed map.
    bins : NDArray[np.float64], shape (n, 2)
        Maxima, strongest first.
    height : NDArray[np.float64], shape (n,)
        Their values.
    limit : NDArray[np.float64], shape (n,)
        The lowest value on the line to a stronger neighbour must be below this.
    reach : float
        Neighbours are nearer than this, in bins.
    most : int
        Stop after so many.
    out_keep : NDArray[np.int64], shape (n,)
        Indices of the maxima kept, strongest first.
    """
    kept = 0
    for i in range(bins.shape[0]):
        own = True
        for other in range(kept):
            j = out_keep[other]
            dr = bins[j, 0] - bins[i, 0]
            dc = bins[j, 1] - bins[i, 1]
            distance = np.sqrt(dr * dr + dc * dc)
            if distance >= reach:
                continue
            steps = 2 * max(int(np.ceil(distance)), 2)
            lowest = height[i]
            for step in range(steps + 1):
                r = int(np.rint(bins[i, 0] + dr * step / steps))
                c = int(np.rint(bins[i, 1] + dc * step / steps))
                lowest = min(lowest, image[r, c])
            if lowest >= limit[i]:
                own = False
                break
        if own:
            out_keep[kept] = i
            kept += 1
            if kept == most:
                break
    return kept
