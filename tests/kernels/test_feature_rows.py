"""Feature rows from disks and measured light, against plain Python."""

from __future__ import annotations

import numpy as np
import pytest

from livebragg.kernels.feature_rows import (
    ROOT_UNIT,
    UNKNOWN,
    Light,
    count_entries,
    fill_rows,
    shadow_forced,
    store_forced,
)


def scene(seed=0, n=30, n_slots=9):
    rng = np.random.default_rng(seed)
    column_of = rng.permutation(14)[:n_slots].astype(np.int32)
    column_of[2] = -1
    slot_of = np.full(14, -1, np.int32)
    used = np.flatnonzero(column_of >= 0)
    slot_of[column_of[used]] = used
    count = rng.integers(0, 5, n).astype(np.int32)
    start = (np.cumsum(count) - count).astype(np.int64)
    disk_column = np.full(count.sum(), -1, np.int32)
    for i in range(n):
        disk_column[start[i] : start[i] + count[i]] = rng.permutation(np.arange(-2, 14))[: count[i]]
    return {
        "positions": rng.permutation(n).astype(np.int64),
        "intensity": rng.exponential(40, disk_column.size).astype(np.float32),
        "disks": (disk_column, start, count),
        "stored": (
            rng.choice(np.append(UNKNOWN, np.arange(-200, 400, 7)), (n, n_slots)).astype(np.int16),
            rng.integers(0, 60, n_slots).astype(np.int16),
            rng.random(n) < 0.8,
            rng.integers(0, 4, n).astype(np.int32),
            rng.integers(1, 4, n_slots).astype(np.int32),
            slot_of,
            column_of,
        ),
    }


def plain_row(s, i, power):
    p = s["positions"][i]
    disk_column, start, count = s["disks"]
    stored, faintest, shown, stamp, version, _, column_of = s["stored"]
    row = {}
    for d in range(start[p], start[p] + count[p]):
        if disk_column[d] >= 0:
            row[int(disk_column[d])] = float(s["intensity"][d]) ** power
    for slot, column in enumerate(column_of):
        current = shown[p] and stamp[p] > 0 and stamp[p] >= version[slot]
        root, significant = divmod(int(stored[p, slot]), 2)
        if column >= 0 and current and significant and root >= faintest[slot]:
            row[int(column)] = (root * ROOT_UNIT) ** (2 * power)
    return row


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0])
def test_rows_hold_current_light_and_otherwise_disks(power):
    s = scene()
    n, (disk_column, start, count) = s["positions"].size, s["disks"]
    disks = disk_column, start[s["positions"]], count[s["positions"]]
    room, norm = np.zeros(n, np.int32), np.zeros(n, np.float32)
    count_entries(s["positions"], *disks, Light(*s["stored"]), room)
    first = (np.cumsum(room) - room).astype(np.int64)
    filled, column, value = room.copy(), np.full(room.sum(), -9, np.int32), np.zeros(room.sum(), np.float32)
    fill_rows(
        s["positions"], *disks, Light(*s["stored"]), s["intensity"], power, first, filled, column, value, norm
    )  # fmt: skip
    for i in range(n):
        expected = plain_row(s, i, power)
        length = np.sqrt(sum(v * v for v in expected.values()))
        entries = slice(first[i], first[i] + filled[i])
        found = dict(zip(column[entries].tolist(), (value[entries] * norm[i]).tolist(), strict=True))
        assert filled[i] == len(found) <= room[i]
        assert norm[i] == pytest.approx(length, rel=1e-5)
        assert found == pytest.approx(expected, rel=1e-5)


def test_intensities_are_stored_as_signed_roots():
    intensity = np.array([[100.0, -4.0, np.nan], [1e9, 0.0, 9.0]], np.float32)
    error = np.array([[10.0, 2.0, np.nan], [1.0, 1.0, 3.0]], np.float32)
    stored = np.zeros((5, 4), np.int16)
    wanted = np.ones((2, 3), np.bool_)
    store_forced(intensity, error, np.array([3, 1]), np.array([0, 2, 3]), wanted, 1.6, stored)
    np.testing.assert_allclose((stored[3, [0, 2]] >> 1) * ROOT_UNIT, [10, -2])
    assert (stored[3, [0, 2]] & 1).tolist() == [1, 0] and stored[3, 3] == UNKNOWN
    assert (stored[1, [0, 2]] >> 1).tolist() == [16383, 0]
    np.testing.assert_allclose((stored[1, 3] >> 1) * ROOT_UNIT, 3)
    assert not stored[[0, 2, 4]].any() and not stored[:, 1].any()
    before, wanted[0] = stored.copy(), False
    store_forced(intensity + 50, error, np.array([3, 1]), np.array([0, 2, 3]), wanted, 1.6, stored)
    assert (stored == before)[3].all() and (stored[1] != before[1]).tolist() == [False, False, True, True]


def test_light_near_a_disk_is_unknown():
    stored = np.full((2, 3), 40, np.int16)
    place = np.array([[10.0, 0], [13.0, 0], [25.0, 0]], np.float32)
    disks = np.array([[8.0, 0], [25.0, 9.0]], np.float32)
    shadow_forced(np.array([0, 1]), disks, np.arange(3), place, 4.0, stored)
    assert stored.tolist() == [[UNKNOWN, 40, 40], [40, 40, 40]]
