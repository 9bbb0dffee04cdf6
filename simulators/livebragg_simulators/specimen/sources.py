"""What makes disks: a crystalline grain, the crystallites of a polycrystal, the speckles of a halo."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from livebragg_simulators.specimen.config import SpecimenConfig
from livebragg_simulators.specimen.disks import shape_numbers
from livebragg_simulators.specimen.lattice import CRYSTALS, GRAIN_KINDS, rings, zone_pattern
from livebragg_simulators.specimen.layout import Component, Layout
from livebragg_simulators.specimen.profiles import HALOS

POLYCRYSTAL_SCATTERED = 0.25
"""Fraction of the beam in the spots of the polycrystal."""

_SPOT_PAIRS = 18
_SPECKLES = 80
_SPECKLED_FROM, _SPECKLED_TO = 0.18, 1.0
"""Radii in 1/Å between which speckles lie."""

_MOST_SCATTERED = 0.6
"""Largest fraction of the beam in the disks of a crystal; a direct beam is always left."""

_FAINTEST = 1e-4
"""Reflections that never get more than this fraction of the beam are left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spots:
    """Disks of one source at n positions, m at each.

    Parameters
    ----------
    hkl : NDArray[np.int16], shape (n, m, 3)
        Miller indices; zero where there are none.
    g : NDArray[np.float64], shape (n, m, 2)
        Reciprocal vector, (row, column), in 1/Å.
    intensity : NDArray[np.float64], shape (n, m)
        Fraction of the beam, were the position all made of this.
    shape_number : NDArray[np.int64], shape (n, m)
        Shape in `disks.DiskShapes`.
    """

    hkl: NDArray[np.int16]
    g: NDArray[np.float64]
    intensity: NDArray[np.float64]
    shape_number: NDArray[np.int64]


class Source(Protocol):
    """Anything that makes disks."""

    def spots(self, positions: NDArray[np.int64]) -> Spots:
        """Disks at flat scan positions."""


class Grain:
    """A crystal, tilted, bent and strained.

    Parameters
    ----------
    config : SpecimenConfig
        The specimen.
    layout : Layout
        Gives bend and strain at each position.
    component : Component
        Which grain.
    g_max : float
        Longest reciprocal vector that may reach the frame, in 1/Å.

    Notes
    -----
    Strengths are those of `lattice.zone_pattern`, damped by ``1 / (1 + (π s t)²)`` for the excitation error s and
    the thickness t: the envelope of the two-beam rocking curve, which makes a tilted grain's pattern asymmetric.
    """

    def __init__(self, config: SpecimenConfig, layout: Layout, component: Component, g_max: float) -> None:
        self._most_scattered = min(
            _MOST_SCATTERED, 0.95 / (1 + config.thickness_variation) - config.diffuse_background
        )
        self._thickness_angstrom = 10 * config.thickness_nm
        self._wavelength = config.wavelength_angstrom
        self._component = component
        self._bend = layout.bend.reshape(-1, 2)
        self._strain = layout.strain.reshape(-1, 3)
        kind = GRAIN_KINDS[component.kind]
        reference = zone_pattern(kind, g_max, disordered=True)
        untilted = self._excitation(reference.g, np.zeros((1, 2)))[0]
        scale = kind.scattered / max(float(reference.strength @ untilted), 1e-12)
        found = zone_pattern(kind, g_max, disordered=component.disordered)
        bright = scale * found.strength > _FAINTEST
        angle = np.deg2rad(component.rotation_deg)
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        self._hkl = found.hkl[bright]
        self._g = found.g[bright] @ turn.T
        self._intensity = scale * found.strength[bright]
        self._shape_number = shape_numbers(self._g, np.random.default_rng([config.seed, 0x3C, component.number]))

    def strain(self, positions: NDArray[np.int64]) -> NDArray[np.float64]:
        """Real-space strain at some positions: row-row, column-column, row-column; shape (n, 3)."""
        return np.asarray(self._strain[positions] + self._component.strain, np.float64)

    def spots(self, positions: NDArray[np.int64]) -> Spots:
        """Disks at flat scan positions."""
        tilt = self._bend[positions] + np.array(self._component.tilt_mrad)
        intensity = self._intensity * self._excitation(self._g, tilt)
        intensity /= np.maximum(1, intensity.sum(axis=1, keepdims=True) / self._most_scattered)
        shape = intensity.shape
        return Spots(
            hkl=np.broadcast_to(self._hkl, (*shape, 3)),
            g=_strained(self._g, self.strain(positions)),
            intensity=intensity,
            shape_number=np.broadcast_to(self._shape_number, shape),
        )

    def _excitation(self, g: NDArray[np.float64], tilt_mrad: NDArray[np.float64]) -> NDArray[np.float64]:
        """How much of its strength each reflection has at each tilt, shape (n_tilts, n_reflections)."""
        curvature = 0.5 * self._wavelength * (g * g).sum(axis=1)
        excitation_error = 1e-3 * tilt_mrad @ g.T - curvature
        return np.asarray(1 / (1 + (np.pi * self._thickness_angstrom * excitation_error) ** 2), np.float64)


class RandomSpots:
    """Spots that are new at each position, drawn once for the whole scan.

    Parameters
    ----------
    weights : NDArray[np.float32], shape (n_positions,)
        Share of the component; spots are kept where it is positive.
    spots : Spots
        One row for each of those positions.
    """

    def __init__(self, weights: NDArray[np.float32], spots: Spots) -> None:
        self._row_of = np.cumsum(weights > 0) - 1
        self._spots = spots

    def spots(self, positions: NDArray[np.int64]) -> Spots:
        """Disks at flat scan positions where the component has a share."""
        row, all_spots = self._row_of[positions], self._spots
        return Spots(
            hkl=all_spots.hkl[row],
            g=all_spots.g[row],
            intensity=all_spots.intensity[row],
            shape_number=all_spots.shape_number[row],
        )


def make_polycrystal(
    layout: Layout, component: Component, g_max: float, rng: np.random.Generator
) -> RandomSpots | None:
    """Opposite pairs of spots at random azimuths on the rings of the phase; None if no ring reaches `g_max`."""
    weights = layout.weights[component.number].ravel()
    radius, share, indices = rings(CRYSTALS[component.phase], g_max)
    if len(radius) == 0:
        return None
    half = (int(np.count_nonzero(weights)), _SPOT_PAIRS)
    ring = rng.choice(len(radius), half, p=share)
    length = np.repeat(radius[ring] * rng.normal(1, 0.004, half), 2, axis=1)
    angle = np.repeat(rng.uniform(0, 2 * np.pi, half), 2, axis=1)
    angle[:, 1::2] += np.pi
    hkl = np.repeat(indices[ring], 2, axis=1)
    hkl[:, 1::2] *= -1
    # crystallites differ in size, and a small tilt makes the two spots of a pair differ
    intensity = np.repeat(rng.gamma(1.2, size=half), 2, axis=1) * rng.uniform(0.4, 1, length.shape)
    return RandomSpots(weights, _polar_spots(length, angle, hkl, intensity, POLYCRYSTAL_SCATTERED, rng))


def make_speckles(
    config: SpecimenConfig, layout: Layout, component: Component, rng: np.random.Generator
) -> RandomSpots:
    """Disk-sized speckles all over an amorphous halo, as bright as the halo is where they lie."""
    weights = layout.weights[component.number].ravel()
    halo = HALOS[component.phase]
    shape = (int(np.count_nonzero(weights)), _SPECKLES)
    length = np.sqrt(rng.uniform(_SPECKLED_FROM**2, _SPECKLED_TO**2, shape))
    intensity = rng.gamma(2.0, size=shape) * halo.density(length)
    angle = rng.uniform(0, 2 * np.pi, shape)
    hkl = np.zeros((*shape, 3), np.int16)
    total = halo.in_rings * config.speckle
    return RandomSpots(weights, _polar_spots(length, angle, hkl, intensity, total, rng))


def _polar_spots(
    length: NDArray[np.float64],
    angle: NDArray[np.float64],
    hkl: NDArray[np.int16],
    relative: NDArray[np.float64],
    total: float,
    rng: np.random.Generator,
) -> Spots:
    g = length[..., None] * np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    intensity = total * relative / relative.sum(axis=1, keepdims=True)
    shapes = shape_numbers(g.reshape(-1, 2), rng).reshape(length.shape)
    return Spots(hkl=hkl, g=g, intensity=intensity, shape_number=shapes)


def _strained(g: NDArray[np.float64], strain: NDArray[np.float64]) -> NDArray[np.float64]:
    """Reciprocal vectors, shape (n_positions, n, 2), of a lattice strained in real space by `strain`."""
    rr, cc, rc = strain.T
    deformed = np.stack([1 + rr, rc, rc, 1 + cc], axis=-1).reshape(-1, 2, 2)
    return np.asarray(g @ np.linalg.inv(deformed), np.float64)  # inverse transpose; the matrix is symmetric
