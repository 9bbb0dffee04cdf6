"""Questions of the pages: one on the way, the newest of each page, in turn, and time for the pipeline between."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from livebragg.wire import sockets
from livebragg.wire.codec import decode
from livebragg.wire.messages import Accepted, DarkFieldReply, DarkFieldRequest, Refused
from livebragg_dashboards.asking.inquiries import MAX_OWNERS, PEACE, PEACE_S, Inquiries, Question

IMAGE = np.ones((2, 3), np.float32)


class Line:
    """Inquiries with the other end of their socket, and a clock of their own."""

    def __init__(self, ctx: Any) -> None:
        self._router = sockets.open_socket(ctx, sockets.ROUTER, bind="tcp://127.0.0.1:*")
        self.inquiries = Inquiries(sockets.bound_endpoint(self._router), timeout_s=5.0)
        self.inquiries.open(ctx)
        self.now = 100.0
        self._poller = sockets.Poller()
        self._poller.add(self._router)
        self._who = b""

    def close(self) -> None:
        self.inquiries.close()
        self._router.close(0)

    def ask(self, owner: str, peak: int, slot: str = "detector", urgent: bool = True) -> bool:
        request = DarkFieldRequest(serial=1, peak_id=peak)
        return self.inquiries.ask(owner, Question(slot, peak, request, urgent))

    def sent(self, after: float = 0.0) -> int | None:
        """Peak of the request that is sent when so much time has gone by; none when nothing is."""
        self.now += after
        self.inquiries.step(self.now)
        if self._router not in self._poller.wait(0.3):
            return None
        parts = sockets.receive_parts(self._router)
        assert parts is not None
        self._who = bytes(parts[0])
        request = decode(parts[2:])
        assert isinstance(request, DarkFieldRequest)
        return request.peak_id

    def reply(self, message: object, took: float = 0.01, owner: str = "a") -> Any:
        """Answer, and what the page then sees."""
        before = self.inquiries.answers(owner)
        sockets.send(self._router, message, prefix=(self._who, b""))
        self.now += took
        for _ in range(200):
            self.inquiries.step(self.now)
            answers = self.inquiries.answers(owner)
            if [*map(id, answers.values())] != [*map(id, before.values())]:
                break
            self._poller.wait(0.01)
        return answers


@pytest.fixture
def line() -> Iterator[Line]:
    with sockets.context() as ctx:
        made = Line(ctx)
        yield made
        made.close()


def good() -> DarkFieldReply:
    return DarkFieldReply(serial=1, image=IMAGE)


def test_of_many_questions_of_a_page_the_newest_is_asked_and_one_at_a_time(line: Line) -> None:
    for peak in range(1000):
        line.ask("a", peak)
    assert line.sent() == 999
    line.ask("a", 7)
    assert line.sent(after=1.0) is None
    answer = line.reply(good())["detector"]
    assert answer.question.key == 999 and answer.reason == ""
    np.testing.assert_array_equal(answer.reply.image, IMAGE)
    assert line.sent(after=2.0) == 7


def test_pages_take_turns_however_often_one_asks(line: Line) -> None:
    asked = []
    line.ask("b", 2)
    for _ in range(4):
        for _ in range(50):
            line.ask("a", 1)
        asked.append(line.sent(after=1.0))
        line.reply(good(), owner="b" if asked[-1] == 2 else "a")
        line.ask("b", 2)
    assert asked == [2, 1, 2, 1]


def test_the_pipeline_is_left_in_peace_in_proportion_to_its_work(line: Line) -> None:
    line.ask("a", 1)
    line.sent()
    line.reply(good(), took=0.5)
    line.ask("a", 2, urgent=False)
    assert line.sent(after=PEACE_S + PEACE * 0.5 - 0.01) is None
    assert line.sent(after=0.02) == 2
    line.reply(good(), took=0.5)
    line.ask("a", 3, urgent=True)
    assert line.sent(after=0.49) is None
    assert line.sent(after=0.02) == 3


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (Refused(reason="not now"), "not now"),
        (Refused(reason=""), "refused without a reason"),
        (Accepted(), "answered with a Accepted"),
        (DarkFieldReply(serial=1, image=np.ones(3, np.float32)), "an image of shape (3,)"),
        (DarkFieldReply(serial=1, image=np.ones((0, 4), np.float32)), "an image of shape (0, 4)"),
    ],
)
def test_what_cannot_be_shown_is_an_answer_with_a_reason(line: Line, message: object, reason: str) -> None:
    line.ask("a", 1)
    line.sent()
    answer = line.reply(message)["detector"]
    assert answer.reply is None and reason in answer.reason


def test_a_silent_pipeline_is_given_up_and_a_late_answer_is_not_taken_for_another(line: Line) -> None:
    line.ask("a", 1)
    assert line.sent() == 1
    line.ask("a", 2)
    assert line.sent(after=5.1) is None
    assert "did not answer" in line.inquiries.answers("a")["detector"].reason
    late = line._who
    assert line.sent(after=10.0) == 2
    assert line._who != late


def test_a_page_that_was_closed_is_forgotten_with_its_answers(line: Line) -> None:
    line.ask("a", 1)
    line.sent()
    line.inquiries.forget("a")
    line.ask("b", 2)
    line.reply(good(), owner="none")
    assert line.inquiries.answers("a") == {}
    assert line.inquiries._answers == {}


def test_too_many_pages_are_told_to_come_back(line: Line) -> None:
    assert all(line.ask(str(k), k) for k in range(MAX_OWNERS))
    assert not line.ask("one more", 1)
    assert line.ask("3", 1)
