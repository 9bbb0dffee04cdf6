"""The results feed: what the analyst publishes for dashboards, clients and `livebragg status`.

Transport: an XPUB socket. Each message is ``[topic, header, raw parts ...]``; the topic is the message's
type, so a client subscribes to what it shows (``b""`` for everything). A new subscriber is answered at once
with the newest message of each topic. Every message carries the acquisition's `serial` and a `revision`
that only rises, so that a reader can tell new from old, and `newest_sent_at`, so that it can tell
fresh from stale.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from livebragg.model import Acquisition, Alert, Calibration, ProbeShape, ScanSummary


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineStatus:
    """State of the whole pipeline (type ``pipeline_status``), several times a second, always."""

    revision: int
    published_at: float
    """Clock of the pipeline, seconds since 1970-01-01 UTC."""
    phase: str
    """``starting``, ``waiting``, ``measuring``, ``running``, ``stalled``, ``finishing``, ``complete`` or
    ``stopped``; ``file`` when a results file is shown, and nothing is live."""
    light: str
    """``green``, ``yellow`` (behind, or with losses that are named), ``red``."""
    reasons: list[str]
    """The light in words."""
    serial: int
    """Running number of the acquisition; 0 before the first."""
    acquisition: Acquisition | None
    scan_shape: tuple[int, int] | None
    """Shape of the maps; grows while the sender has not said how many rows there are."""
    probe: ProbeShape | None
    positions_seen: int
    newest_sent_at: float
    """When the newest analysed frame was sent; 0 before the first."""
    counters: dict[str, float]
    """Frames by fate, rates, backlog, lags: see ``docs/architecture.md``."""
    workers: list[dict[str, float | str]]
    notices: list[str]
    """The newest warnings in words, oldest first."""
    results_path: str
    calibration: Calibration | None = None
    """What is known by now; ``None`` before the first maps."""
    settings: dict[str, bool | int | float | str] = field(default_factory=dict)
    """Settings that can be changed while frames come (`SettingsRequest`): key and present value. What has no
    value is left out."""
    limits: dict[str, str] = field(default_factory=dict)
    """What some of these may be, in words, by key."""
    marks: list[dict[str, float | str]] = field(default_factory=list)
    """The newest marks of this scan (`MarkRequest`), oldest first: ``scan_index`` (-1: the moment), ``at``
    (seconds since 1970) and the beginning of the ``note``."""
    shape_note: str = ""
    """While nobody has said the shape of the scan: what the times of the frames show of its lines, by which
    evidence, and whether that is used; empty otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassMaps:
    """Class of every position (type ``class_maps``)."""

    serial: int
    revision: int
    published_at: float
    newest_sent_at: float
    labels: NDArray[np.int16]
    """(scan_rows, scan_cols); the id of the class, -1 where not classified."""
    confidence: NDArray[np.float32]
    """(scan_rows, scan_cols); 0 to 1."""
    class_ids: list[int]
    class_names: list[str]
    class_families: list[str]
    class_counts: list[int]
    """Positions of each class."""
    second: NDArray[np.int16]
    """(scan_rows, scan_cols); the class with the next largest part of a position, -1 where there is none."""
    parts: NDArray[np.uint8]
    """(2, scan_rows, scan_cols); parts of the position in `labels` and in `second`, 255 for all of it."""
    locked: list[int] = field(default_factory=list)
    """Ids of the classes that the user locked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VirtualImageSet:
    """All real-space images (type ``virtual_image_set``)."""

    serial: int
    revision: int
    published_at: float
    newest_sent_at: float
    names: list[str]
    images: NDArray[np.float32]
    """(n_images, scan_rows, scan_cols); NaN where not seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VectorMap:
    """The Bragg vector map and its tracked peaks (type ``vector_map``)."""

    serial: int
    revision: int
    published_at: float
    newest_sent_at: float
    map: NDArray[np.float32]
    """(map_rows, map_cols); weight per bin. ``qx`` along axis 0."""
    bins_per_pixel: float
    origin_row: float
    """Row of the map, in bins, on which ``qx = 0`` (the direct beam) lies."""
    origin_col: float
    peak_ids: NDArray[np.int32]
    peak_qx: NDArray[np.float32]
    """Detector pixels from the direct beam."""
    peak_qy: NDArray[np.float32]
    peak_support: NDArray[np.float32]
    """Positions at which the peak was found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LatestFrame:
    """The newest analysed frame with its disks (type ``latest_frame``)."""

    serial: int
    revision: int
    published_at: float
    newest_sent_at: float
    scan_index: int
    frame: NDArray[np.float32]
    """(frame_rows, frame_cols); counts."""
    qx: NDArray[np.float32]
    qy: NDArray[np.float32]
    intensity: NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassPatterns:
    """Mean diffraction pattern of every class (type ``class_patterns``)."""

    serial: int
    revision: int
    published_at: float
    newest_sent_at: float
    class_ids: list[int]
    patterns: NDArray[np.float32]
    """(n_classes, frame_rows, frame_cols); mean counts per position; NaN where no frame is left."""
    n_frames: list[int]
    """Frames in each mean."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassProfiles:
    """Radial profile of every class, without its Bragg disks (type ``class_profiles``)."""

    serial: int
    revision: int
    published_at: float
    newest_sent_at: float
    class_ids: list[int]
    radii: NDArray[np.float32]
    """(bins,); middles of the bins, in pixels."""
    profiles: NDArray[np.float32]
    """(n_classes, 2, bins): mean in counts, and variance within a frame; NaN where no pixel was left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanHistory:
    """The newest results files of a folder (type ``scan_history``), newest scan first; of ``livebragg serve``."""

    revision: int
    published_at: float
    folder: str
    scans: list[ScanSummary]
    labels: NDArray[np.int16]
    """(n_scans, side, side); a small class map of each in the upper left corner, -1 for no class."""
    families: NDArray[np.uint8]
    """(n_scans, side, side); 0 outside of the small map, 1 for no class, 2 and more for the family of the class:
    2 + its place in `livebragg.model.FAMILIES`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alerts:
    """What the user's rules say (type ``alerts``); of ``livebragg watch``, at every change and once a second."""

    revision: int
    published_at: float
    alerts: list[Alert]
    """The active ones first, then the newest of those that are over."""


FeedMessage = (
    PipelineStatus
    | ClassMaps
    | VirtualImageSet
    | VectorMap
    | LatestFrame
    | ClassPatterns
    | ClassProfiles
    | ScanHistory
    | Alerts
)
