"""A blurred uniform disk: its profile, and what pixels record of it."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline
from scipy.special import chndtr, ndtr

PIXEL_WIDTH = 0.29
"""Standard deviation of a pixel's own width, 1/sqrt(12): no recorded edge is sharper."""

_SHARPEST = 0.12
"""Least blur before the pixels that the pixel integral is good for: nothing is recorded sharper than 0.31."""

_SMOOTH = 0.8
"""Edge width from which a pixel's square is as good as the Gaussian of its variance, to 1 part in 1000."""

_LARGE = 15.0
"""Radius from which edges average over so many pixels that their square no longer matters: below 0.005 px."""

_EDGE = 6.0
"""Edge widths from the edge within which a disk is neither empty nor full."""

_NODES = np.array([-math.sqrt(0.6), 0.0, math.sqrt(0.6)]) / 2
_WEIGHTS = np.array([5.0, 8.0, 5.0]) / 18
"""Gauss-Legendre integral over a pixel."""


def disk_profile(r: NDArray[np.float64], radius: float, edge_width: float) -> NDArray[np.float64]:
    """Brightness of a blurred uniform disk at distance `r` from its centre; the sharp disk has height 1.

    The convolution of a disk with a two-dimensional Gaussian: a noncentral chi-square probability, and far
    from the centre of curvature an error function. A radius below the edge width gives a Gaussian spot.

    Examples
    --------
    >>> import numpy as np
    >>> disk_profile(np.array([0.0, 5.0, 9.0]), 5.0, 0.5).round(2)
    array([1.  , 0.48, 0.  ])
    """
    return _blurred(r, radius, max(edge_width, PIXEL_WIDTH))


def disk_image(
    radius: float, edge_width: float, reach: int, shift: tuple[float, float] = (0.0, 0.0), steps: int = 1
) -> NDArray[np.float64]:
    """Disk of unit sum as pixels record it.

    Parameters
    ----------
    radius, edge_width : float
        In pixels. The edge width is the recorded one, so the pixel's own width is part of it: the disk is
        blurred by what remains of it and integrated over each pixel.
    reach : int
        Pixels on each side of the middle one.
    shift : tuple of float
        Of the disk's centre against the middle of the middle pixel (rows, columns).
    steps : int
        Places per pixel along each axis: what a pixel centred at each of them would record.

    Returns
    -------
    NDArray[np.float64], shape (2 * reach * steps + 1, 2 * reach * steps + 1)
    """
    axis = np.arange(-reach * steps, reach * steps + 1) / steps
    return recorded_disk(radius, edge_width, axis - shift[0], axis - shift[1])


def recorded_disk(
    radius: float, edge_width: float, rows: NDArray[np.float64], cols: NDArray[np.float64]
) -> NDArray[np.float64]:
    """What pixels at these rows and columns from the centre of a disk record, shape (rows, cols).

    See `disk_image`; many images in one call cost less than one by one.
    """
    if edge_width >= _SMOOTH or radius > _LARGE:
        return _sampled(radius, max(edge_width, PIXEL_WIDTH), rows, cols)
    blur = math.sqrt(max(edge_width**2 - 1.0 / 12, _SHARPEST**2))
    image = np.zeros((rows.size, cols.size))
    for u, a in zip(_NODES, _WEIGHTS, strict=True):
        for v, b in zip(_NODES, _WEIGHTS, strict=True):
            image += a * b * _sampled(radius, blur, rows + u, cols + v)
    return image


def _sampled(
    radius: float, blur: float, rows: NDArray[np.float64], cols: NDArray[np.float64]
) -> NDArray[np.float64]:
    r = np.hypot(rows[:, None], cols[None, :])
    inside = _interpolated(radius, blur)
    return np.asarray(inside(np.minimum(r, inside.x[-1])))


@lru_cache(maxsize=16)
def _interpolated(radius: float, blur: float) -> CubicSpline:
    """Profile of a disk of unit sum: exact at 16 points per edge width, which a cubic makes exact to 1e-6."""
    r = np.arange(0.0, 1.5 * radius + 16.0 * max(blur, 0.3) + 8.0, blur / 16)
    return CubicSpline(r, _blurred(r, radius, blur) / (math.pi * radius**2))


def _blurred(r: NDArray[np.float64], radius: float, w: float) -> NDArray[np.float64]:
    if radius > 20.0 * w:
        # The numerical noncentral chi-square loses its way here, and the edge is straight to 1 part in 40.
        return np.asarray(ndtr((radius - r) / w - 0.5 * w / radius))
    r = np.asarray(r, np.float64)
    out = (r < radius).astype(np.float64)
    near = np.abs(r - radius) < _EDGE * w  # elsewhere it is 0 or 1, and slow to find out
    out[near] = chndtr((radius / w) ** 2, 2.0, (r[near] / w) ** 2)
    return out
