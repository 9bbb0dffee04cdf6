"""Merlin's command socket: what clients are known to send, and what they should not."""

from __future__ import annotations

import socket

import pytest

from livebragg.errors import ConfigError
from livebragg.wire.mpx import unit
from livebragg_simulators.merlin.control import MerlinControl, control_server


@pytest.fixture
def control() -> MerlinControl:
    return MerlinControl((128, 256), 100, 12)


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        ("GET,IMAGEX,0", "GET,IMAGEX,256,0"),
        ("GET,IMAGEY", "GET,IMAGEY,128,0"),
        ("GET,NOTHING,0", "GET,NOTHING,0,2"),
        ("SET,COUNTERDEPTH,6", "SET,COUNTERDEPTH,0"),
        ("SET,COUNTERDEPTH,99", "SET,COUNTERDEPTH,3"),
        ("SET,COUNTERDEPTH,many", "SET,COUNTERDEPTH,3"),
        ("SET,COUNTERDEPTH,nan", "SET,COUNTERDEPTH,3"),
        ("SET,IMAGEX,512", "SET,IMAGEX,2"),
        ("SET,NOTHING,1", "SET,NOTHING,2"),
        ("CMD,STARTACQUISITION,0", "CMD,STARTACQUISITION,0"),
        ("CMD,SELFDESTRUCT", "CMD,SELFDESTRUCT,2"),
        ("PUT,IMAGEX,1", "PUT,IMAGEX,2"),
        ("", ",,2"),
    ],
)
def test_commands_are_answered_with_their_code(control: MerlinControl, command: str, answer: str) -> None:
    assert control.handle(command) == answer


def test_what_was_set_is_what_the_next_acquisition_gets(control: MerlinControl) -> None:
    control.handle("SET,NUMFRAMESTOACQUIRE,50")
    control.handle("CMD,STARTACQUISITION")
    assert control.n_frames == 50
    assert control.commands.get_nowait() == "STARTACQUISITION"
    assert control.handle("GET,NUMFRAMESTOACQUIRE,0") == "GET,NUMFRAMESTOACQUIRE,50,0"


def test_it_answers_over_a_socket_and_survives_bad_clients(control: MerlinControl) -> None:
    with control_server(control, "127.0.0.1:0") as address:
        where = ("127.0.0.1", int(address.rpartition(":")[2]))
        for bad in (b"", b"GET / HTTP/1.1\r\n\r\n", b"MPX,9999999999,x", b"MPX,0000000100,short"):
            with socket.create_connection(where, 5) as client:
                client.sendall(bad)
        with socket.create_connection(where, 5) as client:
            client.sendall(unit(b"GET,IMAGEX,0") + unit(b"CMD,STARTACQUISITION,0"))
            expected = unit(b"GET,IMAGEX,256,0") + unit(b"CMD,STARTACQUISITION,0")
            got = b""
            while len(got) < len(expected):
                got += client.recv(100)
            assert got == expected


@pytest.mark.parametrize("address", ["6341", "127.0.0.1", "127.0.0.1:x"])
def test_an_address_that_is_none_is_refused(control: MerlinControl, address: str) -> None:
    with pytest.raises(ConfigError, match="write HOST:PORT"), control_server(control, address):
        pass
