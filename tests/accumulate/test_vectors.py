from __future__ import annotations

import numpy as np
import pytest

from livebragg.accumulate import VectorStore
from livebragg.errors import FrameError
from livebragg.model import BraggPeaks


def peaks(counts, first=0.0):
    n = int(np.sum(counts))
    column = (first + np.arange(n)).astype(np.float32)
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return BraggPeaks(
        qx=column, qy=column, intensity=column, intensity_error=column, position_error=column, offsets=offsets
    )


def test_disks_are_found_again_by_position_whatever_the_order_of_arrival():
    store = VectorStore(6)
    store.update(np.array([4, 1]), peaks([2, 3]))
    store.update(np.array([0]), peaks([1], first=50))
    view = store.view
    found = {i: view.qx[view.start[i] :][: view.count[i]].tolist() for i in (0, 1, 4)}
    assert found == {0: [50], 1: [2, 3, 4], 4: [0, 1]}
    assert view.count.tolist() == [1, 3, -1, -1, 2, -1]


def test_a_position_that_comes_again_is_ignored_and_counted():
    store = VectorStore(3)
    store.update(np.array([1]), peaks([2]))
    new = store.update(np.array([1, 2, 2]), peaks([3, 1, 4], first=10))
    assert new.tolist() == [False, True, False]
    assert (store.duplicates, store.n_seen, store.n_disks) == (2, 2, 3)
    assert store.view.qx[store.view.start[2]] == 13


def test_an_index_outside_the_scan_is_refused():
    with pytest.raises(FrameError, match="scan of 3 positions"):
        VectorStore(3).update(np.array([3]), peaks([1]))


def test_an_open_ended_scan_grows():
    store = VectorStore(3, open_ended=True)
    store.update(np.array([7]), peaks([2]))
    assert store.n_positions == 8
    assert store.view.count.tolist() == [-1] * 7 + [2]


def test_memory_grows_with_the_disks_and_not_with_the_batches():
    store = VectorStore(4000)
    for position in range(4000):
        store.update(np.array([position]), peaks([5]))
    assert store.n_disks == 20_000
    assert store._columns["qx"].size <= 2 * 20_000


def test_a_snapshot_cannot_be_written_to():
    store = VectorStore(2)
    store.update(np.array([0]), peaks([2]))
    with pytest.raises(ValueError, match="read-only"):
        store.view.qx[0] = 1
