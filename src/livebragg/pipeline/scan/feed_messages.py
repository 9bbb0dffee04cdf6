"""Snapshots to feed messages: pure functions, one for each topic."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from livebragg.model import NOT_CLASSIFIED, AnalysisSnapshot, BraggPeaks
from livebragg.pipeline.scan.class_patterns import MeanPatterns
from livebragg.wire.messages import (
    ClassMaps,
    ClassPatterns,
    ClassProfiles,
    FeedMessage,
    LatestFrame,
    VectorMap,
    VirtualImageSet,
)

FAMILY_NAMES = {
    "crystal": "Crystal",
    "amorphous": "Amorphous",
    "polycrystal": "Polycrystal",
    "vacuum": "Vacuum",
    "no_bragg": "No Bragg peaks",
}


_LEAST_PART = 0.05
"""Smaller parts of a position are not told from nothing."""


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


def class_names(snapshot: AnalysisSnapshot, given: Mapping[int, str] = MappingProxyType({})) -> list[str]:
    """The name of each class: the one that the user gave, else family and id."""
    pairs = zip(snapshot.class_ids, snapshot.class_families, strict=True)
    return [
        given.get(int(class_id)) or f"{FAMILY_NAMES.get(family, family)} {class_id}" for class_id, family in pairs
    ]


def class_maps(
    snapshot: AnalysisSnapshot,
    stamp: Stamp,
    names: Mapping[int, str] = MappingProxyType({}),
    locked: Collection[int] = (),
) -> ClassMaps:
    """Labels, confidence, mixtures and the list of classes."""
    second, parts = mixtures(snapshot)
    return ClassMaps(
        **stamp.fields(),
        labels=snapshot.labels,
        confidence=np.nan_to_num(snapshot.confidence),
        class_ids=[int(c) for c in snapshot.class_ids],
        class_names=class_names(snapshot, names),
        class_families=list(snapshot.class_families),
        class_counts=[int(n) for n in snapshot.class_positions],
        second=second,
        parts=parts,
        locked=[int(c) for c in snapshot.class_ids if int(c) in locked],
    )


def mixtures(snapshot: AnalysisSnapshot) -> tuple[NDArray[np.int16], NDArray[np.uint8]]:
    """The class with the next largest part of each position, and both parts (see `ClassMaps`)."""
    shape = snapshot.labels.shape
    if snapshot.class_ids.size == 0:
        return np.full(shape, NOT_CLASSIFIED, np.int16), np.zeros((2, *shape), np.uint8)
    shares = np.nan_to_num(snapshot.shares)
    mine = snapshot.class_ids[:, None, None] == snapshot.labels
    others = np.where(mine, 0.0, shares)
    next_one = others.argmax(axis=0)
    part = np.take_along_axis(others, next_one[None], axis=0)[0]
    second = np.where(part > _LEAST_PART, snapshot.class_ids[next_one], NOT_CLASSIFIED).astype(np.int16)
    parts = np.stack([np.where(mine, shares, 0.0).sum(axis=0), np.where(part > _LEAST_PART, part, 0.0)])
    return second, np.rint(255 * parts.clip(0, 1)).astype(np.uint8)


def class_profiles(snapshot: AnalysisSnapshot, stamp: Stamp) -> ClassProfiles:
    """Radial profile of every class."""
    return ClassProfiles(
        **stamp.fields(),
        class_ids=[int(c) for c in snapshot.class_ids],
        radii=snapshot.profile_radii,
        profiles=snapshot.class_profiles,
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


def maps(
    snapshot: AnalysisSnapshot, stamp: Stamp, names: Mapping[int, str], locked: Collection[int]
) -> list[FeedMessage]:
    """What every publication has."""
    return [
        class_maps(snapshot, stamp, names, locked),
        virtual_images(snapshot, stamp),
        vector_map(snapshot, stamp),
    ]


def details(snapshot: AnalysisSnapshot, means: MeanPatterns, stamp: Stamp) -> list[FeedMessage]:
    """What comes less often, after the maps."""
    return [class_patterns(means, stamp), class_profiles(snapshot, stamp)]
