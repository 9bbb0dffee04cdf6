"""The lattice on which most peaks lie, and how far they are from it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from points import TooFewPeaksError, finite, robust_sigma

MOST_CANDIDATES = 24
"""Difference vectors tried as edges of the unit cell."""

REFINED = 12
"""Unit cells fitted to all peaks, of those tried."""

CENTRAL = 40
"""Peaks in the middle of the pattern by which a unit cell is chosen, at least."""

CLIP = 4.0
"""Residuals beyond so many robust standard deviations are no part of the root mean square."""

_LEAST_SINE = 0.34
"""Edges of the unit cell that enclose less than 20 degrees are taken for one."""


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
    on_lattice: NDArray[np.bool_]
    """Which of the finite positions those are."""


def lattice_residual(
    positions: NDArray[np.floating],
    *,
    tolerance: float = 2.0,
    least_spacing: float = 6.0,
    least_indexed: int = 6,
    order: int = 1,
) -> LatticeFit:
    """Scatter of positions about the lattice that explains most of them.

    Parameters
    ----------
    positions : NDArray, shape (n, 2)
    tolerance : float
        How far a peak may lie from a lattice point to be indexed, in pixels.
    least_spacing : float
        Shorter edges of the unit cell are not tried.
    order : int
        1 for a plain lattice; with 3 its points may be displaced by a smooth polynomial of that order, as by
        the distortion of a projector lens, where there are peaks enough to tell.

    Raises
    ------
    TooFewPeaksError
        No lattice indexes `least_indexed` peaks.

    Examples
    --------
    >>> rows, cols = np.indices((5, 6))
    >>> fit = lattice_residual(np.stack([20.0 * rows + 3.0, 15.0 * cols - 2.0 * rows], axis=-1).reshape(-1, 2))
    >>> fit.indexed, round(fit.residual, 6), sorted(np.hypot(*fit.vectors.T).round(2).tolist())
    (30, 0.0, [15.0, 20.1])
    """
    positions = finite(positions, least_indexed)
    middle = np.median(positions, axis=0)
    # Far from the middle a distorted lattice is out of step with any plain one.
    central = positions[np.argsort(np.hypot(*(positions - middle).T))][: max(CENTRAL, len(positions) // 2)]
    starts = _likely_cells(
        central, _common_differences(positions, tolerance, least_spacing), tolerance, least_spacing
    )
    if not starts:
        raise TooFewPeaksError(f"the {len(positions)} peaks have no two independent spacings in common")
    fits, problem = [], TooFewPeaksError("no lattice was tried")
    for start in starts:
        try:
            fits.append(_refined(positions, start, tolerance, least_indexed, order))
        except TooFewPeaksError as error:
            problem = error
    if not fits:
        raise problem
    return max(fits, key=lambda fit: _surprise(fit.indexed, len(positions), fit.vectors, tolerance))


def _likely_cells(
    central: NDArray[np.float64], edges: list[NDArray[np.float64]], tolerance: float, least_spacing: float
) -> list[_Map]:
    """Lattices that index most peaks of the middle, the best first."""
    scored = []
    for i, first in enumerate(edges):
        for second in edges[i + 1 :]:
            vectors = _reduced(np.stack([first, second]))
            if _sine(vectors) < _LEAST_SINE or np.hypot(*vectors.T).min() < least_spacing:
                continue
            plain = _Map.plain(_phase_origin(central, vectors), vectors)
            hits = int((np.hypot(*plain.index(central)[1].T) <= tolerance).sum())
            scored.append((_surprise(hits, len(central), vectors, tolerance), plain))
    scored.sort(key=lambda pair: -pair[0])
    return [plain for _, plain in scored[:REFINED]]


@dataclass(frozen=True, slots=True)
class _Map:
    """From lattice coordinates to pixels: a polynomial, one row of coefficients (row, column) a term."""

    coefficients: NDArray[np.float64]

    @classmethod
    def plain(cls, origin: NDArray[np.float64], vectors: NDArray[np.float64]) -> _Map:
        return cls(np.concatenate([origin[None], vectors]))

    @classmethod
    def fitted(cls, index: NDArray[np.float64], positions: NDArray[np.float64], order: int) -> _Map:
        return cls(np.linalg.lstsq(_terms(index, order), positions, rcond=None)[0])

    @property
    def order(self) -> int:
        return int(np.sqrt(2 * len(self.coefficients))) - 1

    def index(self, positions: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Nearest lattice coordinates, and how far the positions are from them, in pixels."""
        inverse = np.linalg.inv(self.coefficients[1:3])
        index = np.round((positions - self.coefficients[0]) @ inverse)
        for _ in range(3):
            off = positions - _terms(index, self.order) @ self.coefficients
            index = index + np.round(off @ inverse)
        return index, positions - _terms(index, self.order) @ self.coefficients


def _terms(index: NDArray[np.float64], order: int) -> NDArray[np.float64]:
    h, k = index.T
    powers = [(n - m, m) for n in range(order + 1) for m in range(n + 1)]
    return np.stack([h**a * k**b for a, b in powers], axis=1)


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
    return float(abs(np.linalg.det(vectors)) / max(lengths.prod(), 1e-12))


def _reduced(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """The shortest edges that span the same lattice (Gauss)."""
    short, long = sorted(vectors, key=lambda v: float(v @ v))
    for _ in range(20):
        steps = np.round((long @ short) / max(float(short @ short), 1e-12))
        long = long - steps * short
        if float(long @ long) >= float(short @ short):
            break
        short, long = long, short
    return np.stack([short, long])


def _surprise(hits: int, n: int, vectors: NDArray[np.float64], tolerance: float) -> float:
    """How many more peaks are indexed than by chance, in standard deviations: dense lattices index anything."""
    chance = min(np.pi * tolerance**2 / abs(np.linalg.det(vectors)), 0.95)
    return float((hits - n * chance) / np.sqrt(n * chance * (1.0 - chance)))


def _phase_origin(positions: NDArray[np.float64], vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Lattice point near the middle of the peaks, from the mean phase of each lattice coordinate."""
    middle = np.median(positions, axis=0)
    turns = (positions - middle) @ np.linalg.inv(vectors)
    phase = np.angle(np.exp(2j * np.pi * turns).sum(axis=0)) / (2 * np.pi)
    return np.asarray(middle + phase @ vectors)


def _refined(positions: NDArray[np.float64], start: _Map, tolerance: float, least: int, order: int) -> LatticeFit:
    """Fit from the middle outwards: farther peaks are indexed once the map is good enough for them."""
    fit, far = start, np.hypot(*(positions - start.coefficients[0]).T)
    for within in [*np.quantile(far, np.linspace(0.3, 1.0, 12)), *[np.inf] * 8]:
        index, off = fit.index(positions)
        indexed = (np.hypot(*off.T) <= tolerance) & (far <= within)
        if within == np.inf and indexed.sum() < least:
            raise TooFewPeaksError(f"the best lattice indexes {indexed.sum()} peaks, at least {least} are needed")
        if indexed.sum() < min(least, 6):
            continue
        use = _no_outliers(off, indexed, tolerance)
        # A polynomial needs several peaks a term, or it follows their noise.
        degree = max(n for n in range(1, order + 1) if n == 1 or 2 * (n + 1) * (n + 2) <= use.sum())
        fit = _Map.fitted(index[use], positions[use], degree)
        if _sine(fit.coefficients[1:3]) < _LEAST_SINE / 2:
            raise TooFewPeaksError("the indexed peaks lie on one line; a lattice needs two directions")
    return _summary(positions, fit, tolerance)


def _no_outliers(off: NDArray[np.float64], indexed: NDArray[np.bool_], tolerance: float) -> NDArray[np.bool_]:
    window = min(tolerance, max(CLIP * robust_sigma(off[indexed]), 1e-6))
    return np.asarray(indexed & (np.hypot(*off.T) <= window))


def _summary(positions: NDArray[np.float64], fit: _Map, tolerance: float) -> LatticeFit:
    _, off = fit.index(positions)
    indexed = np.hypot(*off.T) <= tolerance
    use = _no_outliers(off, indexed, tolerance)
    freedom = max(2 * use.sum() - fit.coefficients.size, 1)
    return LatticeFit(
        origin=fit.coefficients[0],
        vectors=fit.coefficients[1:3],
        residual=float(np.sqrt((off[use] ** 2).sum() / freedom)),
        indexed=int(indexed.sum()),
        on_lattice=indexed,
    )
