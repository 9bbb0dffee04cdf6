"""How disks are found and what the virtual detectors collect; the defaults here are the only defaults."""

from __future__ import annotations

import math
from dataclasses import dataclass

from livebragg.errors import ConfigError

SENSITIVITY_LIMITS = "between 0 (balanced) and 1000"
"""What ``false_disks_per_frame`` takes, in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeConfig:
    """The direct beam's disk, as far as it is known; what is ``None`` is measured from the first frames."""

    radius: float | None = None
    """Radius of the disk, in pixels; ``None``: measured."""

    edge_width: float | None = None
    """Standard deviation of the blur of the disk's edge, in pixels; ``None``: measured."""

    center: tuple[float, float] | None = None
    """``(qx, qy)`` of the undiffracted beam (row, column), in pixels; ``None``: measured."""

    frames: int = 64
    """Number of first frames the probe is measured from."""

    vacuum_file: str | None = None
    """File (.npy, .h5) with one frame, a stack or a scan of the beam in vacuum: the probe is what it shows, of any
    shape, and only its centre is measured from the first frames; ``None``: a disk is measured from these."""

    def __post_init__(self) -> None:
        _require(self.radius is None or 0 < self.radius < 1000, "probe.radius", self.radius, "above 0 pixels")
        _require(
            self.edge_width is None or 0 <= self.edge_width < 1000,
            "probe.edge_width",
            self.edge_width,
            "0 pixels or more",
        )
        _require(
            self.center is None or (len(self.center) == 2 and all(map(math.isfinite, self.center))),
            "probe.center",
            self.center,
            "two finite numbers (qx, qy) in pixels",
        )
        _require(self.frames >= 1, "probe.frames", self.frames, "at least 1")
        _require(self.vacuum_file != "", "probe.vacuum_file", "empty", "the name of a file, or left out")
        _require(
            self.vacuum_file is None or (self.radius is None and self.edge_width is None),
            "probe.vacuum_file",
            repr(self.vacuum_file),
            "left out, or probe.radius and probe.edge_width: the file says what the probe looks like",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectionConfig:
    """What counts as a disk, and how the detector counts electrons."""

    false_disks_per_frame: float = 0.1
    """Disks per frame that noise alone may produce: the one knob between missing weak disks and inventing some.
    0: balanced in each frame, about 0.1 where disks are strong and more where most of them are weak."""

    min_spacing: float | None = None
    """Smallest distance between two disks, in pixels; ``None``: 1.1 probe radii, at least 2 pixels."""

    max_disks_per_frame: int = 512
    """Strongest disks kept in a frame."""

    gain: float | None = None
    """Detector counts per electron, 1 for counting detectors; ``None``: measured in each frame, together with
    the read noise."""

    offset: float = 0.0
    """Counts of a pixel that saw no electron."""

    read_noise: float = 0.0
    """Standard deviation of a pixel that saw no electron, in electrons; 0 for counting detectors.
    Measured when the gain is."""

    bad_pixels: tuple[tuple[int, int], ...] = ()
    """Pixels ``(row, column)`` that are never looked at: hot, dead."""

    beam_search_radius: float | None = None
    """Distance from the configured centre within which the direct beam is looked for, in pixels;
    ``None``: 2 probe radii, at least 8 pixels."""

    def __post_init__(self) -> None:
        _require(
            0 <= self.false_disks_per_frame <= 1000,
            "detection.false_disks_per_frame",
            self.false_disks_per_frame,
            SENSITIVITY_LIMITS,
        )
        for name in ("min_spacing", "beam_search_radius"):
            value = getattr(self, name)
            _require(value is None or 0 < value < 10_000, f"detection.{name}", value, "above 0 pixels")
        _require(
            1 <= self.max_disks_per_frame <= 65_536,
            "detection.max_disks_per_frame",
            self.max_disks_per_frame,
            "between 1 and 65536",
        )
        _require(
            self.gain is None or 0 < self.gain < math.inf,
            "detection.gain",
            self.gain,
            "above 0 counts per electron",
        )
        _require(math.isfinite(self.offset), "detection.offset", self.offset, "a finite number of counts")
        _require(0 <= self.read_noise < math.inf, "detection.read_noise", self.read_noise, "0 or more electrons")
        for pixel in self.bad_pixels:
            _require(
                len(pixel) == 2 and min(pixel) >= 0,
                "detection.bad_pixels",
                pixel,
                "a pair (row, column) of numbers from 0",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class VirtualConfig:
    """Radii of the virtual detectors about the probe's centre; what is ``None`` follows from the probe."""

    bright_field_radius: float | None = None
    """Outer radius of the bright field, in pixels; ``None``: 1.2 probe radii."""

    annular_inner_radius: float | None = None
    """Inner radius of the annular dark field, in pixels; ``None``: 2.5 probe radii."""

    annular_outer_radius: float | None = None
    """Outer radius of the annular dark field, in pixels; ``None``: the nearest edge of the frame."""

    def __post_init__(self) -> None:
        for name in ("bright_field_radius", "annular_inner_radius", "annular_outer_radius"):
            value = getattr(self, name)
            _require(value is None or 0 < value < math.inf, f"virtual.{name}", value, "above 0 pixels")
        inner, outer = self.annular_inner_radius, self.annular_outer_radius
        _require(
            inner is None or outer is None or inner < outer,
            "virtual.annular_outer_radius",
            outer,
            f"above annular_inner_radius ({inner})",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileConfig:
    """Radial profiles of the scattering between the Bragg disks."""

    bins: int = 48
    """Most bins of a profile; they are a pixel wide, or wider on large frames. 0: no profiles, and no amorphous
    classes."""

    ellipse_ratio: float = 1.0
    """Long over short axis of the rings on the detector."""

    ellipse_angle_deg: float = 0.0
    """Direction of the long axis, in degrees from the row axis towards the column axis."""

    def __post_init__(self) -> None:
        _require(self.bins == 0 or 8 <= self.bins <= 512, "profile.bins", self.bins, "0 or between 8 and 512")
        _require(1 <= self.ellipse_ratio <= 4, "profile.ellipse_ratio", self.ellipse_ratio, "between 1 and 4")
        _require(
            math.isfinite(self.ellipse_angle_deg),
            "profile.ellipse_angle_deg",
            self.ellipse_angle_deg,
            "a finite number of degrees",
        )


def _require(holds: bool, key: str, value: object, limit: str) -> None:
    if not holds:
        raise ConfigError(f"{key} is {value}; it must be {limit}")
