"""A simulated control unit over real sockets: a client configures, arms, triggers, disarms, gets its images."""

from __future__ import annotations

import json
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from dectris_stream import Stream
from livebragg.errors import ConfigError
from livebragg.model import Acquisition
from livebragg.wire import sockets
from livebragg.wire.messages import AcquisitionEnd, AcquisitionStart, EndReason
from livebragg_simulators.dectris.dcu import Dcu, SwitchingWriter, rest_server
from livebragg_simulators.dectris.series import SeriesFacts
from livebragg_simulators.dectris.simplon import Simplon
from livebragg_simulators.dectris.v1 import DectrisV1Writer
from livebragg_simulators.dectris.v2 import DectrisV2Writer
from livebragg_simulators.outlets import PushOutlet
from livebragg_simulators.sender import Sender, SendOptions
from livebragg_simulators.sources import ScanPath

FRAMES = np.random.default_rng(2).poisson(2, (12, 24, 31)).astype(np.uint16)


class Source:
    def acquisition(self, acquisition_id: str) -> Acquisition:
        return Acquisition(acquisition_id=acquisition_id, scan_shape=(3, 4), frame_shape=(24, 31), dtype="uint16")

    def frames(self, start: int, stop: int) -> np.ndarray:
        return FRAMES[start:stop]


class Client:
    """REST requests, and everything that comes on the stream."""

    def __init__(self, address: str, socket: Any) -> None:
        self._address, self._socket, self.stream = address, socket, Stream()

    def put(self, path: str, value: Any = None) -> Any:
        request = urllib.request.Request(
            f"{self._address}/{path}", data=json.dumps({"value": value}).encode(), method="PUT"
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            text = answer.read()
            return json.loads(text) if text else None

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(f"{self._address}/{path}", timeout=10) as answer:
            return json.loads(answer.read())["value"]

    def receive_until(self, kind: type[Any], count: int = 1) -> Stream:
        deadline = time.monotonic() + 30
        while len(self.stream.of(kind)) < count:
            assert time.monotonic() < deadline, f"no {kind.__name__} within 30 s"
            parts = sockets.receive_parts(self._socket)
            if parts is None:
                self.stream.flush()
                time.sleep(0.005)
            else:
                self.stream.take([bytes(part) for part in parts])
        return self.stream


@contextmanager
def dcu(rate_hz: float = 0.0) -> Iterator[Client]:
    facts = SeriesFacts()
    path = ScanPath(Source())
    simplon = Simplon(path.acquisition("a"), path.geometry.n_frames, facts, cbor=False)
    writer = SwitchingWriter(DectrisV1Writer(facts), DectrisV2Writer(facts), False)
    with sockets.context() as ctx, rest_server(simplon, "127.0.0.1:0") as address:
        sender = Sender(PushOutlet(ctx, "tcp://127.0.0.1:*", 4), writer)
        unit = Dcu(simplon, sender, writer, path, SendOptions(rate_hz=rate_hz), lambda _: None)
        thread = threading.Thread(target=unit.run)
        thread.start()
        try:
            yield Client(address, sockets.open_socket(ctx, sockets.PULL, connect=sender.endpoint, linger_ms=0))
        finally:
            unit.stop()
            thread.join(20)
            assert not thread.is_alive()


@pytest.mark.parametrize("stream_format", ["legacy", "cbor"])
def test_an_armed_detector_sends_the_series_that_was_asked_for(stream_format: str) -> None:
    with dcu() as client:
        client.put("stream/api/1.8.0/config/format", stream_format)
        for name, value in (("trigger_mode", "exte"), ("nimages", 1), ("ntrigger", 30)):
            client.put(f"detector/api/1.8.0/config/{name}", value)
        assert client.put("detector/api/1.8.0/command/arm") == {"sequence id": 1}
        stream = client.receive_until(AcquisitionEnd)
        assert stream.of(AcquisitionStart)[0].n_frames == 30
        frames, problems = stream.frames()
        assert not problems
        assert np.array_equal([frames[k] for k in range(30)], FRAMES[np.arange(30) % 12])
        assert client.put("detector/api/1.8.0/command/arm") == {"sequence id": 2}
        client.receive_until(AcquisitionEnd, 2)


def test_internal_triggers_release_the_images_of_one_trigger_each() -> None:
    with dcu() as client:
        for name, value in (("trigger_mode", "ints"), ("nimages", 4), ("ntrigger", 2)):
            client.put(f"detector/api/1.8.0/config/{name}", value)
        client.put("detector/api/1.8.0/command/arm")
        client.receive_until(AcquisitionStart)
        for _ in range(2):
            client.put("detector/api/1.8.0/command/trigger")
        stream = client.receive_until(AcquisitionEnd)
        assert sorted(stream.frames()[0]) == list(range(8))


def test_disarming_ends_a_series_early() -> None:
    with dcu(rate_hz=50) as client:
        for name, value in (("trigger_mode", "exts"), ("nimages", 100_000), ("ntrigger", 1)):
            client.put(f"detector/api/1.8.0/config/{name}", value)
        client.put("detector/api/1.8.0/command/arm")
        client.receive_until(AcquisitionStart)
        client.put("detector/api/1.8.0/command/disarm")
        stream = client.receive_until(AcquisitionEnd)
        assert stream.of(AcquisitionEnd)[0].reason is EndReason.STOPPED
        assert client.get("detector/api/1.8.0/status/state") == "idle"


@pytest.mark.parametrize("address", ["8910", "127.0.0.1", "127.0.0.1:http", "127.0.0.1:99999"])
def test_an_address_that_is_none_is_refused(address: str) -> None:
    simplon = Simplon(Source().acquisition("a"), 12, SeriesFacts(), cbor=True)
    with pytest.raises(ConfigError, match="write HOST:PORT"), rest_server(simplon, address):
        pass
