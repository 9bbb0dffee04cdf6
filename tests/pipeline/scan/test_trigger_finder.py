"""Missed triggers are found where the next fly-back bears them out, and nowhere else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from livebragg.model import ScanGeometry
from livebragg.pipeline.scan.trigger_finder import TriggerFinder, find_missed

LINE, ROWS = 20, 12
SCAN = ScanGeometry(scan_shape=(ROWS, LINE))


def scan(missed: tuple[int, ...] = (), pause: float = 0.7, jitter: float = 0.02) -> tuple[NDArray, NDArray]:
    """Times of the triggers that were not missed, with a dwell time of a millisecond; and which these are."""
    rng = np.random.default_rng(len(missed))
    trigger = np.setdiff1d(np.arange(ROWS * LINE), missed)
    exact = trigger + trigger // LINE * pause
    return (exact + rng.normal(0, jitter, trigger.size)) * 1e-3, trigger


@pytest.mark.parametrize("pause", [0.4, 1.0, 2.0, 25.3])
@pytest.mark.parametrize(
    "missed",
    [(), (67,), (67, 68), (67, 75, 76), (79,), (80,), (79, 80), (45, 103, 160, 161), (66, 86, 106, 126)],
    ids=str,
)
def test_after_the_correction_every_frame_has_its_trigger(missed: tuple[int, ...], pause: float) -> None:
    times, trigger = scan(missed, pause)
    found = find_missed(np.arange(times.size), times, SCAN)
    assert len(found) == len(missed)
    corrected = replace(SCAN, missed_triggers=tuple(sorted(found)))
    assert np.array_equal(corrected.scan_index(np.arange(times.size)), trigger)


def test_what_is_known_already_is_not_found_again() -> None:
    times, _ = scan((67, 103))
    known = replace(SCAN, missed_triggers=tuple(find_missed(np.arange(times.size), times, SCAN)))
    assert find_missed(np.arange(times.size), times, known) == []


def test_a_gap_that_no_fly_back_bears_out_moves_nothing() -> None:
    times, _ = scan()
    times[67:] += 1e-3  # the beam waited, and no trigger was missed
    times[130:] += 0.4e-3
    times[151:] += 7.0  # somebody stopped the scan for a while
    assert find_missed(np.arange(times.size), times, SCAN) == []


def test_without_a_pause_after_lines_nothing_is_found() -> None:
    times, _ = scan((67,), pause=0.0)
    assert find_missed(np.arange(times.size), times, SCAN) == []
    assert find_missed(np.arange(0), np.zeros(0), SCAN) == []
    assert find_missed(np.arange(90), np.zeros(90), SCAN) == []


def test_several_frames_at_a_position_are_left_alone() -> None:
    times, _ = scan((67,))
    pairs = replace(SCAN, scan_shape=(ROWS, LINE // 2), frames_per_position=2)
    assert find_missed(np.arange(times.size), times, pairs) == []


def test_frames_that_were_lost_on_the_way_are_no_missed_triggers() -> None:
    times, trigger = scan((67, 103))
    kept = np.setdiff1d(np.arange(times.size), [50, 51, 90, 121, 200])
    found = find_missed(kept, times[kept], SCAN)
    corrected = replace(SCAN, missed_triggers=tuple(sorted(found)))
    assert np.array_equal(corrected.scan_index(kept), trigger[kept])


def test_parts_in_any_order_are_looked_at_when_nothing_is_missing_before_them() -> None:
    times, _ = scan((67,))
    finder, numbers = TriggerFinder(), np.arange(times.size)
    finder.add(numbers[:60], times[:60])
    finder.add(numbers[80:], times[80:])
    assert finder.missed(SCAN) == []
    finder.add(numbers[55:80], times[55:80])
    assert finder.missed(SCAN) == [67]


def test_a_frame_that_never_comes_does_not_hold_it_up_for_ever() -> None:
    times, _ = scan((67,))
    finder, kept = TriggerFinder(), np.setdiff1d(np.arange(times.size), [30])
    finder.add(kept, times[kept])
    assert finder.missed(SCAN) == []
    assert finder.missed(SCAN, final=True) == [67]
