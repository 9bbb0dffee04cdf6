"""Where the light is in frames of vacuum: all of it is the probe's."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from livebragg.errors import ProbeError

_LIT = 0.1
"""What is brighter than this part of the maximum is a part of the probe."""

_GAP = 3
"""Dark gaps in a probe, in pixels, that do not split it: 2 x 3 are bridged."""

_ROUNDS = 4
"""Times a centre of mass is taken within the probe's radius about the one before."""


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


def place_of_light(frame: NDArray[np.float32], light: Light) -> tuple[float, float]:
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
