"""A picture of disks where there is no frame any more."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from livebragg.model import BraggPeaks


def draw_disks(peaks: BraggPeaks, frame_shape: tuple[int, int], radius: float) -> NDArray[np.float32]:
    """Every disk evenly filled with its intensity, on nothing.

    Parameters
    ----------
    peaks : BraggPeaks
        Of one frame.
    frame_shape : tuple of int
        ``(frame_rows, frame_cols)``.
    radius : float
        Of a disk, in pixels.
    """
    image = np.zeros(frame_shape, np.float32)
    reach = max(1, math.ceil(radius))
    for qx, qy, intensity in zip(peaks.qx.tolist(), peaks.qy.tolist(), peaks.intensity.tolist(), strict=True):
        if not (math.isfinite(qx) and math.isfinite(qy) and math.isfinite(intensity)):
            continue
        top, left = max(0, round(qx) - reach), max(0, round(qy) - reach)
        part = image[top : max(0, round(qx) + reach + 1), left : max(0, round(qy) + reach + 1)]
        row, col = np.ogrid[top : top + part.shape[0], left : left + part.shape[1]]
        part += np.float32(intensity / (math.pi * radius**2)) * (np.hypot(row - qx, col - qy) <= radius)
    return image
