"""How exact measured disk positions are, where no truth is known: from the symmetry they must have.

A pattern has its disks in Friedel pairs, ``q`` and ``-q`` about the direct beam, and those of one crystal lie on a
lattice. The scatter about both is an upper bound on the error of a position (the crystal's own imperfection and
the lens distortions are in it). The Friedel residual is blind to every distortion that is odd in ``q``,
such as ellipticity; the lattice residual to every linear one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from lattice import LatticeFit, lattice_residual
from numpy.typing import NDArray
from points import TooFewPeaksError, finite, robust_sigma

__all__ = ["FriedelFit", "LatticeFit", "TooFewPeaksError", "friedel_residual", "lattice_residual"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FriedelFit:
    """Outcome of `friedel_residual`."""

    center: NDArray[np.float64]
    """(2,): best common centre, in pixels."""
    residual: float
    """Robust standard deviation of one position along one axis, in pixels."""
    pairs: int
    """Friedel pairs found."""


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
    positions = finite(positions, 2 * least_pairs)
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
    return FriedelFit(center=center, residual=robust_sigma(offsets) / math.sqrt(2.0), pairs=len(offsets))


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
