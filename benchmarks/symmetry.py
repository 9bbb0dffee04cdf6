"""How exact measured disk positions are, where no truth is known: from the symmetry they must have.

A pattern has its disks in Friedel pairs, ``q`` and ``-q`` about the direct beam, and those of one crystal lie on a
lattice. The scatter about both is an upper bound on the error of a position (the crystal's own imperfection and
the lens distortions are in it). The Friedel residual is blind to every distortion that is odd in ``q``,
such as ellipticity; the lattice residual to every linear one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MOST_CANDIDATES = 24
"""Difference vectors tried as edges of the unit cell."""

CLIP = 4.0
"""Residuals beyond so many robust standard deviations are no part of the root mean square."""

_MAD_TO_SIGMA = 1.4826
_LEAST_SINE = 0.34
"""Edges of the unit cell that enclose less than 20 degrees are taken for one."""


class TooFewPeaksError(ValueError):
    """The positions do not determine what was asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FriedelFit:
    """Outcome of `friedel_residual`."""

    center: NDArray[np.float64]
    """(2,): best common centre, in pixels."""
    residual: float
    """Robust standard deviation of one position along one axis, in pixels."""
    pairs: int
    """Friedel pairs found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LatticeFit:
    """Outcome of `lattice_residual`."""

    origin: NDArray[np.float64]
    """(2,): a lattice point near the middle of the positions."""
    vectors: NDArray[np.float64]
    """(2, 2): one edge of the unit cell a row."""
    residual: float
    """Standard deviation of one position along one axis, in pixels, of the indexed peaks that are no outliers."""
    indexed: int
    """Peaks within the tolerance of a lattice point."""


def friedel_residual(
    positions: NDArray[np.floating],
    near: tuple[float, float],
    *,
    reach: float = 5.0,
    tolerance: float = 3.0,
    least_pairs: int = 3,
) -> FriedelFit:
    """Scatter of Friedel pairs about their best common centre.

    Parameters
    ----------
    positions : NDArray, shape (n, 2)
    near : tuple of float
        Rough centre, such as the brightest disk.
    reach : float
        How far from it the centre may be, in pixels.
    tolerance : float
        How far from ``-q`` the partner of ``q`` may be, in pixels.

    Raises
    ------
    TooFewPeaksError
        Fewer than `least_pairs` pairs about any centre.

    Examples
    --------
    >>> half = np.array([[9.0, 2.0], [3.0, 11.0], [-7.0, 12.0]])
    >>> fit = friedel_residual(np.concatenate([half, -half]) + 30.0, (29.0, 31.0))
    >>> fit.center.tolist(), fit.pairs, round(fit.residual, 6)
    ([30.0, 30.0], 3, 0.0)
    """
    positions = _finite(positions, 2 * least_pairs)
    center = _mode_of_midpoints(positions, np.asarray(near, float), reach, tolerance)
    for _ in range(10):
        offsets = _pair_offsets(positions, center, tolerance)
        if len(offsets) < least_pairs:
            raise TooFewPeaksError(
                f"only {len(offsets)} Friedel pairs within {tolerance} px about {np.round(center, 1).tolist()}, "
                f"{least_pairs} are needed; check `near`, or give more peaks"
            )
        center = center + 0.5 * np.median(offsets, axis=0)
    # An offset is the sum of two positions' errors.
    return FriedelFit(center=center, residual=_robust_sigma(offsets) / np.sqrt(2.0), pairs=len(offsets))


def lattice_residual(
    positions: NDArray[np.floating], *, tolerance: float = 2.0, least_spacing: float = 6.0, least_indexed: int = 6
) -> LatticeFit:
    """Scatter of positions about the lattice that explains most of them.

    Parameters
    ----------
    positions : NDArray, shape (n, 2)
    tolerance : float
        How far a peak may lie from a lattice point to be indexed, in pixels.
    least_spacing : float
        Shorter edges of the unit cell are not tried.

    Raises
    ------
    TooFewPeaksError
        No lattice indexes `least_indexed` peaks.
    """
    positions = _finite(positions, least_indexed)
    best, fit = -np.inf, None
    edges = _common_differences(positions, tolerance, least_spacing)
    for i, first in enumerate(edges):
        for second in edges[i + 1 :]:
            vectors = np.stack([first, second])
            if _sine(vectors) < _LEAST_SINE:
                continue
            score = _surprise(positions, vectors, tolerance)
            if score > best:
                best, fit = score, vectors
    if fit is None:
        raise TooFewPeaksError(f"the {len(positions)} peaks have no two independent spacings in common")
    return _refined(positions, fit, tolerance, least_indexed)


def _finite(positions: NDArray[np.floating], least: int) -> NDArray[np.float64]:
    points = np.asarray(positions, np.float64)
    if points.ndim != 2 or points.shape[1] != 2:
        raise ValueError(f"positions have shape {points.shape}; expected (n, 2)")
    points = points[np.isfinite(points).all(axis=1)]
    if len(points) < least:
        raise TooFewPeaksError(f"{len(points)} peaks were given, at least {least} are needed")
    return points


def _robust_sigma(offsets: NDArray[np.float64]) -> float:
    """Per axis, from the median absolute deviation about 0, which the fit made the centre."""
    return float(_MAD_TO_SIGMA * np.median(np.abs(offsets)))


def _mode_of_midpoints(
    positions: NDArray[np.float64], near: NDArray[np.float64], reach: float, tolerance: float
) -> NDArray[np.float64]:
    """Where the midpoints of all pairs of peaks crowd most."""
    i, j = np.triu_indices(len(positions), 1)
    middles = 0.5 * (positions[i] + positions[j])
    middles = middles[np.hypot(*(middles - near).T) <= reach]
    if not len(middles):
        raise TooFewPeaksError(f"no two peaks lie opposite each other about {near.tolist()} within {reach} px")
    candidates = middles[np.linspace(0, len(middles) - 1, min(len(middles), 1500)).astype(int)]
    squares = ((candidates[:, None] - middles[None]) ** 2).sum(axis=2)
    # Soft votes: near pairs count most, so that exact data are not drawn to the edge of a window.
    return np.asarray(candidates[np.argmax(np.exp(-squares / (0.5 * tolerance) ** 2).sum(axis=1))])


def _pair_offsets(
    positions: NDArray[np.float64], center: NDArray[np.float64], tolerance: float
) -> NDArray[np.float64]:
    """``p + p' - 2 c`` of all peaks that are each other's nearest opposite."""
    sums = positions[:, None] + positions[None] - 2.0 * center
    distance = np.hypot(sums[..., 0], sums[..., 1])
    np.fill_diagonal(distance, np.inf)
    partner = distance.argmin(axis=1)
    own = np.arange(len(positions))
    mutual = (partner[partner] == own) & (own < partner) & (distance[own, partner] <= tolerance)
    return np.asarray(sums[own[mutual], partner[mutual]])


def _common_differences(
    positions: NDArray[np.float64], tolerance: float, least_spacing: float
) -> list[NDArray[np.float64]]:
    """Difference vectors that most pairs of peaks share, most frequent first."""
    i, j = np.triu_indices(len(positions), 1)
    steps = positions[j] - positions[i]
    steps = np.where((steps[:, :1] < 0) | ((steps[:, :1] == 0) & (steps[:, 1:] < 0)), -steps, steps)
    length = np.hypot(*steps.T)
    steps = steps[np.argsort(length)]
    steps = steps[np.sort(length) >= least_spacing][:1200]
    found: list[NDArray[np.float64]] = []
    while len(steps) and len(found) < MOST_CANDIDATES:
        squares = ((steps[:, None] - steps[None]) ** 2).sum(axis=2)
        center = steps[np.argmax(np.exp(-squares / tolerance**2).sum(axis=1))]
        member = np.hypot(*(steps - center).T) <= tolerance
        found.append(np.median(steps[member], axis=0))
        steps = steps[~member]
    return found


def _sine(vectors: NDArray[np.float64]) -> float:
    lengths = np.hypot(*vectors.T)
    return float(abs(np.linalg.det(vectors)) / lengths.prod())


def _surprise(positions: NDArray[np.float64], vectors: NDArray[np.float64], tolerance: float) -> float:
    """How many more peaks are indexed than by chance, in standard deviations: dense lattices index anything."""
    origin = _phase_origin(positions, vectors)
    hits = int((np.hypot(*_offsets(positions, origin, vectors).T) <= tolerance).sum())
    chance = min(np.pi * tolerance**2 / abs(np.linalg.det(vectors)), 0.95)
    n = len(positions)
    return float((hits - n * chance) / np.sqrt(n * chance * (1.0 - chance)))


def _phase_origin(positions: NDArray[np.float64], vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Lattice point near the middle of the peaks, from the mean phase of each lattice coordinate."""
    middle = np.median(positions, axis=0)
    turns = (positions - middle) @ np.linalg.inv(vectors)
    phase = np.angle(np.exp(2j * np.pi * turns).sum(axis=0)) / (2 * np.pi)
    return np.asarray(middle + phase @ vectors)


def _offsets(
    positions: NDArray[np.float64], origin: NDArray[np.float64], vectors: NDArray[np.float64]
) -> NDArray[np.float64]:
    turns = (positions - origin) @ np.linalg.inv(vectors)
    return np.asarray((turns - np.round(turns)) @ vectors)


def _refined(
    positions: NDArray[np.float64], vectors: NDArray[np.float64], tolerance: float, least: int
) -> LatticeFit:
    origin, window, use = _phase_origin(positions, vectors), tolerance, np.ones(len(positions), bool)
    for _ in range(12):
        off = _offsets(positions, origin, vectors)
        indexed = np.hypot(*off.T) <= tolerance
        if indexed.sum() < least:
            raise TooFewPeaksError(f"the best lattice indexes {indexed.sum()} peaks, at least {least} are needed")
        window = min(tolerance, max(CLIP * _robust_sigma(off[indexed]), 1e-6))
        use = np.hypot(*off.T) <= window
        order = np.round((positions - origin) @ np.linalg.inv(vectors))[use]
        design = np.column_stack([np.ones(len(order)), order])
        solution, *_ = np.linalg.lstsq(design, positions[use], rcond=None)
        origin, vectors = solution[0], solution[1:]
        if _sine(vectors) < _LEAST_SINE / 2:
            raise TooFewPeaksError("the indexed peaks lie on one line; a lattice needs two directions")
    off = _offsets(positions, origin, vectors)[use]
    freedom = max(2 * len(off) - 6, 1)
    indexed = np.hypot(*_offsets(positions, origin, vectors).T) <= tolerance
    return LatticeFit(
        origin=origin,
        vectors=vectors,
        residual=float(np.sqrt((off**2).sum() / freedom)),
        indexed=int(indexed.sum()),
    )
