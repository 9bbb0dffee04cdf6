"""From windows about the probe to its surface: align, pool, and do it again at what came out.

A round probe is pooled as what it differs by from the disk that fits best. So what frames of one sub-pixel phase
(or a single image) leave open between their pixels is the disk's, which is nearly right, not a spline's guess.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from livebragg.detect.disk import disk_image
from livebragg.detect.picture import Picture
from livebragg.detect.pooling import Window, align, pool, stiffness_for
from livebragg.detect.vacuum_beam import find_light, windows_about
from livebragg.detect.vacuum_image import checked_image, cut_tails

_ROUNDS = 3
"""Times the windows are pooled; each time but the first they are aligned before."""

_STIFFNESS = 0.03
_STIFFNESS_OF_REST = 1.0
"""Smoothing of a surface, and of what is left of it without its disk, which is little and broad."""

_FINEST = 4
_GRID_POINTS = 90
"""The grid has up to 4 points per pixel, and about this many along the probe: a large one needs no finer grid."""

_ROUND = 0.15
"""Part of the light that may be elsewhere than a disk's for the disk to be of help."""

_FITTED_WINDOWS = 8
"""A disk is fitted to this many windows at most."""


def picture_of_image(image: NDArray[np.generic]) -> Picture:
    """Surface of the probe that an image shows; raises `ProbeError` when it is no picture of one whole probe."""
    values = checked_image(image)
    light = find_light(values)
    return surface(windows_about(values[np.newaxis], np.ones((1, *values.shape), bool), light), light.radius)


def surface(windows: list[Window], radius: float) -> Picture:
    """Surface common to windows whose places are known to a fraction of a pixel.

    Parameters
    ----------
    windows : list of Window
        All of one size.
    radius : float
        Rough radius of the probe, in pixels.
    """
    factor = min(max(round(_GRID_POINTS / (2 * radius + 4)), 1), _FINEST)
    picture, is_round = None, True
    for _ in range(_ROUNDS if len(windows) > 1 else 1):  # a single one could only be aligned with itself
        if picture is not None:
            windows = [align(window, picture) for window in windows]
        pooled, is_round = _round_probe(windows, radius, factor) if is_round else (None, False)
        if not is_round:
            pooled = pool(windows, factor, _stiffness(windows, radius, factor, _STIFFNESS), picture)
        assert pooled is not None
        picture = cut_tails(pooled, factor)
    assert picture is not None
    return picture


def _round_probe(windows: list[Window], radius: float, factor: int) -> tuple[NDArray[np.float64] | None, bool]:
    """Values on the grid as a disk and what remains of the windows; whether the disk is most of it."""
    disk = _fit_disk(windows, radius)
    rest = [_without(window, disk) for window in windows]
    detailed = pool(rest, factor, _stiffness(windows, radius, factor, _STIFFNESS))
    if float(np.abs(detailed).sum()) / (2 * factor**2) > _ROUND:
        return None, False
    values = pool(rest, factor, _stiffness(windows, radius, factor, _STIFFNESS_OF_REST))
    whole = disk_image(*disk, windows[0].values.shape[0] // 2, steps=factor)
    margin = (values.shape[0] - whole.shape[0]) // 2
    return values[margin : values.shape[0] - margin, margin : values.shape[0] - margin] + whole, True


def _stiffness(windows: list[Window], radius: float, factor: int, smoothing: float) -> float:
    return stiffness_for(windows, factor, 1.0 / (math.pi * max(radius, 1.0) ** 2), smoothing)


def _fit_disk(windows: list[Window], radius: float) -> tuple[float, float]:
    """Radius and edge width of the blurred disk that fits the windows best."""
    some = windows[:: math.ceil(len(windows) / _FITTED_WINDOWS)]

    def misfit(p: NDArray[np.float64]) -> float:
        disk = float(np.exp(p[0])), float(np.exp(p[1]))
        return sum(float((_without(w, disk).values[w.good] ** 2).sum()) / w.amount**2 for w in some)

    # A spot's width may all be blur: of the two beginnings, a sharp disk and a blurred one, the better end counts.
    starts = np.log([[max(radius - 1.0, 0.7), 0.45], [max(0.4 * radius, 0.35), max(0.4 * radius, 0.5)]])
    bounds = [(math.log(0.3), math.log(2 * radius + 2)), (math.log(0.3), math.log(radius + 2))]
    options = {"xatol": 0.005, "maxfev": 60}
    fits = [minimize(misfit, start, method="Nelder-Mead", bounds=bounds, options=options) for start in starts]
    best = min(fits, key=lambda fit: float(fit.fun))
    return float(np.exp(best.x[0])), float(np.exp(best.x[1]))


def _without(window: Window, disk: tuple[float, float]) -> Window:
    """What remains of a window without a disk of the probe's counts; its amount stays the probe's."""
    image = disk_image(*disk, window.values.shape[0] // 2, window.place)
    return Window(window.values - window.amount * image, window.good, window.place, window.amount)
