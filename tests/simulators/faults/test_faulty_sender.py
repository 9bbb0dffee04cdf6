"""Faults of whole acquisitions, as the messages that leave."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from livebragg.model import Acquisition
from livebragg.wire.codec import decode
from livebragg.wire.messages import AcquisitionEnd, AcquisitionStart, EndReason, FrameBatch
from livebragg_simulators.faults.faulty_sender import FaultySender
from livebragg_simulators.faults.plan import Faults, ScanFault
from livebragg_simulators.sender import SendOptions, Sent
from livebragg_simulators.sources import ScanPath
from livebragg_simulators.writers import NativeWriter

N = 40
FRAMES = np.zeros((N, 4, 6), np.uint8)


class Source:
    def acquisition(self, acquisition_id: str) -> Acquisition:
        return Acquisition(acquisition_id=acquisition_id, scan_shape=(4, 10), frame_shape=(4, 6), dtype="uint8")

    def frames(self, start: int, stop: int) -> np.ndarray:
        return FRAMES[start:stop]


class Sink:
    """Takes everything; a restart is a word among the messages."""

    endpoint = "tcp://nowhere:1"

    def __init__(self) -> None:
        self.got: list[Any] = []

    def offer(self, parts: list[Any]) -> bool:
        self.got.append(decode(parts))
        return True

    def settle(self) -> bool:
        return True

    def linger(self, seconds: float) -> None: ...

    def reopen(self) -> None:
        self.got.append("gone")

    def close(self) -> None: ...


def sent(fault: str, seed: int = 1, rate: float = 1.0) -> tuple[list[Any], Sent]:
    sink = Sink()
    sender = FaultySender(sink, NativeWriter(), Faults({fault: rate}, seed))
    report = sender.send(ScanPath(Source()), "a", SendOptions(batch_frames=1), lambda *_: None)
    assert sender.counters[fault] == (rate > 0)
    return sink.got, report


def shape_of(messages: list[Any]) -> str:
    """What came, in letters: a start, frames, an end, and the moment the sender was gone."""
    letters = {AcquisitionStart: "S", FrameBatch: "f", AcquisitionEnd: "E", str: "-"}
    return "".join(letters[type(message)] for message in messages)


@pytest.mark.parametrize(
    ("fault", "shape"),
    [
        (ScanFault.NO_END, "Sff"),
        (ScanFault.EARLY_END, "SfEf"),
        (ScanFault.ABORT, "SfE"),
        (ScanFault.DOUBLE_START, "SfSfE"),
        (ScanFault.WRONG_SHAPE, "SffE"),
        (ScanFault.RECONNECT, "Sf-fE"),
        (ScanFault.RESTART, "Sf-SfE"),
    ],
)
def test_each_fault_is_what_it_is_called(fault: str, shape: str) -> None:
    messages, report = sent(fault)
    assert report.complete
    runs = shape_of(messages)
    while "ff" in runs:
        runs = runs.replace("ff", "f")
    assert runs == shape.replace("ff", "f")
    numbers = [m.first_frame for m in messages if isinstance(m, FrameBatch)]
    once = numbers[numbers.index(0, 1) :] if fault == ScanFault.RESTART else numbers
    assert once == list(range(len(once)))
    assert (len(once) == N) == (fault != ScanFault.ABORT)


def test_an_abort_says_so_and_after_how_many_frames() -> None:
    messages, report = sent(ScanFault.ABORT)
    assert messages[-1].reason is EndReason.ABORTED
    assert 0 < messages[-1].frames_sent == report.frames < N


def test_frames_of_the_wrong_shape_follow_some_of_the_right_one() -> None:
    sizes = [len(m.payload) for m in sent(ScanFault.WRONG_SHAPE)[0] if isinstance(m, FrameBatch)]
    right = sizes.count(24)
    assert sizes == [24] * right + [12] * (N - right)
    assert 0 < right < N


def test_the_same_seed_has_the_fault_in_the_same_place_and_another_elsewhere() -> None:
    places = {seed: shape_of(sent(ScanFault.DOUBLE_START, seed)[0]) for seed in (1, 2, 3)}
    assert places[1] == shape_of(sent(ScanFault.DOUBLE_START, 1)[0])
    assert len(set(places.values())) > 1


def test_without_a_fault_the_acquisition_is_a_usual_one() -> None:
    messages, report = sent(ScanFault.ABORT, rate=0.0)
    assert shape_of(messages) == "S" + "f" * N + "E"
    assert report.complete
