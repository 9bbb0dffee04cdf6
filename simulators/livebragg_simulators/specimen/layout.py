"""What lies where: components, the share each has in a position, and how the instrument drifts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from livebragg_simulators.specimen.config import SpecimenConfig
from livebragg_simulators.specimen.lattice import GRAIN_KINDS
from livebragg_simulators.specimen.regions import (
    LEAST_WEIGHT,
    Family,
    blurred,
    grain_regions,
    smooth_field,
    smooth_fields,
    special_regions,
    warped_coordinates,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """One thing a position can consist of."""

    number: int
    """Row in the weights; also its label."""
    family: Family
    """How it diffracts."""
    phase: str
    """Crystal, amorphous phase, or "vacuum"."""
    kind: str = ""
    """Name in `lattice.GRAIN_KINDS`, of crystals."""
    disordered: bool = False
    """Whether this is the variant without superlattice reflections."""
    rotation_deg: float = 0.0
    """In-plane rotation of the lattice, in degrees from the row axis towards the column axis."""
    tilt_mrad: tuple[float, float] = (0.0, 0.0)
    """Tilt away from the zone axis, in mrad."""
    strain: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Real-space strain: row-row, column-column, row-column."""

    @property
    def name(self) -> str:
        """Unique name for people."""
        what = self.kind or self.phase
        return f"{self.number}_{what}{'_disordered' if self.disordered else ''}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The specimen under the scan, and the instrument's drift.

    Parameters
    ----------
    components : tuple of Component
        All components, by number.
    weights : NDArray[np.float32], shape (n_components, scan_rows, scan_cols)
        Share of each component; they add up to 1.
    origin : NDArray[np.float64], shape (scan_rows, scan_cols, 2)
        Where the undiffracted beam hits the detector, ``(row, column)`` in pixels.
    flux : NDArray[np.float64], shape (scan_rows, scan_cols)
        Beam current over its mean.
    thickness : NDArray[np.float64], shape (scan_rows, scan_cols)
        Thickness over its mean: what the specimen scatters is proportional to it.
    bend : NDArray[np.float64], shape (scan_rows, scan_cols, 2)
        Tilt in mrad to add to the tilt of the grains.
    strain : NDArray[np.float64], shape (scan_rows, scan_cols, 3)
        Strain to add to the strain of the grains, in the order of `Component.strain`.
    """

    components: tuple[Component, ...]
    weights: NDArray[np.float32]
    origin: NDArray[np.float64]
    flux: NDArray[np.float64]
    thickness: NDArray[np.float64]
    bend: NDArray[np.float64]
    strain: NDArray[np.float64]

    @property
    def label(self) -> NDArray[np.int16]:
        """Number of the component with the largest share, shape (scan_rows, scan_cols)."""
        return np.asarray(np.argmax(self.weights, axis=0), np.int16)


def make_layout(config: SpecimenConfig) -> Layout:
    """Lay out a specimen.

    Parameters
    ----------
    config : SpecimenConfig
        What to lay out.

    Returns
    -------
    Layout
        The same for the same `config`.
    """
    rng = np.random.default_rng([config.seed, 0x1A])
    u, v = warped_coordinates(config, rng)
    special, names = special_regions(config, u, v)
    region = grain_regions(config, rng, special)
    weights = blurred(region, config.n_grains + len(names), config.boundary_blur)
    components = _crystals(config, rng)
    if config.order_disorder:
        weights = _split_by_order(weights, config.n_grains, v + 0.06 * smooth_field(v.shape, rng))
    for family, phase in names:
        components.append(Component(number=len(components), family=family, phase=phase))
    return Layout(
        components=tuple(components),
        weights=weights,
        origin=_origins(config, rng),
        flux=1 + config.flux_variation * smooth_field(config.scan_shape, rng),
        thickness=1 + config.thickness_variation * smooth_field(config.scan_shape, rng),
        bend=config.bend_mrad * smooth_fields(config.scan_shape, rng, 2) / np.sqrt(2),
        strain=0.5 * config.strain * smooth_fields(config.scan_shape, rng, 3) / np.sqrt(2),
    )


def _split_by_order(weights: NDArray[np.float32], n_grains: int, v: NDArray[np.float64]) -> NDArray[np.float32]:
    """Give each grain an ordered and a disordered share: the square of the long-range order parameter."""
    x = np.clip((0.75 - v) / 0.6, 0, 1)
    order = (x * x * (3 - 2 * x)).astype(np.float32)
    order[order < LEAST_WEIGHT] = 0
    grains = weights[:n_grains]
    pairs = np.stack([grains * order, grains * (1 - order)], axis=1)
    return np.concatenate([pairs.reshape(2 * n_grains, *v.shape), weights[n_grains:]])


def _crystals(config: SpecimenConfig, rng: np.random.Generator) -> list[Component]:
    kinds = ("cu3au-001", "cu3au-011") if config.order_disorder else config.grain_kinds
    rotations = _rotations(config, kinds, rng)
    components: list[Component] = []
    for grain in range(config.n_grains):
        kind = kinds[grain % len(kinds)]
        tilt = config.tilt_mrad * _in_disk(rng)
        strain = 0.5 * config.strain * rng.uniform(-1, 1, 3)
        for disordered in (False, True) if config.order_disorder else (False,):
            components.append(
                Component(
                    number=len(components),
                    family=Family.CRYSTAL,
                    phase=GRAIN_KINDS[kind].crystal,
                    kind=kind,
                    disordered=disordered,
                    rotation_deg=float(rotations[grain]),
                    tilt_mrad=(float(tilt[0]), float(tilt[1])),
                    strain=(float(strain[0]), float(strain[1]), float(strain[2])),
                )
            )
    return components


def _in_disk(rng: np.random.Generator) -> NDArray[np.float64]:
    angle, radius = rng.uniform(0, 2 * np.pi), np.sqrt(rng.uniform(0.1, 1))
    return np.asarray(radius * np.array([np.cos(angle), np.sin(angle)]), np.float64)


def _rotations(config: SpecimenConfig, kinds: tuple[str, ...], rng: np.random.Generator) -> NDArray[np.float64]:
    """Rotations in degrees: spread over the symmetry's period, loosened where there is room to.

    Kinds of one period are spread together: a square net of gold and one of tungsten are nearly the same, so
    they should not lie in the same direction either.
    """
    rotations = np.zeros(config.n_grains)
    periods = np.array([GRAIN_KINDS[kinds[grain % len(kinds)]].period_deg for grain in range(config.n_grains)])
    for period in np.unique(periods):
        mine = np.flatnonzero(periods == period)
        step = period / len(mine)
        room = max(step - config.minimum_rotation_deg, 0.2 * step) / 2
        spread = step * np.arange(len(mine)) + rng.uniform(-room, room, len(mine))
        rotations[mine] = (spread + rng.uniform(0, period)) % period
    return rotations


def _origins(config: SpecimenConfig, rng: np.random.Generator) -> NDArray[np.float64]:
    """Descan drift: linear with a little curvature, and a step of its own on every line."""
    rows, cols = config.scan_shape
    u, v = np.meshgrid((np.arange(rows) + 0.5) / rows - 0.5, (np.arange(cols) + 0.5) / cols - 0.5, indexing="ij")
    angle = rng.uniform(0, 2 * np.pi)
    along = np.array([np.cos(angle), np.sin(angle)])
    across = np.array([-along[1], along[0]])
    walk = u[..., None] * along + 0.5 * v[..., None] * across + 0.3 * (v[..., None] ** 2 - 1 / 12) * along
    jitter = config.row_jitter * rng.standard_normal((rows, 1, 2))
    return np.asarray(np.array(config.mean_origin) + config.descan_drift * walk + jitter, np.float64)
