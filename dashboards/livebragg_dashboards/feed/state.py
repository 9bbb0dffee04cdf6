"""The newest of everything the feed has said. No Bokeh, no sockets and no clock: times come in as arguments.

The hub's thread is the only writer; sessions take snapshots on their own clock.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

from livebragg.wire.messages import ClassMaps, PipelineStatus
from livebragg_dashboards.feed.checks import problem_of
from livebragg_dashboards.feed.trends import Trends

STALE_AFTER_S = 3.0
"""The pipeline speaks several times a second; silence of this length means that it stopped or is cut off."""
STALE_FINISHING_S = 60.0
"""The final refinement may keep the analyst busy for a while, and it says so before it begins."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Slot:
    """One message and when it came, in seconds of this computer's monotonic clock."""

    message: Any
    received_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What a session shows: consistent, immutable, of one acquisition."""

    version: int = 0
    """Rises with every change."""
    epoch: int = 0
    """Rises with every new acquisition or restart of the pipeline."""
    status: PipelineStatus | None = None
    last_heard: float | None = None
    """When the last message came."""
    slots: Mapping[type[Any], Slot] = field(default_factory=dict)
    updates: int = 0
    """Class maps that arrived, including those that were superseded before anybody saw them."""
    rejected: int = 0
    """Messages that could not be used."""
    rejected_reason: str = ""

    def get(self, kind: type[T]) -> T | None:
        """Newest message of a kind, of the acquisition under way."""
        slot = self.slots.get(kind)
        return None if slot is None else cast(T, slot.message)

    def index_of(self, position: tuple[int, int] | None) -> int | None:
        """Flat, row-major index of a position on the class map; ``None`` while there is no such."""
        maps = self.get(ClassMaps)
        return None if position is None or maps is None else position[0] * maps.labels.shape[1] + position[1]

    @property
    def serial(self) -> int:
        """Number of the acquisition under way; 0 before the first."""
        return self.status.serial if self.status is not None else 0

    def silence_s(self, now: float) -> float | None:
        """Seconds since the pipeline was last heard; ``None`` before the first time."""
        return None if self.last_heard is None else max(0.0, now - self.last_heard)

    def is_stale(self, now: float) -> bool:
        """Whether what is shown may no longer be true."""
        silence = self.silence_s(now)
        finishing = self.status is not None and self.status.phase == "finishing"
        return silence is not None and silence > (STALE_FINISHING_S if finishing else STALE_AFTER_S)

    def data_age_s(self, now: float) -> float | None:
        """Seconds since the newest frame in the maps was sent.

        The part inside the pipeline is measured with its clock, the rest with this computer's, so that the two
        clocks need not agree.
        """
        slot = self.slots.get(ClassMaps)
        if slot is None or not slot.message.newest_sent_at > 0:
            return None
        in_pipeline = max(0.0, slot.message.published_at - slot.message.newest_sent_at)
        return float(in_pipeline + max(0.0, now - slot.received_at))


class FeedState:
    """Takes feed messages in the order in which they come.

    Examples
    --------
    >>> state = FeedState()
    >>> state.reject("not msgpack")
    >>> state.snapshot().rejected
    1
    """

    def __init__(self) -> None:
        self._slots: dict[type[Any], Slot] = {}
        self._status: Slot | None = None
        self._counts: Counter[str] = Counter()
        self._reason = ""
        self._version = 0
        self._epoch = 0
        self._last_heard: float | None = None
        self.trends = Trends()

    def update(self, message: object, now: float) -> None:
        """Keep a message if it is new and makes sense."""
        problem = problem_of(message)
        if problem:
            self.reject(problem)
            return
        self._version += 1
        self._last_heard = now
        if isinstance(message, PipelineStatus):
            self._take_status(message, now)
        elif not self._is_repetition(message):
            self._slots[type(message)] = Slot(message, now)
            self._counts["updates"] += isinstance(message, ClassMaps)

    def superseded(self, kind: type[Any]) -> None:
        """Count a message that was overtaken by a newer one before it was decoded."""
        self._counts["updates"] += kind is ClassMaps

    def reject(self, reason: str) -> None:
        """Count a message that cannot be used."""
        self._version += 1
        self._counts["rejected"] += 1
        self._reason = reason

    def snapshot(self) -> Snapshot:
        """Immutable view of now; maps of another acquisition than the status speaks of are left out."""
        status: PipelineStatus | None = self._status.message if self._status else None
        serial = status.serial if status else None
        return Snapshot(
            version=self._version,
            epoch=self._epoch,
            status=status,
            last_heard=self._last_heard,
            slots={kind: slot for kind, slot in self._slots.items() if slot.message.serial == serial},
            updates=self._counts["updates"],
            rejected=self._counts["rejected"],
            rejected_reason=self._reason,
        )

    def _take_status(self, status: PipelineStatus, now: float) -> None:
        before = self._status
        if before is not None and _is_another(before.message, status):
            self._begin_anew(before, status)
        self._status = Slot(status, now)
        if status.phase != "file":  # its numbers stand still, and time goes on
            self.trends.add(now, status.counters)

    def _begin_anew(self, before: Slot, status: PipelineStatus) -> None:
        """Forget the old acquisition. What came since its last status may be the new one's already."""
        self._epoch += 1
        self.trends = Trends()
        self._slots = {
            kind: slot
            for kind, slot in self._slots.items()
            if slot.received_at >= before.received_at
            and slot.message.serial == status.serial
            and slot.message.revision <= status.revision
        }

    def _is_repetition(self, message: Any) -> bool:
        """A pipeline greets every new subscriber with its newest messages, and all hear them."""
        slot = self._slots.get(type(message))
        same = slot is not None and (slot.message.serial, slot.message.revision, slot.message.published_at)
        return same == (message.serial, message.revision, message.published_at)


def _is_another(old: PipelineStatus, new: PipelineStatus) -> bool:
    """A new acquisition, or the same serial from a pipeline that was started again."""
    started_again = new.revision < old.revision or new.positions_seen < old.positions_seen
    changed = old.acquisition is not None and new.acquisition != old.acquisition
    return old.serial != new.serial or started_again or changed
