"""The ellipse that the lenses make of the rings of smooth scattering.

A smooth halo has no orientation. Only the displacement of its flanks counts; what may make it brighter in one
direction (a flat field that is not flat, texture) is fitted beside it. Without flanks the ellipse stays open, and
that is said.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from livebragg.calibrate.evidence import LARGEST, polar, usable
from livebragg.errors import CalibrationError
from livebragg.model import EllipseEstimate

_ROUNDS = 12
_AT_REST = 0.1
"""Step of the fit, as a part of the standard error, that ends it: noise without flanks rarely comes that far."""
_SECTORS = 18
"""Speckle of a static structure is the same in all frames: sectors left out in turn tell the error, not pixels."""


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
        if np.hypot(*e) > 2 * LARGEST or not np.isfinite(e).all():
            raise CalibrationError("the smooth scattering has no ring: the fit of an ellipse runs away")
        if np.abs(step[:2]).max() <= _AT_REST * math.sqrt(np.trace(covariance) / 2):
            break
    else:
        raise CalibrationError("the smooth scattering has no flanks: the fit of an ellipse does not come to rest")
    return usable(EllipseEstimate.of(e, covariance, "halo", residual=chi, n_used=int(used.sum())))


def _halo_step(
    value: NDArray[np.float64],
    weight: NDArray[np.float64],
    place: NDArray[np.float64],
    e: NDArray[np.float64],
    shift: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """One Gauss-Newton step: (e1, e2, shift of the centre), covariance of the first two, root of chi squared."""
    true, angle = polar(place - shift, e)
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
