"""Scan lines from the times of frames: found when they are there, and only then."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from livebragg.model import ScanGeometry
from livebragg.pipeline.scan.line_finder import Clock, LineFinder, Lines, find_lines
from livebragg.wire.messages import ChecksumKind, Piece, PieceEncoding

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
        finder.add(numbers[part], start[numbers[part]], Clock.COUNTER)
    found = finder.lines()
    assert found is not None
    assert found.frames == 20


def test_it_looks_again_only_when_more_came() -> None:
    finder = LineFinder()
    start = times(200, 50)
    for first in range(0, 200, 8):
        finder.add(np.arange(first, first + 8), start[first : first + 8], Clock.COUNTER)
        assert finder.lines() is None
    start = times(400, 50)
    finder.add(np.arange(400), start, Clock.COUNTER)
    found = finder.lines()
    assert found is not None
    assert found.frames == 50
    assert finder.lines() is None


SINCE_1970 = 1.7e9


@pytest.mark.parametrize("clock", list(Clock))
def test_every_clock_can_show_the_lines_the_less_trusted_ones_later(clock: Clock) -> None:
    n = 30 * (clock.fewest + 2)
    found = find_lines(np.arange(n), SINCE_1970 + times(n, 30), clock, exposure_s=DWELL)
    assert found is not None
    assert (found.frames, found.clock) == (30, clock)
    assert f"after every 30 frames, by their {clock.words}" in found.evidence
    few = 30 * clock.fewest
    assert find_lines(np.arange(few), times(few, 30), clock) is None


@pytest.mark.parametrize("clock", [Clock.STAMP, Clock.SENDER])
@pytest.mark.parametrize("together", [4, 16, 50])
def test_frames_that_leave_in_bunches_are_no_lines(clock: Clock, together: int) -> None:
    rng, n = np.random.default_rng(together), 3000
    bunches = np.arange(n) // together * together * DWELL + np.arange(n) % together * 20e-6
    assert find_lines(np.arange(n), bunches + rng.normal(0, 1e-7, n), clock) is None
    halved = np.arange(n) // together * together * DWELL + np.arange(n) % together * 0.6 * DWELL
    assert find_lines(np.arange(n), halved, clock, exposure_s=DWELL) is None, "faster than they can be exposed"


@pytest.mark.parametrize("dwell", [1.25e-3, 1.1e-3, 1.02e-3, 0.9e-3])
def test_a_clock_that_goes_in_steps_shows_no_lines_that_are_not_there(dwell: float) -> None:
    n = 4000
    steps = SINCE_1970 + np.floor(np.arange(n) * dwell / 1e-3) * 1e-3
    assert find_lines(np.arange(n), steps, Clock.STAMP) is None
    assert find_lines(np.arange(n), steps + 1e-7 * np.sin(np.arange(n)), Clock.SENDER) is None
    paused = np.floor((np.arange(n) * dwell + np.arange(n) // 40 * 9e-3) / 1e-3) * 1e-3
    found = find_lines(np.arange(n), SINCE_1970 + paused, Clock.STAMP)
    assert found is not None
    assert found.frames == 40


def test_times_without_lines_never_show_some_however_they_jitter() -> None:
    rng, n = np.random.default_rng(5), 2000
    for k in range(300):
        gaps = {
            0: rng.exponential(DWELL, n),
            1: DWELL * rng.lognormal(0, rng.uniform(0.1, 2), n),
            2: DWELL * (1 + (rng.random(n) < rng.uniform(0.005, 0.2)) * rng.exponential(2, n)),
            3: DWELL * (1 + rng.normal(0, 0.3, n)).clip(0.01),
        }[k % 4]
        clock, stop = list(Clock)[k % 3], int(rng.integers(100, n))
        assert find_lines(np.arange(stop), np.cumsum(gaps)[:stop], clock) is None, f"{k}"


def piece(first: int, sent_at: float, n: int = 1, encoding: PieceEncoding = PieceEncoding.RAW) -> Piece:
    return Piece(
        first_frame=first, n_frames=n, segment=0, offset=0, nbytes=1, encoding=encoding,
        checksum_kind=ChecksumKind.NONE, checksum=0, sent_at=sent_at,
    )  # fmt: skip


NOTHING = np.zeros(0, np.int64), np.zeros(0)


def test_frames_that_came_alone_have_times_of_sending_and_batches_have_none() -> None:
    alone, together, start = LineFinder(), LineFinder(), times(800, 40)
    for number, at in enumerate(start):
        alone.take([piece(number, at)], *NOTHING)
        together.take([piece(2 * number, at, n=2)], *NOTHING)
    found = alone.lines()
    assert found is not None
    assert (found.frames, found.clock) == (40, Clock.SENDER)
    assert together.lines() is None


def test_what_the_detector_says_counts_and_when_it_was_sent_does_not_any_more() -> None:
    finder, sent, start = LineFinder(), times(900, 50), times(900, 30)
    for number in range(900):
        pieces = [piece(number, sent[number], encoding=PieceEncoding.MERLIN)]
        has_stamp = number > 10 and number % 7 > 0
        own = (np.array([number]), start[[number]]) if has_stamp else NOTHING
        finder.take(pieces, *own)
    found = finder.lines()
    assert found is not None
    assert (found.frames, found.clock) == (30, Clock.STAMP)


def lines(frames: int, first: int = 0) -> Lines:
    return Lines(frames, first, 2e-3, 1e-3, 6, 6)


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
