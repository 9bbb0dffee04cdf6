"""Texts of the control drawer: who has control, what is set now, what was asked and what became of it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from livebragg.model import Calibration
from livebragg.wire.messages import ClassMaps, PipelineStatus, VirtualImageSet
from livebragg_dashboards.acting.desk import Desk, peaks_on
from livebragg_dashboards.acting.orders import CALIBRATION, SENSITIVITY, THRESHOLDS
from livebragg_dashboards.drawing.calibration_ring import ENOUGH
from livebragg_dashboards.feed.state import Snapshot
from livebragg_dashboards.feed.units import q_pixel_size
from livebragg_dashboards.words import clean, number

_WHAT = {
    "sensitivity": "False disks per frame",
    "threshold": "Threshold",
    "clear": "Clear",
    "pixel_size": "Pixel size",
    "ellipse": "Ellipse",
    "orientation": "Rotation",
    "rename": "Rename",
    "merge": "Join",
    "split": "Take apart",
    "lock": "Lock",
    "class_number": "Number of classes",
    "mark": "Mark",
    "save": "Save",
    "stop": "Stop",
    "attach": "Attach",
}

_ENOUGH_ORIGINS = 1 << 14
_OVER = {
    "file": "as they are in the file",
    "complete": "the scan is over",
    "stopped": "the scan is over",
}


def drawer(desk: Desk, snapshot: Snapshot, selected: tuple[int, int] | None, now: float) -> dict[str, Any]:
    """All texts and values of the drawer."""
    status = snapshot.status
    calibration = status.calibration if status is not None else None
    maps = snapshot.get(ClassMaps)
    return {
        "control": _control(desk, status, now),
        "scan": snapshot.epoch,
        "over": _over(status),
        "attached": {"feed": desk.hub.feed, "control": desk.hub.control},
        "acts": [
            {"n": act.number, "what": act.what, "state": act.state,
             "words": _WHAT.get(act.what, clean(act.what, 20)), "note": clean(act.note, 240)}
            for act in reversed(desk.shown)
        ],
        "values": _values(snapshot),
        "thresholds": _thresholds(status),
        "origin": _origin(snapshot),
        "ellipse": _ellipse(calibration),
        "pixel": _pixel(status),
        "ring": _ring(desk, snapshot),
        "selected": "({}, {})".format(*selected) if selected is not None else "",
        "locked": [str(number) for number in maps.locked[:200]] if maps is not None else [],
        "paused": desk.paused,
    }  # fmt: skip


def _over(status: PipelineStatus | None) -> str:
    """Why neither classes nor the scan can be changed any more; empty while they can."""
    return _OVER.get(status.phase, "") if status is not None else ""


def _control(desk: Desk, status: PipelineStatus | None, now: float) -> dict[str, str]:
    floor = desk.hub.floor
    if status is not None and status.phase == "file":
        return {"state": "file", "text": "A results file: nothing to change"}
    if desk.looks_only:
        return {"state": "view", "text": "This page only looks"}
    if desk.has_control:
        return {"state": "mine", "text": f"You have control, as {desk.name}"}
    if not floor.holder:
        return {"state": "free", "text": "Nobody has control"}
    return {"state": "idle" if floor.may_take(now) else "other", "text": f"{floor.holder} has control"}


def _values(snapshot: Snapshot) -> dict[str, str]:
    """What is set now, as it stands in the fields."""
    settings = snapshot.status.settings if snapshot.status is not None else {}
    return {
        "sensitivity": _plain(settings.get(SENSITIVITY)),
        "ellipse": clean(str(settings.get(CALIBRATION + "ellipse", "")), 10),
        "ratio": _plain(settings.get(CALIBRATION + "ellipse_ratio")),
        "angle": _plain(settings.get(CALIBRATION + "ellipse_angle_deg")),
        "rotation": _plain(settings.get(CALIBRATION + "rotation_deg")),
        "flip": "1" if settings.get(CALIBRATION + "flip") is True else "",
    }


def _thresholds(status: PipelineStatus | None) -> dict[str, dict[str, str]]:
    """Present value of each, its unit, and what it may be."""
    settings, limits = ({}, {}) if status is None else (status.settings, status.limits)
    return {
        name: {"value": _plain(settings.get(key)), "unit": unit, "limits": clean(limits.get(key, ""), 60)}
        for name, (key, unit) in THRESHOLDS.items()
    }


def _plain(value: Any) -> str:
    """A number as one would type it; nothing where there is none."""
    known = isinstance(value, float | int) and not isinstance(value, bool) and abs(value) < 1e12
    return f"{value:.6g}" if known else ""


def _origin(snapshot: Snapshot) -> str:
    """Mean of what was measured at the positions, else the middle of the probe, and the error of one position."""
    status = snapshot.status
    center = _mean_origin(snapshot.get(VirtualImageSet))
    if center is None and status is not None and status.probe is not None:
        center = status.probe.center
    if status is None or center is None or not all(map(math.isfinite, center)):
        return "not known yet"
    error = status.counters.get("origin_model_error_px", math.nan)
    return f"({center[0]:.2f}, {center[1]:.2f}) px" + (f" ± {number(error, 2)} px" if error > 0 else "")


def _mean_origin(images: VirtualImageSet | None) -> tuple[float, float] | None:
    """From at most `_ENOUGH_ORIGINS` positions; ``None`` while none has one."""
    if images is None or not {"origin_qx", "origin_qy"} <= set(images.names):
        return None
    qx, qy = (images.images[images.names.index(name)].ravel() for name in ("origin_qx", "origin_qy"))
    both = np.stack([qx, qy])[:, :: 1 + qx.size // _ENOUGH_ORIGINS].astype(np.float64)
    both = both[:, np.isfinite(both).all(axis=0)]
    return (float(both[0].mean()), float(both[1].mean())) if both.size else None


def _ellipse(calibration: Calibration | None) -> str:
    if calibration is None:
        return "not known yet"
    ellipse = calibration.ellipse
    if ellipse is None:
        return f"not known: {clean(calibration.ellipse_note, 200)}" if calibration.ellipse_note else "not known"
    known = ellipse.error > 0
    ratio = f"{ellipse.ratio:.4f}" + (f" ± {ellipse.ratio_error:.4f}" if known else "")
    angle = f"{ellipse.angle_deg:.0f}" + (f" ± {ellipse.angle_error_deg:.0f}" if known else "")
    return f"{ratio} at {angle}°, from {clean(ellipse.source, 20)}"


def _pixel(status: PipelineStatus | None) -> str:
    size = q_pixel_size(status)
    if size is None:
        return "not known"
    calibration = status.calibration if status is not None else None
    spread = calibration.q_pixel_size_error if calibration is not None else 0.0
    if not 1e-8 < spread < size:
        return f"{number(size, 4)} 1/Å"
    digits = max(4, -math.floor(math.log10(spread)))
    return f"{size:.{digits}f} ± {spread:.{digits}f} 1/Å"


def _ring(desk: Desk, snapshot: Snapshot) -> dict[str, str]:
    radius, spacing = desk.radius, desk.spacing
    if radius is None or not radius > 0:
        return {"radius": "", "preview": "pick a ring on the Bragg vector map, or type its radius"}
    peaks = peaks_on(radius, snapshot)
    what = f"from {peaks} peaks" if peaks >= ENOUGH else "as drawn: too few peaks"
    if spacing is None or not spacing * radius > 0:
        return {"radius": f"{radius:.6g}", "preview": f"{what}; type its lattice spacing"}
    return {"radius": f"{radius:.6g}", "preview": f"→ {number(1 / (spacing * radius), 4)} 1/Å {what}"}
