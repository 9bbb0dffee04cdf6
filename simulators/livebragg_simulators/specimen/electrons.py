"""Noisy frames, fast: draw the electrons that arrive instead of a random number for every pixel.

A frame of a few thousand electrons has far more pixels than electrons. The number of electrons in each disk
and each smooth pattern is Poisson distributed; where they land inside it is looked up in a pool of places
drawn beforehand. Frames so have the right mean and variance in every pixel, and independent numbers of
electrons in every disk of every frame. **What repeats**: the places inside a disk, or inside a smooth
pattern, are a random run of a pool of `DISK_POOL` or `SMOOTH_POOL` places, so two frames may share a run of
places relative to the centre; the mean of very many frames approaches the pool, not the density it was drawn
from.

Places are fixed-point numbers, row and column packed in one int32 (``row << 16 | column``, some low bits of
each a fraction of a pixel): moving an electron by a disk's centre is then one integer addition.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from livebragg_simulators.specimen.canvas import Canvas
from livebragg_simulators.specimen.disks import CELLS, DiskShapes
from livebragg_simulators.specimen.scatter import DiskTable, Scatterer

DISK_POOL = 1 << 15
"""Places in the pool of each shape of disk."""

SMOOTH_POOL = 1 << 20
"""Places in the pool of each smooth pattern and of the direct beam."""


class ElectronSource:
    """Draws noisy frames.

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
        config = scatterer.config
        drift = np.ptp(scatterer.layout.origin.reshape(-1, 2), axis=0).max()
        self._margin = max(2 * shapes.reach + 2, math.ceil(drift) + 5)  # no electron lands further outside
        self._wide = (config.frame_shape[0] + 2 * self._margin, config.frame_shape[1] + 2 * self._margin)
        self._bits = 15 - math.ceil(math.log2(max(self._wide)))
        rng = np.random.default_rng([config.seed, 0x4D])
        middle = (float(shapes.reach), float(shapes.reach))
        self._disk_pool = np.concatenate(
            [self._pool(density, 1 / CELLS, middle, DISK_POOL, rng) for density in shapes.density]
        )
        center = (canvas.center[0] + 0.5, canvas.center[1] + 0.5)
        self._pools = {0: self._pool(shapes.density[0], 1 / CELLS, middle, SMOOTH_POOL, rng)}
        self._pools |= {
            1 + number: self._pool(canvas.patterns[number], 1.0, center, SMOOTH_POOL, rng)
            for number in scatterer.used_smooth
        }
        self._on_canvas = np.append(1.0, canvas.patterns.sum(axis=(1, 2), dtype=np.float64))

    def draw(self, positions: NDArray[np.int64], rng: np.random.Generator, out: NDArray[Any]) -> None:
        """Draw frames.

        Parameters
        ----------
        positions : NDArray[np.int64], shape (n,)
            Flat scan positions.
        rng : np.random.Generator
            Source of the noise.
        out : NDArray of an unsigned type, shape (n, frame_rows, frame_cols)
            Takes the electrons counted in each pixel, clipped to its type.
        """
        layout, config = self._scatterer.layout, self._scatterer.config
        disks, direct, smooth = self._scatterer.scatter(positions)
        dose = config.electrons_per_frame * layout.flux.ravel()[positions]
        origins = self._packed(layout.origin.reshape(-1, 2)[positions] + self._margin + 0.5)
        smooth_counts = rng.poisson(np.column_stack([direct, smooth]) * self._on_canvas * dose[:, None])
        smooth_starts = rng.integers(0, SMOOTH_POOL, smooth_counts.shape)
        places, ends = self._disk_electrons(disks, dose, rng)
        for i, frame in enumerate(out):
            parts = [places[ends[i] : ends[i + 1]]]
            for number in map(int, np.flatnonzero(smooth_counts[i])):
                run = _run(self._pools[number], smooth_starts[i, number], smooth_counts[i, number])
                parts.append(run + origins[i])
            self._count(np.concatenate(parts), frame)

    def _disk_electrons(
        self, disks: DiskTable, dose: NDArray[np.float64], rng: np.random.Generator
    ) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """Places of the electrons in all disks, one position after the other, and where each position ends."""
        counts = rng.poisson(disks.intensity * dose[disks.position])
        ends = np.cumsum(counts)
        total = int(ends[-1]) if len(ends) else 0
        starts = rng.integers(0, DISK_POOL, len(counts))
        index = np.arange(total, dtype=np.int32)
        index += np.repeat((starts - ends + counts).astype(np.int32), counts)
        index &= DISK_POOL - 1
        index += np.repeat((disks.shape_number * DISK_POOL).astype(np.int32), counts)
        places = self._disk_pool[index]
        places += np.repeat(self._packed(disks.place + self._margin + 0.5), counts)
        last_disk = np.searchsorted(disks.position, np.arange(len(dose) + 1))
        return places, np.concatenate([[0], ends])[last_disk]

    def _count(self, places: NDArray[np.int32], frame: NDArray[Any]) -> None:
        row = places >> (16 + self._bits)
        col = (places & 0xFFFF) >> self._bits
        wide = np.bincount(row * self._wide[1] + col, minlength=self._wide[0] * self._wide[1])
        inner = wide.reshape(self._wide)[self._margin : -self._margin, self._margin : -self._margin]
        np.minimum(inner, np.iinfo(frame.dtype).max, out=frame, casting="unsafe")

    def _packed(self, places: NDArray[np.float64]) -> NDArray[np.int32]:
        fixed = np.rint(places * (1 << self._bits)).astype(np.int32)
        return np.asarray((fixed[:, 0] << 16) + fixed[:, 1], np.int32)

    def _pool(
        self,
        density: NDArray[np.float32],
        cell: float,
        center: tuple[float, float],
        count: int,
        rng: np.random.Generator,
    ) -> NDArray[np.int32]:
        """Draw places relative to `center` (in pixels) from a density that is constant in square cells.

        One place is drawn from each of `count` equal steps of the cumulative density: so the pool is closer to
        the density than independent draws would be. Then the places are shuffled.
        """
        cumulative = np.cumsum(density, dtype=np.float64)
        steps = (np.arange(count) + rng.random(count)) / count * cumulative[-1]
        which = np.minimum(np.searchsorted(cumulative, steps, side="right"), density.size - 1)
        places = rng.random((count, 2))
        places[:, 0] += which // density.shape[1]
        places[:, 1] += which % density.shape[1]
        # Rounded down, while centres are rounded to the nearest: their sum then falls into the right pixel.
        pool = self._packed(places * cell - np.array(center) - 0.5 / (1 << self._bits))
        rng.shuffle(pool)
        return pool


def _run(pool: NDArray[np.int32], start: int, count: int) -> NDArray[np.int32]:
    """`count` places from `start` on, from the beginning again where the pool ends."""
    if start + count <= len(pool):
        return pool[start : start + count]
    return np.take(pool, np.arange(start, start + count), mode="wrap")
