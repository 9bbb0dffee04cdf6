"""A template of any shape from frames of the beam in vacuum."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from livebragg.config.detection import DetectionConfig
from livebragg.detect.odd_pixels import odd_pixels
from livebragg.detect.region import Region, frames_of_region
from livebragg.detect.saturation import check_unsaturated
from livebragg.detect.surface import surface
from livebragg.detect.template import ProbeTemplate
from livebragg.detect.vacuum_beam import find_light, windows_about
from livebragg.detect.vacuum_image import counts_of_one
from livebragg.errors import FrameError

MOST_FRAMES = 64
"""Frames used of those given, evenly spread."""


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
    windows = windows_about(stack.counts, stack.good, light)
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
    counts[~good] = 0.0
    counts *= np.float32(counts_of_one(counts[0] - np.median(counts[0])))
    for row, col in detection.bad_pixels:
        if row < counts.shape[1] and col < counts.shape[2]:
            good[:, row, col] = False
    counts[~good] = 0.0
    good &= ~odd_pixels(_Stack(counts, good).mean())
    counts[~good] = 0.0
    return _Stack(counts, good)
