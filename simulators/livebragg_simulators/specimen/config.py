"""Everything that can be chosen about a synthetic specimen and the instrument that looks at it."""

from __future__ import annotations

import difflib
import math
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np

from livebragg.errors import ConfigError
from livebragg_simulators.specimen.lattice import GRAIN_KINDS
from livebragg_simulators.specimen.presets import PRESETS

MIXED_GRAINS = ("au-001", "w-111", "ti-0001", "au-011", "mgo-001", "w-011", "au-112", "ti-1000", "au-111", "w-001")
"""Grain kinds of a specimen that names none, in this order."""

_DTYPES = ("uint8", "uint16", "uint32")
_MAX_SIDE = 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class SpecimenConfig:
    """A synthetic specimen and its instrument; every default makes a plausible scan.

    Pairs are in the order (row, column). Angles of directions run from the row axis towards the column axis.

    Raises
    ------
    ConfigError
        If a value is of the wrong type, not finite, or outside its range.

    Examples
    --------
    >>> SpecimenConfig(scan_shape=(8, 12), n_grains=3).convergence_angle_mrad
    2.508
    """

    seed: int = 1
    """Seed of everything random: the same seed gives the same specimen and the same frames."""
    scan_shape: tuple[int, int] = (64, 64)
    """Scan positions ``(scan_rows, scan_cols)``."""
    frame_shape: tuple[int, int] = (128, 128)
    """Detector pixels ``(frame_rows, frame_cols)``."""
    dtype: str = "uint16"
    """Pixel type of the frames: uint8, uint16 or uint32; counts beyond its range are clipped."""
    electrons_per_frame: float = 5000.0
    """Dose: mean electrons that hit the specimen per position, before those that miss the detector are lost."""

    n_grains: int = 6
    """Crystalline grains; may be 0 when another region is switched on."""
    grain_kinds: tuple[str, ...] = MIXED_GRAINS
    """Crystal and zone axis of the grains, taken in turn: names from `lattice.GRAIN_KINDS`."""
    amorphous: bool = True
    """Whether there is an amorphous region."""
    polycrystal: bool = True
    """Whether there is a region of many tiny crystals: new spots on the same rings at each position."""
    vacuum: bool = True
    """Whether part of the scan misses the specimen."""
    order_disorder: bool = False
    """Grains of Cu3Au whose superlattice reflections fade along each scan row; `grain_kinds` is not used."""
    three_amorphous: bool = False
    """Three amorphous phases instead of one."""
    minimum_rotation_deg: float = 12.0
    """Least in-plane rotation, in degrees, between two grains of one kind; less where they do not fit."""
    boundary_blur: float = 0.6
    """Standard deviation of the blur that mixes neighbours at a boundary, in scan positions."""
    thickness_nm: float = 8.0
    """Thickness in nm: the thicker, the sharper the choice of reflections by tilt."""
    thickness_variation: float = 0.12
    """Largest relative change of thickness, and so of what is scattered, smooth over the scan."""
    tilt_mrad: float = 4.0
    """Largest tilt of a grain away from its zone axis, in mrad."""
    bend_mrad: float = 2.0
    """Largest change of tilt within the specimen, smooth over the scan, in mrad."""
    strain: float = 0.006
    """Largest strain (no unit); half constant in a grain, half smooth over the scan."""
    diffuse_background: float = 0.12
    """Fraction of the electrons in the thermal diffuse background of crystals."""
    disk_structure: float = 0.25
    """Amplitude of thickness fringes inside the disks, 0 (uniform disks) to 1."""
    speckle: float = 0.4
    """Electrons in an amorphous halo's speckles (disks new at each position) over those in its rings, 0 to 1."""

    probe_radius: float = 5.0
    """Radius of the disks at half height, in pixels."""
    edge_width: float = 0.5
    """Standard deviation of the blur of the disks' edge, in pixels."""
    q_pixel_size_inv_angstrom: float = 0.02
    """Size of a pixel in reciprocal space, in 1/Å (without the 2π)."""
    center_offset: tuple[float, float] = (1.3, -0.8)
    """Mean origin minus the middle of the frame, in pixels."""
    descan_drift: float = 2.5
    """Walk of the origin over the scan, in pixels from one end to the other."""
    row_jitter: float = 0.15
    """Standard deviation of an extra shift of the origin that is new on each scan line, in pixels per axis."""
    ellipse_ratio: float = 1.025
    """Long over short axis of what should be a circle, at least 1."""
    ellipse_angle_deg: float = 35.0
    """Direction of the long axis, in degrees."""
    flux_variation: float = 0.03
    """Largest relative change of the beam current, smooth over the scan."""
    hot_pixels: int = 0
    """Pixels that always count hundreds."""
    dead_pixels: int = 0
    """Pixels that never count."""

    beam_energy_kev: float = 200.0
    """Beam energy in keV."""
    camera_length_mm: float = 285.0
    """Camera length in mm; told to the receiver, otherwise unused."""
    scan_step_nm: float = 2.0
    """Distance of scan positions in nm; told to the receiver, otherwise unused."""
    dwell_time_s: float = 1e-3
    """Time per position in seconds; told to the receiver, otherwise unused."""

    def __post_init__(self) -> None:
        self._check_types()
        for name, low, high in _RANGES:
            value = getattr(self, name)
            if not low <= value <= high:
                raise ConfigError(f"{name} = {value} is outside its range; choose {low} to {high}")
        for name in ("scan_shape", "frame_shape"):
            self._check_shape(name)
        if self.dtype not in _DTYPES:
            raise ConfigError(f"dtype = {self.dtype!r} cannot be simulated; choose one of {', '.join(_DTYPES)}")
        self._check_contents()

    def _check_types(self) -> None:
        for field in fields(self):
            value, default = getattr(self, field.name), field.default
            if isinstance(default, bool):
                good = isinstance(value, bool)
            elif isinstance(default, int):
                good = isinstance(value, int | np.integer) and not isinstance(value, bool)
            elif isinstance(default, float):
                good = _is_finite(value)
            elif field.name == "center_offset":
                good = isinstance(value, tuple) and len(value) == 2 and all(map(_is_finite, value))
            else:
                good = isinstance(value, type(default))
            if not good:
                raise ConfigError(f"{field.name} = {value!r} is not a usable value; one like {default!r} is")

    def _check_shape(self, name: str) -> None:
        value = getattr(self, name)
        whole = len(value) == 2 and all(isinstance(v, int) and not isinstance(v, bool) for v in value)
        low, high = (1, 1 << 16) if name == "scan_shape" else (16, _MAX_SIDE)
        if not whole or not all(low <= v <= high for v in value):
            raise ConfigError(f"{name} = {value} must be two whole numbers from {low} to {high}")

    def _check_contents(self) -> None:
        unknown = [kind for kind in self.grain_kinds if kind not in GRAIN_KINDS]
        if unknown or not self.grain_kinds:
            raise ConfigError(
                f"grain_kinds = {self.grain_kinds} must name at least one of {', '.join(sorted(GRAIN_KINDS))}"
            )
        if self.n_grains == 0 and not (self.amorphous or self.polycrystal or self.vacuum or self.three_amorphous):
            raise ConfigError("n_grains = 0 leaves nothing to scan; switch a region on or ask for a grain")
        shortest = min(self.frame_shape)
        if 4 * self.probe_radius > shortest:
            raise ConfigError(
                f"probe_radius = {self.probe_radius} is too large for frames of {self.frame_shape}; choose at "
                f"most {shortest / 4}"
            )
        half = tuple(side / 2 for side in self.frame_shape)
        if abs(self.center_offset[0]) > half[0] or abs(self.center_offset[1]) > half[1]:
            raise ConfigError(
                f"center_offset = {self.center_offset} puts the beam outside the frame; choose at most {half}"
            )
        if self.hot_pixels + self.dead_pixels > self.frame_shape[0] * self.frame_shape[1] // 2:
            raise ConfigError(
                f"hot_pixels + dead_pixels = {self.hot_pixels + self.dead_pixels} is more than half of the frame"
            )

    @classmethod
    def preset(cls, name: str, **changes: Any) -> Self:
        """A ready-made configuration, with some values changed.

        Parameters
        ----------
        name : str
            One of `presets.PRESETS`.
        **changes
            Values to change.

        Returns
        -------
        SpecimenConfig
            The preset with the changes.

        Raises
        ------
        ConfigError
            If there is no preset or key of that name, or a value cannot be used.

        Examples
        --------
        >>> SpecimenConfig.preset("gold", seed=3).n_grains
        7
        """
        if name not in PRESETS:
            raise ConfigError(_unknown("preset", name, list(PRESETS)))
        known = [field.name for field in fields(cls)]
        for key in changes:
            if key not in known:
                raise ConfigError(_unknown("specimen setting", key, known))
        return cls(**PRESETS[name] | changes)

    @property
    def n_positions(self) -> int:
        """Positions in the scan."""
        return self.scan_shape[0] * self.scan_shape[1]

    @property
    def wavelength_angstrom(self) -> float:
        """Relativistic electron wavelength in Å."""
        energy_ev = self.beam_energy_kev * 1e3
        return 12.2643 / math.sqrt(energy_ev * (1 + 0.97845e-6 * energy_ev))

    @property
    def convergence_angle_mrad(self) -> float:
        """Semi-angle of the probe that gives this disk radius, in mrad."""
        radius = self.probe_radius * self.q_pixel_size_inv_angstrom
        return round(1e3 * radius * self.wavelength_angstrom, 3)

    @property
    def mean_origin(self) -> tuple[float, float]:
        """Origin without drift, ``(row, column)`` in pixels."""
        rows, cols = self.frame_shape
        return (rows - 1) / 2 + self.center_offset[0], (cols - 1) / 2 + self.center_offset[1]


def _unknown(what: str, name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, 1)
    hint = f"did you mean {close[0]!r}?" if close else f"choose one of {', '.join(known)}"
    return f"there is no {what} named {name!r}; {hint}"


def _is_finite(value: object) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool) and math.isfinite(value)


_RANGES: tuple[tuple[str, float, float], ...] = (
    ("seed", 0, 2**63 - 1),
    ("electrons_per_frame", 1, 1e8),
    ("n_grains", 0, 1000),
    ("minimum_rotation_deg", 0, 90),
    ("boundary_blur", 0, 20),
    ("thickness_nm", 1, 100),
    ("thickness_variation", 0, 0.5),
    ("tilt_mrad", 0, 50),
    ("bend_mrad", 0, 50),
    ("strain", 0, 0.1),
    ("diffuse_background", 0, 0.6),
    ("disk_structure", 0, 1),
    ("speckle", 0, 1),
    ("probe_radius", 0.5, 100),
    ("edge_width", 0, 10),
    ("q_pixel_size_inv_angstrom", 1e-4, 0.2),
    ("descan_drift", 0, 50),
    ("row_jitter", 0, 5),
    ("ellipse_ratio", 1, 1.5),
    ("ellipse_angle_deg", -360, 360),
    ("flux_variation", 0, 0.9),
    ("hot_pixels", 0, 100_000),
    ("dead_pixels", 0, 100_000),
    ("beam_energy_kev", 10, 1500),
    ("camera_length_mm", 1, 1e5),
    ("scan_step_nm", 1e-3, 1e5),
    ("dwell_time_s", 1e-7, 100),
)
