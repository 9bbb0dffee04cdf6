"""The shape of one disk: a fine density map, from which stamps and electrons are both taken.

A disk comes in `N_SHAPES` shapes: shape 0 is even (the direct beam), the others carry a thickness fringe in
one of `N_DIRECTIONS` directions and `N_PHASES` phases. The density is constant in cells of ``1 / CELLS``
pixel. Because a stamp interpolates linearly between whole cells and an electron is placed evenly inside a
cell, expected frames and sampled frames have exactly the same mean.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from livebragg_simulators.specimen.config import SpecimenConfig

CELLS = 16
"""Cells per pixel along each axis."""

N_DIRECTIONS = 8
N_PHASES = 4
N_SHAPES = 1 + N_DIRECTIONS * N_PHASES
"""Shapes a disk can have."""

_FRINGES_PER_DIAMETER = 0.8


@dataclass(frozen=True, slots=True)
class DiskShapes:
    """Densities of all shapes.

    Parameters
    ----------
    density : NDArray[np.float32], shape (N_SHAPES, 2 * reach * CELLS, 2 * reach * CELLS)
        Share of the disk's electrons in each cell; the disk's centre is in the middle of the map.
    reach : int
        Half of the map's side, in pixels.
    """

    density: NDArray[np.float32]
    reach: int

    def stamps(self) -> NDArray[np.float32]:
        """Pixel sums for each shape and sub-pixel position.

        Returns
        -------
        NDArray[np.float32], shape (N_SHAPES, CELLS + 1, CELLS + 1, side, side)
            Entry ``[s, i, j]`` is shape ``s`` displaced by ``(i, j) / CELLS - 1/2`` pixels from the centre of
            the middle pixel; ``side = 2 * reach + 1``.
        """
        padded = np.pad(self.density.astype(np.float64), ((0, 0), (CELLS, CELLS), (CELLS, CELLS)))
        total = np.pad(padded, ((0, 0), (1, 0), (1, 0))).cumsum(axis=1).cumsum(axis=2)
        boxes = (
            total[:, CELLS:, CELLS:]
            - total[:, :-CELLS, CELLS:]
            - total[:, CELLS:, :-CELLS]
            + total[:, :-CELLS, :-CELLS]
        )
        side = 2 * self.reach + 1
        start = CELLS * np.arange(side)[None, :] + CELLS - np.arange(CELLS + 1)[:, None]
        flat = boxes.astype(np.float32)[:, start.reshape(-1, 1), start.reshape(1, -1)]
        table = flat.reshape(N_SHAPES, CELLS + 1, side, CELLS + 1, side).transpose(0, 1, 3, 2, 4)
        return np.ascontiguousarray(table, np.float32)


def make_disk_shapes(config: SpecimenConfig, distortion: NDArray[np.float64]) -> DiskShapes:
    """Compute the shapes of the disks.

    Parameters
    ----------
    config : SpecimenConfig
        Gives radius, edge width and the amplitude of the fringes.
    distortion : NDArray[np.float64], shape (2, 2)
        Elliptical distortion, which the disks suffer as the whole pattern does.

    Returns
    -------
    DiskShapes
        Each shape's density adds up to 1.
    """
    radius = config.probe_radius
    reach = math.ceil(radius * np.linalg.norm(distortion, 2) + 3.5 * config.edge_width) + 1
    cells = (np.arange(2 * reach * CELLS) + 0.5) / CELLS - reach
    place = np.stack(np.meshgrid(cells, cells, indexing="ij"), axis=-1) @ np.linalg.inv(distortion).T
    disk = (np.hypot(place[..., 0], place[..., 1]) < radius).astype(np.float64)
    shapes = [disk]
    for direction in range(N_DIRECTIONS):
        angle = np.pi * direction / N_DIRECTIONS
        wave = np.pi * _FRINGES_PER_DIAMETER / radius * (place @ np.array([np.cos(angle), np.sin(angle)]))
        for phase in range(N_PHASES):
            fringe = np.cos(wave + 2 * np.pi * (phase + 0.5) / N_PHASES)
            shapes.append(disk * (1 + config.disk_structure * fringe))
    blurred = ndimage.gaussian_filter(np.stack(shapes), (0, *2 * (config.edge_width * CELLS,)), mode="constant")
    density = blurred / blurred.sum(axis=(1, 2), keepdims=True)
    return DiskShapes(density.astype(np.float32), reach)


def shape_numbers(g: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Shapes for reflections at `g`, shape (n, 2): fringes across g, with a phase of their own."""
    angle = np.arctan2(g[:, 1], g[:, 0]) % np.pi
    direction = np.rint(angle / np.pi * N_DIRECTIONS).astype(np.int64) % N_DIRECTIONS
    return 1 + direction * N_PHASES + rng.integers(0, N_PHASES, len(g))
