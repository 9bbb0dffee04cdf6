"""Where the light is in frames of vacuum: all of it is the probe's."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from livebragg.detect.pooling import Window
from livebragg.errors import ProbeError

_LIT = 0.1
"""What is brighter than this part of the maximum is a part of the probe."""

_GAP = 3
"""Dark gaps in a probe, in pixels, that do not split it: 2 x 3 are bridged."""

_ROUNDS = 4
"""Times a centre of mass is taken within the probe's radius about the one before."""


_FAINT = 0.3
"""A frame with less of the median amount of light shows something else than the whole beam."""


@dataclass(frozen=True, slots=True)
class Light:
    """Rough place and extent of the probe in the mean frame."""

    center: tuple[float, float]
    """(row, column), in pixels."""
    radius: float
    """Distance from the centre to the farthest lit pixel, descan included."""


def find_light(mean: NDArray[np.float64]) -> Light:
    """Brightest connected region of the mean frame of vacuum.

    Raises
    ------
    ProbeError
        Nothing stands out.
    """
    smooth = ndimage.gaussian_filter(mean, 0.7, mode="nearest")
    smooth -= np.median(smooth)
    noise = 1.48 * float(np.median(np.abs(smooth)))
    peak = float(smooth.max())
    if not peak > max(8.0 * noise, 1e-12):
        raise ProbeError(
            f"the vacuum frames show no beam: their brightest place is {peak:.3g} counts above the background, at "
            f"least {8.0 * noise:.3g} are needed; choose frames with the beam on the detector and no specimen"
        )
    lit = smooth > max(_LIT * peak, 5.0 * noise)
    labels, n = ndimage.label(ndimage.binary_dilation(lit, iterations=_GAP), np.ones((3, 3)))
    weight = np.where(lit, smooth, 0.0)
    best = 1 + int(np.argmax(ndimage.sum_labels(weight, labels, np.arange(1, n + 1))))
    weight[labels != best] = 0.0
    row, col = ndimage.center_of_mass(weight)
    rows, cols = np.nonzero(weight)
    return Light((float(row), float(col)), float(np.hypot(rows - row, cols - col).max()) + 0.5)


def place_of_light(frame: NDArray[np.floating], light: Light) -> tuple[float, float]:
    """Centre of mass of one frame's probe (row, column), right to a fraction of a pixel."""
    reach = 2.0 * light.radius + 3.0
    rows, cols = np.indices(frame.shape)
    above = frame - np.median(frame)
    start = np.where(np.hypot(rows - light.center[0], cols - light.center[1]) < reach, above, 0.0)
    smooth = ndimage.gaussian_filter(start, max(light.radius / 3.0, 0.7), mode="constant")
    place = np.array(np.unravel_index(int(np.argmax(smooth)), frame.shape), float)
    for _ in range(_ROUNDS):
        near = np.hypot(rows - place[0], cols - place[1]) < light.radius + 1.5
        weight = np.where(near, np.maximum(above, 0.0), 0.0)
        if not weight.sum() > 0:
            break
        place = np.array(ndimage.center_of_mass(weight))
    return float(place[0]), float(place[1])


def windows_about(counts: NDArray[np.floating], good: NDArray[np.bool_], light: Light) -> list[Window]:
    """Surroundings of the beam in every frame (n, rows, cols) that shows it whole.

    Raises
    ------
    ProbeError
        None does.
    """
    half = math.ceil(1.5 * light.radius + 5.0)
    shape = counts.shape[1:]
    counts = np.pad(counts, ((0, 0), (half, half), (half, half)))
    good = np.pad(good, ((0, 0), (half, half), (half, half)))
    windows = []
    for frame, usable in zip(counts, good, strict=True):
        place = place_of_light(frame[half:-half, half:-half], light)
        if not all(light.radius - 0.5 <= q <= n - 0.5 - light.radius for q, n in zip(place, shape, strict=True)):
            continue
        row, col = (math.floor(q + 0.5) for q in place)
        part = np.s_[row : row + 2 * half + 1, col : col + 2 * half + 1]
        windows.append(_window(frame[part], usable[part], (place[0] - row, place[1] - col)))
    if not windows:
        raise ProbeError(
            f"the beam has a radius of about {light.radius:.0f} pixels and is cut off at the border in all "
            f"{len(counts)} frames of {shape} pixels; take frames with the beam inside, or set probe.radius and "
            "probe.edge_width"
        )
    typical = float(np.median([w.amount for w in windows]))
    return [w for w in windows if w.amount > _FAINT * typical]


def _window(values: NDArray[np.floating], good: NDArray[np.bool_], place: tuple[float, float]) -> Window:
    half = values.shape[0] // 2
    axis = np.arange(-half, half + 1)
    r = np.hypot(axis[:, None], axis[None, :])
    around = good & (r > half - 2)
    background = float(values[around].mean()) if around.any() else 0.0
    above = values.astype(np.float64) - background
    return Window(above, good, place, float(above[good & (r <= half - 2)].sum()))
