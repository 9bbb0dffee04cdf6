"""Where the frames lie: said, or said again, while they come."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import replace

from livebragg.errors import FrameError
from livebragg.model import ScanGeometry
from livebragg.model.scan import check_scan_shape
from livebragg.pipeline.scan.line_finder import Clock, Lines
from livebragg.pipeline.scan.run import ScanRun
from livebragg.wire.messages import (
    Accepted,
    GeometryChanged,
    MissedTriggersRequest,
    Refused,
    RestartRequest,
    ScanShapeRequest,
)

GeometryRequest = ScanShapeRequest | MissedTriggersRequest | RestartRequest

MOST_MISSED = 1 << 16
"""Missed triggers of one scan: each job carries them."""


def change_geometry(request: GeometryRequest, run: ScanRun) -> tuple[Accepted | Refused, GeometryChanged | None]:
    """Check what is asked for, and say it to the analyst and the receiver."""
    if run.complete:
        return Refused(reason="the scan is finished and its results are written; ask while it runs"), None
    old = run.opened.geometry
    if isinstance(request, RestartRequest):
        return _restart(run), GeometryChanged(serial=run.opened.serial, geometry=old)
    try:
        geometry = _with_shape(old, request) if isinstance(request, ScanShapeRequest) else _shifted(old, request)
        check_move(run, geometry, shape=isinstance(request, ScanShapeRequest))
    except FrameError as error:
        return Refused(reason=str(error)), None
    if isinstance(request, ScanShapeRequest):
        run.shape_note = ""  # it is known now
    note = f"{run.analysis.n_seen} positions are mapped anew"
    if old.flyback_frames:
        note += "; frames that were taken for the fly-back until now are holes"
    return Accepted(note=note), GeometryChanged(serial=run.opened.serial, geometry=geometry)


def _restart(run: ScanRun) -> Accepted:
    """All that came is added again, in the order in which it came, to an analysis that knows nothing."""
    run.forget_user()
    run.log.add("analysis_begun_anew", "classes as the user left them are forgotten", run.analysis.n_seen)
    run.say("the analysis begins anew with everything that came; joins, names and locks of classes are forgotten")
    return Accepted(
        note=f"{run.analysis.n_seen} positions are analysed anew; joins, names and locks are forgotten"
    )


def guess_lines(run: ScanRun) -> GeometryChanged | None:
    """Say to the analyst and the receiver what the times of the frames show, the first time that they show it."""
    lines, old = None if run.lines is None else run.lines.lines(), run.opened.geometry
    geometry = None if lines is None else lines.geometry(old)
    if lines is None or geometry is None:
        return None
    run.lines = None
    cols, used = geometry.scan_shape[1], run.uses_guess and lines.clock is not Clock.SENDER
    try:
        check_move(run, geometry, shape=geometry.first_frame == old.first_frame)
    except FrameError as error:
        used, remedy = False, str(error)
    else:
        remedy = f"to {'say otherwise' if used else 'use that'}: {_command(run, lines, cols, used)}"
    run.shape_note = f"lines {'of' if used else 'seem to have'} {cols} positions: {lines.evidence}; {remedy}"
    run.say(run.shape_note)
    return GeometryChanged(serial=run.opened.serial, geometry=geometry) if used and geometry != old else None


def _command(run: ScanRun, lines: Lines, cols: int, used: bool) -> str:
    """How to say the shape: another one, or the one that the times show, whole if the number of frames tells."""
    rows, rest = divmod(run.opened.n_frames_expected or 0, lines.frames)
    known = f"{rows},{cols}" if rows and not rest and not lines.first else str(cols)
    return f"livebragg scan-shape {'ROWS,COLS' if used else known}"


def find_missed_triggers(run: ScanRun, *, final: bool = False) -> GeometryChanged | None:
    """Say to the analyst and the receiver which triggers were missed that nobody knew of."""
    geometry = run.opened.geometry
    frames = [] if run.triggers is None else run.triggers.missed(geometry, final=final)
    if not frames:
        return None
    try:
        geometry = with_missed(geometry, frames)
    except FrameError as error:
        run.say(str(error))
        run.triggers = None
        return None
    run.say(
        f"{len(frames)} missed triggers, the last before frame {frames[-1]}: the times of the frames show them; "
        "their positions are holes, and what came after them was moved"
    )
    return GeometryChanged(serial=run.opened.serial, geometry=geometry)


def check_move(run: ScanRun, geometry: ScanGeometry, *, shape: bool) -> None:
    """Raise `FrameError` when what came cannot be mapped anew: it was added otherwise, or has no place."""
    old = run.opened.geometry
    if old.frames_per_position > 1 and (old.flyback_frames or not shape):
        raise FrameError(
            f"the {old.frames_per_position} frames of each position were added when they came, and cannot be "
            "divided otherwise now; set it in the configuration and start the scan again"
        )
    seen = run.analysis.seen_index
    newest = int(old.first_frames(seen).max(initial=-1))
    if shape and not geometry.open_ended and newest >= geometry.frame_limit:
        raise FrameError(
            f"a scan of {geometry.scan_shape[0]}x{geometry.scan_shape[1]} positions ends with frame "
            f"{geometry.frame_limit - 1}, but frame {newest} has come already"
        )


def with_missed(geometry: ScanGeometry, frames: Sequence[int]) -> ScanGeometry:
    """The geometry with a trigger more missed before each of some frames.

    Raises
    ------
    FrameError
        They are too many.
    """
    missed = sorted((*geometry.missed_triggers, *frames))
    if len(missed) > MOST_MISSED:
        raise FrameError(f"{len(missed)} missed triggers; at most {MOST_MISSED} are possible")
    return replace(geometry, missed_triggers=tuple(missed))


def _with_shape(geometry: ScanGeometry, request: ScanShapeRequest) -> ScanGeometry:
    shape = (1 if request.rows is None else request.rows, request.cols)
    check_scan_shape(shape)
    return replace(geometry, scan_shape=shape, open_ended=request.rows is None)


def _shifted(geometry: ScanGeometry, request: MissedTriggersRequest) -> ScanGeometry:
    if not 0 <= request.frame < 1 << 40 or not 0 < abs(request.count) <= MOST_MISSED:
        raise FrameError(
            f"{request.count} triggers before frame {request.frame} cannot have been missed: frames count from 0, "
            f"and 1 to {MOST_MISSED} triggers are possible"
        )
    if request.count > 0:
        return with_missed(geometry, [request.frame] * request.count)
    missed = list(geometry.missed_triggers)
    at = bisect_left(missed, request.frame)  # they rise
    known = bisect_right(missed, request.frame) - at
    if known < -request.count:
        raise FrameError(
            f"{known} triggers were said to be missed before frame {request.frame}, not {-request.count}"
        )
    del missed[at : at - request.count]
    return replace(geometry, missed_triggers=tuple(missed))
