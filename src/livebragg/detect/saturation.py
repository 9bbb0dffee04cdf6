"""A beam that is brighter than the detector can count."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from livebragg.errors import ProbeError

_FULL_SCALES = 2 ** np.arange(8, 17) - 1
"""Highest counts of converters of 8 to 16 bits: pixels that often have exactly one of them are saturated."""

_PIXELS = 4
"""Pixels per frame at full scale that are no accident."""

_FLAT = 0.25
"""Part of the bright pixels with exactly the highest counts, from which the beam's top is cut off."""

_HALO = 0.4
"""Edge width over radius from which the edge found is a halo's: below, a cut-off top leaves the edge in place."""


def check_unsaturated(frames: NDArray[np.generic]) -> None:
    """Refuse integer frames, shape (n, rows, cols), whose brightest pixels are at a converter's full scale.

    Raises
    ------
    ProbeError
        The inside of the probe cannot be told.
    """
    if frames.dtype.kind not in "iu":
        return
    top = int(frames.max())
    per_frame = float((frames == top).sum()) / frames.shape[0]
    if top in _FULL_SCALES and per_frame >= _PIXELS:
        raise ProbeError(
            f"the vacuum beam is saturated: {per_frame:.0f} pixels per frame have exactly {top} counts, the full "
            f"scale of the detector, at most {_PIXELS - 1} may; take the vacuum frames with less beam"
        )


def check_edge(
    stack: NDArray[np.float32], center: Sequence[float] | NDArray[np.float64], radius: float, edge_width: float
) -> None:
    """Refuse a measured edge that is a halo's, because the disk's own edge lies in the saturated part.

    Raises
    ------
    ProbeError
        With what to set.
    """
    if edge_width < _HALO * radius:
        return
    reach = 2.0 * radius + 2.0 * edge_width
    rows, cols = np.indices(stack.shape[1:])
    near = stack[:, np.hypot(rows - center[0], cols - center[1]) < reach]
    top = float(near.max())
    flat = float((near == top).sum()) / max(int((near > 0.7 * top).sum()), 1)
    if flat > _FLAT and (near == top).sum() >= _PIXELS * stack.shape[0]:
        raise ProbeError(
            f"the direct beam is saturated: {flat:.0%} of its bright pixels have exactly the highest counts, so "
            f"that the edge of {edge_width:.1f} pixels at radius {radius:.1f} is a halo's; set probe.radius and "
            "probe.edge_width, or probe.vacuum_file to frames with less beam"
        )
