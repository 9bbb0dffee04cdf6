"""What people did to a scan while it ran, with the time, for the events of its results file."""

from __future__ import annotations

import time
from dataclasses import replace

from livebragg.model import AnalysisEvent, AnalysisSnapshot

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

    def apply(self, snapshot: AnalysisSnapshot) -> AnalysisSnapshot:
        """The snapshot with the entries among its events."""
        events = sorted([*snapshot.events, *self._events], key=lambda event: event.positions_seen)
        return replace(snapshot, events=tuple(events))
