"""How a scan is analysed: Bragg vector map, origin, tracked peaks, classification."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from livebragg.errors import ConfigError


def _require(ok: bool, key: str, value: object, limit: str) -> None:
    if not ok:
        raise ConfigError(f"{key} = {value!r} cannot be used: it must be {limit}")


@dataclass(frozen=True, slots=True, kw_only=True)
class MapConfig:
    """The running Bragg vector map."""

    sampling: float = 2.0
    """Bins per pixel."""
    weight: Literal["count", "intensity"] = "count"
    """What the displayed map adds per disk: 1, or its counts. Peaks are always tracked on counts of disks."""

    def __post_init__(self) -> None:
        _require(0.25 <= self.sampling <= 8, "map.sampling", self.sampling, "between 0.25 and 8 bins per pixel")
        _require(self.weight in ("count", "intensity"), "map.weight", self.weight, "'count' or 'intensity'")


@dataclass(frozen=True, slots=True, kw_only=True)
class OriginConfig:
    """The undiffracted beam's place on the detector."""

    polynomial_degree: int = 2
    """Degree of the smooth part of the descan model: 1 (plane), 2 (paraboloid) or 3."""
    row_jitter: bool = True
    """Let every scan line have its own offset."""
    systematic_error: float = 0.04
    """Error of a measured centre that counting statistics do not know (contrast inside the disk), as a
    fraction of the probe's radius."""
    rebin_tolerance: float = 0.05
    """A position's disks are binned again when its origin moved by more than this, in pixels."""

    def __post_init__(self) -> None:
        _require(
            self.polynomial_degree in (1, 2, 3), "origin.polynomial_degree", self.polynomial_degree, "1, 2 or 3"
        )
        _require(self.systematic_error >= 0, "origin.systematic_error", self.systematic_error, "at least 0")
        _require(self.rebin_tolerance >= 0, "origin.rebin_tolerance", self.rebin_tolerance, "at least 0 pixels")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackerConfig:
    """Sharp peaks of the Bragg vector map."""

    smoothing: float = 0.4
    """Standard deviation of the Gaussian that smooths the map before maxima are looked for, in pixels."""
    aperture: float = 1.25
    """Radius within which the positions that support a peak are counted, in pixels."""
    min_support: int = 6
    """Positions a peak needs, above the local background."""
    min_significance: float = 5.0
    """Significance of that support against the local background, in standard deviations."""
    max_width: float = 1.2
    """Largest standard deviation of a peak along its long axis, in pixels; wider is a streak, an arc or a ring."""
    match_radius: float = 2.0
    """A disk belongs to the nearest peak within this distance, in pixels."""
    exclude_center: float = 1.5
    """No peaks nearer to the origin than this many probe radii."""
    max_peaks: int = 600
    """The most significant peaks are kept when there are more."""

    def __post_init__(self) -> None:
        for key in ("smoothing", "aperture", "min_significance", "max_width", "match_radius"):
            value = getattr(self, key)
            _require(value > 0, f"tracker.{key}", value, "above 0")
        _require(self.exclude_center >= 0, "tracker.exclude_center", self.exclude_center, "at least 0 radii")
        _require(self.min_support >= 2, "tracker.min_support", self.min_support, "at least 2 positions")
        _require(1 <= self.max_peaks <= 30000, "tracker.max_peaks", self.max_peaks, "between 1 and 30000 peaks")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassifyConfig:
    """Features, growing NMF and labels."""

    feature: Literal["boolean", "intensity", "sqrt_intensity"] = "sqrt_intensity"
    """Value of a disk at a tracked peak; the square root levels the Poisson variance."""
    forced_photometry: bool = True
    """Measure the light at every tracked peak in every frame, whether a disk was found there or not."""
    presence: float = 1.6
    """Significance, in standard errors, from which measured light is a feature."""
    contrast: float = 5.0
    """Significance with which the light at the peaks of a class must stand out for a position where fewer than
    `min_peaks` disks were found."""
    backfill: int = 256
    """Positions measured per refresh, those first that lack most light of their class; the others wait for a later
    one, or for the end."""
    final_backfill: int = 65536
    """Positions measured at the end, those with the fewest disks first."""
    min_peaks: int = 3
    """Tracked peaks a position needs to belong to a crystalline class."""
    polycrystal_min_disks: int = 8
    """Disks on no tracked peak from which a position that is not crystalline counts as polycrystalline."""
    sparsity: float = 0.02
    """Penalty on the sum of the weights of a position (features have unit norm)."""
    novelty_threshold: float = 0.5
    """Smallest unexplained part of a position's squared features that makes it a candidate for a new class."""
    novelty_buffer: int = 400
    """Unexplained positions remembered while looking for a new class."""
    birth_members: int = 8
    """Unexplained positions that must agree to found a class."""
    birth_cosine: float = 0.55
    """Cosine with their mean pattern from which unexplained positions agree."""
    split_separation: float = 6.0
    """Distance, in standard deviations, between two kinds of positions in one class that divides it; an evenly
    bending crystal reaches 3.5."""
    rejoin_separation: float = 4.5
    """The same distance, below which two classes that resemble one another are one."""
    split_cosine: float = 0.82
    """Largest cosine between the mean patterns of those two kinds."""
    merge_cosine: float = 0.9
    """Classes whose patterns have a larger cosine are merged."""
    min_share: float = 0.4
    """Bragg intensity, relative to what is typical of its class, below which a position belongs to no crystal,
    unless the intensities in that class vary as much."""
    min_class_positions: int = 8
    """Classes that own fewer positions at the end are dissolved."""
    max_classes: int = 100
    """No more crystalline classes are born beyond this."""
    n_classes: int = 0
    """The scan ends with so many crystalline classes; 0: with as many as the data show."""
    recode_budget: int = 4096
    """Positions whose weights are brought up to date per refresh, besides the new ones."""
    final_sweeps: int = 30
    """Largest number of sweeps of the final refinement."""

    def __post_init__(self) -> None:
        _require(
            self.feature in ("boolean", "intensity", "sqrt_intensity"),
            "classify.feature",
            self.feature,
            "'boolean', 'intensity' or 'sqrt_intensity'",
        )
        for key in ("novelty_threshold", "birth_cosine", "split_cosine", "merge_cosine"):
            value = getattr(self, key)
            _require(0 < value < 1, f"classify.{key}", value, "between 0 and 1")
        _require(self.split_separation > 0, "classify.split_separation", self.split_separation, "above 0")
        _require(
            0 <= self.rejoin_separation <= self.split_separation,
            "classify.rejoin_separation",
            self.rejoin_separation,
            f"from 0 to split_separation ({self.split_separation})",
        )
        _require(0 <= self.min_share < 1, "classify.min_share", self.min_share, "from 0 to below 1")
        _require(self.sparsity >= 0, "classify.sparsity", self.sparsity, "at least 0")
        _require(self.contrast >= 0, "classify.contrast", self.contrast, "at least 0")
        for key, least in _LEAST.items():
            value = getattr(self, key)
            _require(value >= least, f"classify.{key}", value, f"at least {least}")
        limit = f"at most max_classes ({self.max_classes})"
        _require(self.n_classes <= self.max_classes, "classify.n_classes", self.n_classes, limit)


_LEAST = {
    "presence": 0,
    "backfill": 0,
    "final_backfill": 0,
    "min_peaks": 1,
    "polycrystal_min_disks": 1,
    "novelty_buffer": 20,
    "birth_members": 3,
    "min_class_positions": 1,
    "max_classes": 1,
    "n_classes": 0,
    "recode_budget": 1,
    "final_sweeps": 1,
}


FAMILY_LIMITS = {
    "vacuum_share": "from 0 to below 1",
    "separation": "above 0",
    "merge_cosine": "above 0, at most 1",
    "min_positions": "at least 3",
    "min_share": "from 0 to below 0.5",
    "granular_disks": "at least 1",
}
"""What `FamiliesConfig` takes, in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FamiliesConfig:
    """Classes without tracked Bragg peaks: amorphous phases, polycrystals, vacuum."""

    vacuum_share: float = 0.01
    """Part of the beam scattered out of the direct disk below which there is vacuum."""
    separation: float = 6.0
    """Distance of two phases, in standard deviations of their profiles; an even variation reaches 3."""
    merge_cosine: float = 0.998
    """Profiles (square roots of the counts) whose cosine is larger are one phase."""
    min_positions: int = 8
    """Positions a phase needs."""
    min_share: float = 0.01
    """Part of the positions inside domains that a phase needs."""
    granular_disks: int = 5
    """Bright disks on no tracked peak that make a position polycrystalline."""

    def __post_init__(self) -> None:
        possible = {
            "vacuum_share": 0 <= self.vacuum_share < 1,
            "separation": self.separation > 0,
            "merge_cosine": 0 < self.merge_cosine <= 1,
            "min_positions": self.min_positions >= 3,
            "min_share": 0 <= self.min_share < 0.5,
            "granular_disks": self.granular_disks >= 1,
        }
        for name, ok in possible.items():
            _require(ok, f"families.{name}", getattr(self, name), FAMILY_LIMITS[name])


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationConfig:
    """From detector pixels to reciprocal space; the classes do not depend on it."""

    ellipse: Literal["measure", "crystal", "given", "none"] = "measure"
    """Elliptical distortion: "measure" from several crystals or an amorphous halo; "crystal": equivalent
    reflections of the crystals are known to be equally long, one orientation is enough; "given"; "none"."""
    ellipse_ratio: float = 1.0
    """Long over short axis of the rings, when it is given."""
    ellipse_angle_deg: float = 0.0
    """Direction of the long axis, in degrees from the row axis towards the column axis."""
    q_pixel_size_inv_angstrom: float | None = None
    """Reciprocal size of a pixel; ``None``: from the reference, or from the stream."""
    reference_spacing_angstrom: float | None = None
    """Lattice spacing of a ring, from which the pixel size is measured."""
    reference_radius_px: float | None = None
    """About where that ring is, in pixels."""
    rotation_deg: float = 0.0
    """Rotation from the scan to the detector axes, from rows towards columns."""
    flip: bool = False
    """The detector's columns run the other way."""
    file: str = ""
    """Calibration of an earlier scan, to be used instead of measuring; empty: none."""
    save_to: str = ""
    """File to keep the calibration in at the end of a scan (replaced if it exists); empty: nowhere."""

    def __post_init__(self) -> None:
        known = ("measure", "crystal", "given", "none")
        _require(self.ellipse in known, "calibration.ellipse", self.ellipse, "one of " + ", ".join(known))
        _require(1 <= self.ellipse_ratio <= 1.5, "calibration.ellipse_ratio", self.ellipse_ratio, "from 1 to 1.5")
        for key in ("ellipse_angle_deg", "rotation_deg"):
            _require(
                abs(getattr(self, key)) <= 360, f"calibration.{key}", getattr(self, key), "within 360 degrees"
            )
        for key in ("q_pixel_size_inv_angstrom", "reference_spacing_angstrom", "reference_radius_px"):
            value = getattr(self, key)
            _require(value is None or 0 < value < 1e6, f"calibration.{key}", value, "above 0 and below 1e6")
        both = (self.reference_spacing_angstrom is None) == (self.reference_radius_px is None)
        _require(
            both,
            "calibration.reference_radius_px",
            self.reference_radius_px,
            "given together with calibration.reference_spacing_angstrom",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalysisConfig:
    """Everything the analysis of a scan can be told.

    Examples
    --------
    >>> AnalysisConfig(classify=ClassifyConfig(feature="boolean")).tracker.match_radius
    2.0
    """

    map: MapConfig = field(default_factory=MapConfig)
    """Bragg vector map."""
    origin: OriginConfig = field(default_factory=OriginConfig)
    """Origin per position."""
    tracker: TrackerConfig = field(default_factory=TrackerConfig)
    """Tracked peaks."""
    classify: ClassifyConfig = field(default_factory=ClassifyConfig)
    """Features, NMF, labels."""
    families: FamiliesConfig = field(default_factory=FamiliesConfig)
    """Amorphous phases, polycrystals, vacuum."""
    calibration: CalibrationConfig = field(default_factory=CalibrationConfig)
    """Ellipse, pixel size, rotation."""
