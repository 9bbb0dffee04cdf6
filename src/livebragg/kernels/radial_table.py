"""What a radial profile needs to know beforehand, and the memory it works in; see `livebragg.kernels.radial`."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

PHASES = 2
"""Places a centre may have within a pixel, along each axis: centres are rounded to half pixels."""

USABLE = 1
"""State of a pixel that counts; 0 is a bad pixel."""

COVERED = 2
"""State of a usable pixel under a disk of the frame at hand."""


class RadialTable(NamedTuple):
    """Which pixels belong to which bin, for every phase of the centre; frames do not change it.

    The canvas is as large as the frame and `margin` on every side. A frame is copied into it so that its centre
    falls on the same canvas pixel whatever the descan, so these lists serve every shift.
    """

    order: NDArray[np.uint32]
    """(n,): flat canvas indices of the pixels within the radii, by phase, then bin, then address."""
    starts: NDArray[np.int64]
    """(PHASES**2, bins + 1): where each bin begins in `order`."""
    bins: NDArray[np.int16]
    """(PHASES**2, canvas_rows, canvas_cols): bin of every canvas pixel, -1 outside the radii."""
    center: NDArray[np.float64]
    """(2,): nominal centre (row, column) on the frame, in pixels."""
    max_shift: float
    """Largest distance of a frame's centre from the nominal one along an axis, in pixels."""
    margin: int
    """Width of the canvas around the frame, in pixels: `max_shift` and one for rounding."""


class RadialScratch(NamedTuple):
    """Memory for one frame at a time, and the pixel counts met so far; one per thread."""

    canvas: NDArray[np.float32]
    """(canvas_rows, canvas_cols): frame with its centre in place and its disks blanked."""
    state: NDArray[np.uint8]
    """(frame_rows, frame_cols): 0 bad or USABLE; COVERED only while a frame is measured."""
    counts: NDArray[np.int32]
    """(steps, steps, bins): usable pixels of the bins for each centre, in half-pixel steps; filled when met."""
    known: NDArray[np.bool_]
    """(steps, steps): True where `counts` is filled."""


def allocate_radial_scratch(table: RadialTable, usable: NDArray[np.bool_]) -> RadialScratch:
    """Allocate the memory of one worker.

    Parameters
    ----------
    usable : NDArray[np.bool_], shape (frame_rows, frame_cols)
        False at bad pixels.
    """
    steps = PHASES * (2 * table.margin + 1)
    return RadialScratch(
        canvas=np.zeros(table.bins.shape[1:], np.float32),
        state=usable.astype(np.uint8),
        # Zeros, not a marker value: the pages of shifts that never come are never touched.
        counts=np.zeros((steps, steps, table.starts.shape[1] - 1), np.int32),
        known=np.zeros((steps, steps), np.bool_),
    )
