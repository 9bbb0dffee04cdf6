"""What people did to a scan while it ran, with the time, for the events of its results file."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import replace

from livebragg.model import AnalysisEvent, AnalysisSnapshot

MARK = "mark"
SHOWN, SHOWN_LENGTH = 100, 120
"""Marks in a status, and characters of each: it is sent several times a second."""
MOST = 10_000
"""Entries of one scan: a program that marks without end must not fill the memory."""


class UserLog:
    """Entries in the order in which they came."""

    def __init__(self) -> None:
        self._events: list[AnalysisEvent] = []

    @property
    def full(self) -> bool:
        """Whether no more entries are taken."""
        return len(self._events) >= MOST

    def add(self, kind: str, detail: str, positions_seen: int, subject: int = -1) -> None:
        """Keep an entry with the time of now; beyond `MOST` none is kept."""
        if not self.full:
            entry = AnalysisEvent(
                positions_seen=positions_seen, kind=kind, subject=subject, detail=detail, at=time.time()
            )
            self._events.append(entry)

    def move(self, place: Callable[[int], int]) -> None:
        """Put marks where their positions are now; `place` says -1 where one has no place any more."""
        for at, event in enumerate(self._events):
            if event.kind == MARK and event.subject >= 0:
                now = place(event.subject)
                gone = " (its position is outside of the scan as it was said since)" if now < 0 else ""
                self._events[at] = replace(event, subject=now, detail=event.detail + gone)

    @property
    def marks(self) -> list[dict[str, float | str]]:
        """The newest marks, oldest first, as a status tells them."""
        return marks_of(self._events)

    def apply(self, snapshot: AnalysisSnapshot) -> AnalysisSnapshot:
        """The snapshot with the entries among its events."""
        events = sorted([*snapshot.events, *self._events], key=lambda event: event.positions_seen)
        return replace(snapshot, events=tuple(events))


def marks_of(events: Iterable[AnalysisEvent]) -> list[dict[str, float | str]]:
    """The newest marks among events, as a status tells them."""
    marks = [event for event in events if event.kind == MARK][-SHOWN:]
    return [
        {"scan_index": float(e.subject), "at": float(e.at or 0.0), "note": e.detail[:SHOWN_LENGTH]} for e in marks
    ]
