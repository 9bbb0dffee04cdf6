"""The one place where arrays become pictures and pointers become array indices.

Arrays are ``(row, col)``: ``qx`` runs along axis 0, ``qy`` along axis 1. On the screen the columns run to the
right and the rows run *down*, so that row 0 is at the top, as microscopists expect. A figure's x coordinate
therefore is a column and its y coordinate a row; its y range runs from high to low. Pixel ``(r, c)`` covers
``c .. c + 1`` and ``r .. r + 1``; its centre, where an index means a place on the detector, is half a pixel on.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from livebragg_dashboards.feed.checks import Shape

Extent = tuple[float, float, float, float]
"""``(left, right, top, bottom)`` in the coordinates of a figure; top < bottom."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Axes:
    """Maps indices of a picture to the coordinates of its figure.

    Examples
    --------
    >>> axes = Axes(shape=(4, 6))
    >>> axes.extent, axes.to_xy(1, 5), axes.position_at(5.9, 1.2)
    ((0.0, 6.0, 0.0, 4.0), (5.5, 1.5), (1, 5))
    """

    shape: Shape
    """Rows and columns."""
    scale: float = 1.0
    """Coordinate units per pixel."""
    origin: tuple[float, float] = (-0.5, -0.5)
    """Row and column, as indices, at coordinate 0."""

    @property
    def extent(self) -> Extent:
        """Edges of the picture."""
        (rows, cols), (row0, col0), s = self.shape, self.origin, self.scale
        return (-0.5 - col0) * s, (cols - 0.5 - col0) * s, (-0.5 - row0) * s, (rows - 0.5 - row0) * s

    def to_xy(self, row: Any, col: Any) -> tuple[Any, Any]:
        """Coordinates of (fractional) indices; numbers or arrays."""
        return (col - self.origin[1]) * self.scale, (row - self.origin[0]) * self.scale

    def to_index(self, x: float, y: float) -> tuple[float, float]:
        """Fractional row and column at a place in the figure."""
        return y / self.scale + self.origin[0], x / self.scale + self.origin[1]

    def position_at(self, x: float, y: float) -> tuple[int, int] | None:
        """Row and column of the pixel at a place in the figure; ``None`` beside the picture."""
        if not (math.isfinite(x) and math.isfinite(y)):
            return None
        row, col = (int(np.floor(i + 0.5)) for i in self.to_index(x, y))
        inside = 0 <= row < self.shape[0] and 0 <= col < self.shape[1]
        return (row, col) if inside else None


def q_axes(shape: Shape, origin: tuple[float, float], q_pixel_size: float | None, bins: float = 1.0) -> Axes:
    """Axes about the direct beam, in 1/Angstrom when the pixel size is known, else in detector pixels.

    Parameters
    ----------
    shape : tuple of int
    origin : tuple of float
        Row and column index of the direct beam.
    q_pixel_size : float or None
        1/Angstrom per detector pixel.
    bins : float
        Bins of the picture per detector pixel.
    """
    return Axes(shape=shape, scale=(q_pixel_size or 1.0) / bins, origin=origin)
