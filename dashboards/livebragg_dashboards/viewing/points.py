"""What is drawn as points and lines over the pictures of a page: disks, peaks, marks, a ring."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from livebragg.wire.messages import FrameReply, LatestFrame, PipelineStatus, VectorMap
from livebragg_dashboards.drawing.calibration_ring import NO_RING, outline, straightened
from livebragg_dashboards.drawing.pictures import Picture
from livebragg_dashboards.feed.state import Snapshot
from livebragg_dashboards.feed.units import probe_radius

Points = dict[str, NDArray[np.float64]]

MAX_RADIUS = 1 << 14
"""Pixels; no detector is larger."""


def disks(
    shown: FrameReply | LatestFrame | None, pictures: dict[str, Picture], status: PipelineStatus | None
) -> Points:
    """Disks of the frame on view: ``x``, ``y``, ``radius`` in its axes, and what was found."""
    if shown is None:
        return dict.fromkeys(("x", "y", "radius", "qx", "qy", "intensity"), np.zeros(0))
    axes = pictures["frame"].axes
    x, y = axes.to_xy(shown.qx.astype(np.float64), shown.qy.astype(np.float64))
    found = {name: getattr(shown, name).astype(np.float64) for name in ("qx", "qy", "intensity")}
    return _finite({"x": x, "y": y, "radius": np.full(x.shape, 1.25 * probe_radius(status) * axes.scale), **found})


def peaks(message: VectorMap | None, pictures: dict[str, Picture]) -> Points:
    """Tracked peaks on the Bragg vector map."""
    if message is None:
        return {"x": np.zeros(0), "y": np.zeros(0)}
    axes = pictures["vectors"].axes
    row = message.peak_qx.astype(np.float64) * message.bins_per_pixel + message.origin_row
    col = message.peak_qy.astype(np.float64) * message.bins_per_pixel + message.origin_col
    x, y = axes.to_xy(row, col)
    return _finite({"x": x, "y": y})


def chosen_ring(snapshot: Snapshot, radius: float | None, pictures: dict[str, Picture]) -> Points:
    """The ring that is chosen for the calibration, on the Bragg vector map."""
    message = snapshot.get(VectorMap)
    if radius is None or message is None or not 0 < radius < MAX_RADIUS:
        return NO_RING
    matrix = straightened(snapshot.status)
    return outline(radius, message, pictures["vectors"].axes, matrix)


def marks(snapshot: Snapshot, selected: tuple[int, int] | None, pictures: dict[str, Picture]) -> Points:
    """The beam's place while it scans, then the selected position."""
    latest, status = snapshot.get(LatestFrame), snapshot.status
    places: list[tuple[float, float, float]] = []
    if "classes" in pictures:
        axes = pictures["classes"].axes
        moving = status is not None and status.phase == "running"
        if latest is not None and moving and 0 <= latest.scan_index < axes.shape[0] * axes.shape[1]:
            places.append((*axes.to_xy(*divmod(latest.scan_index, axes.shape[1])), 1.0))
        if selected is not None:
            places.append((*axes.to_xy(*selected), 0.0))
    table = np.array(places, np.float64).reshape(-1, 3)
    return {"x": table[:, 0], "y": table[:, 1], "live": table[:, 2]}


def _finite(points: Points) -> Points:
    keep = np.isfinite(points["x"]) & np.isfinite(points["y"])
    return {name: column[keep] for name, column in points.items()}
