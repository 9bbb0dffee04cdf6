from __future__ import annotations

import numpy as np

from livebragg.model.arrays import ragged, with_room


def test_an_array_with_room_enough_is_not_copied():
    values = np.arange(5)
    assert with_room(values, 5) is values


def test_growing_a_line_at_a_time_copies_seldom():
    values, copies = np.zeros(1), 0
    for n in range(1, 10_001):
        grown = with_room(values, n)
        copies += grown is not values
        values = grown
    assert copies < 40 and 10_000 <= values.size < 15_000


def test_what_was_there_stays_along_any_axis():
    values = np.arange(6).reshape(2, 3)
    wide = with_room(values, 7, fill=-1, axis=1)
    assert wide.shape == (2, 7) and wide.dtype == values.dtype
    np.testing.assert_array_equal(wide[:, :3], values)
    assert (wide[:, 3:] == -1).all()


def test_entries_of_ragged_rows_are_found_also_where_rows_are_empty_or_lie_anywhere():
    rng = np.random.default_rng(0)
    start, count = rng.integers(0, 100, 50), rng.integers(0, 4, 50).astype(np.int32)
    row, place = ragged(start, count)
    expected = [(i, s + k) for i, (s, n) in enumerate(zip(start, count, strict=True)) for k in range(n)]
    assert list(zip(row.tolist(), place.tolist(), strict=True)) == expected
    assert ragged(np.zeros(0, np.int64), np.zeros(0, np.int32))[0].size == 0
