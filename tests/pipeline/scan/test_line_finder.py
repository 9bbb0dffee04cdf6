"""Scan lines from the times of frames: found when they are there, and only then."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from livebragg.model import ScanGeometry
from livebragg.pipeline.scan.line_finder import LineFinder, Lines, find_lines

OPEN = ScanGeometry(scan_shape=(1, 256), open_ended=True)
DWELL = 1e-3


def times(n: int, line: int, pause: float = 0.5, jitter: float = 0.02, phase: int = 0) -> NDArray[np.float64]:
    """Starts of frames, with a pause (in parts of the dwell time) after each line, and jittering triggers."""
    rng = np.random.default_rng(n + line)
    exact = np.arange(n) * DWELL + (np.arange(n) - phase + 1000 * line) // line * pause * DWELL
    return exact + rng.normal(0, jitter * DWELL, n)


@pytest.mark.parametrize("line", [5, 10, 64, 257])
@pytest.mark.parametrize("pause", [0.4, 1.0, 30.0])
def test_lines_are_found_once_six_pauses_came(line: int, pause: float) -> None:
    n = max(7 * line, 70)
    found = find_lines(np.arange(n), times(n, line, pause))
    assert found is not None
    assert (found.frames, found.first) == (line, 0)
    assert found.dwell_s == pytest.approx(DWELL, rel=0.1)
    assert found.pause_s == pytest.approx((1 + pause) * DWELL, rel=0.1)
    few = 5 * line + 1
    assert find_lines(np.arange(few), times(few, line, pause)) is None


@pytest.mark.parametrize(
    "start",
    [
        np.arange(400) * DWELL,
        times(400, 20, pause=0.05),
        np.cumsum(np.random.default_rng(1).exponential(DWELL, 400)),
        np.arange(400) * DWELL + np.searchsorted([7, 60, 61, 100, 190, 200, 333], np.arange(400)) * DWELL,
        np.zeros(400),
        -np.arange(400) * DWELL,
    ],
    ids=["none", "too short", "at random", "irregular", "a clock that stands", "a clock that runs back"],
)
def test_without_regular_pauses_nothing_is_guessed(start: NDArray[np.float64]) -> None:
    assert find_lines(np.arange(400), start) is None


def test_lost_frames_late_frames_and_missed_triggers_do_not_hide_the_lines() -> None:
    start = times(600, 20)
    start[130:] += DWELL  # a trigger was missed
    lost = np.random.default_rng(2).choice(600, 40, replace=False)
    numbers = np.setdiff1d(np.arange(600), lost)
    finder = LineFinder()
    order = np.random.default_rng(3).permutation(numbers.size)
    for part in np.array_split(order, 9):
        finder.add(numbers[part], start[numbers[part]])
    found = finder.lines()
    assert found is not None
    assert found.frames == 20


def test_it_looks_again_only_when_more_came() -> None:
    finder = LineFinder()
    start = times(200, 50)
    for first in range(0, 200, 8):
        finder.add(np.arange(first, first + 8), start[first : first + 8])
        assert finder.lines() is None
    start = times(400, 50)
    finder.add(np.arange(400), start)
    found = finder.lines()
    assert found is not None
    assert found.frames == 50
    assert finder.lines() is None


def lines(frames: int, first: int = 0) -> Lines:
    return Lines(frames, first, 2e-3, 1e-3)


def test_lines_become_a_geometry() -> None:
    assert lines(60).geometry(OPEN) == ScanGeometry(scan_shape=(1, 60), open_ended=True)
    shifted = lines(60, first=20).geometry(OPEN)
    assert shifted is not None
    assert shifted.scan_index(np.array([0, 19, 20])).tolist() == [40, 59, 60]
    known = ScanGeometry(scan_shape=(1, 256), open_ended=True, first_frame=3, flyback_frames=4)
    assert lines(60, first=20).geometry(known) == ScanGeometry(
        scan_shape=(1, 56), open_ended=True, first_frame=3, flyback_frames=4
    )


def test_lines_that_no_positions_fit_are_none() -> None:
    pairs = ScanGeometry(scan_shape=(1, 256), open_ended=True, frames_per_position=2)
    assert lines(61).geometry(pairs) is None
    assert lines(3).geometry(ScanGeometry(scan_shape=(1, 9), flyback_frames=4)) is None
