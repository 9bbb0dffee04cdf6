"""The untouched stream for the program that was attached before."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from livebragg.config.pipeline import StreamConfig
from livebragg.errors import ConfigError
from livebragg.pipeline.receiving import tee as tee_module
from livebragg.pipeline.receiving.tee import Tee
from livebragg.wire import sockets

MESSAGES = [[bytes([k]), b"payload" * k] for k in range(20)]


@contextmanager
def attached(**config: str) -> Iterator[tuple[Tee, Any]]:
    """A tee, and the socket of the program."""
    with sockets.context() as ctx:
        tee = Tee(ctx, StreamConfig(forward="inproc://tee", **config))
        socket = sockets.open_socket(ctx, sockets.PULL, connect="inproc://tee", receive_high_water=1, linger_ms=0)
        try:
            yield tee, socket
        finally:
            tee.close()
            socket.close(0)


def received(socket: Any, count: int, seconds: float = 10.0) -> list[list[bytes]]:
    got: list[list[bytes]] = []
    deadline = time.monotonic() + seconds
    while len(got) < count and time.monotonic() < deadline:
        parts = sockets.receive_parts(socket)
        if parts is None:
            time.sleep(0.002)
        else:
            got.append([bytes(p) for p in parts])
    return got


def test_every_message_arrives_as_it_came() -> None:
    with attached() as (tee, socket):
        for parts in MESSAGES:
            assert tee.ready()
            tee.pass_on([memoryview(part) for part in parts])
        assert received(socket, 20) == MESSAGES
        assert tee.counters == {"messages_forwarded": 20}


def test_a_program_that_stalls_is_left_out_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tee_module, "HIGH_WATER", 1)
    with attached() as (tee, socket):
        for parts in MESSAGES:
            assert tee.ready()
            tee.pass_on(parts)
        assert sum(tee.counters.values()) == 20
        assert tee.counters["messages_not_forwarded"] > 10
        assert received(socket, tee.counters["messages_forwarded"])[0] == MESSAGES[0]


def test_with_block_the_detector_waits_and_nothing_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tee_module, "HIGH_WATER", 1)
    with attached(forward_when_full="block") as (tee, socket):
        waited, got = 0, []
        for parts in MESSAGES:
            while not tee.ready():
                waited += 1
                got += received(socket, 1, 0.1)
            tee.pass_on(parts)
        while len(got) < 20:
            tee.ready()
            got += received(socket, 1, 0.1)
        assert waited > 0
        assert got == MESSAGES
        assert tee.counters == {"messages_forwarded": 20}


def test_without_an_endpoint_nothing_happens() -> None:
    tee = Tee(None, StreamConfig())
    tee.pass_on([b"a"])
    assert tee.ready()
    assert not tee.counters


def test_a_merlin_takes_its_other_clients_itself() -> None:
    with pytest.raises(ConfigError, match="not for a Merlin"):
        StreamConfig(detector="merlin", forward="tcp://127.0.0.1:1")
