"""Neighbours from the lists of squares against all distances."""

from __future__ import annotations

import numpy as np
import pytest

from livebragg.kernels.near import DISK, NONE, WAITS, list_candidates, nearest_disk, surroundings

COUNT = 90
SHAPE = (40, 52)


@pytest.fixture
def places(plan, scratch):
    """Candidates all over the frame, some of equal height, in their lists."""
    rng = np.random.default_rng(11)
    scratch.place[:COUNT] = rng.uniform(0, 1, (COUNT, 2)) * (np.array(SHAPE) - 1)
    scratch.place[0], scratch.place[1] = (0.0, 0.0), (SHAPE[0] - 1.0, SHAPE[1] - 1.0)
    scratch.height[:COUNT] = rng.integers(1, 20, COUNT)
    scratch.state[:] = NONE
    list_candidates(plan, scratch, COUNT, 0.0)
    return scratch.place[:COUNT]


@pytest.fixture
def lonely(plan, scratch):
    """As few candidates as leave some of them alone."""
    places = [(2.0, 2.0), (2.0, 14.0), (3.0, 20.5), (20.0, 5.0), (31.0, 5.0), (38.0, 49.0), (26.0, 49.0)]
    scratch.place[:7], scratch.height[:7] = places, [5, 3, 8, 8, 8, 1, 2]
    list_candidates(plan, scratch, 7, 0.0)
    return scratch.place[:7]


def within(square, touch):
    """A squared distance where it is within reach; beyond, only that it is so is known."""
    return square if square <= touch**2 else np.inf


def test_every_candidate_waits_and_is_in_one_list(plan, scratch, places):
    assert (scratch.state[:COUNT] == WAITS).all()
    assert (scratch.state[COUNT:] == NONE).all()
    seen = []
    for first in scratch.head.reshape(-1):
        n = int(first)
        while n >= 0:
            seen.append(n)
            n = int(scratch.link[n])
    assert sorted(seen) == list(range(COUNT))


def test_lists_are_forgotten_with_the_next_frame(plan, scratch, places):
    list_candidates(plan, scratch, 1, 0.0)
    assert surroundings(plan, scratch, 0) == (np.inf, np.inf)
    list_candidates(plan, scratch, 0, 0.0)
    assert (scratch.head == -1).all()


@pytest.mark.parametrize("which", ["places", "lonely"])
def test_the_surroundings_are_those_of_all_distances(plan, scratch, request, which):
    places = request.getfixturevalue(which)
    heights, alone = scratch.height, 0
    for k, place in enumerate(places):
        squares = ((places - place) ** 2).sum(axis=1)
        others = [n for n in range(len(places)) if n != k]
        higher = [n for n in others if (heights[n], -n) > (heights[k], -k)]
        expected = [min((squares[n] for n in group), default=np.inf) for group in (others, higher)]
        expected = [within(square, plan.touch) for square in expected]
        got = [within(square, plan.touch) for square in surroundings(plan, scratch, k)]
        np.testing.assert_allclose(got, expected)
        alone += expected[0] == np.inf
    assert (alone > 0) == (which == "lonely")


def test_the_nearest_disk_is_that_of_all_distances_even_after_moves(plan, scratch, places):
    rng = np.random.default_rng(12)
    scratch.state[:COUNT] = rng.choice([WAITS, DISK, NONE], COUNT, p=[0.4, 0.2, 0.4])
    angle, step = rng.uniform(0, 2 * np.pi, COUNT), plan.leash * rng.uniform(0, 1, COUNT)
    places += np.stack([step * np.sin(angle), step * np.cos(angle)], axis=1)
    disks, far = np.flatnonzero(scratch.state[:COUNT] == DISK), 0
    for k, (row, col) in enumerate(places):
        others = disks[disks != k]
        square = ((places[others] - (row, col)) ** 2).sum(axis=1).min()
        got = nearest_disk(plan, scratch, row, col, k)
        assert within(got, plan.touch) == pytest.approx(within(square, plan.touch))
        far += square > plan.touch**2
    assert far > 0


def test_where_no_disk_is_none_is_near(plan, scratch, places):
    assert nearest_disk(plan, scratch, 20.0, 26.0, -1) == np.inf


@pytest.mark.parametrize("place", [(-4.0, -2.0), (43.0, 55.0), (-1.0, 54.0)])
def test_places_outside_the_frame_belong_to_the_nearest_square(plan, scratch, place):
    row, col = np.clip(place[0], 0, SHAPE[0] - 1), np.clip(place[1], 0, SHAPE[1] - 1)
    scratch.place[0] = row, col
    list_candidates(plan, scratch, 1, 0.0)
    scratch.state[0] = DISK
    expected = (place[0] - row) ** 2 + (place[1] - col) ** 2
    assert nearest_disk(plan, scratch, *place, -1) == pytest.approx(expected)
    assert nearest_disk(plan, scratch, *place, 0) == np.inf
