"""Whether a fitted disk stands out from surroundings that are not even."""

from __future__ import annotations

import numpy as np
import pytest

from livebragg.kernels.fit import swing
from livebragg.kernels.near import ALONE
from livebragg.kernels.plan import BACKGROUND, COL, FIT_COLUMNS, INTENSITY, ROW
from livebragg.kernels.significance import significance

SHAPE = (40, 52)
PLACE = (20.0, 26.0)
ROWS, COLS = np.indices(SHAPE)


def rated(plan, scratch, probe, background, amount):
    """Significance of a disk in the middle of a background."""
    frame = np.array(background, np.float64) * np.ones(SHAPE)
    reach = probe.patch_radius
    row, col = int(PLACE[0]), int(PLACE[1])
    frame[row - reach : row + reach + 1, col - reach : col + reach + 1] += amount * probe.image((0.0, 0.0))
    scratch.image[plan.pad : -plan.pad, plan.pad : -plan.pad] = frame
    scratch.level[:], scratch.trust[:] = float(np.mean(background)), 1.0
    scratch.crowded[0], scratch.where[0] = ALONE, -1
    scratch.place[0] = PLACE
    fit = np.zeros(len(FIT_COLUMNS))
    fit[ROW], fit[COL], fit[INTENSITY], fit[BACKGROUND] = *PLACE, amount, float(np.mean(background))
    return significance(plan, scratch, 0, fit)


def test_the_swing_is_that_of_the_sums_over_the_waves(plan):
    rng = np.random.default_rng(1)
    pixels = rng.poisson(9.0, plan.patch.size).astype(np.float32)
    use = rng.integers(0, 2, pixels.size).astype(np.float32)
    expected = np.sum((plan.waves @ (use * (pixels - 9.0))) ** 2)
    assert swing(pixels, use, plan.waves, 9.0) == pytest.approx(expected, rel=1e-3)


def test_the_waves_see_nothing_of_an_even_background_nor_of_the_disk(plan):
    assert np.abs(plan.waves.sum(axis=1)).max() < 1e-4 * plan.patch.size
    assert not plan.waves[:, plan.templates[:, 0].max(axis=0) > 1e-3].any()


def test_an_even_background_takes_nothing_away(plan, scratch, probe):
    background, amount = 20.0, 150.0
    inside = plan.templates[0, 3].sum()
    poisson = amount / np.sqrt(amount + background * inside * 1.6)
    assert rated(plan, scratch, probe, background, amount) == pytest.approx(poisson, rel=0.15)


def test_a_ring_through_the_patch_is_no_disk_but_a_disk_on_it_is(plan, scratch, probe):
    ring = 20.0 + 30.0 * np.exp(-0.5 * ((ROWS - PLACE[0]) / 3.0) ** 2)
    assert rated(plan, scratch, probe, 20.0 + 0.0 * ring, 400.0) > 2.0 * plan.threshold
    assert rated(plan, scratch, probe, ring, 0.0) < plan.threshold
    assert rated(plan, scratch, probe, ring, 3000.0) > plan.threshold


def test_the_bright_side_of_a_rim_is_no_disk(plan, scratch, probe):
    rim = np.where(COLS < 22, 0.5, 100.0)
    even = rated(plan, scratch, probe, 100.0, 0.0)
    assert even < plan.threshold
    assert rated(plan, scratch, probe, rim, 0.0) < plan.threshold
    assert rated(plan, scratch, probe, rim, 8000.0) > plan.threshold


def test_a_gentle_slope_costs_a_disk_next_to_nothing(plan, scratch, probe):
    slope = 30.0 * (1.0 + 0.01 * (COLS - PLACE[1]))
    flat = rated(plan, scratch, probe, 30.0, 300.0)
    assert rated(plan, scratch, probe, slope, 300.0) > 0.9 * flat
