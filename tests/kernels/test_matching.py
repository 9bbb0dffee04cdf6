"""Matching disks with tracked peaks, against the obvious NumPy."""

from __future__ import annotations

import numpy as np

from livebragg.kernels.matching import match_disks, paint_owners

SAMPLING, RADIUS, BEAM = 4.0, 2.0, 5.0


def painted(places, shape=(401, 321)):
    owner, distance = np.zeros(shape, np.int16), np.zeros(shape, np.float32)
    bins = places * SAMPLING + np.array(shape) // 2
    paint_owners(bins, RADIUS * SAMPLING, owner, distance)
    return owner


def match(qx, qy, intensity, start, count, origin, places, columns, column=None):
    n = start.size
    column = np.full(qx.size, -1, np.int32) if column is None else column
    tracked, loose, changed = np.zeros(n, np.int32), np.zeros(n, np.int32), np.zeros(n, np.bool_)
    scratch = np.full(len(places), -1, np.int64)
    match_disks(
        qx, qy, intensity, start, count, origin, painted(places), SAMPLING, BEAM, columns, scratch,
        column, tracked, loose, changed,
    )  # fmt: skip
    assert (scratch == -1).all()
    return column, tracked, loose, changed


def numpy_columns(qx, qy, intensity, start, count, origin, places, columns):
    out = np.full(qx.size, -1)
    for i in range(start.size):
        rows = np.arange(start[i], start[i] + count[i])
        q = np.stack([qx[rows], qy[rows]], 1) - origin[i]
        distance = np.hypot(*(q[:, None] - places[None]).transpose(2, 0, 1))
        nearest = np.where(distance.min(1) <= RADIUS, distance.argmin(1), -1)
        for peak in range(len(places)):
            mine = rows[nearest == peak]
            if mine.size:
                out[mine[intensity[mine].argmax()]] = columns[peak]
        out[rows[np.hypot(*q.T) < BEAM]] = -2
    return out


def scene(seed=1, n=60):
    rng = np.random.default_rng(seed)
    places = rng.uniform(-35, 35, (25, 2))
    places = places[np.hypot(*places.T) > BEAM + RADIUS]
    count = rng.integers(0, 30, n).astype(np.int32)
    start = (np.cumsum(count) - count).astype(np.int64)
    total = int(count.sum())
    origin = (np.array([50, 40]) + rng.normal(0, 1, (n, 2))).astype(np.float32)
    q = places[rng.integers(0, len(places), total)] + rng.normal(0, 0.8, (total, 2))
    q = q + np.repeat(origin, count, axis=0)
    qx, qy = q.astype(np.float32).T.copy()
    intensity = rng.permutation(total).astype(np.float32)
    return qx, qy, intensity, start, count, origin, places, np.arange(100, 100 + len(places), dtype=np.int32)


def test_every_disk_goes_to_the_nearest_peak_and_the_strongest_keeps_it():
    args = scene()
    column, tracked, loose, _ = match(*args)
    expected = numpy_columns(*args)
    # Places are rounded to an eighth of a pixel, so disks on a border may go either way.
    assert (column != expected).mean() < 0.03
    start, count = args[3], args[4]
    for i in (0, 7, 30):
        rows = slice(start[i], start[i] + count[i])
        assert tracked[i] == (column[rows] >= 0).sum()
        assert loose[i] <= (column[rows] == -1).sum()


def test_the_direct_beam_is_neither_tracked_nor_loose():
    q = np.array([50.0, 62.0, 80.0], np.float32)
    one = np.ones(3, np.float32)
    start, count, origin = np.array([0], np.int64), np.array([3], np.int32), np.full((1, 2), 50, np.float32)
    places, columns = np.array([[12.0, 12.0]]), np.array([7], np.int32)
    column, tracked, loose, _ = match(q, q, one, start, count, origin, places, columns)
    assert (column.tolist(), tracked.tolist(), loose.tolist()) == ([-2, 7, -1], [1], [1])


def test_a_second_look_reports_no_change():
    args = scene()
    column, _, _, changed = match(*args)
    again = match(*args, column=column.copy())
    assert changed.any() and not again[3].any()
