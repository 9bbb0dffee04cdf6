"""What a radial profile needs to know beforehand, and the memory it works in; see `livebragg.kernels.radial`."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

PHASES = 2
"""Places a centre may have within a pixel, along each axis: centres are rounded to half pixels."""


class RadialTable(NamedTuple):
    """Which pixels lie within which radius, for every phase of the centre; frames do not change it.

    A frame is folded about its centre: row ``i`` of the half plane holds the pixels ``i`` rows (and the phase)
    below the centre, and those as far above it, seen in a mirror. Both have the same radius, of an ellipse too.
    """

    column: NDArray[np.uint32]
    """(n,): columns of the half plane, by phase and row, where a circle passes below the row."""
    within: NDArray[np.uint32]
    """(n,): the circle, from 0 to ``bins``; ``bins + 1`` more where it is entered there and not left."""
    starts: NDArray[np.int64]
    """(PHASES**2, rows + 1): where each row begins in these lists."""
    spans: NDArray[np.int64]
    """(PHASES**2, rows, 2): first and end of the columns of a row within the outermost circle."""
    reach: int
    """Columns of the half plane left of the centre's, and right of it."""
    center: NDArray[np.float64]
    """(2,): nominal centre (row, column) on the frame, in pixels."""
    max_shift: float
    """Largest distance of a frame's centre from the nominal one along an axis, in pixels."""


class RadialScratch(NamedTuple):
    """Memory for one frame at a time; one per thread."""

    columns: tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int32]]
    """(2 * reach + 1,) each: sum, sum of squares and number of the pixels of each column so far."""
    circles: tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int32]]
    """(2 * (bins + 1),) each: the same within each circle, and what of it is to be taken away again."""
    nothing: NDArray[np.float32]
    """(2 * reach + 1,): pixels that do not count."""


def allocate_radial_scratch(table: RadialTable, bins: int) -> RadialScratch:
    """Allocate the memory of one worker."""
    width, circles = 2 * table.reach + 1, 2 * (bins + 1)
    return RadialScratch(
        columns=(np.zeros(width), np.zeros(width), np.zeros(width, np.int32)),
        circles=(np.zeros(circles), np.zeros(circles), np.zeros(circles, np.int32)),
        nothing=np.full(width, np.nan, np.float32),
    )
