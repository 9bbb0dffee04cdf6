"""A calibration in a small JSON file, for the next scan with the same optics."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from livebragg.errors import ConfigError
from livebragg.model import Calibration, EllipseEstimate

FORMAT = "livebragg-calibration-1"
_LARGEST = 65536
_LIMITS = {
    "ellipse_ratio": (1.0, 1.5),
    "ellipse_angle_deg": (-360.0, 360.0),
    "ellipse_error": (0.0, 1.0),
    "q_pixel_size_inv_angstrom": (1e-9, 1e6),
    "q_pixel_size_error": (0.0, 1e6),
    "rotation_deg": (-360.0, 360.0),
}
"""Numbers of the file, and where each must lie."""


def save_calibration(path: Path | str, calibration: Calibration) -> None:
    """Write a calibration; an existing file is replaced in one step.

    Raises
    ------
    ConfigError
        The file cannot be written.
    """
    path, ellipse = Path(path), calibration.ellipse
    table: dict[str, Any] = {
        "format": FORMAT,
        "rotation_deg": calibration.rotation_deg,
        "flip": calibration.flip,
    }
    if ellipse is not None:
        table |= {"ellipse_ratio": ellipse.ratio, "ellipse_angle_deg": ellipse.angle_deg}
        table |= {"ellipse_error": ellipse.error, "ellipse_source": ellipse.source}
    if calibration.q_pixel_size_inv_angstrom is not None:
        table["q_pixel_size_inv_angstrom"] = calibration.q_pixel_size_inv_angstrom
        table["q_pixel_size_error"] = calibration.q_pixel_size_error
    unfinished = path.with_name(f".{path.name}.unfinished")
    try:
        unfinished.write_text(json.dumps(table, indent=2) + "\n", encoding="utf-8")
        unfinished.replace(path)
    except OSError as error:
        raise ConfigError(f"calibration {path} cannot be written ({error.strerror}); give another file") from None


def load_calibration(path: Path | str) -> Calibration:
    """Read a calibration that `save_calibration` wrote, or a user.

    Raises
    ------
    ConfigError
        The file cannot be read, is no such file, or a value lies outside its limits.
    """
    try:
        return _calibration(_table(Path(path)))
    except ConfigError as error:
        raise ConfigError(f"calibration {path}: {error}") from None


def _table(path: Path) -> dict[str, Any]:
    try:
        if not path.is_file():
            raise ConfigError("there is no such file")
        with path.open("rb") as file:
            raw = file.read(_LARGEST + 1)
    except OSError as error:
        raise ConfigError(f"cannot be read ({error.strerror})") from None
    if len(raw) > _LARGEST:
        raise ConfigError(f"it has more than {_LARGEST} bytes: it is something else")
    try:
        table = json.loads(raw)
    except (ValueError, RecursionError):
        raise ConfigError("it is not JSON; write it with analysis.calibration.save_to") from None
    if not isinstance(table, dict) or table.get("format") != FORMAT:
        raise ConfigError(f'it must be an object with "format": "{FORMAT}"')
    unknown = set(table) - set(_LIMITS) - {"format", "flip", "ellipse_source"}
    if unknown:
        raise ConfigError(f"unknown key {min(unknown)[:60]!r}; known are {', '.join(_LIMITS)}, flip")
    return table


def _calibration(table: dict[str, Any]) -> Calibration:
    numbers = {key: _number(key, table[key]) for key in _LIMITS if key in table}
    flip = table.get("flip", False)
    if not isinstance(flip, bool):
        raise ConfigError("flip must be true or false")
    ellipse = None
    if "ellipse_ratio" in numbers:
        ellipse = EllipseEstimate.from_axes(
            numbers["ellipse_ratio"],
            numbers.get("ellipse_angle_deg", 0.0),
            source="file",
            error=numbers.get("ellipse_error", 0.0),
        )
    return Calibration(
        ellipse=ellipse,
        ellipse_note="" if ellipse else "the calibration file has none",
        q_pixel_size_inv_angstrom=numbers.get("q_pixel_size_inv_angstrom"),
        q_pixel_size_error=numbers.get("q_pixel_size_error", 0.0),
        rotation_deg=numbers.get("rotation_deg", 0.0),
        flip=flip,
    )


def _number(key: str, value: object) -> float:
    low, high = _LIMITS[key]
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        shown = repr(value)[:60]
        raise ConfigError(f"{key} must be a number from {low:g} to {high:g}, not {shown}")
    return float(value)
