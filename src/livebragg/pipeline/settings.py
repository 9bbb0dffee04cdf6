"""Settings that may change while frames come: checked like those of a file, remembered for the scans to come."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from livebragg.config.analysis import FAMILY_LIMITS, CalibrationConfig
from livebragg.config.detection import SENSITIVITY_LIMITS
from livebragg.config.loader import from_table
from livebragg.config.schema import Config
from livebragg.errors import ConfigError
from livebragg.model import Calibration
from livebragg.storage.calibration_file import load_calibration

Value = bool | int | float | str

SENSITIVITY = "detection.false_disks_per_frame"
MOST_CLASSES = "analysis.classify.max_classes"
FAMILIES = "analysis.families."
CALIBRATION = "analysis.calibration."

_PIXEL_SIZE = CALIBRATION + "q_pixel_size_inv_angstrom"
_RING = (CALIBRATION + "reference_spacing_angstrom", CALIBRATION + "reference_radius_px")
_FAMILIES = ("vacuum_share", "separation", "merge_cosine", "min_positions", "min_share", "granular_disks")
_CALIBRATION = ("ellipse", "ellipse_ratio", "ellipse_angle_deg", "rotation_deg", "flip")

LIVE = (
    SENSITIVITY,
    MOST_CLASSES,
    *(FAMILIES + name for name in _FAMILIES),
    *(CALIBRATION + name for name in _CALIBRATION),
    _PIXEL_SIZE,
    *_RING,
)
"""Keys that can be changed. All others are built into running parts of the pipeline."""

LIMITS = {
    SENSITIVITY: SENSITIVITY_LIMITS,
    MOST_CLASSES: "at least 1",
    **{FAMILIES + name: FAMILY_LIMITS[name] for name in _FAMILIES},
}
"""What they may be, in words, where it is more than a choice of a few."""


class LiveSettings:
    """The configuration with what was changed since the start.

    Parameters
    ----------
    config : Config
        At the start.

    Examples
    --------
    >>> settings = LiveSettings(Config())
    >>> settings.config = settings.changed({"detection.false_disks_per_frame": 0.02})
    >>> settings.values["detection.false_disks_per_frame"]
    0.02
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        self.filed: Calibration | None = None
        """What the calibration file said when it was last read; nothing where it could not be."""

    @property
    def values(self) -> dict[str, Value]:
        """Present values of `LIVE`; what has none is left out."""
        found = {key: _value_of(self.config, key) for key in LIVE}
        return {key: value for key, value in found.items() if value is not None}

    def for_scan(self, config: Config) -> Config:
        """What the scan under way has of a configuration: no calibration file that could not be read for it.

        The next scan looks for the file again: it may have been repaired.
        """
        if self.filed is not None:
            return config
        return _with_calibration(config, replace(config.analysis.calibration, file=""))

    def changed(self, values: Mapping[str, Value]) -> Config:
        """The configuration with other values.

        Raises
        ------
        ConfigError
            A key that cannot be changed, or a value that cannot be used; the text names it and the limit.
        """
        if not values:
            raise ConfigError(f"nothing to change; give one of {', '.join(LIVE)}")
        for key in values:
            if key not in LIVE:
                raise ConfigError(_no_such(key))
        table: dict[str, Any] = {}
        for key, value in values.items():
            *sections, name = key.split(".")
            inner = table
            for section in sections:
                inner = inner.setdefault(section, {})
            inner[name] = value
        return from_table(Config, table, _prepared(self.config, values, self.filed))


def _value_of(config: Config, key: str) -> Any:
    value: Any = config
    for name in key.split("."):
        value = getattr(value, name)
    return value


def _no_such(key: str) -> str:
    key = key if len(key) <= 80 else key[:79] + "\N{HORIZONTAL ELLIPSIS}"
    near = get_close_matches(key, LIVE, 1)
    hint = f"did you mean {near[0]!r}?" if near else f"these can: {', '.join(LIVE)}"
    return f"{key!r} cannot be changed while the pipeline runs; {hint}"


def _prepared(config: Config, values: Mapping[str, Value], filed: Calibration | None) -> Config:
    """The configuration without what the new values replace: a calibration file, the other way to a pixel size."""
    if not any(key.startswith(CALIBRATION) for key in values):
        return config
    calibration = config.analysis.calibration
    if calibration.file:
        calibration = _without_file(calibration, filed or _read_again(calibration.file))
    if _PIXEL_SIZE in values:
        calibration = replace(calibration, reference_spacing_angstrom=None, reference_radius_px=None)
    elif any(key in values for key in _RING):
        calibration = replace(calibration, q_pixel_size_inv_angstrom=None)
    return _with_calibration(config, calibration)


def _with_calibration(config: Config, calibration: CalibrationConfig) -> Config:
    return replace(config, analysis=replace(config.analysis, calibration=calibration))


def _read_again(path: str) -> Calibration | None:
    """What the file says by now; nothing where it cannot be used, which the start of the scan has told."""
    try:
        return load_calibration(Path(path))
    except ConfigError:
        return None


def _without_file(config: CalibrationConfig, known: Calibration | None) -> CalibrationConfig:
    """What the file says as given values, so that some of them can be changed; where nothing is known of it, what
    is configured beside it."""
    if known is None:
        return replace(config, file="")
    ellipse = known.ellipse
    return replace(
        config,
        file="",
        ellipse="none" if ellipse is None else "given",
        ellipse_ratio=1.0 if ellipse is None else ellipse.ratio,
        ellipse_angle_deg=0.0 if ellipse is None else ellipse.angle_deg,
        q_pixel_size_inv_angstrom=config.q_pixel_size_inv_angstrom or known.q_pixel_size_inv_angstrom,
        rotation_deg=known.rotation_deg,
        flip=known.flip,
    )
