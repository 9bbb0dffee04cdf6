"""Which phase each position is, with what it scatters given."""

from __future__ import annotations

import dataclasses
from itertools import count

import numpy as np

from livebragg.classify.class_maps import ClassMaps
from livebragg.classify.families import FamilyClassifier
from livebragg.classify.scattering import ScatteringView
from livebragg.config.analysis import FamiliesConfig
from livebragg.model import NOT_CLASSIFIED

ROWS, COLS, BINS, BEAM = 10, 24, 30, 20_000.0
RADII = np.arange(BINS)
N = ROWS * COLS
LEFT = np.tile(np.arange(COLS) < COLS // 2, ROWS)


def scattering(on_peaks: float) -> ScatteringView:
    """Two phases side by side; so much of the beam lies in disks of the left one that are on tracked peaks."""
    area = (2 * np.pi * (RADII + 5)).astype(np.float32)
    halos = [np.exp(-0.5 * ((RADII - radius) / 3) ** 2) + 0.2 for radius in (8, 18)]
    mean = 0.1 * np.array([halo / (halo @ area) for halo in halos])[np.where(LEFT, 0, 1)]
    smooth = np.random.default_rng(3).poisson(mean * area * BEAM) / (area * BEAM)
    disks = np.where(LEFT[:, None], [on_peaks, 1e-3 - on_peaks], 0.0)
    return ScatteringView(
        smooth=smooth.astype(np.float32),
        disks=disks.astype(np.float32),
        share=smooth @ area,
        granular=np.zeros(N, np.bool_),
        rings=np.zeros((N, 25), np.float32),
        area=area,
        beam=BEAM,
    )


def no_crystals() -> ClassMaps:
    return ClassMaps(
        class_ids=np.zeros(0, np.int16),
        families=(),
        labels=np.full(N, NOT_CLASSIFIED, np.int16),
        confidence=np.full(N, np.nan, np.float32),
        weights=np.zeros((0, N), np.float32),
        patterns=np.zeros((0, 0), np.float32),
    )


def test_phases_stay_what_they_are_when_a_peak_is_tracked_no_longer() -> None:
    families, numbers = FamilyClassifier(FamiliesConfig(), COLS), count()
    seen, everything, few = np.ones(N, np.bool_), np.arange(N), np.arange(COLS)
    before = families.update(
        scattering(1e-3), no_crystals(), seen, everything, lambda family: next(numbers)
    ).labels.copy()
    assert np.unique(before[LEFT]).size == np.unique(before[~LEFT]).size == np.unique(before).size - 1 == 1
    without = families.update(scattering(0.0), no_crystals(), seen, everything, lambda family: next(numbers))
    np.testing.assert_array_equal(without.labels, before)
    again = families.update(scattering(5e-4), no_crystals(), seen, few, lambda family: next(numbers))
    np.testing.assert_array_equal(again.labels, before)


def test_shares_do_not_depend_on_which_positions_came_with_a_position() -> None:
    families, numbers = FamilyClassifier(FamiliesConfig(), COLS), count()
    seen, view, right = np.ones(N, np.bool_), scattering(1e-3), np.flatnonzero(~LEFT)
    maps = families.update(view, no_crystals(), seen, np.arange(N), lambda family: next(numbers))
    before = families.shares(maps, no_crystals()).copy()
    dim = dataclasses.replace(view, disks=np.zeros_like(view.disks))
    maps = families.update(dim, no_crystals(), seen, right, lambda family: next(numbers))
    np.testing.assert_allclose(families.shares(maps, no_crystals())[:, right], before[:, right], atol=0.02)
