"""A template of any shape from frames of the beam in vacuum."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from livebragg.config.detection import DetectionConfig
from livebragg.detect.odd_pixels import odd_pixels
from livebragg.detect.pooling import Window
from livebragg.detect.region import Region, frames_of_region
from livebragg.detect.saturation import check_unsaturated
from livebragg.detect.surface import surface
from livebragg.detect.template import ProbeTemplate
from livebragg.detect.vacuum_beam import Light, find_light, place_of_light
from livebragg.errors import FrameError, ProbeError

MOST_FRAMES = 64
"""Frames used of those given, evenly spread."""

_FAINT = 0.3
"""A frame with less of the median amount of light shows something else than the whole beam."""


def measure_vacuum_probe(
    frames: NDArray[np.generic], region: Region | None = None, *, detection: DetectionConfig | None = None
) -> ProbeTemplate:
    """Measure a probe of any shape where the beam meets no specimen.

    Each frame is aligned at its own beam (descan), and all together give one surface finer than the pixels.
    Background, hot and dead pixels, and noise around the probe are left out.

    Parameters
    ----------
    frames : NDArray, shape (n, frame_rows, frame_cols) or (scan_rows, scan_cols, frame_rows, frame_cols)
        Detector counts with one probe in each frame; 64 evenly spread ones are used. May be a memory map.
    region : optional
        Scan positions in vacuum: a mask of the scan's shape, a list of flat positions, or a box
        ``((first_row, end_row), (first_col, end_col))``.
    detection : DetectionConfig, optional
        Bad pixels and the detector's offset.

    Raises
    ------
    FrameError
        No frames, a wrong shape or dtype, or a region outside the scan.
    ProbeError
        Nothing bright in the frames, a saturated beam, or one that is cut off at the border.

    Examples
    --------
    >>> rows, cols = np.indices((48, 48))
    >>> beams = [np.hypot(rows - 22 - 0.3 * k, cols - 25) for k in range(6)]
    >>> frames = np.random.default_rng(0).poisson([400.0 * ((r < 3) | (r > 5) & (r < 8)) for r in beams])
    >>> probe = measure_vacuum_probe(frames)
    >>> probe.structured, 7 < probe.radius < 9
    (True, True)
    """
    detection = DetectionConfig() if detection is None else detection
    raw = frames_of_region(frames, region, MOST_FRAMES)
    check_unsaturated(raw)
    stack = _prepare(raw, detection)
    light = find_light(stack.mean())
    windows = _windows(stack, light)
    return ProbeTemplate.of_picture(surface(windows, light.radius))


@dataclass(frozen=True, slots=True)
class _Stack:
    counts: NDArray[np.float32]
    good: NDArray[np.bool_]

    def mean(self) -> NDArray[np.float64]:
        """Mean of the good values of every pixel, 0 where there is none."""
        return np.asarray(self.counts.sum(axis=0, dtype=np.float64) / np.maximum(self.good.sum(axis=0), 1))


def _prepare(raw: NDArray[np.generic], detection: DetectionConfig) -> _Stack:
    """Counts without offset, 0 where a pixel is bad, and what is good."""
    if raw.dtype.kind not in "buif":
        raise FrameError(f"frames have dtype {raw.dtype}; expected integers or floating-point numbers")
    counts = raw.astype(np.float32) - np.float32(detection.offset)
    good = np.isfinite(counts)
    for row, col in detection.bad_pixels:
        if row < counts.shape[1] and col < counts.shape[2]:
            good[:, row, col] = False
    counts[~good] = 0.0
    good &= ~odd_pixels(_Stack(counts, good).mean())
    counts[~good] = 0.0
    return _Stack(counts, good)


def _windows(stack: _Stack, light: Light) -> list[Window]:
    """Surroundings of the beam in every frame that shows it whole."""
    half = math.ceil(1.5 * light.radius + 5.0)
    shape = stack.counts.shape[1:]
    counts = np.pad(stack.counts, ((0, 0), (half, half), (half, half)))
    good = np.pad(stack.good, ((0, 0), (half, half), (half, half)))
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


def _window(values: NDArray[np.float32], good: NDArray[np.bool_], place: tuple[float, float]) -> Window:
    half = values.shape[0] // 2
    axis = np.arange(-half, half + 1)
    r = np.hypot(axis[:, None], axis[None, :])
    around = good & (r > half - 2)
    background = float(values[around].mean()) if around.any() else 0.0
    above = values.astype(np.float64) - background
    return Window(above, good, place, float(above[good & (r <= half - 2)].sum()))
