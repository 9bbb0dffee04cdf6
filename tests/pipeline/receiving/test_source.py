"""Attaching to a stream and detaching from it, again and again, while the detector goes on."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import numpy as np
import pytest

from livebragg.config.pipeline import StreamConfig
from livebragg.errors import ConfigError
from livebragg.model import Acquisition
from livebragg.pipeline.receiving.source import open_source
from livebragg.wire import sockets
from livebragg_simulators.dectris.v2 import DectrisV2Writer
from livebragg_simulators.merlin.writer import MerlinWriter
from livebragg_simulators.outlets import Outlet, PushOutlet, TcpOutlet
from livebragg_simulators.sender import Sender, SendOptions
from livebragg_simulators.sources import ScanPath

FRAMES = np.ones((16, 8, 8), np.uint16)


class Source:
    def acquisition(self, acquisition_id: str) -> Acquisition:
        return Acquisition(acquisition_id=acquisition_id, scan_shape=(4, 4), frame_shape=(8, 8), dtype="uint16")

    def frames(self, start: int, stop: int) -> np.ndarray:
        return FRAMES[start:stop]


def attach_and_detach(endpoint: str, detector: str, times: int, running: Callable[[], bool]) -> int:
    """Messages that came in all attachments together."""
    came = 0
    for _ in range(times):
        assert running(), "the sender ended"
        with sockets.context() as ctx:
            source, poller = open_source(ctx, StreamConfig(endpoint=endpoint, detector=detector)), sockets.Poller()
            deadline = time.monotonic() + 5
            got = 0
            while got < 3 and time.monotonic() < deadline:
                source.watch(poller)
                poller.wait(0.05)
                while source.receive() is not None:
                    got += 1
            source.ignore(poller)
            source.close()
            came += got
    return came


@pytest.mark.parametrize("detector", ["dectris", "merlin"])
def test_a_detector_does_not_notice_a_hundred_attachments(detector: str) -> None:
    with sockets.context() as ctx:
        merlin = detector == "merlin"
        outlet: Outlet = TcpOutlet("tcp://127.0.0.1:0") if merlin else PushOutlet(ctx, "tcp://127.0.0.1:*", 4)
        sender = Sender(outlet, MerlinWriter(12) if merlin else DectrisV2Writer())
        path, problems = ScanPath(Source()), []

        def send() -> None:
            try:
                sender.begin(path.acquisition("a"), 1 << 30)
                sender.send_frames(path, 0, 1 << 30, SendOptions(rate_hz=4000.0), lambda *_: None)
            except Exception as error:
                problems.append(error)

        thread = threading.Thread(target=send)
        thread.start()
        try:
            assert attach_and_detach(sender.endpoint, detector, 100, thread.is_alive) >= 300
        finally:
            sender.stop()
            thread.join(20)
            outlet.linger(0.0)
            outlet.close()
    assert not problems


def test_a_merlin_has_a_tcp_address() -> None:
    with sockets.context() as ctx, pytest.raises(ConfigError, match="write tcp://HOST:6342"):
        open_source(ctx, StreamConfig(endpoint="ipc:///tmp/merlin", detector="merlin"))
