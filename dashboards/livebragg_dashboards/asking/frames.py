"""Asks the pipeline for frames: one question on the way at a time, never waiting, only the newest click counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from livebragg.wire.messages import FrameReply, FrameRequest, Refused
from livebragg_dashboards.asking.channel import Channel
from livebragg_dashboards.feed.checks import problem_of

TIMEOUT_S = 3.0
MAX_OWNERS = 256
"""Sessions that may have a question at a time."""


@dataclass(frozen=True, slots=True)
class FrameAnswer:
    """What became of a question."""

    scan_index: int
    reply: FrameReply | None
    reason: str = ""
    """Why there is no frame, in words; empty when there is one."""


@dataclass(frozen=True, slots=True)
class _Question:
    owner: str
    request: FrameRequest


class ControlClient:
    """Questions of all sessions on one channel. Used by the hub's thread only."""

    def __init__(self, ctx: Any, endpoint: str, timeout_s: float = TIMEOUT_S) -> None:
        self._channel = Channel(ctx, endpoint, timeout_s)
        self._waiting: dict[str, _Question] = {}
        self._asked: _Question | None = None

    def ask(self, owner: str, request: FrameRequest) -> None:
        """Ask soon; an earlier question of the same owner that was not sent yet is dropped."""
        if owner in self._waiting or len(self._waiting) < MAX_OWNERS:
            self._waiting[owner] = _Question(owner, request)

    def step(self, now: float) -> list[tuple[str, FrameAnswer]]:
        """Take what has come and send what may be sent: answers by owner."""
        reply, answers = self._channel.poll(now), []
        if reply is not None and self._asked is not None:
            answers.append((self._asked.owner, _answer_to(self._asked.request, reply)))
        if not self._channel.busy and self._waiting:
            self._asked = self._waiting.pop(next(iter(self._waiting)))
            self._channel.send(self._asked.request, now)
        return answers

    def close(self) -> None:
        """Close the socket."""
        self._channel.close()


def _answer_to(request: FrameRequest, reply: object) -> FrameAnswer:
    if isinstance(reply, str):
        return FrameAnswer(request.scan_index, None, reply)
    if isinstance(reply, Refused):
        return FrameAnswer(request.scan_index, None, reply.reason or "refused without a reason")
    if not isinstance(reply, FrameReply) or reply.scan_index != request.scan_index:
        return FrameAnswer(request.scan_index, None, "the pipeline answered another question")
    problem = problem_of(reply)
    return FrameAnswer(request.scan_index, None if problem else reply, problem)
