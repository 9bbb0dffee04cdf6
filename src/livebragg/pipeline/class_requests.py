"""Requests that change the classes: checked, carried out at once, and answered."""

from __future__ import annotations

from livebragg.errors import ClassRequestError
from livebragg.pipeline.scan_run import ScanRun
from livebragg.wire.messages import (
    Accepted,
    ClassMergeRequest,
    ClassRenameRequest,
    ClassSplitRequest,
    Refused,
)

ClassRequest = ClassMergeRequest | ClassSplitRequest | ClassRenameRequest


def change_classes(request: ClassRequest, run: ScanRun | None) -> Accepted | Refused:
    """Do what the user asks for; it shows in the next maps, also if no more frames come."""
    if run is None or request.serial not in (0, run.opened.serial):
        return Refused(reason="that acquisition is no longer in memory")
    if run.complete:
        return Refused(reason="the scan is finished and its results are written; ask while it runs")
    if run.snapshot is None:
        return Refused(reason="there are no classes yet")
    try:
        return Accepted(note=_change(request, run))
    except ClassRequestError as error:
        return Refused(reason=str(error))


def _change(request: ClassRequest, run: ScanRun) -> str:
    snapshot, classes = run.shown, run.user_classes
    if isinstance(request, ClassMergeRequest):
        note = f"class {classes.merge(request.class_ids, snapshot)} now holds all of them"
    elif isinstance(request, ClassSplitRequest):
        back = classes.split(request.class_id, snapshot)
        note = f"classes {', '.join(map(str, back))} are back"
    else:
        classes.rename(request.class_id, request.name, snapshot)
        note = f"class {request.class_id} is called {classes.names[request.class_id]!r}"
    run.user_changed()
    return note
