"""The ellipse that the lenses make of every ring, and how well it is known.

To first order a distortion turns a ring of radius ``R`` into ``r(phi) = R (1 + e1 cos 2 phi + e2 sin 2 phi)``.
What the lattice itself does to the radii of *one* crystal (strain, low symmetry) looks exactly the same, so one
orientation never determines it. Two kinds of evidence do:

`ellipse_of_rings`
    Peaks of several crystals of one kind in different orientations lie on common rings. The crystals, not the
    peaks, are what is drawn at random: the error comes from leaving out one crystal after the other.
`ellipse_of_halo`
    A smooth halo has no orientation. Only the displacement of its flanks counts; what may make it brighter in
    one direction (a flat field that is not flat, texture) is fitted beside it.

Both refuse with the reason when the data do not determine the ellipse.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from livebragg.errors import CalibrationError
from livebragg.model import EllipseEstimate

_LARGEST = 0.12
"""Largest ``e`` that is looked for: axes that differ by a fourth."""
_STEP = 0.005
_MOST_PAIRS = 5000
"""Pairs that tell in which valley to begin: more only cost time."""
_WORST_ERROR = 0.004
"""An estimate with a larger standard error of ``e`` says nothing a user could want to correct."""
_SHARED = 0.006
"""Radii of one ring agree to this part once the ellipse is right: strain and the error of a centroid."""
_SAME_PLACE = 0.03
"""Peaks nearer than this part of their radius may be one reflection of one orientation."""
_FEWEST = 4
_FEWEST_PEAKS = 12
_ROUNDS = 12
_SECTORS = 18
"""Speckle of a static structure is the same in all frames: sectors left out in turn tell the error, not pixels."""


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
        Fewer than 4 crystals share rings, or their disagreement leaves the ellipse open.
    """
    used = (crystal >= 0) & (np.hypot(qx, qy) > 0)
    qx, qy, crystal = np.asarray(qx[used], np.float64), np.asarray(qy[used], np.float64), crystal[used]
    q = np.stack([qx, qy], axis=1)
    crystal = _directions(q) if symmetric else _orientations(q, crystal)
    crystals = np.unique(crystal)
    kind = "directions" if symmetric else "orientations"
    if crystals.size < _FEWEST or q.shape[0] < _FEWEST_PEAKS:
        raise CalibrationError(
            f"{q.shape[0]} peaks in {crystals.size} {kind} do not determine an ellipse, since strain looks the "
            f"same: it takes {_FEWEST_PEAKS} peaks in {_FEWEST}, an amorphous halo, or a given ellipse "
            "(analysis.calibration.ellipse_ratio)"
        )
    start = _most_coincidences(q, crystal)
    best, residual, members = _agree(q, crystal, start)
    left_out = [_agree(q[crystal != c], crystal[crystal != c], best)[0] for c in crystals]
    spread = np.stack(left_out) - np.mean(left_out, axis=0)
    # The second factor: few crystals tell their own scatter badly (variance of Student's distribution).
    few = (crystals.size - 1) / (crystals.size - 3)
    covariance = few * (crystals.size - 1) / crystals.size * spread.T @ spread
    return _judged(best, covariance, "crystal" if symmetric else "rings", residual, members)


def ellipse_of_halo(
    pattern: NDArray[np.floating],
    weight: NDArray[np.floating],
    center: tuple[float, float],
    inner_radius: float,
    outer_radius: float,
) -> EllipseEstimate:
    """Ellipse of the rings of smooth scattering.

    Parameters
    ----------
    pattern : NDArray, shape (rows, cols)
        Mean of frames shifted to a common origin, Bragg disks left out, in counts.
    weight : NDArray, shape (rows, cols)
        Inverse variance of each pixel up to a factor; 0 where it is not to be used.
    center : tuple of float
        The origin in `pattern`.
    inner_radius, outer_radius : float
        Pixels between these radii are used.

    Raises
    ------
    CalibrationError
        There is no halo whose flanks show where it lies.
    """
    row, col = np.indices(pattern.shape)
    x, y = np.asarray(row - center[0], np.float64), np.asarray(col - center[1], np.float64)
    radius = np.hypot(x, y)
    used = (radius > inner_radius) & (radius < outer_radius) & (weight > 0) & np.isfinite(pattern)
    if used.sum() < 500:
        raise CalibrationError(
            f"{used.sum()} pixels between the radii {inner_radius:.1f} and {outer_radius:.1f} show smooth "
            "scattering; a halo needs at least 500"
        )
    value, w = np.asarray(pattern[used], np.float64), np.asarray(weight[used], np.float64)
    place = np.stack([x[used], y[used]], axis=1)
    e, shift, covariance, chi = np.zeros(2), np.zeros(2), np.zeros((2, 2)), 0.0
    for _ in range(_ROUNDS):
        step, covariance, chi = _halo_step(value, w, place, e, shift)
        e, shift = e + step[:2], shift + step[2:4]
        if np.hypot(*e) > 2 * _LARGEST or not np.isfinite(e).all():
            raise CalibrationError("the smooth scattering has no ring: the fit of an ellipse runs away")
        if np.abs(step[:2]).max() < 1e-6:
            break
    return _judged(e, covariance, "halo", chi, int(used.sum()))


def combined(estimates: list[EllipseEstimate]) -> EllipseEstimate:
    """Mean of several halos' ellipses, weighted by their errors; its error is that of their scatter if larger."""
    if len(estimates) == 1:
        return estimates[0]
    weight = np.array([e.error**-2 for e in estimates])
    values = np.array([(e.e1, e.e2) for e in estimates])
    mean = weight @ values / weight.sum()
    scatter = float((weight @ (values - mean) ** 2).sum()) / (2 * (len(estimates) - 1))
    return EllipseEstimate(
        e1=float(mean[0]),
        e2=float(mean[1]),
        error=math.sqrt(max(scatter, 1.0) / weight.sum()),
        source=estimates[0].source,
        residual=float(np.mean([e.residual for e in estimates])),
        n_used=sum(e.n_used for e in estimates),
    )


def _judged(
    e: NDArray[np.float64], covariance: NDArray[np.float64], source: str, residual: float, members: int
) -> EllipseEstimate:
    error = float(np.sqrt(np.trace(covariance) / 2))
    if not math.isfinite(error) or error > _WORST_ERROR or np.hypot(*e) > _LARGEST:
        raise CalibrationError(
            f"{source}: the ellipse stays open, {np.hypot(*e):.3f} with a standard error of {error:.3f} (at most "
            f"{_LARGEST} with {_WORST_ERROR} is believed); give one (analysis.calibration.ellipse_ratio)"
        )
    return EllipseEstimate(
        e1=float(e[0]), e2=float(e[1]), error=error, source=source, residual=residual, n_used=members
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


def _directions(q: NDArray[np.float64]) -> NDArray[np.integer]:
    """A number for each direction, the same for opposite peaks."""
    return np.rint(np.mod(np.arctan2(q[:, 1], q[:, 0]), np.pi) / np.pi * 90).astype(np.int64) % 90


def _polar(place: NDArray[np.float64], e: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Radius and angle of places, shape (n, 2), once the ellipse is taken back."""
    corrected = place @ EllipseEstimate(e1=e[0], e2=e[1], error=0.0, source="").matrix.T
    return np.hypot(*corrected.T), np.arctan2(corrected[:, 1], corrected[:, 0])


def _differences(
    q: NDArray[np.float64], e: NDArray[np.float64], i: NDArray[np.int64], j: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Of the logarithmic radii of pairs, and of the waves that an ellipse would add to them."""
    radius, angle = _polar(q, e)
    length, wave = np.log(radius), np.stack([np.cos(2 * angle), np.sin(2 * angle)], axis=1)
    return length[i] - length[j], wave[i] - wave[j]


def _pairs(crystal: NDArray[np.integer]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    i, j = np.nonzero(np.triu(crystal[:, None] != crystal[None, :]))
    return i, j


def _most_coincidences(q: NDArray[np.float64], crystal: NDArray[np.integer]) -> NDArray[np.float64]:
    """Of a grid of ellipses the one with most pairs of equally long vectors in different crystals."""
    difference, contrast = _differences(q, np.zeros(2), *_pairs(crystal))
    near = np.abs(difference) < 4 * _LARGEST
    every = max(1, int(near.sum()) // _MOST_PAIRS)
    difference, contrast = difference[near][::every], contrast[near][::every]
    grid = np.arange(-_LARGEST, _LARGEST + _STEP / 2, _STEP)
    score = np.array(
        [
            [np.exp(-0.5 * ((difference - contrast @ (a, b)) / (1.5 * _SHARED)) ** 2).sum() for b in grid]
            for a in grid
        ]
    )
    score -= ndimage.gaussian_filter(score, 6, mode="nearest")  # more pairs happen to agree, not agree sharply
    best = np.unravel_index(score.argmax(), score.shape)
    return np.array([grid[best[0]], grid[best[1]]])


def _agree(
    q: NDArray[np.float64], crystal: NDArray[np.integer], e: NDArray[np.float64]
) -> tuple[NDArray[np.float64], float, int]:
    """Least squares with every pair of peaks of two crystals that lie on one ring, distant pairs weighing less."""
    i, j = _pairs(crystal)
    for _ in range(_ROUNDS):
        rest, contrast = _differences(q, e, i, j)
        weight = np.where(np.abs(rest) < 3 * _SHARED, (1 - (rest / (3 * _SHARED)) ** 2) ** 2, 0.0)
        normal = contrast.T @ (weight[:, None] * contrast)
        if not weight.any() or np.linalg.cond(normal + 1e-12 * np.eye(2)) > 1e4:
            raise CalibrationError(
                "the crystals' peaks all lie along one direction: no ring can be told from them"
            )
        e = e + np.linalg.solve(normal, contrast.T @ (weight * rest))
    on_ring = weight > 0
    scatter = math.sqrt(float((weight * rest**2).sum() / max(weight.sum(), 1e-12)) / 2)
    return e, scatter, int(np.unique(np.concatenate([i[on_ring], j[on_ring]])).size)


def _halo_step(
    value: NDArray[np.float64],
    weight: NDArray[np.float64],
    place: NDArray[np.float64],
    e: NDArray[np.float64],
    shift: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """One Gauss-Newton step: (e1, e2, shift of the centre), covariance of the first two, root of chi squared."""
    true, angle = _polar(place - shift, e)
    c1, s1, c2, s2 = np.cos(angle), np.sin(angle), np.cos(2 * angle), np.sin(2 * angle)
    profile, slope = _profile(true, value, weight)
    moved = -true * slope
    design = np.stack(
        [moved * c2, moved * s2, -slope * c1, -slope * s1] + [profile * wave for wave in (c1, s1, c2, s2)],
        axis=1,
    )
    weighted = design * weight[:, None]
    rest = value - profile
    sector = ((angle + np.pi) * (_SECTORS / (2 * np.pi))).astype(np.int64) % _SECTORS
    parts = [(weighted[sector == k].T @ design[sector == k], weighted[sector == k].T @ rest[sector == k])
             for k in range(_SECTORS)]  # fmt: skip
    normal, target = np.sum([p[0] for p in parts], axis=0), np.sum([p[1] for p in parts], axis=0)
    step = _solve(normal, target)
    left_out = np.stack([_solve(normal - n, target - t)[:2] for n, t in parts])
    spread = left_out - left_out.mean(axis=0)
    covariance = (_SECTORS - 1) / _SECTORS * spread.T @ spread
    chi = float((weight * (rest - design @ step) ** 2).sum() / max(value.size - design.shape[1], 1))
    return step[:4], covariance, math.sqrt(chi)


def _solve(normal: NDArray[np.float64], target: NDArray[np.float64]) -> NDArray[np.float64]:
    """Least squares with columns brought to one scale; directions that nothing determines stay 0."""
    scale = np.sqrt(np.maximum(np.diag(normal), 1e-300))
    return np.asarray(np.linalg.pinv(normal / np.outer(scale, scale), rcond=1e-9) @ (target / scale) / scale)


def _profile(
    radius: NDArray[np.float64], value: NDArray[np.float64], weight: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Azimuthal mean at every pixel's radius, and its slope, in bins of a pixel with linear shares."""
    low = np.floor(radius).astype(np.int64)
    first, part = int(low.min()), radius - low
    index = low - first
    n = int(index.max()) + 2
    total = np.bincount(index, weight * (1 - part), n) + np.bincount(index + 1, weight * part, n)
    sums = np.bincount(index, weight * (1 - part) * value, n) + np.bincount(index + 1, weight * part * value, n)
    known = total > 0
    ring = np.interp(np.arange(n), np.flatnonzero(known), sums[known] / total[known])
    ring = 0.25 * np.pad(ring, 1, mode="edge")[:-2] + 0.5 * ring + 0.25 * np.pad(ring, 1, mode="edge")[2:]
    slope = np.gradient(ring)
    return np.interp(radius - first, np.arange(n), ring), np.interp(radius - first, np.arange(n), slope)
