"""The probe from the first frames: where the direct beam is, how large its disk, how sharp its edge.

The beam moves from frame to frame (descan), so a mean frame is only good for finding it: each frame is then
aligned at its own beam, the radial profiles are pooled, and a blurred disk is fitted to their edge.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from livebragg.config.detection import DetectionConfig, ProbeConfig
from livebragg.detect.beam import Beam, find_beam, locate_beam
from livebragg.detect.edge import fit_edge
from livebragg.detect.frames import as_frames
from livebragg.detect.noise import measure_gain
from livebragg.detect.profile import RadialProfile
from livebragg.detect.saturation import check_edge
from livebragg.detect.template import ProbeTemplate
from livebragg.errors import ProbeError
from livebragg.model import ProbeShape

_MOST_FRAMES = 64
"""Frames used of those given, evenly spread."""

_ROUNDS = 3
"""Times the frames are aligned and the edge is fitted: the fit improves the alignment."""


def measure_probe(
    frames: NDArray[np.generic],
    *,
    known: ProbeConfig | None = None,
    detection: DetectionConfig | None = None,
    template: ProbeTemplate | None = None,
) -> ProbeShape:
    """Measure radius, edge width and centre of the direct beam.

    Parameters
    ----------
    frames : NDArray, shape (n, frame_rows, frame_cols)
        A few frames; more average better. Not changed.
    known : ProbeConfig, optional
        What need not be measured.
    detection : DetectionConfig, optional
        Bad pixels, and how the detector counts.
    template : ProbeTemplate, optional
        What the probe looks like; then only its centre is measured.

    Raises
    ------
    ProbeError
        No frame has a beam that stands out, it has no edge within the frame, or it is so saturated that only
        its halo has one.

    Examples
    --------
    >>> rows, cols = np.indices((64, 64))
    >>> frame = np.random.default_rng(0).poisson(200 * (np.hypot(rows - 30, cols - 33) < 6.2))
    >>> shape = measure_probe(frame[np.newaxis])
    >>> round(shape.radius), [round(q) for q in shape.center]
    (6, [30, 33])
    """
    known = ProbeConfig() if known is None else known
    detection = DetectionConfig() if detection is None else detection
    if template is not None:
        known = replace(known, radius=template.radius, edge_width=template.edge_width, vacuum_file=None)
        if known.center is not None:
            return _shape(template, known.center)
    stack, read_noise = _prepare(frames, detection)
    start, guess = find_beam(stack, known)
    beams = locate_beam(stack, guess if template is None else template, start, read_noise)
    for _ in range(0 if template is not None else _ROUNDS):
        guess = ProbeTemplate.disk(*fit_edge(_pool(stack, beams, guess), guess, known))
        beams = locate_beam(stack, guess, start, read_noise)
    center = np.median([b.center for b in beams], axis=0) if known.center is None else known.center
    if known.radius is None:
        check_edge(stack, center, guess.radius, guess.edge_width)
    return _shape(guess if template is None else template, center)


def _shape(template: ProbeTemplate, center: Sequence[float] | NDArray[np.float64]) -> ProbeShape:
    return ProbeShape(
        radius=template.radius, edge_width=template.edge_width, center=(float(center[0]), float(center[1]))
    )


def _prepare(frames: NDArray[np.generic], detection: DetectionConfig) -> tuple[NDArray[np.float32], float]:
    """Evenly chosen frames in electrons, with bad and odd pixels 0, and the read noise in electrons."""
    array = np.asarray(frames)
    if array.ndim != 3 or array.shape[0] == 0:
        raise ProbeError(
            f"the probe is measured from a stack of frames (n, frame_rows, frame_cols), not from an array of "
            f"shape {array.shape}; give at least one frame, or set probe.radius, probe.edge_width and probe.center"
        )
    chosen = np.unique(np.linspace(0, array.shape[0] - 1, _MOST_FRAMES).astype(int))
    stack = as_frames(array[chosen], (array.shape[1], array.shape[2]))
    stack -= np.float32(detection.offset)
    stack[~np.isfinite(stack)] = 0.0
    gain, read_noise = measure_gain(stack) if detection.gain is None else (detection.gain, detection.read_noise)
    stack /= np.float32(gain)
    for row, col in detection.bad_pixels:
        if row < stack.shape[1] and col < stack.shape[2]:
            stack[:, row, col] = 0.0
    return stack if read_noise > 0 else np.maximum(stack, np.float32(0.0)), read_noise


def _pool(stack: NDArray[np.float32], beams: list[Beam], template: ProbeTemplate) -> RadialProfile:
    profile = RadialProfile(reach=2.0 * template.radius + 4.0 * template.edge_width + 4.0)
    for beam in beams:
        profile.add(stack[beam.frame], beam.center, beam.others, template.radius + 2.0 * template.edge_width + 1.0)
    return profile
