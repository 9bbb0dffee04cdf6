"""Where the virtual detectors lie on the frame, and the form in which the kernel reads them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from livebragg.config.detection import VirtualConfig
from livebragg.errors import FrameError
from livebragg.kernels.virtual import VirtualMasks
from livebragg.model import ProbeShape

_BRIGHT_FIELD = 1.2
"""Radius of the bright field, in probe radii: the whole disk, and room for descan."""

_ANNULAR = 2.5
"""Inner radius of the annular dark field, in probe radii."""

_DENSE = 8
"""A detector with more steps than one in so many pixels is read whole: a step costs about that many pixels."""


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


def pack_masks(masks: NDArray[np.floating]) -> VirtualMasks:
    """Prepare any number of virtual detectors for `livebragg.kernels.virtual.collect`.

    Parameters
    ----------
    masks : NDArray, shape (n, frame_rows, frame_cols)
        Sensitivity of each detector at each pixel, 0 or 1 or anything finite.

    Returns
    -------
    VirtualMasks
        Holds scratch memory: each thread needs its own.

    Raises
    ------
    FrameError
        Another number of dimensions, or a sensitivity that is not finite.
    """
    stack = np.asarray(masks, np.float32)
    if stack.ndim != 3 or not np.isfinite(stack).all():
        raise FrameError(
            f"virtual detectors have shape {stack.shape}; give (n, frame_rows, frame_cols) of finite sensitivities"
        )
    below = np.zeros(stack.shape)
    below[:, :-1] = stack[:, 1:]
    steps = stack - below
    dense = np.count_nonzero(steps, axis=(1, 2)) * _DENSE > stack[0].size if len(stack) else np.zeros(0, bool)
    steps[dense] = 0.0
    # By row, and then by column: steps next to each other mostly belong to different detectors, and their
    # additions need not wait for each other.
    row, col, detector = np.nonzero(steps.transpose(1, 2, 0))
    return VirtualMasks(
        row_starts=np.searchsorted(row, np.arange(stack.shape[1] + 1)).astype(np.uint64),
        cols=col.astype(np.uint32),
        detectors=detector.astype(np.uint32),
        steps=steps[detector, row, col],
        dense=np.ascontiguousarray(stack[dense]),
        dense_detectors=np.flatnonzero(dense).astype(np.int64),
        column_sums=np.zeros(stack.shape[2]),
        sums=np.zeros(len(stack)),
    )


def _default(value: float | None, otherwise: float) -> float:
    return otherwise if value is None else value
