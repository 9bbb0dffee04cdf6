"""Requests to the pipeline: REQ or DEALER at the client, ROUTER at the analyst; one reply per request.

A request that cannot be met is answered with `Refused` and the reason, never with silence.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusRequest:
    """Answered with a `PipelineStatus`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameRequest:
    """Answered with a `FrameReply`: the raw frame of a scan position and what was found in it."""

    serial: int
    """Acquisition; 0 for the one under way."""
    scan_index: int
    """Flat, row-major scan position."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameReply:
    """Answer to a `FrameRequest`."""

    serial: int
    scan_index: int
    label: int
    frame: NDArray[np.float32]
    """(frame_rows, frame_cols); counts, frames of one position added."""
    qx: NDArray[np.float32]
    qy: NDArray[np.float32]
    intensity: NDArray[np.float32]
    origin: NDArray[np.float32]
    """(2,): the position's origin (qx, qy) in detector pixels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionProfileRequest:
    """Answered with a `RegionProfileReply`: the radial profile of a box of positions, or of any part of it."""

    serial: int
    """Acquisition; 0 for the one under way."""
    top: int
    """First scan row of the box."""
    left: int
    """First scan column."""
    mask: NDArray[np.bool_]
    """(box_rows, box_cols); the positions that are wanted: all True for a box."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionProfileReply:
    """Answer to a `RegionProfileRequest`."""

    serial: int
    n_positions: int
    """Positions of the region that have been seen."""
    radii: NDArray[np.float32]
    """(bins,); pixels."""
    mean: NDArray[np.float32]
    """(bins,); counts per pixel, Bragg disks left out; NaN where no pixel was left."""
    variance: NDArray[np.float32]
    """(bins,); within a frame, counts squared."""
    pixels: NDArray[np.int64]
    """(bins,); pixels in each mean."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StopRequest:
    """Finish the acquisition under way, write the results, and end. Answered with `Accepted`."""

    immediately: bool = False
    """Do not analyse the frames that wait in the frame log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """The request was carried out, or will be."""

    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """The request was not carried out."""

    reason: str
