"""Which pixels to sum when looking for a disk, on the grid of bins and on the grid of pixels."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from livebragg.detect.template import ProbeTemplate
from livebragg.kernels.sums import disk_spans

_COARSE = ((9.0, 4), (4.0, 2))
"""Probes of at least this radius, in pixels, are looked for on bins of this many pixels."""

_SHIFTS = 4
"""Places within a bin, along each axis, over which an aperture is judged."""

_OFF = 0.25
"""Bins a disk is moved to see how the sums of neighbouring bins differ."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Aperture:
    """Disk of bins in which the counts of a disk stand out most from a flat background."""

    binning: int
    """Pixels along the side of a bin."""
    radius: float
    """In pixels."""
    offsets: NDArray[np.int64]
    halves: NDArray[np.int64]
    """Spans, in bins, as in `disk_spans`."""
    captured: float
    """Part of a disk's light in the aperture, averaged over places within a bin."""
    slope: float
    """Bins a disk is off, per difference of the sums of the two neighbouring bins over that of the middle."""


def best_aperture(probe: ProbeTemplate) -> Aperture:
    """Choose bins and aperture for a probe."""
    binning = next((bins for radius, bins in _COARSE if probe.radius >= radius), 1)
    steps = (np.arange(_SHIFTS) + 0.5) / _SHIFTS - 0.5
    shifts = [(binning * a, binning * b) for a in steps for b in steps]
    reach = probe.patch_radius // binning + 1
    axis = np.arange(-reach, reach + 1)
    squares = axis[:, None] ** 2 + axis[None, :] ** 2
    candidates = [s for s in np.unique(squares) if s <= reach**2 and (s >= 1 or binning > 1)]
    stamps = [_binned(probe, shift, binning, reach) for shift in shifts]
    light = np.array([np.mean([stamp[squares <= s].sum() for stamp in stamps]) for s in candidates])
    area = np.array([(squares <= s).sum() for s in candidates])
    best = int(np.argmax(light / np.sqrt(area)))
    offsets, halves = disk_spans(math.sqrt(float(candidates[best])))
    mask = squares <= candidates[best]
    return Aperture(
        binning=binning,
        radius=binning * math.sqrt(area[best] / math.pi),
        offsets=offsets,
        halves=halves,
        captured=float(light[best]),
        slope=_slope(probe, binning, reach, mask),
    )


def _slope(probe: ProbeTemplate, binning: int, reach: int, mask: NDArray[np.bool_]) -> float:
    stamp = _binned(probe, (_OFF * binning, 0.0), binning, reach + 1)
    after, here, before = (
        stamp[i : i + mask.shape[0], 1 : 1 + mask.shape[1]][mask].sum() for i in (2, 1, 0)
    )
    return float(_OFF * here / max(after - before, 1e-3 * here))


def _binned(
    probe: ProbeTemplate, shift: tuple[float, float], binning: int, reach: int
) -> NDArray[np.float64]:
    """A disk of unit sum, `shift` pixels off the middle of the middle bin, on ``2 * reach + 1`` bins square."""
    size = (2 * reach + 1) * binning
    middle = (size - 1) / 2
    place = (middle + shift[0], middle + shift[1])
    whole = [math.floor(p + 0.5) for p in place]
    image = probe.image((place[0] - whole[0], place[1] - whole[1]))
    wide = 4 * size + image.shape[0]  # room for a disk larger than the bins
    canvas = np.zeros((wide, wide))
    top, left = (w - probe.patch_radius + size for w in whole)
    canvas[top : top + image.shape[0], left : left + image.shape[1]] = image
    cut = canvas[size : 2 * size, size : 2 * size]
    return np.asarray(cut.reshape(2 * reach + 1, binning, 2 * reach + 1, binning).sum(axis=(1, 3)))


def aperture_pixels(shapes: NDArray[np.floating]) -> NDArray[np.bool_]:
    """The pixels of each template, shape (phases, n), that belong to the aperture: always equally many.

    The brightest ones; how many, so that the light over the root of their number is largest.
    """
    ranked = -np.sort(-shapes, axis=1)
    light = np.cumsum(ranked, axis=1).mean(axis=0)
    n = int(np.argmax(light / np.sqrt(np.arange(1, light.size + 1)))) + 1
    order = np.argsort(-shapes, axis=1, kind="stable")
    mask = np.zeros(shapes.shape, bool)
    np.put_along_axis(mask, order[:, :n], True, axis=1)
    return mask
