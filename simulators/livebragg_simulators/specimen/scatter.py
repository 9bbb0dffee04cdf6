"""Where the electrons of a position go on average: a table of disks, and shares of the smooth patterns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from livebragg_simulators.specimen.config import SpecimenConfig
from livebragg_simulators.specimen.layout import Component, Layout
from livebragg_simulators.specimen.profiles import APERTURE_TAIL, HALOS, Smooth, thermal
from livebragg_simulators.specimen.regions import Family
from livebragg_simulators.specimen.sources import Grain, Source, Spots, make_polycrystal, make_speckles

SPECKLE = -1
"""Component of the disks that are speckles of a halo: no Bragg disks, so not part of the truth."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskTable:
    """Disks of some positions, the direct beam not among them.

    Parameters
    ----------
    position : NDArray[np.int64], shape (n,)
        Which of the requested positions the disk belongs to, rising.
    place : NDArray[np.float64], shape (n, 2)
        Centre ``(row, column)`` in pixels.
    intensity : NDArray[np.float64], shape (n,)
        Fraction of the beam.
    component, shape_number : NDArray[np.int64], shape (n,)
        Where it comes from (`SPECKLE` if from no lattice), and its shape in `disks.DiskShapes`.
    hkl : NDArray[np.int16], shape (n, 3)
        Miller indices; zero where there are none.
    """

    position: NDArray[np.int64]
    place: NDArray[np.float64]
    intensity: NDArray[np.float64]
    component: NDArray[np.int64]
    shape_number: NDArray[np.int64]
    hkl: NDArray[np.int16]


class Scatterer:
    """Knows the expected scattering of every scan position.

    Parameters
    ----------
    config : SpecimenConfig
        What to simulate.
    layout : Layout
        What lies where.
    """

    def __init__(self, config: SpecimenConfig, layout: Layout) -> None:
        self.config = config
        self.layout = layout
        self.distortion = _distortion(config)
        self.smooth: tuple[Smooth, ...] = (
            thermal(config.diffuse_background),
            APERTURE_TAIL,
            *HALOS.values(),
        )
        self._smooth_of = np.array([_smooth_number(c) for c in layout.components], np.int64)
        self.used_smooth = sorted(set(map(int, self._smooth_of)))
        self._sources = self._make_sources()
        self._weights = layout.weights.reshape(len(layout.components), -1)
        self._origin = layout.origin.reshape(-1, 2)

    def scatter(self, positions: NDArray[np.int64]) -> tuple[DiskTable, NDArray[np.float64], NDArray[np.float64]]:
        """Expected scattering at some positions.

        Parameters
        ----------
        positions : NDArray[np.int64], shape (n,)
            Flat scan positions.

        Returns
        -------
        disks : DiskTable
            All disks that touch the frame, but for the direct beam.
        direct : NDArray[np.float64], shape (n,)
            Fraction of the beam in the direct disk: what is not scattered.
        smooth : NDArray[np.float64], shape (n, len(self.smooth))
            Fraction of the beam in each smooth pattern.
        """
        weights = self._weights[:, positions]
        thickness = self.layout.thickness.ravel()[positions]
        smooth = np.zeros((len(positions), len(self.smooth)))
        in_disks = np.zeros(len(positions))
        parts: list[DiskTable] = []
        for number in map(int, np.flatnonzero(weights.any(axis=1))):
            here = np.flatnonzero(weights[number])
            share = weights[number, here] * thickness[here]
            kind = self._smooth_of[number]
            smooth[here, kind] += share * (self.smooth[kind].scattered - self._speckled(number))
            if number in self._sources:
                spots = self._sources[number].spots(positions[here])
                in_disks[here] += share * spots.intensity.sum(axis=1)
                parts.append(self._table(number, spots, positions[here], here, share))
        return self._on_frame(parts), 1 - in_disks - smooth.sum(axis=1), smooth

    def strain(self, component: int, positions: NDArray[np.int64]) -> NDArray[np.float64]:
        """Strain of a component, shape (n, 3): row-row, column-column, row-column; 0 where it is no grain."""
        source = self._sources.get(component)
        return source.strain(positions) if isinstance(source, Grain) else np.zeros((len(positions), 3))

    def _is_amorphous(self, number: int) -> bool:
        return self.layout.components[number].family is Family.AMORPHOUS

    def _speckled(self, number: int) -> float:
        """Fraction of the beam that a component's halo gives to speckles."""
        kind = self.smooth[self._smooth_of[number]]
        return self.config.speckle * kind.in_rings if self._is_amorphous(number) else 0.0

    def _make_sources(self) -> dict[int, Source]:
        config, layout = self.config, self.layout
        corner = np.abs(np.array(config.frame_shape) - 1) / 2 + np.abs(np.array(config.center_offset))
        reach = float(np.linalg.norm(corner)) + config.probe_radius + config.descan_drift
        g_max = reach * config.q_pixel_size_inv_angstrom
        rng = np.random.default_rng([config.seed, 0x2B])
        sources: dict[int, Source | None] = {}
        for component in layout.components:
            if component.family is Family.CRYSTAL:
                sources[component.number] = Grain(config, layout, component, g_max)
            elif component.family is Family.POLYCRYSTAL:
                sources[component.number] = make_polycrystal(layout, component, g_max, rng)
            elif component.family is Family.AMORPHOUS and config.speckle > 0:
                sources[component.number] = make_speckles(config, layout, component, rng)
        return {number: source for number, source in sources.items() if source is not None}

    def _table(
        self,
        number: int,
        spots: Spots,
        positions: NDArray[np.int64],
        here: NDArray[np.int64],
        share: NDArray[np.float64],
    ) -> DiskTable:
        offset = spots.g @ (self.distortion.T / self.config.q_pixel_size_inv_angstrom)
        place = self._origin[positions][:, None, :] + offset
        label = SPECKLE if self._is_amorphous(number) else number
        return DiskTable(
            position=np.repeat(here, spots.intensity.shape[1]),
            place=place.reshape(-1, 2),
            intensity=(share[:, None] * spots.intensity).ravel(),
            component=np.full(spots.intensity.size, label, np.int64),
            shape_number=spots.shape_number.ravel(),
            hkl=spots.hkl.reshape(-1, 3),
        )

    def _on_frame(self, parts: list[DiskTable]) -> DiskTable:
        """Join tables, in the order of positions, without the disks that miss the frame altogether."""
        parts = parts or [_NO_DISKS]
        place = np.concatenate([p.place for p in parts])
        reach = self.config.probe_radius * self.config.ellipse_ratio + 4 * self.config.edge_width
        low, high = -0.5 - reach, np.array(self.config.frame_shape) - 0.5 + reach
        keep = np.flatnonzero(((place > low) & (place < high)).all(axis=1))
        position = np.concatenate([p.position for p in parts])
        keep = keep[np.argsort(position[keep], kind="stable")]
        return DiskTable(
            position=position[keep],
            place=place[keep],
            intensity=np.concatenate([p.intensity for p in parts])[keep],
            component=np.concatenate([p.component for p in parts])[keep],
            shape_number=np.concatenate([p.shape_number for p in parts])[keep],
            hkl=np.concatenate([p.hkl for p in parts])[keep],
        )


_NO_DISKS = DiskTable(
    position=np.zeros(0, np.int64),
    place=np.zeros((0, 2)),
    intensity=np.zeros(0),
    component=np.zeros(0, np.int64),
    shape_number=np.zeros(0, np.int64),
    hkl=np.zeros((0, 3), np.int16),
)


def _smooth_number(component: Component) -> int:
    """Index of a component's smooth pattern in `Scatterer.smooth`."""
    if component.family is Family.AMORPHOUS:
        return 2 + list(HALOS).index(component.phase)
    return 1 if component.family is Family.VACUUM else 0


def _distortion(config: SpecimenConfig) -> NDArray[np.float64]:
    """Matrix from ideal to measured pixel offsets; its determinant is nearly 1."""
    half = (config.ellipse_ratio - 1) / (config.ellipse_ratio + 1)
    angle = 2 * np.deg2rad(config.ellipse_angle_deg)
    return np.eye(2) + half * np.array([[np.cos(angle), np.sin(angle)], [np.sin(angle), -np.cos(angle)]])
