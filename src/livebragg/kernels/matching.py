"""Which tracked peak does a disk belong to: a painted look-up image, one load per disk."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray


@njit(cache=True, nogil=True)
def paint_owners(
    bins: NDArray[np.float64], radius: float, out_owner: NDArray[np.int16], out_distance: NDArray[np.float32]
) -> None:
    """Write into every bin the index of the nearest place within `radius` bins, -1 where there is none.

    `bins` (n, 2) are the places; `out_distance` is scratch of the same shape as `out_owner`.
    """
    rows, cols = out_owner.shape
    out_owner[:] = -1
    out_distance[:] = np.float32(radius * radius)
    for p in range(bins.shape[0]):
        row = bins[p, 0]
        col = bins[p, 1]
        for r in range(max(int(np.ceil(row - radius)), 0), min(int(np.floor(row + radius)) + 1, rows)):
            for c in range(max(int(np.ceil(col - radius)), 0), min(int(np.floor(col + radius)) + 1, cols)):
                d = (r - row) * (r - row) + (c - col) * (c - col)
                if d <= out_distance[r, c]:
                    out_distance[r, c] = d
                    out_owner[r, c] = p


@njit(cache=True, nogil=True)
def match_disks(
    qx: NDArray[np.float32],
    qy: NDArray[np.float32],
    intensity: NDArray[np.float32],
    start: NDArray[np.int64],
    count: NDArray[np.int32],
    origin: NDArray[np.float32],
    owner: NDArray[np.int16],
    sampling: float,
    center_radius: float,
    columns: NDArray[np.int32],
    scratch: NDArray[np.int64],
    out_column: NDArray[np.int32],
    out_tracked: NDArray[np.int32],
    out_loose: NDArray[np.int32],
    out_changed: NDArray[np.bool_],
) -> None:
    """Give each disk of some positions the feature column of the tracked peak it belongs to.

    Of several disks of one position on one peak the strongest is kept, since a crystal has one.

    Parameters
    ----------
    owner : NDArray[np.int16]
        Look-up image of `paint_owners` with the origin in its middle and `sampling` bins per pixel.
    center_radius : float
        Disks nearer to the origin, in pixels, are the direct beam: neither tracked nor loose.
    columns : NDArray[np.int32], shape (n_peaks,)
        Feature column of each peak.
    scratch : NDArray[np.int64], shape (n_peaks,)
        All -1; left so.
    out_column : NDArray[np.int32], shape (n_disks,)
        Column, -1 for none, -2 for the direct beam; written for the disks of these positions.
    out_tracked, out_loose : NDArray[np.int32], shape (n,)
        Disks of each position on a tracked peak, and on none.
    out_changed : NDArray[np.bool_], shape (n,)
        Whether a disk of the position had another column before.
    """
    for i in range(start.size):
        first, stop = start[i], start[i] + count[i]
        for d in range(first, stop):
            p = _owner_of(owner, qx[d] - origin[i, 0], qy[d] - origin[i, 1], sampling, center_radius)
            if p >= 0 and (scratch[p] < 0 or intensity[scratch[p]] < intensity[d]):
                scratch[p] = d
        tracked = 0
        loose = 0
        changed = False
        for d in range(first, stop):
            p = _owner_of(owner, qx[d] - origin[i, 0], qy[d] - origin[i, 1], sampling, center_radius)
            new = p
            if p >= 0:
                new = columns[p] if scratch[p] == d else -1
            tracked += new >= 0
            loose += p == -1
            changed = changed or out_column[d] != new
            out_column[d] = new
        for d in range(first, stop):
            p = _owner_of(owner, qx[d] - origin[i, 0], qy[d] - origin[i, 1], sampling, center_radius)
            if p >= 0:
                scratch[p] = -1
        out_tracked[i] = tracked
        out_loose[i] = loose
        out_changed[i] = changed


@njit(cache=True, nogil=True)
def _owner_of(owner: NDArray[np.int16], dx: float, dy: float, sampling: float, center_radius: float) -> int:
    if dx * dx + dy * dy < center_radius * center_radius:
        return -2
    r = int(np.rint(dx * sampling)) + owner.shape[0] // 2
    c = int(np.rint(dy * sampling)) + owner.shape[1] // 2
    if 0 <= r < owner.shape[0] and 0 <= c < owner.shape[1]:
        return int(owner[r, c])
    return -1
