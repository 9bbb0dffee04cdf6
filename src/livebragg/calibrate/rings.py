"""The ellipse on which the rings of several crystals agree.

What the lattice itself does to the radii of *one* crystal (strain, low symmetry) looks exactly as an ellipse
does, so one orientation never determines it. Peaks of several crystals of one kind in different orientations lie
on common rings: the logarithm of a peak's radius is that of its ring, plus the ellipse, plus the strain of its
crystal, plus an error of its own. Crystals are drawn at random, hence their strain is a random effect: its size
is estimated from how far they differ from each other, beyond what the scatter of peaks within one explains, and
crystals weigh as this says. That the mean strain of a few crystals is an ellipse itself is then in the error.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from livebragg.calibrate.evidence import LARGEST, directions, polar, usable
from livebragg.errors import CalibrationError
from livebragg.model import EllipseEstimate

_STEP = 0.005
_MOST_PAIRS = 5000
"""Pairs that tell in which valley to begin: more only cost time."""
_SHARED = 0.006
"""Radii of one ring agree to this part once the ellipse is right: strain and the error of a centroid."""
_VALLEY = 0.025
"""Ellipses nearer than this are of one valley."""
_STANDS_OUT = 2.0
"""The best valley must be deeper than any other by so many standard deviations of what other ellipses reach: else
peaks agree by chance."""
_SAME_PLACE = 0.03
"""Peaks nearer than this part of their radius may be one reflection of one orientation."""
_FEWEST = 4
_FEWEST_PEAKS = 12
_ROUNDS = 6
_OUTLIER = 5.0
"""Standard deviations from its ring at which a peak does not count any more."""
_STRAINS = np.concatenate([[0.0], np.geomspace(0.01, 1000.0, 16)])
"""Variances of the strain that are tried, in units of that of a peak."""


def ellipse_of_rings(
    qx: NDArray[np.floating], qy: NDArray[np.floating], crystal: NDArray[np.integer], *, symmetric: bool = False
) -> EllipseEstimate:
    """Ellipse on which the rings of several crystals agree.

    Crystals with the same peaks (one orientation in two classes) are one piece of evidence.

    Parameters
    ----------
    qx, qy : NDArray, shape (n,)
        Peaks relative to the origin, in detector pixels.
    crystal : NDArray[np.integer], shape (n,)
        Which crystal each peak belongs to; negative for none: such peaks are not used.
    symmetric : bool
        The user knows that equivalent reflections of each crystal are equally long (a cubic crystal along <001>
        or <111>, unstrained): then every pair of opposite peaks is a piece of evidence of its own, and one
        orientation is enough.

    Raises
    ------
    CalibrationError
        Fewer than 4 crystals share rings, several ellipses would do, or the crystals' strain leaves it open.
    """
    used = (crystal >= 0) & (np.hypot(qx, qy) > 0)
    q, crystal = np.stack([qx[used], qy[used]], axis=1).astype(np.float64), crystal[used]
    crystal = directions(q) if symmetric else _orientations(q, crystal)
    _require(q.shape[0], np.unique(crystal).size, symmetric)
    e, on_ring = _valley(q, crystal, 0.0 if symmetric else _STANDS_OUT), np.ones(len(q), np.bool_)
    strain, doubt, model = np.zeros(len(q)), np.ones(len(q)), None
    for _ in range(_ROUNDS):
        radius, angle = polar(q, e)
        ring = _rings(np.log(radius) - strain, crystal)
        on_ring = ring >= 0
        _require(int(on_ring.sum()), np.unique(crystal[on_ring]).size, symmetric)
        wave = np.stack([np.cos(2 * angle), np.sin(2 * angle)], axis=1)
        model = _fitted(
            np.log(radius[on_ring]), wave[on_ring], ring[on_ring], crystal[on_ring], doubt[on_ring], symmetric
        )
        e = e + model.step
        strain = model.strain_at(wave, crystal)
        doubt[on_ring] = _doubt(model.rest)
    assert model is not None
    source = "crystal" if symmetric else "rings"
    return usable(
        EllipseEstimate.of(e, model.covariance, source, residual=model.scatter, n_used=int(on_ring.sum()))
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Model:
    """Rings, ellipse and strains that fit the radii best."""

    step: NDArray[np.float64]
    """(2,): what to add to the ellipse."""
    covariance: NDArray[np.float64]
    crystals: NDArray[np.int64]
    strains: NDArray[np.float64]
    """(n_crystals, 3): of all radii, and the two of an ellipse."""
    rest: NDArray[np.float64]
    """What is left of each logarithmic radius."""
    scatter: float
    """Standard deviation of a peak about its ring, as a part of the radius."""

    def strain_at(self, wave: NDArray[np.float64], crystal: NDArray[np.integer]) -> NDArray[np.float64]:
        """What the strain of each peak's crystal adds to its logarithmic radius."""
        known = np.isin(crystal, self.crystals)
        strain = self.strains[np.searchsorted(self.crystals, np.where(known, crystal, self.crystals[0]))]
        return np.where(known, strain[:, 0] + (strain[:, 1:] * wave).sum(axis=1), 0.0)


def _fitted(
    length: NDArray[np.float64],
    wave: NDArray[np.float64],
    ring: NDArray[np.int64],
    crystal: NDArray[np.integer],
    weight: NDArray[np.float64],
    symmetric: bool,
) -> _Model:
    """Restricted maximum likelihood over the variance of the strain, generalised least squares for the rest."""
    ring = np.unique(ring, return_inverse=True)[1]
    fixed = np.column_stack([wave, np.eye(ring.max() + 1)[ring]])
    random = np.column_stack([np.ones(length.size), wave])[:, : 1 if symmetric else 3]
    crystals, owner = np.unique(crystal, return_inverse=True)
    both = np.column_stack([fixed, length])
    sums = (both * weight[:, None]).T @ both
    shared = np.zeros((crystals.size, random.shape[1], both.shape[1]))
    own = np.zeros((crystals.size, random.shape[1], random.shape[1]))
    np.add.at(shared, owner, weight[:, None, None] * random[:, :, None] * both[:, None, :])
    np.add.at(own, owner, weight[:, None, None] * random[:, :, None] * random[:, None, :])
    free = max(length.size - fixed.shape[1], 1)
    best, model = np.inf, None
    for variance in _STRAINS:
        inner = np.eye(random.shape[1]) + variance * own
        taken = variance * np.linalg.solve(inner, shared)
        normal = sums - np.einsum("gij,gik->jk", shared, taken)
        matrix, target = normal[:-1, :-1], normal[:-1, -1]
        matrix = matrix + 1e-9 * np.diag(np.diag(matrix))
        solution = np.linalg.solve(matrix, target)
        square = max(float(normal[-1, -1] - target @ solution), 1e-16)
        deviance = free * math.log(square) + np.linalg.slogdet(inner)[1].sum() + np.linalg.slogdet(matrix)[1]
        if deviance < best:
            best, model = deviance, (solution, taken, matrix, square / free)
    assert model is not None
    solution, taken, matrix, noise = model
    strains = taken[:, :, -1] - taken[:, :, :-1] @ solution
    rest = length - fixed @ solution - (strains[owner] * random).sum(axis=1)
    if strains.shape[1] == 1:
        strains = np.pad(strains, ((0, 0), (0, 2)))
    known = max(random.shape[1] * crystals.size - 3, 3)
    # The second factor: few crystals tell their own scatter badly (variance of Student's distribution).
    covariance = noise * known / (known - 2) * np.linalg.inv(matrix)[:2, :2]
    return _Model(
        step=solution[:2],
        covariance=covariance,
        crystals=crystals,
        strains=strains,
        rest=rest,
        scatter=math.sqrt(noise),
    )


def _doubt(rest: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weights that vanish for peaks far from their rings."""
    limit = _OUTLIER * (1.4826 * float(np.median(np.abs(rest))) + 1e-4)
    return np.asarray(np.maximum(1 - np.minimum(np.abs(rest) / limit, 1.0) ** 2, 1e-3) ** 2)


def _rings(length: NDArray[np.float64], crystal: NDArray[np.integer]) -> NDArray[np.int64]:
    """Number of the ring of each logarithmic radius: where these are dense; -1 for none that crystals share."""
    grid = np.arange(length.min() - 4 * _SHARED, length.max() + 4 * _SHARED, _SHARED / 4)
    density = np.exp(-0.5 * ((grid[:, None] - length) / _SHARED) ** 2).sum(axis=1)
    middle = grid[1:-1][(density[1:-1] > density[:-2]) & (density[1:-1] >= density[2:])]
    distance = np.abs(length[:, None] - middle)
    ring = np.where(distance.min(axis=1) < 3 * _SHARED, distance.argmin(axis=1), -1)
    shared = [np.unique(crystal[ring == number]).size > 1 for number in range(middle.size)]
    return np.where(np.isin(ring, np.flatnonzero(shared)), ring, -1)


def _require(n_peaks: int, n_crystals: int, symmetric: bool) -> None:
    if n_crystals < _FEWEST or n_peaks < _FEWEST_PEAKS:
        kind = "directions" if symmetric else "orientations"
        raise CalibrationError(
            f"{n_peaks} peaks in {n_crystals} {kind} do not determine an ellipse, since strain looks the "
            f"same: it takes {_FEWEST_PEAKS} peaks in {_FEWEST}, an amorphous halo, or a given ellipse "
            "(analysis.calibration.ellipse_ratio)"
        )


def _orientations(q: NDArray[np.float64], crystal: NDArray[np.integer]) -> NDArray[np.integer]:
    """Crystals, with those whose peaks lie in the same places taken as one."""
    merged = crystal.copy()
    for c in np.unique(crystal):
        own = q[crystal == c]
        for other in np.unique(merged[merged < c]):
            theirs = q[merged == other]
            distance = np.hypot(*np.moveaxis(own[:, None] - theirs[None], 2, 0))
            near = distance < _SAME_PLACE * np.hypot(*own.T)[:, None]
            if max(near.any(axis=1).mean(), near.any(axis=0).mean()) > 0.5:
                merged[merged == c] = other
                break
    return merged


def _valley(q: NDArray[np.float64], crystal: NDArray[np.integer], stands_out: float) -> NDArray[np.float64]:
    """Of a grid of ellipses the one with most pairs of equally long vectors in different crystals; it must stand
    out by so many standard deviations."""
    radius, angle = polar(q, np.zeros(2))
    length, wave = np.log(radius), np.stack([np.cos(2 * angle), np.sin(2 * angle)], axis=1)
    i, j = np.nonzero(np.triu(crystal[:, None] != crystal[None, :]))
    near = np.abs(length[i] - length[j]) < 4 * LARGEST
    every = max(1, int(near.sum()) // _MOST_PAIRS)
    i, j = i[near][::every], j[near][::every]
    difference, contrast = length[i] - length[j], wave[i] - wave[j]
    grid = np.arange(-LARGEST, LARGEST + _STEP / 2, _STEP)
    score = np.array(
        [
            [np.exp(-0.5 * ((difference - contrast @ (a, b)) / (1.5 * _SHARED)) ** 2).sum() for b in grid]
            for a in grid
        ]
    )
    score -= ndimage.gaussian_filter(score, 6, mode="nearest")  # more pairs happen to agree, not agree sharply
    first, second = np.unravel_index(int(score.argmax()), score.shape)
    others = score[np.hypot(grid[:, None] - grid[first], grid - grid[second]) > _VALLEY]
    if score.max() - others.max() < stands_out * others.std():
        raise CalibrationError(
            f"rings: {len(q)} peaks of {np.unique(crystal).size} crystals lie on common rings with more than one "
            "ellipse about as well; give one (analysis.calibration.ellipse_ratio)"
        )
    return np.array([grid[first], grid[second]])
