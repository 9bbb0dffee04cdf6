"""Sockets: right endpoints, bounded waits, and clear words when something cannot be had."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from hostile_messages import HOSTILE, Hostile
from livebragg.cli.demo import free_ports
from livebragg.errors import ConfigError, PipelineError
from livebragg.wire import sockets
from livebragg.wire.codec import topic_of
from livebragg.wire.messages import Accepted, Heartbeat, PipelineStatus, Refused, StatusRequest


@pytest.fixture
def ctx() -> Iterator[Any]:
    with sockets.context() as made:
        yield made


@pytest.fixture
def open_(ctx: Any) -> Iterator[Callable[..., Any]]:
    """Opens sockets that are closed at the end."""
    opened: list[Any] = []

    def open_one(kind: int, **how: Any) -> Any:
        opened.append(sockets.open_socket(ctx, kind, **how))
        return opened[-1]

    yield open_one
    for one in opened:
        one.close(0)


@pytest.fixture
def endpoint() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="lb") as folder:
        yield f"ipc://{folder}/s"


def receive_within(socket: Any, seconds: float = 5.0) -> Any:
    poller = sockets.Poller()
    poller.add(socket)
    assert poller.wait(seconds) == {socket}
    return sockets.receive(socket)


@pytest.mark.parametrize(
    "good", ["tcp://127.0.0.1:7550", "tcp://*:1", "tcp://h:*", "tcp://[::1]:65535", "ipc:///tmp/x", "inproc://x"]
)
def test_right_endpoints_are_returned_as_they_are(good: str) -> None:
    assert sockets.check_endpoint(good) == good


@pytest.mark.parametrize(
    "bad",
    ["", "127.0.0.1:7550", "tcp://", "tcp://h", "tcp://:7550", "tcp://h:0", "tcp://h:65536", "tcp://h:-1",
     "tcp://h:²", "tcp://h:٣", "tcp://h:75.5", "http://h:1", "udp://h:1", "ipc://", "inproc://", "7550"],
)  # fmt: skip
def test_a_wrong_endpoint_is_refused_with_its_key(bad: str) -> None:
    with pytest.raises(ConfigError, match=r"^stream\.endpoint .* is not an endpoint; write tcp://HOST:P"):
        sockets.check_endpoint(bad, "stream.endpoint")


def test_a_socket_path_that_the_system_cannot_hold_is_refused_with_its_length() -> None:
    assert sockets.check_endpoint("ipc://" + "é" * 53)
    with pytest.raises(ConfigError, match="may have 107 bytes, this one has 108; choose a shorter directory"):
        sockets.check_endpoint("ipc://" + "é" * 54)


def test_a_port_that_is_taken_is_said(open_: Callable[..., Any]) -> None:
    first = open_(sockets.PULL, bind="tcp://127.0.0.1:*")
    taken = sockets.bound_endpoint(first)
    with pytest.raises(PipelineError, match=rf"cannot bind {taken}: Address already in use.* another port"):
        open_(sockets.PULL, bind=taken)


@pytest.mark.parametrize("kind", ["tcp", "ipc", "abstract"])
def test_an_endpoint_is_free_until_somebody_binds_it_and_again_afterwards(
    kind: str, open_: Callable[..., Any]
) -> None:
    with tempfile.TemporaryDirectory(prefix="lb-") as folder:
        ipc = f"ipc://{folder}/feed" if kind == "ipc" else f"ipc://@{folder}"
        wanted = "tcp://127.0.0.1:*" if kind == "tcp" else ipc
        taken = open_(sockets.XPUB, bind=wanted)
        endpoint = sockets.bound_endpoint(taken) if kind == "tcp" else ipc
        assert not sockets.is_free(endpoint)
        assert not sockets.is_free(endpoint), "asking takes nothing away"
        taken.close(0)
        deadline = time.monotonic() + 5
        while not sockets.is_free(endpoint):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert sockets.is_free(endpoint), "asking leaves nothing behind"


def test_an_address_of_another_machine_cannot_be_bound() -> None:
    with pytest.raises(PipelineError, match=r"cannot bind tcp://192\.0\.2\.1:7551"):
        sockets.is_free("tcp://192.0.2.1:7551")


def test_a_message_travels_with_its_prefix(open_: Callable[..., Any], endpoint: str) -> None:
    pull = open_(sockets.PULL, bind=endpoint)
    push = open_(sockets.PUSH, connect=endpoint)
    assert sockets.send(push, Heartbeat(frames_sent=3))
    assert receive_within(pull) == Heartbeat(frames_sent=3)
    assert sockets.receive(pull) is None
    assert sockets.send(push, Heartbeat(), prefix=(b"one", b"two"))
    poller = sockets.Poller()
    poller.add(pull)
    assert poller.wait(5.0) == {pull}
    assert sockets.receive(pull, prefix=2) == Heartbeat()


@pytest.mark.parametrize("bad", [h for h in HOSTILE if h.parts], ids=lambda bad: bad.name)
def test_a_bad_message_is_refused_and_the_next_one_is_received(bad: Hostile) -> None:
    with sockets.context() as ctx:
        pull = sockets.open_socket(ctx, sockets.PULL, bind="inproc://hostile")
        push = sockets.open_socket(ctx, sockets.PUSH, connect="inproc://hostile")
        sockets.send_parts(push, bad.parts)
        sockets.send(push, Heartbeat(frames_sent=1))
        with pytest.raises(bad.error):
            receive_within(pull)
        assert receive_within(pull) == Heartbeat(frames_sent=1)


def test_sending_to_nobody_does_not_wait_unless_told_to(open_: Callable[..., Any], endpoint: str) -> None:
    push = open_(sockets.PUSH, connect=endpoint, send_high_water=1, linger_ms=0)
    assert [sockets.send(push, Heartbeat(), wait=False) for _ in range(4)].count(False) >= 2
    assert not sockets.send_parts(push, [b"x"], wait=False)


def test_a_context_with_unsent_messages_ends_quickly(endpoint: str) -> None:
    begun = time.monotonic()
    with sockets.context() as ctx:
        push = sockets.open_socket(ctx, sockets.PUSH, connect=endpoint)
        sockets.send(push, Heartbeat())
    assert time.monotonic() - begun < 3


def test_a_request_is_answered_or_given_up(ctx: Any, endpoint: str, open_: Callable[..., Any]) -> None:
    begun = time.monotonic()
    assert sockets.request(ctx, endpoint, StatusRequest(), 0.1) is None
    assert time.monotonic() - begun < 3
    router = open_(sockets.ROUTER, bind=endpoint)
    client = open_(sockets.REQ, connect=endpoint)
    sockets.send(client, StatusRequest())
    poller = sockets.Poller()
    poller.add(router)
    assert poller.wait(5.0) == {router}
    identity, empty, *rest = sockets.receive_parts(router) or []
    assert (bytes(empty), len(rest)) == (b"", 1)
    sockets.send(router, Accepted(note="yes"), prefix=(bytes(identity), b""))
    assert receive_within(client) == Accepted(note="yes")


def test_a_subscriber_gets_the_kinds_it_asked_for(open_: Callable[..., Any], endpoint: str) -> None:
    feed = open_(sockets.XPUB, bind=endpoint)
    reader = open_(sockets.SUB, connect=endpoint)
    sockets.subscribe(reader, Refused)
    poller = sockets.Poller()
    poller.add(feed)
    assert poller.wait(5.0) == {feed}
    assert [bytes(p) for p in sockets.receive_parts(feed) or []] == [b"\x01refused"]
    for message in (Accepted(note="no"), Refused(reason="yes")):
        sockets.send(feed, message, prefix=(topic_of(type(message)),))
    parts = sockets.Poller()
    parts.add(reader)
    assert parts.wait(5.0) == {reader}
    assert sockets.receive(reader, prefix=1) == Refused(reason="yes")
    assert topic_of(PipelineStatus) == b"pipeline_status"


def test_a_poller_forgets_sockets_and_does_not_wait_for_no_time(open_: Callable[..., Any], endpoint: str) -> None:
    pull = open_(sockets.PULL, bind=endpoint)
    push = open_(sockets.PUSH, connect=endpoint)
    poller = sockets.Poller()
    poller.add(pull)
    sockets.send(push, Heartbeat())
    assert poller.wait(5.0) == {pull}
    poller.remove(pull)
    assert poller.wait(-1.0) == set()


SENDER = """
import sys, time, zmq
from livebragg.wire import sockets
with sockets.context() as ctx:
    push = sockets.open_socket(ctx, zmq.PUSH, bind=sys.argv[1], send_high_water=64)
    for number in range(20000):
        push.send(number.to_bytes(4, "big") + bytes(32768))
    push.send(b"")
    time.sleep(1)
"""


@pytest.mark.processes
def test_a_sender_that_stalls_for_a_while_loses_no_frame():
    """With the patience of other sockets the connection was given up, with eight frames on their way."""
    endpoint = f"tcp://127.0.0.1:{free_ports(1)[0]}"
    sender = subprocess.Popen([sys.executable, "-c", SENDER, endpoint])
    try:
        with sockets.context() as ctx:
            pull = sockets.open_socket(ctx, sockets.PULL, connect=endpoint, receive_high_water=64)
            numbers = []
            while message := pull.recv() if pull.poll(30_000) else b"":
                numbers.append(int.from_bytes(message[:4], "big"))
                if len(numbers) == 200:
                    sender.send_signal(signal.SIGSTOP)
                    time.sleep(sockets.VANISHED_MS / 1000 + 2)
                    sender.send_signal(signal.SIGCONT)
            assert numbers == list(range(20000))
    finally:
        sender.kill()
        sender.wait()


def test_a_path_that_somebody_listens_at_is_not_taken_away(open_: Callable[..., Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        endpoint = f"ipc://{folder}/taken"
        first = open_(sockets.PULL, bind=endpoint)
        with pytest.raises(
            PipelineError, match=r"cannot bind .*taken: Address already in use; is another program"
        ):
            open_(sockets.ROUTER, bind=endpoint)
        sockets.send_parts(open_(sockets.PUSH, connect=endpoint), [b"still his"])
        assert first.poll(5000)
