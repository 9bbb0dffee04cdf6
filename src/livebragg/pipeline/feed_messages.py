"""Snapshots to feed messages: pure functions, one for each topic."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from livebragg.model import AnalysisSnapshot, BraggPeaks
from livebragg.pipeline.class_patterns import MeanPatterns
from livebragg.wire.messages import ClassMaps, ClassPatterns, LatestFrame, VectorMap, VirtualImageSet

FAMILY_NAMES = {"crystal": "Crystal", "no_bragg": "No Bragg peaks", "polycrystal": "Polycrystal"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """What every feed message begins with."""

    serial: int
    revision: int
    published_at: float
    newest_sent_at: float

    def fields(self) -> dict[str, Any]:
        """As keyword arguments of a message."""
        return {
            "serial": self.serial,
            "revision": self.revision,
            "published_at": self.published_at,
            "newest_sent_at": self.newest_sent_at,
        }


def class_names(snapshot: AnalysisSnapshot) -> list[str]:
    """A name for each class until the user gives one."""
    pairs = zip(snapshot.class_ids, snapshot.class_families, strict=True)
    return [f"{FAMILY_NAMES.get(family, family)} {class_id}" for class_id, family in pairs]


def class_maps(snapshot: AnalysisSnapshot, stamp: Stamp) -> ClassMaps:
    """Labels, confidence and the list of classes."""
    return ClassMaps(
        **stamp.fields(),
        labels=snapshot.labels,
        confidence=np.nan_to_num(snapshot.confidence),
        class_ids=[int(c) for c in snapshot.class_ids],
        class_names=class_names(snapshot),
        class_families=list(snapshot.class_families),
        class_counts=[int(n) for n in snapshot.class_positions],
    )


def virtual_images(snapshot: AnalysisSnapshot, stamp: Stamp) -> VirtualImageSet:
    """All real-space images, the derived ones last."""
    images = dict(snapshot.virtual_images)
    images["n_disks"] = snapshot.n_disks
    images["bragg_intensity"] = snapshot.bragg_intensity
    images["origin_qx"], images["origin_qy"] = snapshot.origin[..., 0], snapshot.origin[..., 1]
    return VirtualImageSet(
        **stamp.fields(), names=list(images), images=np.stack(list(images.values())).astype(np.float32)
    )


def vector_map(snapshot: AnalysisSnapshot, stamp: Stamp) -> VectorMap:
    """The Bragg vector map with its tracked peaks."""
    row, col = snapshot.map_geometry.origin_bin
    return VectorMap(
        **stamp.fields(),
        map=snapshot.bragg_vector_map,
        bins_per_pixel=snapshot.map_geometry.sampling,
        origin_row=float(row),
        origin_col=float(col),
        peak_ids=snapshot.peaks.peak_id,
        peak_qx=snapshot.peaks.qx,
        peak_qy=snapshot.peaks.qy,
        peak_support=snapshot.peaks.support,
    )


def latest_frame(scan_index: int, frame: NDArray[np.float32], peaks: BraggPeaks, stamp: Stamp) -> LatestFrame:
    """The newest frame with its disks."""
    return LatestFrame(
        **stamp.fields(),
        scan_index=scan_index,
        frame=frame,
        qx=peaks.qx,
        qy=peaks.qy,
        intensity=peaks.intensity,
    )


def class_patterns(means: MeanPatterns, stamp: Stamp) -> ClassPatterns:
    """Mean pattern of every class."""
    return ClassPatterns(
        **stamp.fields(),
        class_ids=[int(c) for c in means.class_ids],
        patterns=means.patterns,
        n_frames=[int(n) for n in means.n_frames],
    )
