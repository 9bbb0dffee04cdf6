"""Residuals of Friedel pairs and lattices, on synthetic lattices of known noise."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))

from symmetry import TooFewPeaksError, friedel_residual, lattice_residual

CENTER = np.array([127.3, 130.8])
VECTORS = np.array([[21.0, 4.0], [-6.0, 17.0]])


def lattice(noise: float, outliers: float = 0.0, seed: int = 0) -> np.ndarray:
    """A lattice about `CENTER` within 110 px, and that part of peaks besides that are anywhere."""
    rng = np.random.default_rng(seed)
    order = np.stack(np.meshgrid(np.arange(-9, 10), np.arange(-9, 10)), axis=-1).reshape(-1, 2)
    points = order @ VECTORS
    points = points[np.hypot(*points.T) < 110] + CENTER
    points += rng.normal(0.0, noise, points.shape)
    wrong = rng.uniform(0, 256, (round(outliers / (1 - outliers) * len(points)), 2))
    return rng.permutation(np.concatenate([points, wrong]))


@pytest.mark.parametrize("noise", [0.02, 0.1, 0.4])
@pytest.mark.parametrize("outliers", [0.0, 0.3])
@pytest.mark.parametrize("seed", range(4))
def test_the_friedel_residual_is_the_noise(noise, outliers, seed):
    fit = friedel_residual(lattice(noise, outliers, seed), CENTER + np.array([1.5, -2.0]))
    assert np.hypot(*(fit.center - CENTER)) < 0.5 * noise
    assert fit.residual == pytest.approx(noise, rel=0.3)
    assert fit.pairs >= 40


@pytest.mark.parametrize("noise", [0.02, 0.1, 0.4])
@pytest.mark.parametrize("outliers", [0.0, 0.3])
@pytest.mark.parametrize("seed", range(4))
def test_the_lattice_residual_is_the_noise(noise, outliers, seed):
    points = lattice(noise, outliers, seed)
    fit = lattice_residual(points)
    assert abs(np.linalg.det(fit.vectors)) == pytest.approx(abs(np.linalg.det(VECTORS)), rel=0.01)
    turns = (fit.origin - CENTER) @ np.linalg.inv(VECTORS)
    assert np.abs(turns - np.round(turns)).max() < 0.02
    assert fit.residual == pytest.approx(noise, rel=0.25)
    assert fit.indexed >= 0.98 * len(lattice(noise))


def test_an_elliptical_distortion_is_no_residual():
    stretched = (lattice(0.05) - CENTER) @ np.array([[1.04, 0.01], [0.02, 0.97]]) + CENTER
    assert friedel_residual(stretched, CENTER).residual == pytest.approx(0.05, rel=0.3)
    assert lattice_residual(stretched).residual == pytest.approx(0.05, rel=0.25)


@pytest.mark.parametrize("outliers", [0.0, 0.3])
def test_a_smooth_distortion_is_no_residual_of_third_order(outliers):
    points = lattice(0.05, outliers, 1) - CENTER
    radius = np.hypot(*points.T)[:, None]
    distorted = points * (1.0 + 0.03 * (radius / 110) ** 2) + CENTER
    assert lattice_residual(distorted).residual > 0.2
    fit = lattice_residual(distorted, order=3)
    assert fit.residual == pytest.approx(0.05, rel=0.25)
    assert fit.indexed >= 0.98 * len(lattice(0.05))


def test_the_edges_of_the_cell_are_the_shortest():
    lengths = np.hypot(*lattice_residual(lattice(0.05)).vectors.T)
    assert sorted(lengths) == pytest.approx(sorted(np.hypot(*VECTORS.T)), rel=0.01)


def test_random_peaks_have_a_large_friedel_residual():
    points = np.random.default_rng(3).uniform(0, 256, (250, 2))
    assert friedel_residual(points, CENTER).residual > 0.5


def test_positions_that_are_not_finite_are_left_out():
    points = np.concatenate([lattice(0.1), [[np.nan, 3.0], [5.0, np.inf]]])
    assert lattice_residual(points).residual == pytest.approx(0.1, rel=0.25)
    assert friedel_residual(points, CENTER).residual == pytest.approx(0.1, rel=0.3)


@pytest.mark.parametrize("n", [0, 1, 5])
def test_too_few_peaks_are_refused_with_their_number(n):
    with pytest.raises(TooFewPeaksError, match=f"{n} peaks were given, at least 6 are needed"):
        friedel_residual(lattice(0.1)[:n], CENTER)
    with pytest.raises(TooFewPeaksError, match=f"{n} peaks were given, at least 6 are needed"):
        lattice_residual(lattice(0.1)[:n])


def test_peaks_on_one_side_of_the_beam_are_refused():
    points = lattice(0.1)
    with pytest.raises(TooFewPeaksError, match=r"Friedel pairs|opposite"):
        friedel_residual(points[points[:, 0] > CENTER[0] + 12], CENTER)


def test_peaks_on_one_line_are_no_lattice():
    with pytest.raises(TooFewPeaksError, match="two"):
        lattice_residual(np.arange(12)[:, None] * VECTORS[0])


def test_what_are_no_positions_is_refused():
    with pytest.raises(ValueError, match=r"expected \(n, 2\)"):
        friedel_residual(np.zeros((5, 3)), CENTER)
