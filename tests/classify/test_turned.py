"""Two crystals that share every tracked peak, told by where their disks lie about the peaks."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from livebragg.classify import Factors, TurnFinder
from livebragg.classify.turned import deformation, find_turn
from livebragg.model import TrackedPeaks

ROWS, COLS = 20, 30
N = ROWS * COLS
HALF = np.random.default_rng(3).uniform(-30, 30, (12, 2))
PLACE = np.concatenate([HALF, -HALF]).astype(np.float32)
ORIGIN = np.tile(np.float32([64.0, 60.0]), (N, 1))


def peaks():
    one = np.ones(len(PLACE), np.float32)
    return TrackedPeaks(
        peak_id=np.arange(len(PLACE), dtype=np.int32), qx=PLACE[:, 0], qy=PLACE[:, 1], support=one,
        significance=one, covariance=np.zeros((len(PLACE), 2, 2), np.float32),
    )  # fmt: skip


def scan(turn, stretch, error=0.4, found=0.4, seed=1):
    """Disks of a scan, and the peak of each; a third of the positions have the direct beam besides."""
    rng = np.random.default_rng(seed)
    qx, qy, matched, count = [], [], [], []
    for k in range(N):
        which = np.flatnonzero(rng.random(len(PLACE)) < found)
        matrix = (1 + stretch[k]) * np.array([[1.0, -turn[k]], [turn[k], 1.0]])
        place = PLACE[which] @ matrix.T + ORIGIN[k] + rng.normal(0, error, (which.size, 2))
        if k % 3 == 0:
            place, which = np.vstack([place, ORIGIN[k]]), np.append(which, -2)
        qx.extend(place[:, 0])
        qy.extend(place[:, 1])
        matched.extend(which)
        count.append(which.size)
    start = np.concatenate([[0], np.cumsum(count)[:-1]])
    vectors = SimpleNamespace(
        qx=np.float32(qx), qy=np.float32(qy), start=start, count=np.int32(count),
        place_error=lambda disks: np.full(disks.size, error, np.float32), intensity=np.ones(len(qx), np.float32),
    )  # fmt: skip
    return vectors, np.int32(matched)


def factors():
    pattern = np.full((1, len(PLACE)), len(PLACE) ** -0.5, np.float32)
    return Factors(
        component_ids=np.zeros(1, np.int32), patterns=pattern, weights=np.ones((N, 1), np.float32),
        novelty=np.full(N, 0.1, np.float32),
    )  # fmt: skip


RIGHT = np.tile(np.arange(COLS) >= COLS // 2 + 3, ROWS)
"""Positions of the smaller of two grains side by side."""
NONE = np.zeros(N)
LEADER = np.zeros(N, np.int32)


def test_the_turn_and_the_stretch_of_a_position_come_out_with_their_errors():
    turn = np.where(RIGHT, 0.03, -0.01)
    vectors, matched = scan(turn, np.full(N, 0.02))
    got = deformation(vectors, matched, np.arange(N), ORIGIN, peaks())
    pull = (got.value - np.column_stack([turn, np.full(N, 0.02)])[got.position]) / got.error[:, None]
    assert abs(pull.mean()) < 0.1
    assert 0.6 < pull.std() < 1.0  # the errors count strain besides


@pytest.mark.parametrize("axis", [0, 1])
def test_two_grains_with_the_same_peaks_are_told_apart(axis):
    value = np.where(RIGHT, 0.03, -0.02)
    vectors, matched = scan(*((value, NONE) if axis == 0 else (NONE, value)))
    finder = TurnFinder(COLS)
    part = finder.update(vectors, matched, ORIGIN, factors(), LEADER, peaks())
    assert finder.turns[0].axis == axis
    assert np.mean((part < 0.5) == RIGHT) > 0.99


def test_the_first_of_the_two_stays_the_first_when_it_becomes_the_smaller():
    vectors, matched = scan(np.where(RIGHT, 0.03, -0.02), NONE)
    first = find_turn(deformation(vectors, matched, np.arange(N), ORIGIN, peaks()), COLS)
    vectors, matched = scan(np.where(RIGHT, -0.02, 0.03), NONE)
    again = find_turn(deformation(vectors, matched, np.arange(N), ORIGIN, peaks()), COLS, first)
    assert (first.first < first.second) == (again.first < again.second)


@pytest.mark.parametrize(
    "turn",
    [
        NONE,
        np.tile(np.linspace(-0.03, 0.03, COLS), ROWS),
        np.where(np.random.default_rng(8).random(N) < 0.5, 0.03, -0.02),
        np.where(RIGHT, 0.006, -0.006),
    ],
    ids=["one crystal", "a bend", "chance", "less than strain"],
)
def test_what_is_one_crystal_stays_one(turn):
    vectors, matched = scan(turn, NONE)
    finder = TurnFinder(COLS)
    part = finder.update(vectors, matched, ORIGIN, factors(), LEADER, peaks(), final=True)
    assert not finder.turns and np.isnan(part).all()


def test_a_position_without_disks_goes_with_its_neighbours():
    vectors, matched = scan(np.where(RIGHT, 0.03, -0.02), NONE)
    empty = np.flatnonzero(RIGHT)[[5, 40, 100]]
    for k in empty:
        matched[vectors.start[k] : vectors.start[k] + vectors.count[k]] = -1
    part = TurnFinder(COLS).update(vectors, matched, ORIGIN, factors(), LEADER, peaks())
    assert (part[empty] < 0.5).all()


def test_a_settled_component_is_not_divided():
    vectors, matched = scan(np.where(RIGHT, 0.03, -0.02), NONE)
    finder = TurnFinder(COLS)
    assert np.isnan(finder.update(vectors, matched, ORIGIN, factors(), LEADER, peaks(), settled=[0])).all()
    assert not finder.turns


def few_disks(turn, seed=4):
    vectors, matched = scan(turn, np.zeros(N), error=1.0, found=0.1, seed=seed)
    return deformation(vectors, matched, np.arange(N), ORIGIN, peaks(), fewest=1)


def test_two_grains_with_too_few_disks_in_any_position_are_told_by_those_around():
    found = few_disks(np.where(RIGHT, 0.05, 0.0))
    turn = find_turn(found, COLS)
    assert found.faint
    assert turn is not None and turn.axis == 0
    part = turn.part(found, np.arange(N), COLS)
    assert ((part < 0.5) == RIGHT).mean() > 0.93


@pytest.mark.parametrize("turn", [np.zeros(N), np.tile(np.linspace(0, 0.05, COLS), ROWS)], ids=["one", "bent"])
def test_one_grain_with_few_disks_stays_one(turn):
    assert find_turn(few_disks(turn), COLS) is None
