"""The disks of one frame: found, measured, and forgotten again."""

from __future__ import annotations

import numpy as np
import pytest

from livebragg.detect.plan import build_plan
from livebragg.detect.template import ProbeTemplate
from livebragg.kernels.find import find_disks
from livebragg.kernels.near import DISK, TOUCHED
from livebragg.kernels.plan import (
    BACKGROUND,
    COL,
    FIT_COLUMNS,
    INTENSITY,
    INTENSITY_VARIANCE,
    OWNER,
    POSITION_VARIANCE,
    ROW,
    SIGNIFICANCE,
    allocate_scratch,
)
from livebragg.kernels.spot import sum_up

SHAPE = (40, 52)
APART = [(9.3, 12.6), (26.8, 40.1), (30.2, 9.9)]
TOUCHING = [(15.2, 20.3), (15.9, 28.4), (23.6, 24.1)]
OVERLAPPING = [(15.2, 20.3), (15.9, 26.8), (15.4, 33.4)]


def pattern(probe, places, amounts, background=1.0):
    """Expected counts of disks on a flat background."""
    reach = probe.patch_radius
    mean = np.zeros((SHAPE[0] + 2 * reach, SHAPE[1] + 2 * reach))
    for place, amount in zip(places, amounts, strict=True):
        pixel = np.floor(np.array(place) + 0.5).astype(int)
        top, left = pixel
        mean[top : top + 2 * reach + 1, left : left + 2 * reach + 1] += amount * probe.image(tuple(place - pixel))
    return mean[reach:-reach, reach:-reach] + background


def find(plan, scratch, frame, room=20):
    """Fitted disks by row, and the health counters."""
    scratch.image[plan.pad : -plan.pad, plan.pad : -plan.pad] = frame
    fits, health = np.zeros((room + 1, len(FIT_COLUMNS))), np.zeros(5, np.int64)
    n = find_disks(plan, scratch, float(np.max(frame)), fits, health)
    return fits[:n], health


def matched(fits, places):
    """The fits in the order of the places they belong to."""
    distance = np.hypot(*(fits[None, :, [ROW, COL]] - np.array(places)[:, None]).transpose(2, 0, 1))
    assert len(fits) == len(places)
    assert distance.min(axis=1).max() < 1.5
    return fits[distance.argmin(axis=1)]


@pytest.mark.parametrize("places", [APART, TOUCHING, OVERLAPPING], ids=["apart", "touching", "overlapping"])
def test_disks_of_a_noiseless_frame_are_where_they_were_put(plan, scratch, probe, places):
    amounts = [600.0, 900.0, 700.0]
    fits, health = find(plan, scratch, pattern(probe, places, amounts))
    fits = matched(fits, places)
    np.testing.assert_allclose(fits[:, [ROW, COL]], places, atol=0.05)
    np.testing.assert_allclose(fits[:, INTENSITY], amounts, rtol=0.05)
    np.testing.assert_allclose(fits[:, BACKGROUND], 1.0, atol=0.3)
    assert not health.any()


@pytest.mark.parametrize("places", [APART, TOUCHING, OVERLAPPING], ids=["apart", "touching", "overlapping"])
def test_disks_of_noisy_frames_are_within_their_errors(probe, places):
    plan = build_plan(probe, SHAPE, false_disks_per_frame=1e-5, min_spacing=None, bad_pixels=None)
    scratch = allocate_scratch(plan, 600)
    rng, amounts, pulls = np.random.default_rng(1), np.array([600.0, 900.0, 700.0]), []
    mean = pattern(probe, places, amounts)
    for _ in range(12):
        fits = matched(find(plan, scratch, rng.poisson(mean))[0], places)
        pulls.append((fits[:, [ROW, COL]] - places) / np.sqrt(fits[:, [POSITION_VARIANCE]]))
        assert (np.abs(fits[:, INTENSITY] - amounts) < 5 * np.sqrt(fits[:, INTENSITY_VARIANCE])).all()
        assert (fits[:, SIGNIFICANCE] > plan.threshold).all()
    assert 0.6 < np.std(pulls) < 1.4


@pytest.mark.parametrize("radius", [1.5, 3.0, 4.5, 9.5])
def test_probes_of_every_binning_are_found(radius):
    big = ProbeTemplate.disk(radius, 0.5)
    plan = build_plan(big, SHAPE, false_disks_per_frame=0.1, min_spacing=None, bad_pixels=None)
    place, amount = (19.3, 27.8), 20.0 * np.pi * radius**2
    fits, _ = find(plan, allocate_scratch(plan, 100), pattern(big, [place], [amount]))
    assert len(fits) == 1
    np.testing.assert_allclose(fits[0, [ROW, COL]], place, atol=0.05)
    assert fits[0, INTENSITY] == pytest.approx(amount, rel=0.03)


@pytest.mark.parametrize("radius", [1.5, 3.0, 4.5, 9.5])
def test_a_candidate_starts_near_where_the_fit_ends(radius):
    big, rng = ProbeTemplate.disk(radius, 0.5), np.random.default_rng(4)
    plan = build_plan(big, SHAPE, false_disks_per_frame=0.1, min_spacing=None, bad_pixels=None)
    scratch, amount = allocate_scratch(plan, 100), 20.0 * np.pi * radius**2
    for _ in range(5):
        place = np.array([19.0, 27.0]) + rng.uniform(-2, 2, 2)
        fits, _ = find(plan, scratch, pattern(big, [place], [amount]))
        k = int(fits[0, OWNER])
        np.testing.assert_allclose(scratch.place[k], place, atol=0.25)
        assert scratch.amount[k] == pytest.approx(amount, rel=0.2)


def test_a_frame_leaves_nothing_behind(plan, scratch, probe):
    rng = np.random.default_rng(2)
    crowd = rng.uniform(2, 38, (14, 2)) * (1.0, 1.3)
    frames = [
        rng.poisson(pattern(probe, crowd, np.full(14, 800.0))),
        rng.poisson(pattern(probe, APART, [500.0] * 3)),
        np.zeros(SHAPE),
    ]
    alone = [find(plan, allocate_scratch(plan, 600), frame)[0] for frame in frames]
    assert [len(fits) > 2 for fits in alone] == [True, True, False]
    for i in (0, 1, 0, 2, 0, 2, 1):
        np.testing.assert_array_equal(find(plan, scratch, frames[i])[0], alone[i])
        assert not scratch.model.any()


def test_noise_makes_hardly_any_disk(plan, scratch):
    rng = np.random.default_rng(3)
    assert sum(len(find(plan, scratch, rng.poisson(1.0, SHAPE))[0]) for _ in range(20)) <= 8


def test_owners_are_the_candidates_that_became_disks(plan, scratch, probe):
    fits, _ = find(plan, scratch, pattern(probe, OVERLAPPING, [600.0, 900.0, 700.0]))
    owners = fits[:, OWNER].astype(int)
    assert sorted(set(owners)) == sorted(owners)
    assert (scratch.state[owners] == DISK).all()


def test_more_disks_than_room_are_counted_as_a_full_frame(plan, scratch, probe):
    frame = pattern(probe, APART, [600.0, 900.0, 700.0])
    fits, health = find(plan, scratch, frame, room=2)
    assert len(fits) == 2
    np.testing.assert_allclose(fits[0, [ROW, COL]], APART[1], atol=0.05)
    assert health.tolist() == [0, 0, 0, 1, 0]
    fits, health = find(plan, scratch, frame, room=3)
    assert len(fits) == 3
    assert not health.any()


def test_a_full_frame_with_a_hot_pixel_is_one_full_frame(plan, scratch, probe):
    frame = pattern(probe, APART, [600.0, 900.0, 700.0])
    frame[10, 40] = 500.0
    _, health = find(plan, scratch, frame, room=2)
    assert health.tolist() == [0, 0, 1, 1, 0]


def test_a_strong_disk_stays_known_to_the_neighbour_it_touches(plan, scratch, probe):
    rng, missing, errors = np.random.default_rng(1), 0, []
    for _ in range(60):
        angle, place = rng.uniform(0, 2 * np.pi), np.array([20.0, 22.0]) + rng.uniform(-0.5, 0.5, 2)
        places = [place, place + 9.0 * np.array([np.sin(angle), np.cos(angle)])]
        fits, _ = find(plan, scratch, pattern(probe, places, [20000.0, 600.0]))
        fits = matched(fits, places)
        owners = fits[:, OWNER].astype(int)
        missing += np.count_nonzero((scratch.crowded[owners] == TOUCHED) & ~scratch.modelled[owners])
        errors.append(abs(fits[1, INTENSITY] - 600.0))
    assert missing == 0
    assert max(errors) < 30.0


def test_a_hot_pixel_is_mended_and_counted(plan, scratch, probe):
    frame = pattern(probe, APART, [600.0, 900.0, 700.0])
    frame[10, 40] = 500.0
    fits, health = find(plan, scratch, frame)
    matched(fits, APART)
    assert health.tolist() == [0, 0, 1, 0, 0]
    assert scratch.image[plan.pad + 10, plan.pad + 40] == pytest.approx(1.0, abs=0.01)


def test_bad_pixels_do_not_pull_at_a_disk(probe):
    bad = np.zeros(SHAPE, bool)
    bad[26:29, 42:44], bad[5, 11] = True, True
    plan = build_plan(probe, SHAPE, false_disks_per_frame=0.1, min_spacing=None, bad_pixels=bad)
    amounts = [600.0, 900.0, 700.0]
    frame = np.where(bad, 0.0, pattern(probe, APART, amounts))
    fits = matched(find(plan, allocate_scratch(plan, 600), frame)[0], APART)
    np.testing.assert_allclose(fits[:, [ROW, COL]], APART, atol=0.06)
    np.testing.assert_allclose(fits[:, INTENSITY], amounts, rtol=0.05)


def test_a_disk_cut_by_the_edge_of_the_frame_is_measured_whole(plan, scratch, probe):
    places = [(0.4, 20.2), (21.7, 50.6)]
    fits = matched(find(plan, scratch, pattern(probe, places, [800.0, 900.0]))[0], places)
    np.testing.assert_allclose(fits[:, [ROW, COL]], places, atol=0.1)
    np.testing.assert_allclose(fits[:, INTENSITY], [800.0, 900.0], rtol=0.08)


def test_nothing_is_darker_than_in_the_frame_before(plan, scratch, probe):
    find(plan, scratch, pattern(probe, APART, [600.0, 900.0, 700.0], background=50.0))
    scratch.image[plan.pad : -plan.pad, plan.pad : -plan.pad] = 0.1
    sum_up(plan, scratch, 0.1)
    np.testing.assert_array_equal(scratch.old_level, scratch.level)
