"""A ring on the Bragg vector map: what lies on it, what it says about the pixel size, and how it is drawn."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from livebragg.wire.messages import PipelineStatus, VectorMap
from livebragg_dashboards.drawing.orientation import Axes

_TOLERANCE = 0.05
"""Peaks within this part of the radius are taken to lie on the ring, as the pipeline takes them."""
ENOUGH = 4
"""Peaks from which the pipeline measures a ring."""


def straightened(status: PipelineStatus | None) -> NDArray[np.float64]:
    """(2, 2): from measured offsets to those without the elliptical distortion."""
    calibration = status.calibration if status is not None else None
    ellipse = calibration.ellipse if calibration is not None else None
    return np.eye(2) if ellipse is None else ellipse.matrix


def radius_at(x: float, y: float, message: VectorMap, axes: Axes, matrix: NDArray[np.float64]) -> float:
    """Radius, in detector pixels, of the ring through a point of the figure."""
    row, col = axes.to_index(x, y)
    offset = np.array([row - message.origin_row, col - message.origin_col]) / message.bins_per_pixel
    return float(np.hypot(*(matrix @ offset)))


def on_ring(radius: float, message: VectorMap, matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Radii of the tracked peaks on a ring."""
    places = np.stack([message.peak_qx, message.peak_qy], axis=1).astype(np.float64)
    lengths = np.hypot(*(places @ matrix.T).T)
    return np.sort(lengths[np.abs(lengths - radius) < _TOLERANCE * radius])


def snapped(radius: float, message: VectorMap, matrix: NDArray[np.float64]) -> float:
    """The radius that the peaks near a picked one have, if there are any."""
    lengths = on_ring(radius, message, matrix)
    return float(np.median(lengths)) if lengths.size else radius


def outline(
    radius: float, message: VectorMap, axes: Axes, matrix: NDArray[np.float64]
) -> dict[str, NDArray[np.float64]]:
    """The ring as it is seen on the map: an ellipse."""
    angle = np.linspace(0, 2 * np.pi, 181)
    places = radius * np.stack([np.cos(angle), np.sin(angle)], axis=1) @ np.linalg.inv(matrix).T
    row, col = (places * message.bins_per_pixel + [message.origin_row, message.origin_col]).T
    x, y = axes.to_xy(row, col)
    return {"x": x, "y": y}


NO_RING: dict[str, NDArray[np.float64]] = {"x": np.zeros(0), "y": np.zeros(0)}
