"""Feature rows from two witnesses: the disks that were found, and the light measured at every tracked peak."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

ROOT_UNIT = 0.2
"""Unit in which square roots of measured intensities are stored. Counting alone scatters a root by a half,
whatever the intensity; rounding adds 1 % to that variance."""
UNKNOWN = -32768
"""Stored for what could not be measured."""
_LARGEST = 16383.0
"""Largest root that is stored, in `ROOT_UNIT`: 10 million counts."""


class Light(NamedTuple):
    """The light measured at tracked peaks, and what of it counts."""

    stored: NDArray[np.int16]
    """(n_positions, n_slots): twice the signed square root of each intensity in `ROOT_UNIT`, and 1 more where it
    is significant; `UNKNOWN` where it could not be measured."""
    faintest: NDArray[np.int16]
    """(n_slots,): least stored root that counts."""
    shown: NDArray[np.bool_]
    """(n_positions,): whether the light shows a class."""
    stamp: NDArray[np.int32]
    """(n_positions,): version of the peaks each position was measured with, 0 for not yet."""
    version: NDArray[np.int32]
    """(n_slots,): the oldest version that is good for each peak."""
    slot_of: NDArray[np.int32]
    """(n_columns,): slot of each feature column, -1 for none."""
    column_of: NDArray[np.int32]
    """(n_slots,): the reverse."""


@njit(cache=True, nogil=True)
def store_forced(
    intensity: NDArray[np.float32],
    error: NDArray[np.float32],
    positions: NDArray[np.int64],
    slots: NDArray[np.int64],
    wanted: NDArray[np.bool_],
    least: float,
    out: NDArray[np.int16],
) -> None:
    """Write the `wanted` intensities (n, k) as `Light.stored` has them into rows `positions` and columns `slots`;
    from `least` standard errors they are significant."""
    for i in range(positions.size):
        for k in range(slots.size):
            if not wanted[i, k]:
                continue
            v, e = float(intensity[i, k]), float(error[i, k])
            if not (np.isfinite(v) and np.isfinite(e)):
                out[positions[i], slots[k]] = UNKNOWN
                continue
            root = int(np.rint(np.sign(v) * min(np.sqrt(abs(v)) / ROOT_UNIT, _LARGEST)))
            out[positions[i], slots[k]] = 2 * root + (v > 0 and v >= least * e)


@njit(cache=True, nogil=True)
def shadow_forced(
    owner: NDArray[np.int64],
    disks: NDArray[np.float32],
    slots: NDArray[np.int64],
    place: NDArray[np.float32],
    radius: float,
    out: NDArray[np.int16],
) -> None:
    """Call unknown what was measured within `radius` pixels of some disks, whose light spills over.

    Row `owner` of `out` is that of each of the `disks` (n, 2), which as `place` (k, 2), where the peaks in `slots`
    are, is relative to the origin.
    """
    for d in range(owner.size):
        for k in range(slots.size):
            dx, dy = place[k, 0] - disks[d, 0], place[k, 1] - disks[d, 1]
            if dx * dx + dy * dy < radius * radius:
                out[owner[d], slots[k]] = UNKNOWN


@njit(cache=True, nogil=True)
def _is_lit(light: Light, p: int, s: int) -> bool:
    """Whether the light at a slot counts: it shows a class, is up to date, significant, and not next to nothing
    for its peak."""
    if not light.shown[p] or light.stamp[p] <= 0 or light.stamp[p] < light.version[s]:
        return False
    stored = light.stored[p, s]
    return bool((stored & 1) and (stored >> 1) >= light.faintest[s])


@njit(cache=True, nogil=True)
def count_entries(
    positions: NDArray[np.int64],
    disk_column: NDArray[np.int32],
    disk_start: NDArray[np.int64],
    disk_count: NDArray[np.int32],
    light: Light,
    out_count: NDArray[np.int32],
) -> None:
    """Entries that `fill_rows` will write for each position, at most."""
    for i in range(positions.size):
        p = positions[i]
        n = 0
        for d in range(disk_start[i], disk_start[i] + disk_count[i]):
            n += disk_column[d] >= 0
        if light.shown[p]:
            for s in range(light.column_of.size):
                n += light.column_of[s] >= 0 and _is_lit(light, p, s)
        out_count[i] = n


@njit(cache=True, nogil=True)
def fill_rows(
    positions: NDArray[np.int64],
    disk_column: NDArray[np.int32],
    disk_start: NDArray[np.int64],
    disk_count: NDArray[np.int32],
    light: Light,
    intensity: NDArray[np.float32],
    power: float,
    row_start: NDArray[np.int64],
    out_count: NDArray[np.int32],
    out_column: NDArray[np.int32],
    out_value: NDArray[np.float32],
    out_norm: NDArray[np.float32],
) -> None:
    """Write the feature rows of some positions, each scaled to unit norm.

    Where the light at a peak counts, the measurement does; elsewhere a disk that was found. The root of the
    intensity is raised to ``2 * power``.

    Parameters
    ----------
    positions : NDArray[np.int64], shape (n,)
        Rows of `light`.
    disk_start, disk_count : shape (n,)
        Disks of each of these positions.
    row_start : NDArray[np.int64], shape (n,)
        Where each row's entries go.
    out_count, out_norm : shape (n,)
        Entries of each row, and what they were divided by.
    """
    for i in range(positions.size):
        p = positions[i]
        e = row_start[i]
        total = 0.0
        if light.shown[p]:
            for s in range(light.column_of.size):
                if light.column_of[s] >= 0 and _is_lit(light, p, s):
                    v = ((light.stored[p, s] >> 1) * ROOT_UNIT) ** (2.0 * power)
                    out_column[e], out_value[e] = light.column_of[s], v
                    total += v * v
                    e += 1
        for d in range(disk_start[i], disk_start[i] + disk_count[i]):
            j = disk_column[d]
            if j < 0:
                continue
            s = light.slot_of[j]
            if s >= 0 and _is_lit(light, p, s):
                continue
            v = float(max(intensity[d], np.float32(0.0))) ** power
            out_column[e], out_value[e] = j, v
            total += v * v
            e += 1
        norm = np.sqrt(total)
        out_norm[i] = norm
        out_count[i] = e - row_start[i]
        if norm > 0.0:
            for k in range(row_start[i], e):
                out_value[k] /= norm


@njit(cache=True, nogil=True)
def pack_rows(
    column: NDArray[np.int32],
    value: NDArray[np.float32],
    start: NDArray[np.int64],
    count: NDArray[np.int32],
    out_column: NDArray[np.int32],
    out_value: NDArray[np.float32],
    out_start: NDArray[np.int64],
) -> None:
    """Copy the entries of all rows one after the other; `out_start` (n,) is where each row then begins."""
    end = 0
    for i in range(start.size):
        out_start[i] = end
        for k in range(start[i], start[i] + count[i]):
            out_column[end], out_value[end] = column[k], value[k]
            end += 1
