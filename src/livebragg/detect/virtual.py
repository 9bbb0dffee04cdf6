"""Where the virtual detectors lie on the frame."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from livebragg.config.detection import VirtualConfig
from livebragg.model import ProbeShape

_BRIGHT_FIELD = 1.2
"""Radius of the bright field, in probe radii: the whole disk, and room for descan."""

_ANNULAR = 2.5
"""Inner radius of the annular dark field, in probe radii."""


def virtual_masks(probe: ProbeShape, frame_shape: tuple[int, int], config: VirtualConfig) -> NDArray[np.float32]:
    """Bright field and annular dark field.

    Returns
    -------
    NDArray[np.float32], shape (2, frame_rows, frame_cols)
        1 on the pixels each detector counts. The annulus is empty when its outer radius, by default the
        distance to the nearest edge of the frame, is below its inner one.
    """
    rows, cols = np.indices(frame_shape)
    r = np.hypot(rows - probe.center[0], cols - probe.center[1])
    bright = _default(config.bright_field_radius, _BRIGHT_FIELD * probe.radius)
    inner = _default(config.annular_inner_radius, _ANNULAR * probe.radius)
    edge = min(
        probe.center[0],
        probe.center[1],
        frame_shape[0] - 1 - probe.center[0],
        frame_shape[1] - 1 - probe.center[1],
    )
    outer = _default(config.annular_outer_radius, edge)
    return np.stack([r <= bright, (r >= inner) & (r <= outer)]).astype(np.float32)


def _default(value: float | None, otherwise: float) -> float:
    return otherwise if value is None else value
