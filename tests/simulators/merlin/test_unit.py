"""A simulated Merlin led by a client: it starts, waits for triggers, ends when it is told, and stops at once."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

import numpy as np
import pytest

from livebragg.model import Acquisition
from livebragg.pipeline.receiving.merlin_source import MerlinSource
from livebragg.wire.mpx import parse_address
from livebragg_simulators.merlin.control import MerlinControl
from livebragg_simulators.merlin.unit import MerlinUnit
from livebragg_simulators.merlin.writer import MerlinWriter
from livebragg_simulators.outlets import TcpOutlet
from livebragg_simulators.sender import Sender, SendOptions
from livebragg_simulators.sources import ScanPath

FRAMES = np.random.default_rng(2).poisson(2, (12, 24, 32)).astype(np.uint16)


class Source:
    def acquisition(self, acquisition_id: str) -> Acquisition:
        return Acquisition(acquisition_id=acquisition_id, scan_shape=(3, 4), frame_shape=(24, 32), dtype="uint16")

    def frames(self, start: int, stop: int) -> np.ndarray:
        return FRAMES[start:stop]


class Client:
    """The data socket."""

    def __init__(self, endpoint: str) -> None:
        self._source = MerlinSource(*parse_address(endpoint, ""))

    def units(self, count: int) -> list[bytes]:
        got: list[bytes] = []
        deadline = time.monotonic() + 30
        while len(got) < count:
            assert time.monotonic() < deadline, f"{len(got)} of {count} units within 30 s"
            self._source.connect()
            unit = self._source.receive()
            if unit is None:
                time.sleep(0.002)
            else:
                got.append(bytes(unit[0]))
        return got

    def close(self) -> None:
        self._source.close()


@contextmanager
def merlin(rate_hz: float = 0.0) -> Iterator[tuple[MerlinControl, Client, list[str], MerlinUnit]]:
    """A running unit; at the end it must stop."""
    control, path, said = MerlinControl((24, 32), 12, 12), ScanPath(Source()), []
    with closing(TcpOutlet("tcp://127.0.0.1:0")) as outlet, closing(Client(outlet.endpoint)) as client:
        unit = MerlinUnit(control, Sender(outlet, MerlinWriter()), path, SendOptions(rate_hz=rate_hz), said.append)
        thread = threading.Thread(target=unit.run)
        thread.start()
        try:
            yield control, client, said, unit
        finally:
            unit.stop()
            thread.join(20)
            assert not thread.is_alive()


def wait_for(said: list[str]) -> str:
    deadline = time.monotonic() + 30
    while not said:
        assert time.monotonic() < deadline, "nothing was said for 30 s"
        time.sleep(0.005)
    return said.pop()


def test_a_start_sends_the_header_and_the_frames_that_were_asked_for() -> None:
    with merlin() as (control, client, said, _):
        control.handle("SET,NUMFRAMESTOACQUIRE,30")
        for _ in range(2):
            control.handle("CMD,STARTACQUISITION")
            units = client.units(31)
            assert units[0].startswith(b"HDR,")
            assert [int(unit[4:10]) for unit in units[1:]] == list(range(1, 31))
            assert wait_for(said) == "30 of 30 frames sent"


def test_frames_wait_for_the_trigger_where_one_was_set() -> None:
    with merlin() as (control, client, said, _):
        control.handle("SET,TRIGGERSTART,5")
        control.handle("CMD,STARTACQUISITION")
        assert client.units(1)[0].startswith(b"HDR,")
        control.handle("CMD,SOFTTRIGGER")
        client.units(12)
        assert wait_for(said) == "12 of 12 frames sent"


@pytest.mark.parametrize("command", ["STOPACQUISITION", "ABORT"])
def test_an_acquisition_ends_when_the_client_says_so(command: str) -> None:
    with merlin(rate_hz=200) as (control, client, said, _):
        control.handle("SET,NUMFRAMESTOACQUIRE,100000")
        control.handle("CMD,STARTACQUISITION")
        client.units(2)
        control.handle(f"CMD,{command}")
        sent, _, total = wait_for(said).split()[:3]
        assert 0 < int(sent) < int(total) == 100_000
        client.units(int(sent) - 1)  # all of it arrives, the header and one frame came already
        control.handle("SET,NUMFRAMESTOACQUIRE,5")
        control.handle("CMD,STARTACQUISITION")
        assert client.units(6)[0].startswith(b"HDR,")


@pytest.mark.parametrize("when", ["waiting for a trigger", "sending", "nobody takes the frames"])
def test_it_can_be_stopped_at_any_time(when: str) -> None:
    with merlin(rate_hz=200 if when == "sending" else 0) as (control, client, said, unit):
        control.handle("SET,NUMFRAMESTOACQUIRE,100000")
        if when == "waiting for a trigger":
            control.handle("SET,TRIGGERSTART,5")
        control.handle("CMD,STARTACQUISITION")
        client.units(1)
        unit.stop()
        assert wait_for(said).endswith("of 100000 frames sent")


def test_the_last_frame_leaves_although_nothing_follows_it() -> None:
    """A frame larger than what the sockets hold is sent in pieces; the rest must not wait for the next one."""
    with closing(TcpOutlet("tcp://127.0.0.1:0")) as outlet:
        sender, path = Sender(outlet, MerlinWriter()), ScanPath(Source())
        with socket.create_connection(parse_address(outlet.endpoint, "")) as slow:
            slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
            options = SendOptions()
            thread = threading.Thread(target=sender.send, args=(path, "a", options, lambda *_: None))
            thread.start()
            wanted = 2048 + 15 + 12 * (15 + 384 + FRAMES[0].nbytes)
            got = 0
            slow.settimeout(30)
            while got < wanted:
                got += len(slow.recv(500))
            thread.join(20)
            assert not thread.is_alive()
