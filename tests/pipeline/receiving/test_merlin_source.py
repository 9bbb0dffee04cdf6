"""Units cut out of a TCP stream, however it comes, and whatever is between them."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import pytest

from livebragg.errors import MalformedMessageError
from livebragg.pipeline.receiving.merlin_source import MerlinSource
from livebragg.wire.mpx import unit


class Server:
    """A detector's data socket."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(10)
        self.source = MerlinSource("127.0.0.1", self.listener.getsockname()[1])
        self.client: socket.socket | None = None

    def accept(self) -> socket.socket:
        deadline = time.monotonic() + 10
        while self.source.descriptor is None:
            assert time.monotonic() < deadline
            self.source.connect()
            time.sleep(0.001)
        self.client, _ = self.listener.accept()
        return self.client

    def received(self, count: int) -> list[bytes]:
        """The next units; what is refused is its text."""
        found: list[bytes] = []
        deadline = time.monotonic() + 10
        while len(found) < count:
            assert time.monotonic() < deadline, found
            try:
                got = self.source.receive()
            except MalformedMessageError as error:
                got = [memoryview(str(error).encode())]
            if got is not None:
                found.append(bytes(got[0]))
        return found


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.source.close()
    made.listener.close()
    if made.client is not None:
        made.client.close()


def test_units_come_whole_however_they_are_cut(server: Server) -> None:
    stream = b"".join(unit(payload) for payload in (b"HDR,abc", b"x" * 70_000, b"1", b"\0" * 15))
    client = server.accept()
    for at in range(0, len(stream), 7001):
        client.sendall(stream[at : at + 7001])
        time.sleep(0.001)
    assert server.received(4) == [b"HDR,abc", b"x" * 70_000, b"1", b"\0" * 15]


def test_single_bytes_make_a_unit_too(server: Server) -> None:
    client = server.accept()
    for byte in unit(b"HDR,abc"):
        client.sendall(bytes([byte]))
    assert server.received(1) == [b"HDR,abc"]


def test_what_is_no_unit_is_skipped_and_told(server: Server) -> None:
    client = server.accept()
    client.sendall(unit(b"good") + b"garbage MPX MPX,abc" + unit(b"again") + unit(b"and again"))
    got = server.received(3)
    while got[-1] != b"and again":
        got += server.received(1)
    assert [g for g in got if not g.startswith(b"bytes that begin")] == [b"good", b"again", b"and again"]
    assert any(g.startswith(b"bytes that begin no Merlin unit") for g in got)


def test_the_connection_is_made_again_when_the_detector_closed_it(server: Server) -> None:
    first = server.accept()
    first.sendall(unit(b"whole") + unit(b"cut in the middle")[:20])
    assert server.received(1) == [b"whole"]
    first.close()
    while server.source.descriptor is not None:
        assert server.source.receive() is None
    second = server.accept()
    second.sendall(unit(b"fresh"))
    assert server.received(1) == [b"fresh"]


def test_a_detector_that_is_not_there_is_waited_for() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    source = MerlinSource("127.0.0.1", port)
    for _ in range(5):
        source.connect()
        assert source.receive() is None
        time.sleep(0.01)
    assert source.descriptor is None
    source.close()


def frame(number: int, side: int = 32) -> bytes:
    head = b"MQ1,%06d,00384,01,%04d,%04d,U16,   1x1,01,2026-11-24 10:00:00,0.1," % (number, side, side)
    return head.ljust(384) + bytes([number]) * (2 * side * side)


@pytest.mark.parametrize("digits", [b"0009999999", b"0000000099", b"0000002437"])
def test_a_damaged_digit_of_a_length_costs_no_frame(server: Server, digits: bytes) -> None:
    damaged = unit(frame(2)).replace(b"0000002433", digits)
    assert damaged != unit(frame(2))
    server.accept().sendall(unit(frame(1)) + damaged + unit(frame(3)))
    assert server.received(3) == [frame(1), frame(2), frame(3)]


def test_frames_of_another_size_are_taken_when_their_header_bears_them_out(server: Server) -> None:
    units = [frame(1), b"HDR,next", frame(1, side=48), frame(2, side=16)]
    server.accept().sendall(b"".join(map(unit, units)))
    assert server.received(4) == units


def test_a_length_that_nothing_bears_out_costs_that_unit_alone(server: Server) -> None:
    damaged = unit(b"MQ1,no header" + bytes(2419)).replace(b"0000002433", b"0059999999")
    server.accept().sendall(unit(frame(1)) + damaged + unit(frame(2)) + unit(frame(3)))
    got = server.received(4)
    assert [got[0], *got[2:]] == [frame(1), frame(2), frame(3)]
    assert got[1].startswith(b"bytes that begin no Merlin unit")
