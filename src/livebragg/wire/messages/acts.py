"""Requests that act on a running pipeline beyond its classes: settings, marks, saving. See `control`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsRequest:
    """Change settings of the running pipeline, all of them or none; answered with `Accepted`, whose note says from
    when on they hold. They hold for the scans after this one too, until the pipeline ends."""

    values: dict[str, bool | int | float | str]
    """Dotted key, as in a configuration file, to value: ``{"detection.false_disks_per_frame": 0.05}``. Which keys
    can be changed while frames come is in `livebragg.pipeline.settings`, and in the refusal of any other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanShapeRequest:
    """Say how many positions a line has, and how many lines there are; answered with `Accepted`. Everything that
    came is mapped anew, and what comes lies where this says."""

    serial: int
    """Acquisition; 0 for the one under way. Only while it is not finished."""
    cols: int
    rows: int | None = None
    """``None``: as many as come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MissedTriggersRequest:
    """Say that the detector missed triggers: the frames from one on move by so many positions, and leave holes.
    Answered with `Accepted`; everything that came is mapped anew."""

    serial: int
    """Acquisition; 0 for the one under way. Only while it is not finished."""
    frame: int
    """Number of the first frame after them."""
    count: int = 1
    """Triggers missed before it; negative: so many that were said to be missed there were not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartRequest:
    """Begin the analysis anew from everything that came: classes are found again, and what the user did to them is
    forgotten. No position is lost, nothing is recorded again. Answered with `Accepted`."""

    serial: int
    """Acquisition; 0 for the one under way. Only while it is not finished."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkRequest:
    """Keep a note with its time in the events of the results file; answered with `Accepted`."""

    serial: int
    """Acquisition; 0 for the one under way. Only while it is not finished."""
    note: str
    """1 to 500 printable characters."""
    scan_index: int = -1
    """Flat, row-major scan position that is meant; -1: none, just the moment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SaveRequest:
    """Bring the results file up to date on disk now; answered with `Accepted`."""

    serial: int
    """Acquisition; 0 for the one under way."""
