"""Requests that act on the pipeline: settings, marks, saving. Checked, carried out at once, and answered."""

from __future__ import annotations

from livebragg.errors import CalibrationError, ConfigError
from livebragg.pipeline.scan.run import ScanRun
from livebragg.pipeline.scan.user_log import MARK, MOST
from livebragg.pipeline.settings import CALIBRATION, FAMILIES, MOST_CLASSES, SENSITIVITY, LiveSettings, Value
from livebragg.wire.messages import (
    Accepted,
    DetectionChanged,
    MarkRequest,
    Refused,
    SaveRequest,
    SettingsRequest,
)
from livebragg.wire.schema import shown

Act = MarkRequest | SaveRequest

LONGEST_NOTE = 500
LONGEST_REASON = 1000
_FULL = f"this scan has {MOST} marks and changes already; no more are kept"

_SPOKEN = {
    "q_pixel_size_inv_angstrom": ("pixel size", " 1/Å"),
    "reference_spacing_angstrom": ("lattice spacing of the ring", " Å"),
    "reference_radius_px": ("radius of the ring", " px"),
    "rotation_deg": ("rotation", "°"),
    "ellipse_angle_deg": ("angle of the ellipse", "°"),
    "ellipse_ratio": ("ratio of the ellipse", ""),
    "max_classes": ("most classes", ""),
}
"""Settings whose name in words is not that of the configuration, and their units."""

_FROM_WHEN = {
    SENSITIVITY: "for frames that are given to workers from now on",
    MOST_CLASSES: "no more classes are born beyond it, those that exist stay",
    FAMILIES: "phases and vacuum are looked for again in everything seen",
    CALIBRATION: "applied to everything seen",
}


def change_settings(
    request: SettingsRequest, run: ScanRun | None, settings: LiveSettings | None
) -> tuple[Accepted | Refused, DetectionChanged | None]:
    """Change all of the settings or none; and what the receiver has to know of it."""
    if settings is None:
        return Refused(reason="settings cannot be changed here"), None
    if run is not None and not run.complete and run.log.full:
        return Refused(reason=_FULL), None
    before = settings.values
    try:
        config = settings.changed(request.values)
        if run is not None and not run.complete:
            run.change(settings.for_scan(config))
    except (ConfigError, CalibrationError) as error:
        return Refused(reason=str(error)[:LONGEST_REASON]), None
    settings.config = config
    if run is None or run.complete:
        note = "holds from the next scan on"
    else:
        _log(run, request.values, before)
        note = "; ".join(
            text for k, text in _FROM_WHEN.items() if any(key.startswith(k) for key in request.values)
        )
    changed = DetectionChanged(false_disks_per_frame=config.detection.false_disks_per_frame)
    return Accepted(note=note), changed if SENSITIVITY in request.values else None


def _log(run: ScanRun, values: dict[str, Value], before: dict[str, Value]) -> None:
    values = {key: value for key, value in values.items() if value != before.get(key)}
    for key, value in values.items():
        run.log.add("setting_changed", f"{key} = {value!r} (was {before.get(key)!r})", run.analysis.n_seen)
    if values:
        run.say(
            "changed by hand: " + ", ".join(_in_words(key.split(".")[-1], value) for key, value in values.items())
        )


def _in_words(name: str, value: Value) -> str:
    """A setting as one speaks of it, with as many digits as mean something."""
    what, unit = _SPOKEN.get(name, (name.replace("_", " "), ""))
    if isinstance(value, bool):
        return f"{what}: {'yes' if value else 'no'}"
    return f"{what} {value:.4g}{unit}" if isinstance(value, float) else f"{what} {value}{unit}"


def act(request: Act, run: ScanRun) -> Accepted | Refused:
    """Keep a note, or save."""
    return _save(run) if isinstance(request, SaveRequest) else _mark(request, run)


def _mark(request: MarkRequest, run: ScanRun) -> Accepted | Refused:
    note, (rows, cols) = request.note.strip(), run.analysis.scan_shape
    if not (1 <= len(note) <= LONGEST_NOTE and note.isprintable()):
        return Refused(reason=f"a note has 1 to {LONGEST_NOTE} printable characters, not {shown(note)}")
    if not -1 <= request.scan_index < rows * cols:
        return Refused(
            reason=f"scan index {request.scan_index} is outside of the {rows}x{cols} scan; -1 marks the moment"
        )
    if run.complete:
        return Refused(reason="the scan is finished and its results are written; mark while it runs")
    if run.log.full:
        return Refused(reason=_FULL)
    run.log.add(MARK, note, run.analysis.n_seen, subject=request.scan_index)
    where = "({}, {})".format(*divmod(request.scan_index, cols)) if request.scan_index >= 0 else "the moment"
    run.say(f"mark at {where}: {note}")
    return Accepted(note=f"{where} is marked")


def _save(run: ScanRun) -> Accepted | Refused:
    run.results.save()
    if run.problem or not run.results_path:
        return Refused(reason=run.problem or "no results are written: results.write is false")
    if run.complete:
        return Accepted(note=f"the scan is finished, and written: {run.results_path}")
    return Accepted(note=f"{run.analysis.n_seen} positions are safe in {run.results_path}")
