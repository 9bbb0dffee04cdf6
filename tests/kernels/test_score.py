"""The excess of a disk over its surroundings, and its significance, against their formulas."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import optimize, stats

from livebragg.kernels.score import FEW, excess_map, root_deviance

MARGIN = 2


def scene(shape, tiles, seed=0):
    """Random disk sums, box sums, ratios, levels and trusts."""
    rng = np.random.default_rng(seed)
    padded = (shape[0] + 2 * MARGIN, shape[1] + 2 * MARGIN)
    disk = rng.integers(0, 400, padded).astype(np.int32)
    box = disk + rng.integers(0, 500, padded).astype(np.int32)
    ratio = rng.uniform(0.3, 0.9, shape).astype(np.float32)
    return disk, box, ratio, rng.uniform(0.5, 3.0, tiles), rng.uniform(1.0, 30.0, tiles)


def spread(tiles, shape):
    """Value of its tile at every bin."""
    index = [
        np.repeat(np.arange(n), np.diff(np.arange(n + 1) * size // n))
        for n, size in zip(tiles.shape, shape, strict=True)
    ]
    return tiles[np.ix_(*index)]


@pytest.mark.parametrize(("shape", "tiles"), [((11, 17), (1, 1)), ((11, 17), (2, 3)), ((7, 40), (3, 2))])
@pytest.mark.parametrize(("unit", "floor"), [(0.25, 0.0), (0.25, 25.0), (200.0, 0.0)])
def test_the_excess_is_what_the_ring_and_the_tile_do_not_explain(shape, tiles, unit, floor):
    disk, box, ratio, level, trust = scene(shape, tiles)
    ring_area, threshold = 40.0, 2.5 if unit < 1 else 90.0
    excess = np.full((shape[0] + 2, shape[1] + 2), 77.0, np.float32)
    lines = np.zeros((2, shape[1]), np.float32)
    excess_map(disk, box, MARGIN, unit, ratio, ring_area, level, trust, floor, threshold, lines, excess)
    inner = (slice(MARGIN, -MARGIN), slice(MARGIN, -MARGIN))
    on, off = unit * disk[inner], unit * (box - disk)[inner]
    pseudo, expected_level = spread(trust, shape), spread(level, shape)
    density = (off + pseudo) / (ring_area + pseudo / expected_level)
    ground = ratio * ring_area * density
    above = on - ground
    estimate = ratio * ring_area / (ring_area + pseudo / expected_level)  # electrons per electron around the disk
    variance = ground * (1 + estimate) + (0.005 * ground) ** 2 + FEW + floor
    expected = np.where(above > threshold * np.sqrt(variance), above, 0.0)
    assert 0.1 < np.mean(expected > 0) < 0.9
    np.testing.assert_allclose(excess[1:-1, 1:-1], expected, rtol=1e-4, atol=1e-4)
    excess[1:-1, 1:-1] = 77.0
    assert (excess == 77.0).all()  # the border is not touched


def test_nothing_is_in_excess_where_no_disk_can_be_seen():
    disk, box, ratio, level, trust = scene((5, 6), (1, 1))
    ratio[:, 2:4] = 1e9
    excess = np.zeros((7, 8), np.float32)
    excess_map(disk, box, MARGIN, 1.0, ratio, 40.0, level, trust, 0.0, 0.5, np.zeros((2, 6), np.float32), excess)
    assert not excess[:, 3:5].any()
    assert excess.any()


def test_three_electrons_on_an_empty_background_are_worth_a_look_and_two_are_not():
    disk = np.zeros((5, 9), np.int32)
    disk[2, 2:7] = [0, 1, 2, 3, 4]
    level, trust, excess = np.full((1, 1), 1e-4), np.ones((1, 1)), np.zeros((3, 7), np.float32)
    ratio, lines = np.full((1, 5), 0.6, np.float32), np.zeros((2, 5), np.float32)
    excess_map(disk, disk, MARGIN, 1.0, ratio, 50.0, level, trust, 0.0, 0.75 * 4.5, lines, excess)
    assert (excess[1, 1:-1] > 0).tolist() == [False, False, False, True, True]


def minus_log_likelihood(on, off, means):
    """Of Poisson counts in the disk and around it, up to a constant."""
    return -sum(stats.poisson.logpmf(n, max(m, 1e-12)) for n, m in zip((on, off), means, strict=True))


@pytest.mark.parametrize(
    ("on", "off", "ratio", "known_on", "known_off"),
    [
        (30, 20, 0.5, 0, 0),
        (5, 0, 0.4, 0, 0),
        (40, 30, 0.5, 12, 9),
        (8, 3, 1.0, 0, 2),
        (3, 40, 0.5, 0, 0),
        (25, 4, 0.6, 3, 9),
        (300, 250, 0.7, 20, 60),
    ],
)
def test_the_significance_is_the_root_of_the_likelihood_ratio(on, off, ratio, known_on, known_off):
    def fitted(source):
        """Over the backgrounds: of a given source, or (None) of the best source."""

        def cost(background):
            ground = ratio * background + known_on
            mean_on = max(on, ground) if source is None else source + ground
            return minus_log_likelihood(on, off, (mean_on, background + known_off))

        return optimize.minimize_scalar(cost, bounds=(0, 1000), method="bounded", options={"xatol": 1e-8}).fun

    got = root_deviance(on, off, ratio, known_on, known_off)
    assert got == pytest.approx(math.sqrt(2 * max(fitted(0.0) - fitted(None), 0)), abs=2e-3)


def test_without_known_disks_it_is_the_significance_of_li_and_ma():
    on, off, ratio = 60.0, 50.0, 0.6
    total = on + off
    square = on * math.log((1 + ratio) / ratio * on / total) + off * math.log((1 + ratio) * off / total)
    assert root_deviance(on, off, ratio, 0.0, 0.0) == pytest.approx(math.sqrt(2 * square), rel=1e-9)


def test_what_known_disks_explain_is_not_significant():
    assert root_deviance(30.0, 20.0, 0.5, 20.0, 0.0) == 0.0
    assert root_deviance(-2.0, 20.0, 0.5, 0.0, 0.0) == 0.0
    assert root_deviance(5.0, -3.0, 0.5, 0.0, 0.0) == root_deviance(5.0, 0.0, 0.5, 0.0, 0.0) > 0
