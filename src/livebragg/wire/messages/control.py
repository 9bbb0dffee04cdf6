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
    drawn: bool = False
    """There is no frame any more: `frame` is drawn from the disks that were found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionRequest:
    """Answered with a `PositionReply`: what was found at a scan position, also when its frame is gone."""

    serial: int
    """Acquisition; 0 for the one under way."""
    scan_index: int
    """Flat, row-major scan position."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionReply:
    """Answer to a `PositionRequest`."""

    serial: int
    scan_index: int
    label: int
    """Id of its class, -1 where not classified."""
    qx: NDArray[np.float32]
    """(n_disks,); detector pixels."""
    qy: NDArray[np.float32]
    intensity: NDArray[np.float32]
    origin: NDArray[np.float32]
    """(2,): the position's origin (qx, qy) in detector pixels."""
    peak_ids: NDArray[np.int32]
    """(n_features,); the tracked peaks that it contains."""
    features: NDArray[np.float32]
    """(n_features,); the value at each, in the unit of ``classify.feature``, before rows get unit norm."""
    class_ids: list[int]
    weights: NDArray[np.float32]
    """(n_classes,); weight of each class; NaN before it was found out."""
    shares: NDArray[np.float32]
    """(n_classes,); part of the position that is each class, 0 to 1; NaN before it was found out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """A box of positions, or any part of it; what is asked of it says the class."""

    serial: int
    """Acquisition; 0 for the one under way."""
    top: int
    """First scan row of the box."""
    left: int
    """First scan column."""
    mask: NDArray[np.bool_]
    """(box_rows, box_cols); the positions that are wanted: all True for a box."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionProfileRequest(Region):
    """Answered with a `RegionProfileReply`: the radial profile of a region."""


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
class RegionMapRequest(Region):
    """Answered with a `RegionMapReply`: the Bragg vector map of a region."""

    calibrated: bool = False
    """Take back the ellipse, flip and rotate as calibrated; bins stay parts of a pixel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionMapReply:
    """Answer to a `RegionMapRequest`."""

    serial: int
    n_positions: int
    """Positions of the region that are in the map: all that have been seen, but for the very newest."""
    map: NDArray[np.float32]
    """(map_rows, map_cols); disks per bin, ``qx`` along axis 0."""
    bins_per_pixel: float
    origin_row: float
    """Row, in bins, of the direct beam."""
    origin_col: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionPatternRequest(Region):
    """Answered with a `RegionPatternReply`: the mean frame of a region."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionPatternReply:
    """Answer to a `RegionPatternRequest`."""

    serial: int
    n_positions: int
    """Positions of the region that have been seen."""
    n_frames: int
    """Positions behind the mean: of a large region a part, evenly spread, and only those whose frames are left."""
    pattern: NDArray[np.float32]
    """(frame_rows, frame_cols); counts per position."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DarkFieldRequest:
    """Answered with a `DarkFieldReply`: a dark-field image of a tracked peak or of any reciprocal point."""

    serial: int
    """Acquisition; 0 for the one under way."""
    peak_id: int = -1
    """Tracked peak whose light is wanted, measured in the frames; negative: the place below."""
    qx: float = 0.0
    """Place relative to the origin, in detector pixels."""
    qy: float = 0.0
    radius: float = 2.0
    """Disks whose centres lie within this distance of the place count, in pixels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DarkFieldReply:
    """Answer to a `DarkFieldRequest`."""

    serial: int
    image: NDArray[np.float32]
    """(scan_rows, scan_cols); counts: light at the peak (NaN where it was not measured), or the summed intensity
    of the disks at the place (0 where none was found, NaN where not seen)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VirtualImageRequest:
    """Answered with a `VirtualImageReply`: a virtual detector of any radii, for all positions, old ones too."""

    serial: int
    """Acquisition; 0 for the one under way."""
    inner: float
    """Radii about the beam of each position, in detector pixels; 0 for a full disk."""
    outer: float


@dataclass(frozen=True, slots=True, kw_only=True)
class VirtualImageReply:
    """Answer to a `VirtualImageRequest`."""

    serial: int
    image: NDArray[np.float32]
    """(scan_rows, scan_cols); counts, from radial profiles and disks (see ``docs/dashboard.md``); NaN where not
    seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassMergeRequest:
    """Join classes of one family; answered with `Accepted`. They keep the lowest id."""

    serial: int
    """Acquisition; 0 for the one under way. Only while it is not finished."""
    class_ids: list[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassSplitRequest:
    """Divide a class; answered with `Accepted`.

    What `ClassMergeRequest` joined is taken apart again. A crystalline class that was not joined is divided in two
    by its positions, as far apart as they lie; both stay until one of them is locked, joined, or leads nowhere.
    """

    serial: int
    class_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassLockRequest:
    """Lock a crystalline class, or unlock it; answered with `Accepted`.

    The pattern of a locked class is not learned any further, and it is not joined, divided or dissolved.
    """

    serial: int
    class_id: int
    locked: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassNumberRequest:
    """Ask for a number of crystalline classes; answered with `Accepted`."""

    serial: int
    n_classes: int
    """The scan ends with so many; 0: as many as the data show."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassRenameRequest:
    """Give a class a name; answered with `Accepted`."""

    serial: int
    class_id: int
    name: str
    """1 to 60 printable characters; no other class may have it."""


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
