"""Which pixels to sum when looking for a disk, on the grid of bins and on the grid of pixels."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from livebragg.detect.template import ProbeTemplate
from livebragg.kernels.sums import disk_spans

_COARSE = ((12.0, (4, 4)), (4.0, (2, 2)), (2.5, (2, 1)))
"""Probes of at least this radius, in pixels, are looked for on bins of so many rows and columns."""

_SHIFTS = 4
"""Places within a bin, along each axis, over which an aperture is judged."""

_OFF = 0.25
"""Bins a disk is moved to see how the sums of neighbouring bins differ."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Aperture:
    """Disk of bins in which the counts of a disk stand out most from a flat background."""

    binning: tuple[int, int]
    """Rows and columns of pixels in a bin."""
    radius: float
    """In pixels."""
    offsets: NDArray[np.int64]
    halves: NDArray[np.int64]
    """Spans, in bins, as in `disk_spans`."""
    captured: float
    """Part of a disk's light in the aperture, averaged over places within a bin."""
    slope: tuple[float, float]
    """Bins a disk is off along rows and columns, per difference of the sums of the two neighbouring bins over
    that of the middle."""


def best_aperture(probe: ProbeTemplate) -> Aperture:
    """Choose bins and aperture for a probe."""
    binning = next((bins for radius, bins in _COARSE if probe.radius >= radius), (1, 1))
    steps = (np.arange(_SHIFTS) + 0.5) / _SHIFTS - 0.5
    shifts = [(binning[0] * a, binning[1] * b) for a in steps for b in steps]
    reach = (probe.patch_radius // binning[0] + 1, probe.patch_radius // binning[1] + 1)
    rows, cols = (bins * np.arange(-n, n + 1) for bins, n in zip(binning, reach, strict=True))
    squares = rows[:, None] ** 2 + cols[None, :] ** 2
    candidates = [s for s in np.unique(squares) if s <= min(rows[-1], cols[-1]) ** 2]
    stamps = [_binned(probe, shift, binning, reach) for shift in shifts]
    light = np.array([np.mean([stamp[squares <= s].sum() for stamp in stamps]) for s in candidates])
    area = np.array([(squares <= s).sum() for s in candidates])
    best = int(np.argmax(light / np.sqrt(area)))
    offsets, halves = disk_spans(math.sqrt(float(candidates[best])), binning)
    mask = squares <= candidates[best]
    return Aperture(
        binning=binning,
        radius=math.sqrt(area[best] * binning[0] * binning[1] / math.pi),
        offsets=offsets,
        halves=halves,
        captured=float(light[best]),
        slope=(_slope(probe, binning, reach, mask, 0), _slope(probe, binning, reach, mask, 1)),
    )


def _slope(
    probe: ProbeTemplate, binning: tuple[int, int], reach: tuple[int, int], mask: NDArray[np.bool_], axis: int
) -> float:
    shift = (_OFF * binning[0], 0.0) if axis == 0 else (0.0, _OFF * binning[1])
    stamp = _binned(probe, shift, binning, (reach[0] + 1, reach[1] + 1))
    sums = [np.roll(stamp, step, axis)[1:-1, 1:-1][mask].sum() for step in (-1, 0, 1)]
    return float(_OFF * sums[1] / max(sums[0] - sums[2], 1e-3 * sums[1]))


def _binned(
    probe: ProbeTemplate, shift: tuple[float, float], binning: tuple[int, int], reach: tuple[int, int]
) -> NDArray[np.float64]:
    """A disk of unit sum, `shift` pixels off the middle of the middle bin, on ``2 * reach + 1`` bins."""
    sizes = [(2 * n + 1) * bins for n, bins in zip(reach, binning, strict=True)]
    places = [(size - 1) / 2 + off for size, off in zip(sizes, shift, strict=True)]
    whole = [math.floor(place + 0.5) for place in places]
    image = probe.image((places[0] - whole[0], places[1] - whole[1]))
    room = image.shape[0]
    canvas = np.zeros((sizes[0] + 2 * room, sizes[1] + 2 * room))
    top, left = (w - probe.patch_radius + room for w in whole)
    canvas[top : top + room, left : left + room] = image
    cut = canvas[room : room + sizes[0], room : room + sizes[1]]
    return np.asarray(cut.reshape(2 * reach[0] + 1, binning[0], 2 * reach[1] + 1, binning[1]).sum(axis=(1, 3)))


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
