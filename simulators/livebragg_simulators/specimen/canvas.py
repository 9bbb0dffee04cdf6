"""Smooth patterns on a grid larger than the frame, so that a drifting origin only moves a window over it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from livebragg_simulators.specimen.scatter import Scatterer


@dataclass(frozen=True, slots=True)
class Canvas:
    """Smooth patterns around a beam in the centre of pixel `center`.

    Parameters
    ----------
    patterns : NDArray[np.float32], shape (n_smooth, rows, cols)
        Share of each pattern's electrons in each pixel.
    center : tuple of int
        ``(row, column)`` of the beam.
    """

    patterns: NDArray[np.float32]
    center: tuple[int, int]

    def window(
        self, fractions: NDArray[np.float64], origin: NDArray[np.float64], frame_shape: tuple[int, int]
    ) -> NDArray[np.float32]:
        """Mixture of the patterns in one frame.

        Parameters
        ----------
        fractions : NDArray[np.float64], shape (n_smooth,)
            Fraction of the beam in each pattern.
        origin : NDArray[np.float64], shape (2,)
            Where the beam hits the frame, in pixels; between pixels the pattern is interpolated linearly.
        frame_shape : tuple of int
            ``(frame_rows, frame_cols)``.

        Returns
        -------
        NDArray[np.float32], shape (frame_rows, frame_cols)
            Fraction of the beam in each pixel.
        """
        whole = np.floor(origin).astype(int)
        parts = (origin - whole).astype(np.float32)
        rows, cols = frame_shape
        top, left = self.center[0] - whole[0] - 1, self.center[1] - whole[1] - 1
        wide = np.zeros((rows + 1, cols + 1), np.float32)
        for number in np.flatnonzero(fractions):
            window = self.patterns[number, top : top + rows + 1, left : left + cols + 1]
            wide += np.float32(fractions[number]) * window
        tall = wide[1:] + parts[0] * (wide[:-1] - wide[1:])
        return np.asarray(tall[:, 1:] + parts[1] * (tall[:, :-1] - tall[:, 1:]), np.float32)


def make_canvas(scatterer: Scatterer) -> Canvas:
    """Draw the smooth patterns of a specimen on a grid that covers the frame for every origin of the scan."""
    config = scatterer.config
    origin = scatterer.layout.origin.reshape(-1, 2)
    before = np.ceil(origin.max(axis=0)).astype(int) + 2
    after = np.array(config.frame_shape) - np.floor(origin.min(axis=0)).astype(int) + 2
    offsets = np.stack(
        np.meshgrid(
            *(np.arange(-b, a, dtype=np.float64) for b, a in zip(before, after, strict=True)), indexing="ij"
        ),
        axis=-1,
    )
    pixel = config.q_pixel_size_inv_angstrom
    inverse = np.linalg.inv(scatterer.distortion)
    patterns = np.zeros((len(scatterer.smooth), *offsets.shape[:2]))
    for dy in (-0.375, -0.125, 0.125, 0.375):  # the steep centre needs more than one sample per pixel
        for dx in (-0.375, -0.125, 0.125, 0.375):
            q = pixel * np.linalg.norm((offsets + np.array([dy, dx])) @ inverse.T, axis=-1)
            patterns += [smooth.density(q) for smooth in scatterer.smooth]
    patterns *= pixel**2 * np.linalg.det(inverse) / 16
    return Canvas(patterns.astype(np.float32), (int(before[0]), int(before[1])))
