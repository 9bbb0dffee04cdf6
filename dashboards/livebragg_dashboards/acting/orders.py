"""What a viewer may ask the pipeline to do, from the browser's JSON to a message. No Bokeh here.

Only what could not be sent is refused here; whether a value can be used is for the pipeline to say, which knows
the limits.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from livebragg.errors import ConfigError
from livebragg.wire.messages import (
    ClassLockRequest,
    ClassMergeRequest,
    ClassNumberRequest,
    ClassRenameRequest,
    ClassSplitRequest,
    MarkRequest,
    RestartRequest,
    SaveRequest,
    SettingsRequest,
    StopRequest,
)
from livebragg_dashboards.words import clean

SENSITIVITY = "detection.false_disks_per_frame"
_FAMILIES = "analysis.families."
THRESHOLDS = {
    "vacuum_share": (_FAMILIES + "vacuum_share", "part of the beam"),
    "separation": (_FAMILIES + "separation", "standard deviations of their profiles"),
    "merge_cosine": (_FAMILIES + "merge_cosine", "of two profiles"),
    "min_positions": (_FAMILIES + "min_positions", "positions of a phase"),
    "min_share": (_FAMILIES + "min_share", "part of the positions inside domains"),
    "granular_disks": (_FAMILIES + "granular_disks", "bright disks on no tracked peak"),
    "max_classes": ("analysis.classify.max_classes", "classes"),
}
"""Key of each threshold of the families and classes, and its unit."""
_WHOLE = ("min_positions", "granular_disks", "max_classes")
CALIBRATION = "analysis.calibration."

_LARGEST = 1 << 31
_LONGEST = 500
_MOST_IDS = 100

Action = Mapping[str, Any]


def order_of(action: Action, serial: int, scan_index: int = -1) -> object | str:
    """The request, or in words why it is none.

    Parameters
    ----------
    action : mapping
        ``what`` names the order, the rest is for it.
    serial : int
        Acquisition on view.
    scan_index : int
        Position that is selected; -1: none.
    """
    what = action.get("what")
    make = _ORDERS.get(what) if isinstance(what, str) else None
    if make is None:
        return f"{clean(str(what), 30)!r} is nothing this page can do"
    try:
        return make(action, serial, scan_index)
    except ConfigError as problem:
        return str(problem)


def _settings(**values: bool | int | float | str) -> SettingsRequest:
    return SettingsRequest(values={CALIBRATION + key: value for key, value in values.items()})


def _sensitivity(action: Action, serial: int, scan_index: int) -> object:
    return SettingsRequest(values={SENSITIVITY: _number(action, "value")})


def _threshold(action: Action, serial: int, scan_index: int) -> object:
    name = action.get("key")
    if not isinstance(name, str) or name not in THRESHOLDS:
        raise ConfigError(f"{clean(str(name), 30)!r} is no threshold that can be set here")
    value = _number({name: action.get("value")}, name)
    if name in _WHOLE and value == int(value):
        value = int(value)
    return SettingsRequest(values={THRESHOLDS[name][0]: value})


def _pixel_size(action: Action, serial: int, scan_index: int) -> object:
    """From the tracked peaks on a ring where there are enough of them, else from the radius as it was given."""
    spacing, radius = _number(action, "spacing"), _number(action, "radius")
    if not (spacing > 0 and radius > 0 and spacing * radius > 0):
        raise ConfigError("pick or type the radius of a ring, and type its lattice spacing; both are above 0")
    if action.get("peaks"):
        return _settings(reference_spacing_angstrom=spacing, reference_radius_px=radius)
    return _settings(q_pixel_size_inv_angstrom=1 / (spacing * radius))


def _ellipse(action: Action, serial: int, scan_index: int) -> object:
    mode = _text(action, "mode")
    if mode != "given":
        return _settings(ellipse=mode)
    return _settings(
        ellipse=mode, ellipse_ratio=_number(action, "ratio"), ellipse_angle_deg=_number(action, "angle")
    )


def _orientation(action: Action, serial: int, scan_index: int) -> object:
    return _settings(rotation_deg=_number(action, "rotation"), flip=action.get("flip") is True)


def _rename(action: Action, serial: int, scan_index: int) -> object:
    return ClassRenameRequest(serial=serial, class_id=_id(action.get("id")), name=_text(action, "name"))


def _merge(action: Action, serial: int, scan_index: int) -> object:
    ids = action.get("ids")
    if not isinstance(ids, list) or len(ids) > _MOST_IDS:
        raise ConfigError(f"choose 2 to {_MOST_IDS} classes to join")
    return ClassMergeRequest(serial=serial, class_ids=[_id(number) for number in ids])


def _split(action: Action, serial: int, scan_index: int) -> object:
    return ClassSplitRequest(serial=serial, class_id=_id(action.get("id")))


def _lock(action: Action, serial: int, scan_index: int) -> object:
    return ClassLockRequest(serial=serial, class_id=_id(action.get("id")), locked=action.get("locked") is True)


def _class_number(action: Action, serial: int, scan_index: int) -> object:
    return ClassNumberRequest(serial=serial, n_classes=_id(action.get("value")))


def _mark(action: Action, serial: int, scan_index: int) -> object:
    return MarkRequest(serial=serial, note=_text(action, "note"), scan_index=scan_index)


def _save(action: Action, serial: int, scan_index: int) -> object:
    return SaveRequest(serial=serial)


def _clear(action: Action, serial: int, scan_index: int) -> object:
    if action.get("confirmed") is not True:
        raise ConfigError("beginning the analysis anew must be confirmed")
    return RestartRequest(serial=serial)


def _stop(action: Action, serial: int, scan_index: int) -> object:
    if action.get("confirmed") is not True:
        raise ConfigError("stopping must be confirmed")
    return StopRequest()


_ORDERS: dict[str, Callable[[Action, int, int], object]] = {
    "sensitivity": _sensitivity,
    "threshold": _threshold,
    "pixel_size": _pixel_size,
    "ellipse": _ellipse,
    "orientation": _orientation,
    "rename": _rename,
    "merge": _merge,
    "split": _split,
    "lock": _lock,
    "class_number": _class_number,
    "mark": _mark,
    "save": _save,
    "clear": _clear,
    "stop": _stop,
}


def finite(value: Any) -> float | None:
    """A number that a person typed; ``None`` where it is none."""
    try:
        number = float(value.strip().replace(",", ".") if isinstance(value, str) else value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _number(action: Action, key: str) -> float:
    number = finite(action.get(key))
    if number is None:
        raise ConfigError(f"{clean(str(action.get(key, '')), 30)!r} is no number ({key})")
    return number


def _id(value: Any) -> int:
    number = finite(value)
    if number is None or number != int(number) or not 0 <= number < _LARGEST:
        raise ConfigError(f"{clean(str(value), 30)!r} is no whole number from 0 to {_LARGEST - 1}")
    return int(number)


def _text(action: Action, key: str) -> str:
    value = action.get(key)
    text = value.strip() if isinstance(value, str) else ""
    if not (1 <= len(text) <= _LONGEST and text.isprintable()):
        raise ConfigError(f"write 1 to {_LONGEST} printable characters ({key})")
    return text
