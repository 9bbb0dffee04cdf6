"""What the attributes of a recorded file say about the microscope."""

from __future__ import annotations

import math
from typing import Any

import h5py
import numpy as np

from livebragg.model import ScanMetadata

_NUMBERS: dict[str, tuple[str, float]] = {
    "beam_energy_kev": ("beam_energy_kev", 1.0),
    "energy_kev": ("beam_energy_kev", 1.0),
    "energy_ev": ("beam_energy_kev", 1e-3),
    "beam_energy_ev": ("beam_energy_kev", 1e-3),
    "camera_length_mm": ("camera_length_mm", 1.0),
    "camera_length_m": ("camera_length_mm", 1e3),
    "convergence_angle_mrad": ("convergence_angle_mrad", 1.0),
    "convergence_semiangle_mrad": ("convergence_angle_mrad", 1.0),
    "semiangle_mrad": ("convergence_angle_mrad", 1.0),
    "q_pixel_size_inv_angstrom": ("q_pixel_size_inv_angstrom", 1.0),
    "dq_per_px_inva": ("q_pixel_size_inv_angstrom", 1.0),
    "scan_step_nm": ("scan_step_nm", 1.0),
    "scan_step_a": ("scan_step_nm", 0.1),
    "scan_step_angstrom": ("scan_step_nm", 0.1),
    "dwell_time_s": ("dwell_time_s", 1.0),
    "dwell_time_us": ("dwell_time_s", 1e-6),
}
"""Attribute name in lower case -> field of `ScanMetadata`, factor to its unit."""

_TEXTS = ("detector_name", "sample_name", "operator")


def metadata_of(dataset: h5py.Dataset) -> ScanMetadata:
    """Facts found in the attributes of a dataset and of the groups around it; the nearest one wins.

    Attributes that are unknown, or that are not a positive finite number where one is expected, are ignored.
    """
    facts: dict[str, Any] = {}
    for item in _from_root_to(dataset):
        for name in item.attrs:
            facts.update(_fact(name.lower(), item.attrs, name))
    return ScanMetadata(**facts)


def _from_root_to(dataset: h5py.Dataset) -> list[h5py.Group | h5py.Dataset]:
    items = [dataset]
    while items[-1].name != "/":
        items.append(items[-1].parent)
    return items[::-1]


def _fact(lower: str, attributes: h5py.AttributeManager, name: str) -> dict[str, Any]:
    if lower in _NUMBERS:
        field, factor = _NUMBERS[lower]
        number = _positive_number(attributes[name])
        return {} if number is None else {field: number * factor}
    if lower in _TEXTS:
        text = _text(attributes[name])
        return {lower: text} if text else {}
    return {}


def _positive_number(value: object) -> float | None:
    array = np.asarray(value)
    if array.size != 1 or array.dtype.kind not in "uif":
        return None
    number = float(array.reshape(()))
    return number if math.isfinite(number) and number > 0 else None


def _text(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return value if isinstance(value, str) else ""
