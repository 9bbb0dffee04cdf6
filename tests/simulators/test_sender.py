"""A sender's clock."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from livebragg.model import Acquisition
from livebragg.wire.messages import EndReason
from livebragg_simulators import sender as sender_module
from livebragg_simulators.sender import Sender, SendOptions
from livebragg_simulators.sources import ScanPath


class Source:
    def acquisition(self, acquisition_id: str) -> Acquisition:
        return Acquisition(acquisition_id=acquisition_id, scan_shape=(1, 6), frame_shape=(4, 6), dtype="uint8")

    def frames(self, start: int, stop: int) -> NDArray[np.uint8]:
        return np.zeros((stop - start, 4, 6), np.uint8)


class Outlet:
    endpoint = "tcp://nowhere:1"

    def offer(self, parts: list[Any]) -> bool:
        return True

    def settle(self) -> bool:
        return True

    def linger(self, seconds: float) -> None: ...


class Writer:
    """Notes when frames are worded."""

    linger_frames = 1

    def __init__(self, clock: list[float]) -> None:
        self.clock, self.worded = clock, []

    def start(self, acquisition: Acquisition, n_frames: int) -> list[Any]:
        return []

    def frames(self, first: int, frames: NDArray[Any]) -> list[Any]:
        self.worded.append(round(self.clock[0], 6))
        return []

    def end(self, frames_sent: int, reason: EndReason) -> list[Any]:
        return []

    def alive(self, frames_sent: int) -> list[Any]:
        return []


def test_frames_are_worded_when_they_are_due_and_not_while_they_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their messages tell when they were read out."""
    clock = [0.0]

    def sleep(seconds: float) -> None:
        clock[0] += seconds

    monkeypatch.setattr(sender_module, "time", SimpleNamespace(monotonic=lambda: clock[0], sleep=sleep))
    writer = Writer(clock)
    Sender(Outlet(), writer).send(ScanPath(Source()), "a", SendOptions(rate_hz=2.0), lambda *_: None)
    assert writer.worded == [0.5, 1.0, 1.5, 2.0, 2.5, 3.0]
