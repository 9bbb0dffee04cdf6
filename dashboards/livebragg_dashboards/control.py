"""Asks the pipeline for frames: one question on the way at a time, never waiting, only the newest click counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from livebragg.errors import WireError
from livebragg.wire import sockets
from livebragg.wire.codec import decode
from livebragg.wire.messages import FrameReply, FrameRequest, Refused
from livebragg_dashboards.checks import problem_of

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
    deadline: float = 0.0


class ControlClient:
    """One DEALER socket to the pipeline's control endpoint. Used by the hub's thread only.

    Replies carry no number of their request, so there is one request on the way at a time, and the socket of a
    request that was never answered is thrown away with whatever may still come on it.
    """

    def __init__(self, ctx: Any, endpoint: str, timeout_s: float = TIMEOUT_S) -> None:
        self._ctx = ctx
        self._endpoint = endpoint
        self._timeout_s = timeout_s
        self._waiting: dict[str, _Question] = {}
        self._asked: _Question | None = None
        self._socket = self._open()

    def ask(self, owner: str, request: FrameRequest) -> None:
        """Ask soon; an earlier question of the same owner that was not sent yet is dropped."""
        if owner in self._waiting or len(self._waiting) < MAX_OWNERS:
            self._waiting[owner] = _Question(owner, request)

    def step(self, now: float) -> list[tuple[str, FrameAnswer]]:
        """Take what has come and send what may be sent: answers by owner."""
        answers = self._take_answer(now)
        if self._asked is None and self._waiting:
            question = self._waiting.pop(next(iter(self._waiting)))
            self._asked = _Question(question.owner, question.request, now + self._timeout_s)
            sockets.send(self._socket, question.request, prefix=(b"",), wait=False)
        return answers

    def close(self) -> None:
        """Close the socket."""
        self._socket.close(0)

    def _open(self) -> Any:
        return sockets.open_socket(self._ctx, sockets.DEALER, connect=self._endpoint, linger_ms=0)

    def _take_answer(self, now: float) -> list[tuple[str, FrameAnswer]]:
        asked = self._asked
        parts = sockets.receive_parts(self._socket)
        if asked is None:
            return []
        if parts is None:
            return self._give_up(asked) if now > asked.deadline else []
        self._asked = None
        return [(asked.owner, _answer_to(asked.request, parts))]

    def _give_up(self, asked: _Question) -> list[tuple[str, FrameAnswer]]:
        self._asked = None
        self._socket.close(0)
        self._socket = self._open()
        reason = f"the pipeline did not answer at {self._endpoint} within {self._timeout_s:g} s"
        return [(asked.owner, FrameAnswer(asked.request.scan_index, None, reason))]


def _answer_to(request: FrameRequest, parts: list[Any]) -> FrameAnswer:
    try:
        reply = decode(parts[1:])
    except WireError as error:
        return FrameAnswer(request.scan_index, None, f"the answer cannot be read: {error}")
    if isinstance(reply, Refused):
        return FrameAnswer(request.scan_index, None, reply.reason or "refused without a reason")
    if not isinstance(reply, FrameReply) or reply.scan_index != request.scan_index:
        return FrameAnswer(request.scan_index, None, "the pipeline answered another question")
    problem = problem_of(reply)
    return FrameAnswer(request.scan_index, None if problem else reply, problem)
