"""Questions of the pages about boxes, detectors and positions: a bounded number, the newest of each kind, in turn.

They travel on a socket of their own, so that a click for a frame never waits behind a mean pattern. There is one
on the way at a time, and after each the pipeline is left in peace for a multiple of the time that it took.
"""

from __future__ import annotations

import threading
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

from livebragg.wire.messages import Refused
from livebragg_dashboards.asking.channel import Channel
from livebragg_dashboards.asking.reply_checks import problem_of_reply

TIMEOUT_S = 5.0
MAX_OWNERS = 256
"""Pages that may have a question at a time; each has one."""
_NOBODY = ""
"""Owner of a question whose page has gone."""
PEACE_S = 0.1
PEACE = 3.0
"""The pipeline works on questions for at most a quarter of its time, and on those of a drag for half of it."""


@dataclass(frozen=True, slots=True)
class Question:
    """What a page wants to know."""

    slot: str
    """Where the answer goes: a page has one answer for each."""
    key: Hashable
    """What it is about: two questions of the same key are the same question at different times."""
    request: Any
    urgent: bool = False
    """Somebody has just done something, and waits; false when it is only asked again."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a question."""

    question: Question
    reply: Any
    """The reply of the pipeline; ``None`` when there is none."""
    reason: str = ""
    """Why there is no reply, in words."""


class Inquiries:
    """Between the pages and the hub's thread.

    Pages call `ask`, `answers` and `forget`; the hub's thread calls `open`, `step` and `close`.

    Parameters
    ----------
    endpoint : str
        Control endpoint of the pipeline.
    timeout_s : float
        After which a question counts as not answered.
    """

    def __init__(self, endpoint: str, timeout_s: float = TIMEOUT_S) -> None:
        self._endpoint, self._timeout_s = endpoint, timeout_s
        self._lock = threading.Lock()
        self._waiting: dict[str, Question] = {}
        self._answers: dict[str, dict[str, Answer]] = {}
        self._channel: Channel | None = None
        self._asked: tuple[str, Question, float] | None = None
        self._answered_at, self._took = float("-inf"), 0.0

    # ------------------------------------------------------------------------------------------- pages
    def ask(self, owner: str, question: Question) -> bool:
        """Ask soon; a question of the page that was not sent yet is dropped. False when too many pages ask."""
        with self._lock:
            if owner not in self._waiting and len(self._waiting) >= MAX_OWNERS:
                return False
            self._waiting[owner] = question
            return True

    def answers(self, owner: str) -> dict[str, Answer]:
        """The newest answer of each slot of a page."""
        with self._lock:
            return dict(self._answers.get(owner, {}))

    def forget(self, owner: str) -> None:
        """Drop a page's answers, its question, and what may still come."""
        with self._lock:
            self._answers.pop(owner, None)
            self._waiting.pop(owner, None)
            if self._asked is not None and self._asked[0] == owner:
                self._asked = (_NOBODY, *self._asked[1:])

    # --------------------------------------------------------------------------------------- the thread
    def open(self, ctx: Any) -> None:
        """Open the socket."""
        self._channel = Channel(ctx, self._endpoint, self._timeout_s)

    def close(self) -> None:
        """Close the socket."""
        if self._channel is not None:
            self._channel.close()

    def step(self, now: float) -> None:
        """Take what has come, and send what may be sent."""
        if self._channel is None:
            return
        reply = self._channel.poll(now)
        with self._lock:
            if reply is not None and self._asked is not None:
                self._take(*self._asked, reply, now)
            question = None if self._channel.busy else self._next(now)
            if question is not None:
                self._asked = (*question, now)
        if question is not None:
            self._channel.send(question[1].request, now)

    def _next(self, now: float) -> tuple[str, Question] | None:
        """The first page in turn whose question may be sent."""
        rested = now - self._answered_at
        for owner, question in self._waiting.items():
            if rested >= (self._took if question.urgent else PEACE_S + PEACE * self._took):
                del self._waiting[owner]  # it joins the end of the queue when it asks again
                return owner, question
        return None

    def _take(self, owner: str, question: Question, asked_at: float, reply: object, now: float) -> None:
        self._asked, self._answered_at, self._took = None, now, min(now - asked_at, 2.0)
        if owner != _NOBODY:
            self._answers.setdefault(owner, {})[question.slot] = _answer(question, reply)


def _answer(question: Question, reply: object) -> Answer:
    if isinstance(reply, str):  # why there is none
        return Answer(question, None, reply)
    if isinstance(reply, Refused):
        return Answer(question, None, reply.reason or "refused without a reason")
    problem = problem_of_reply(question.request, reply)
    return Answer(question, None if problem else reply, problem)
