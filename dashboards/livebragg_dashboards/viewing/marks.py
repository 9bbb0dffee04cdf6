"""What people marked while the scan ran: numbered, with its place on the real-space images."""

from __future__ import annotations

import math
import time
from typing import Any

from livebragg.wire.messages import PipelineStatus
from livebragg_dashboards.drawing.orientation import Axes
from livebragg_dashboards.words import clean

MOST = 100


def mark_rows(status: PipelineStatus | None, axes: Axes | None) -> list[dict[str, Any]]:
    """The newest marks, oldest first: number, place and time in words, note, ``x`` and ``y`` on the scan.

    Parameters
    ----------
    status : PipelineStatus or None
    axes : Axes or None
        Of the real-space images, once there is one.
    """
    marks = [] if status is None else status.marks[-MOST:]
    return [
        {"n": n, "note": clean(str(mark.get("note", "")), 120), "at": _clock(mark.get("at"))} | _place(mark, axes)
        for n, mark in enumerate(marks, 1)
    ]


def _place(mark: dict[str, float | str], axes: Axes | None) -> dict[str, Any]:
    index = mark.get("scan_index", -1)
    if axes is None or not isinstance(index, float | int) or not 0 <= index < axes.shape[0] * axes.shape[1]:
        return {"where": "the moment", "x": None, "y": None}
    row, col = divmod(int(index), axes.shape[1])
    x, y = axes.to_xy(row, col)
    return {"where": f"({row}, {col})", "x": x, "y": y}


def _clock(at: Any) -> str:
    """Local time of day; empty where it is none."""
    if not isinstance(at, float | int) or not (math.isfinite(at) and 0 < at < 1e11):
        return ""
    return time.strftime("%H:%M", time.localtime(at))
