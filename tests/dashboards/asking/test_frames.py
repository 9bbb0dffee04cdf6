"""Questions to the pipeline: one at a time, the newest click counts, and never silence."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from livebragg.wire import sockets
from livebragg.wire.codec import decode, encode
from livebragg.wire.messages import Accepted, FrameReply, FrameRequest, Refused
from livebragg_dashboards.asking.frames import MAX_OWNERS, ControlClient, FrameAnswer

NONE = np.zeros(0, np.float32)


def reply(index: int, **changes: Any) -> FrameReply:
    values = {"serial": 1, "scan_index": index, "label": 0, "frame": np.ones((2, 3), np.float32), "qx": NONE,
              "qy": NONE, "intensity": NONE, "origin": np.zeros(2, np.float32)}  # fmt: skip
    return FrameReply(**(values | changes))


@pytest.fixture
def ctx() -> Iterator[Any]:
    with sockets.context() as made:
        yield made


@pytest.fixture
def router(ctx: Any) -> Any:
    return sockets.open_socket(ctx, sockets.ROUTER, bind="tcp://127.0.0.1:*", linger_ms=0)


@pytest.fixture
def client(ctx: Any, router: Any) -> Iterator[ControlClient]:
    made = ControlClient(ctx, sockets.bound_endpoint(router), timeout_s=0.3)
    yield made
    made.close()


def wait_for(poll: Callable[[], Any], limit_s: float = 5.0) -> Any:
    """First thing that is not empty."""
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        if found := poll():
            return found
        time.sleep(0.005)
    raise AssertionError("nothing came")


def step(client: ControlClient) -> list[tuple[str, FrameAnswer]]:
    return client.step(time.monotonic())


def question(client: ControlClient, router: Any) -> tuple[bytes, FrameRequest]:
    """Next request at the pipeline, with who asked."""

    def poll() -> Any:
        step(client)
        return sockets.receive_parts(router)

    parts = wait_for(poll)
    assert bytes(parts[1]) == b""
    return bytes(parts[0]), decode(parts[2:])


def send_back(router: Any, who: bytes, message: Any) -> None:
    sockets.send(router, message, prefix=(who, b""))


def test_a_frame_comes_back_to_who_asked(client: ControlClient, router: Any) -> None:
    client.ask("ada", FrameRequest(serial=1, scan_index=7))
    who, request = question(client, router)
    assert request == FrameRequest(serial=1, scan_index=7)
    send_back(router, who, reply(7))
    [(owner, answer)] = wait_for(lambda: step(client))
    assert (owner, answer.scan_index, answer.reason) == ("ada", 7, "")
    assert answer.reply is not None and answer.reply.frame.shape == (2, 3)


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (Refused(reason="not scanned yet"), "not scanned yet"),
        (Refused(reason=""), "without a reason"),
        (Accepted(), "another question"),
        (reply(8), "another question"),
        (reply(7, origin=NONE), "origin"),
    ],
    ids=["refused", "refused without a word", "accepted", "another position", "wrong shapes"],
)
def test_whatever_is_no_frame_is_a_reason(client: ControlClient, router: Any, message: Any, words: str) -> None:
    client.ask("ada", FrameRequest(serial=1, scan_index=7))
    who, _ = question(client, router)
    send_back(router, who, message)
    [(_, answer)] = wait_for(lambda: step(client))
    assert answer.reply is None and words in answer.reason


def test_an_answer_that_is_no_message_is_a_reason(client: ControlClient, router: Any) -> None:
    client.ask("ada", FrameRequest(serial=1, scan_index=7))
    who, _ = question(client, router)
    sockets.send_parts(router, [who, b"", b"\xc1nonsense"])
    [(_, answer)] = wait_for(lambda: step(client))
    assert "cannot be read" in answer.reason


def test_of_a_thousand_clicks_only_the_newest_waits(client: ControlClient, router: Any) -> None:
    for index in range(1000):
        client.ask("ada", FrameRequest(serial=1, scan_index=index))
        if index == 0:
            who, _ = question(client, router)
    send_back(router, who, reply(0))
    wait_for(lambda: step(client))
    _, request = question(client, router)
    assert request.scan_index == 999


def test_silence_ends_with_a_reason_and_a_late_answer_is_not_taken_for_the_next(
    client: ControlClient, router: Any
) -> None:
    client.ask("ada", FrameRequest(serial=1, scan_index=7))
    who, _ = question(client, router)
    [(_, answer)] = wait_for(lambda: step(client))
    assert "did not answer" in answer.reason
    client.ask("ada", FrameRequest(serial=1, scan_index=9))
    other, _ = question(client, router)
    parts = [who, b"", *(bytes(p) for p in encode(reply(7)))]
    sockets.send_parts(router, parts)
    send_back(router, other, reply(9))
    [(_, answer)] = wait_for(lambda: step(client))
    assert answer.reply is not None and answer.reply.scan_index == 9


def test_the_number_of_waiting_questions_is_bounded(client: ControlClient) -> None:
    for k in range(MAX_OWNERS + 50):
        client.ask(f"session {k}", FrameRequest(serial=1, scan_index=k))
    assert len(client._waiting) == MAX_OWNERS
