"""Noise-free images of probes of any shape, integrated over the pixels."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Shape = Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]]

_FINE = 8
"""Points per pixel along each axis."""


def disk(radius: float) -> Shape:
    """Uniform disk with an edge one point wide, so that it moves smoothly."""
    return lambda rows, cols: np.clip((radius - np.hypot(rows, cols)) * _FINE + 0.5, 0.0, 1.0)


def bullseye(radius: float) -> Shape:
    """Disk with two dark rings."""
    edges = np.array([0.25, 0.42, 0.60, 0.78, 1.0]) * radius

    def shape(rows: NDArray[np.float64], cols: NDArray[np.float64]) -> NDArray[np.float64]:
        disks = [disk(edge)(rows, cols) for edge in edges]
        return disks[0] + disks[2] - disks[1] + disks[4] - disks[3]

    return shape


def recorded(
    shape: Shape, place: tuple[float, float], blur: float, frame_shape: tuple[int, int]
) -> NDArray[np.float64]:
    """Frame of unit sum with a shape at a place (row, column), blurred by a Gaussian before the pixels."""
    rows, cols = ((np.arange(n * _FINE) + 0.5) / _FINE - 0.5 for n in frame_shape)
    fine = shape(rows[:, None] - place[0], cols[None, :] - place[1])
    fine = ndimage.gaussian_filter(fine, blur * _FINE, mode="constant")
    frame = fine.reshape(frame_shape[0], _FINE, frame_shape[1], _FINE).mean(axis=(1, 3))
    return frame / frame.sum()
