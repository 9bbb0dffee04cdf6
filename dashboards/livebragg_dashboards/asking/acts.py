"""Carries out what viewers ask of the pipeline: one after the other, each with an outcome."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

from livebragg.wire.messages import Accepted, Refused
from livebragg_dashboards.asking.channel import Channel

TIMEOUT_S = 20.0
"""The pipeline may be busy with a refinement, and answers after it."""
MAX_WAITING = 32


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an act."""

    number: int
    """The session's own number of the act."""
    done: bool
    note: str


class ActClient:
    """Acts of all sessions on one channel, in the order in which they came. Used by the hub's thread only."""

    def __init__(self, ctx: Any, endpoint: str, timeout_s: float = TIMEOUT_S) -> None:
        self._channel = Channel(ctx, endpoint, timeout_s)
        self._waiting: deque[tuple[str, int, object]] = deque()
        self._asked: tuple[str, int, object] | None = None

    def ask(self, owner: str, number: int, request: object) -> Outcome | None:
        """Ask soon; an outcome at once when too much waits already."""
        if len(self._waiting) >= MAX_WAITING:
            return Outcome(number, False, f"{MAX_WAITING} requests wait for the pipeline already; try again later")
        self._waiting.append((owner, number, request))
        return None

    def step(self, now: float) -> list[tuple[str, Outcome]]:
        """Take what has come and send what may be sent: outcomes by owner."""
        reply, outcomes = self._channel.poll(now), []
        if reply is not None and self._asked is not None:
            outcomes.append((self._asked[0], _outcome(self._asked[1], reply)))
        if not self._channel.busy and self._waiting:
            self._asked = self._waiting.popleft()
            self._channel.send(self._asked[2], now)
        return outcomes

    def close(self) -> None:
        """Close the socket."""
        self._channel.close()


def _outcome(number: int, reply: object) -> Outcome:
    if isinstance(reply, Accepted):
        return Outcome(number, True, reply.note)
    if isinstance(reply, Refused):
        return Outcome(number, False, reply.reason or "refused without a reason")
    if isinstance(reply, str):
        return Outcome(number, False, f"{reply}; whether it was done is not known")
    return Outcome(number, False, "the pipeline answered another question")
