"""Feed messages with one line each."""

from __future__ import annotations

from typing import Any

import numpy as np

from livebragg.model import Acquisition, ProbeShape, ScanMetadata
from livebragg.wire.messages import (
    ClassMaps,
    ClassPatterns,
    ClassProfiles,
    FrameReply,
    LatestFrame,
    PipelineStatus,
    VectorMap,
    VirtualImageSet,
)
from livebragg_dashboards.feed.state import FeedState, Snapshot

ONE = np.ones(1, np.float32)


def acquisition(name: str = "scan", **metadata: Any) -> Acquisition:
    """3x5 positions, frames of 8x6."""
    return Acquisition(
        acquisition_id=name, scan_shape=(3, 5), frame_shape=(8, 6), dtype="uint16",
        metadata=ScanMetadata(**metadata),
    )  # fmt: skip


def status(**changes: Any) -> PipelineStatus:
    """A running pipeline, seven positions in."""
    values: dict[str, Any] = {
        "revision": 5, "published_at": 1000.0, "phase": "running", "light": "green", "reasons": [], "serial": 1,
        "acquisition": acquisition(), "scan_shape": (3, 5),
        "probe": ProbeShape(radius=2.0, edge_width=0.5, center=(4.0, 2.5)), "positions_seen": 7,
        "newest_sent_at": 999.9, "counters": {}, "workers": [{"name": "w0"}], "notices": [], "results_path": "",
    }  # fmt: skip
    return PipelineStatus(**(values | changes))


def stamp(**changes: Any) -> dict[str, Any]:
    """What every other message begins with."""
    return {"serial": 1, "revision": 5, "published_at": 1000.0, "newest_sent_at": 999.5} | changes


def class_maps(labels: Any = None, **changes: Any) -> ClassMaps:
    """Three classes, one of each family; the last positions are not seen."""
    labels = np.array([[0, 0, 1, 1, 2], [0, 2, -1, -1, -1], [-1] * 5] if labels is None else labels, np.int16)
    values: dict[str, Any] = {
        "labels": labels, "confidence": np.where(labels >= 0, 0.99, 0).astype(np.float32),
        "class_ids": [0, 1, 2], "class_names": ["Alpha", "Glass", "Poly"],
        "class_families": ["crystal", "amorphous", "polycrystal"], "class_counts": [3, 2, 2],
        "second": np.full(labels.shape, -1, np.int16), "parts": np.zeros((2, *labels.shape), np.uint8),
    }  # fmt: skip
    return ClassMaps(**(stamp() | values | changes))


def virtual_images(**changes: Any) -> VirtualImageSet:
    """Two images of 3x5 positions."""
    image = np.arange(15, dtype=np.float32).reshape(3, 5)
    image[2] = np.nan
    values = {"names": ["bright_field", "com_qx"], "images": np.stack([image, image * 2])}
    return VirtualImageSet(**(stamp() | values | changes))


def vector_map(**changes: Any) -> VectorMap:
    """9x13 bins, two per pixel, two peaks."""
    counts = np.zeros((9, 13), np.float32)
    counts[4, 6], counts[1, 9] = 50, 5
    values: dict[str, Any] = {
        "map": counts, "bins_per_pixel": 2.0, "origin_row": 4.0, "origin_col": 6.0,
        "peak_ids": np.array([3, 4]), "peak_qx": np.array([-1.5, 0], np.float32),
        "peak_qy": np.array([1.5, 0], np.float32), "peak_support": np.ones(2, np.float32),
    }  # fmt: skip
    return VectorMap(**(stamp() | values | changes))


def latest_frame(**changes: Any) -> LatestFrame:
    """An 8x6 frame with one disk at (2, 4)."""
    frame = np.zeros((8, 6), np.float32)
    frame[2, 4] = 9
    one = np.ones(1, np.float32)
    values: dict[str, Any] = {"scan_index": 6, "frame": frame, "qx": 2 * one, "qy": 4 * one, "intensity": one}
    return LatestFrame(**(stamp() | values | changes))


def class_patterns(**changes: Any) -> ClassPatterns:
    """A pattern of 8x6 for each of the three classes."""
    patterns = np.arange(3 * 48, dtype=np.float32).reshape(3, 8, 6)
    values: dict[str, Any] = {"class_ids": [0, 1, 2], "patterns": patterns, "n_frames": [3, 2, 2]}
    return ClassPatterns(**(stamp() | values | changes))


def class_profiles(**changes: Any) -> ClassProfiles:
    """A profile of four bins for each of the three classes."""
    profiles = np.arange(3 * 2 * 4, dtype=np.float32).reshape(3, 2, 4)
    values: dict[str, Any] = {"class_ids": [0, 1, 2], "radii": 2 * np.arange(4, dtype=np.float32) + 1}
    return ClassProfiles(**(stamp() | values | {"profiles": profiles} | changes))


def snapshot_of(*messages: object, now: float = 0.0) -> Snapshot:
    """What a session sees after these messages."""
    state = FeedState()
    for message in messages:
        state.update(message, now)
    return state.snapshot()


def reply(**changes: object) -> FrameReply:
    """The frame of position 3, with one disk."""
    frame = np.zeros((8, 6), np.float32)
    values = {"serial": 1, "scan_index": 3, "label": 1, "frame": frame, "qx": ONE, "qy": 2 * ONE,
              "intensity": ONE, "origin": np.array([4.0, 2.0], np.float32)}  # fmt: skip
    return FrameReply(**(values | changes))  # type: ignore[arg-type]
