"""Requests that change the classes: checked, carried out at once, and answered."""

from __future__ import annotations

from livebragg.classify import ClassList
from livebragg.errors import ClassRequestError
from livebragg.pipeline.scan.run import ScanRun
from livebragg.pipeline.scan.user_log import MOST
from livebragg.wire.messages import (
    Accepted,
    ClassLockRequest,
    ClassMergeRequest,
    ClassNumberRequest,
    ClassRenameRequest,
    ClassSplitRequest,
    Refused,
)

ClassRequest = ClassMergeRequest | ClassSplitRequest | ClassRenameRequest | ClassLockRequest | ClassNumberRequest


def change_classes(request: ClassRequest, run: ScanRun) -> Accepted | Refused:
    """Do what the user asks for; it shows in the next maps, also if no more frames come."""
    if run.complete:
        return Refused(reason="the scan is finished and its results are written; ask while it runs")
    if run.snapshot is None:
        return Refused(reason="there are no classes yet")
    if run.user_classes.n_changes >= MOST:
        return Refused(reason=f"the classes of this scan were changed {MOST} times already; no more is kept")
    try:
        return Accepted(note=_change(request, run))
    except ClassRequestError as error:
        return Refused(reason=str(error))


def _change(request: ClassRequest, run: ScanRun) -> str:
    shown, classes = run.shown_classes, run.user_classes
    if isinstance(request, ClassMergeRequest):
        note = f"class {classes.merge(request.class_ids, shown)} now holds all of them"
    elif isinstance(request, ClassSplitRequest):
        note = _split(request.class_id, run, shown)
    elif isinstance(request, ClassLockRequest):
        note = _lock(request, run, shown)
    elif isinstance(request, ClassNumberRequest):
        run.analysis.ask_for_classes(request.n_classes)
        classes.note_number(request.n_classes, shown)
        note = f"the scan ends with {request.n_classes or 'as many'} crystalline classes" + (
            "" if request.n_classes else " as the data show"
        )
    else:
        classes.rename(request.class_id, request.name, shown)
        note = f"class {request.class_id} is called {classes.names[request.class_id]!r}"
    run.user_changed()
    return note


def _split(class_id: int, run: ScanRun, shown: ClassList) -> str:
    classes = run.user_classes
    classes.check_shown(class_id, shown)
    if classes.joined_with(class_id):
        return f"classes {', '.join(map(str, classes.split(class_id, shown)))} are back"
    new = run.analysis.divide_class(class_id)
    classes.note_division(class_id, new, shown)
    return f"class {class_id} is divided: class {new} is new"


def _lock(request: ClassLockRequest, run: ScanRun, shown: ClassList) -> str:
    """Lock or unlock a class with all that was joined with it; all or nothing."""
    classes, number = run.user_classes, request.class_id
    classes.check_shown(number, shown)
    if (number in classes.locked) == request.locked:
        raise ClassRequestError(f"class {number} is {'locked already' if request.locked else 'not locked'}")
    change = run.analysis.lock_class if request.locked else run.analysis.unlock_class
    parts = [part for part in (number, *classes.joined_with(number)) if run.analysis.is_crystal(part)]
    changed: set[int] = set()
    for part in parts or [number]:
        if part not in changed and (part in classes.locked) != request.locked:
            changed.update(change(part))
    classes.note_lock(sorted({number, *changed}), request.locked, shown)
    return f"class {number} is {'locked' if request.locked else 'unlocked'}"
