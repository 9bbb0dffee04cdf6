"""Received frames as intervals."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from livebragg.pipeline.receiving.frame_set import FrameSet


@settings(deadline=None, max_examples=200)
@given(st.lists(st.tuples(st.integers(0, 60), st.integers(1, 12)), max_size=25))
def test_it_behaves_like_a_set_of_numbers(ranges: list[tuple[int, int]]) -> None:
    frames, plain = FrameSet(), set[int]()
    for start, count in ranges:
        known = frames.add(start, start + count)
        assert known == sorted(plain & set(range(start, start + count)))
        plain |= set(range(start, start + count))
        assert len(frames) == len(plain)
    assert [n in frames for n in range(80)] == [n in plain for n in range(80)]
    for stop in range(80):
        assert frames.missing_below(stop) == stop - len([n for n in plain if n < stop])


def test_frames_in_any_order_leave_no_gap_once_all_came() -> None:
    frames = FrameSet()
    starts = list(range(0, 4000, 4))
    random.Random(3).shuffle(starts)
    for start in starts:
        assert frames.add(start, start + 4) == []
    assert (len(frames), frames.missing_below(4000)) == (4000, 0)


def test_hours_of_frames_without_a_loss_are_one_interval() -> None:
    frames = FrameSet()
    for start in range(0, 100_000, 10):
        frames.add(start, start + 10)
    assert frames._starts == [0]
    assert frames._stops == [100_000]


def test_nothing_is_in_an_empty_set() -> None:
    frames = FrameSet()
    assert (len(frames), frames.missing_below(7), 0 in frames) == (0, 7, False)
