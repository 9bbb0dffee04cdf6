"""Expected frames: the mean number of electrons in every pixel, without noise."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from livebragg_simulators.specimen.canvas import Canvas
from livebragg_simulators.specimen.disks import CELLS, DiskShapes
from livebragg_simulators.specimen.scatter import Scatterer


class Renderer:
    """Draws expected frames.

    Parameters
    ----------
    scatterer : Scatterer
        Where the electrons go.
    canvas : Canvas
        The smooth patterns.
    shapes : DiskShapes
        The shapes of the disks.
    """

    def __init__(self, scatterer: Scatterer, canvas: Canvas, shapes: DiskShapes) -> None:
        self._scatterer = scatterer
        self._canvas = canvas
        self._stamps = shapes.stamps()
        self._reach = shapes.reach

    def expected(self, positions: NDArray[np.int64]) -> NDArray[np.float32]:
        """Fraction of the beam in each pixel.

        Parameters
        ----------
        positions : NDArray[np.int64], shape (n,)
            Flat scan positions.

        Returns
        -------
        NDArray[np.float32], shape (n, frame_rows, frame_cols)
            Multiply by dose and flux to get electrons.
        """
        frame_shape = self._scatterer.config.frame_shape
        disks, direct, smooth = self._scatterer.scatter(positions)
        origins = self._scatterer.layout.origin.reshape(-1, 2)[positions]
        frames = np.empty((len(positions), *frame_shape), np.float32)
        for frame, fractions, origin in zip(frames, smooth, origins, strict=True):
            frame[:] = self._canvas.window(fractions, origin, frame_shape)
        self._stamp(frames, disks.position, disks.place, disks.intensity, disks.shape_number)
        plain = np.zeros(len(positions), np.int64)
        self._stamp(frames, np.arange(len(positions)), origins, direct, plain)
        return frames

    def probe(self) -> NDArray[np.float32]:
        """Direct beam at the mean origin, shape (frame_rows, frame_cols); it adds up to 1."""
        config = self._scatterer.config
        frame = np.zeros((1, *config.frame_shape), np.float32)
        zero = np.zeros(1, np.int64)
        self._stamp(frame, zero, np.array([config.mean_origin]), np.ones(1), zero)
        return np.asarray(frame[0], np.float32)

    def _stamp(
        self,
        frames: NDArray[np.float32],
        position: NDArray[np.int64],
        place: NDArray[np.float64],
        intensity: NDArray[np.float64],
        shape_number: NDArray[np.int64],
    ) -> None:
        """Add disks to `frames`; parts beyond the edge are lost."""
        nearest = np.floor(place + 0.5).astype(np.int64)
        phase = (place - nearest + 0.5) * CELLS
        cell = np.minimum(phase.astype(np.int64), CELLS - 1)
        part = phase - cell
        side = 2 * self._reach + 1
        stamps = np.zeros((len(place), side, side), np.float32)
        for down in (0, 1):
            for right in (0, 1):
                weight = np.abs(1 - down - part[:, 0]) * np.abs(1 - right - part[:, 1]) * intensity
                corner = self._stamps[shape_number, cell[:, 0] + down, cell[:, 1] + right]
                stamps += weight.astype(np.float32)[:, None, None] * corner
        _add_windows(frames, position, nearest - self._reach, stamps)


def _add_windows(
    frames: NDArray[np.float32],
    position: NDArray[np.int64],
    corner: NDArray[np.int64],
    windows: NDArray[np.float32],
) -> None:
    """Add each window to its frame with its first pixel at `corner`."""
    n, rows, cols = frames.shape
    side = windows.shape[1]
    pixels = np.arange(side)
    row = corner[:, 0, None] + pixels
    col = corner[:, 1, None] + pixels
    inside = ((row >= 0) & (row < rows))[:, :, None] & ((col >= 0) & (col < cols))[:, None, :]
    flat = (position[:, None, None] * rows + row[:, :, None]) * cols + col[:, None, :]
    total = np.bincount(flat[inside], windows[inside], frames.size)
    frames += total.reshape(n, rows, cols).astype(np.float32)
