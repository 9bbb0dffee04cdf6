"""Every fault on purpose in every detector's language, through the real receiver, frame log and worker.

After it each frame that was received has one fate, and the next acquisition is as if nothing had been.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from livebragg.config.loader import from_table
from livebragg.config.schema import Config
from livebragg.errors import SequenceError, WireError
from livebragg.model import Acquisition
from livebragg.pipeline.receiving import intake
from livebragg.wire import sockets
from livebragg.wire.messages import EndReason
from livebragg_simulators import outlets
from livebragg_simulators.dectris.series import SeriesFacts
from livebragg_simulators.dectris.v1 import DectrisV1Writer
from livebragg_simulators.dectris.v2 import DectrisV2Writer
from livebragg_simulators.faults import faulty_outlet
from livebragg_simulators.faults.faulty_outlet import FaultyOutlet
from livebragg_simulators.faults.faulty_sender import FaultySender
from livebragg_simulators.faults.plan import Faults, MessageFault, ScanFault
from livebragg_simulators.merlin.writer import MerlinWriter
from livebragg_simulators.outlets import Outlet, PushOutlet, TcpOutlet
from livebragg_simulators.sender import Sender, SendOptions
from livebragg_simulators.sources import ScanPath
from livebragg_simulators.writers import NativeWriter, StreamWriter
from staged_pipeline import FATES, StagedPipeline, staged_pipeline

ROWS, COLS = 8, 10
N = ROWS * COLS
SHAPE = (32, 30)
FRAMES = np.random.default_rng(8).poisson(3, (N, *SHAPE)).astype(np.uint16)
SEED = 5
"""With which the first message arrives."""

OPTIONS = SendOptions(rate_hz=1500, batch_frames=4)

WRITERS: dict[str, Callable[[], StreamWriter]] = {
    "native": NativeWriter,
    "dectris-v1": lambda: DectrisV1Writer(SeriesFacts(header_appendix={"scan_shape": [ROWS, COLS]})),
    "dectris-v2": lambda: DectrisV2Writer(SeriesFacts(header_appendix={"scan_shape": [ROWS, COLS]})),
    "merlin": MerlinWriter,
}


class Source:
    def acquisition(self, acquisition_id: str) -> Acquisition:
        return Acquisition(
            acquisition_id=acquisition_id, scan_shape=(ROWS, COLS), frame_shape=SHAPE, dtype="uint16"
        )

    def frames(self, start: int, stop: int) -> np.ndarray:
        return FRAMES[start:stop]


@pytest.fixture(autouse=True)
def _no_long_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "END_COMPLETE_AFTER_S", 0.1)
    monkeypatch.setattr(faulty_outlet, "PAUSE_S", 0.05)
    monkeypatch.setattr(outlets, "AWAY_S", 0.1)


def send_two(outlet: Outlet, writer: StreamWriter, faults: Faults) -> dict[str, int]:
    """An acquisition with faults and one without, on one connection; returns the faults that were done."""
    faulty = FaultyOutlet(outlet, faults)
    sender = FaultySender(faulty, writer, faults)
    sender.send(ScanPath(Source()), "faulty", OPTIONS, lambda *_: None)
    Sender(outlet, writer).send(ScanPath(Source()), "next", OPTIONS, lambda *_: None)
    return dict(faulty.counters + sender.counters)


def through_the_pipeline(folder: Path, protocol: str, faults: Faults) -> tuple[StagedPipeline, dict[str, int]]:
    done: dict[str, int] = {}
    with sockets.context() as ctx:
        outlet: Outlet = (
            TcpOutlet("tcp://127.0.0.1:0") if protocol == "merlin" else PushOutlet(ctx, "tcp://127.0.0.1:*", 4)
        )
        config = from_table(
            Config,
            {
                "stream": {"endpoint": outlet.endpoint, "detector": protocol.partition("-")[0]},
                "probe": {"radius": 3.0, "edge_width": 0.7, "center": [16.0, 15.0]},
            },
        )
        with staged_pipeline(folder, config) as pipe:
            sending = threading.Thread(target=lambda: done.update(send_two(outlet, WRITERS[protocol](), faults)))
            sending.start()
            pipe.run_until(lambda: not sending.is_alive() and pipe.at_rest)
            sending.join()
        outlet.close()
    return pipe, done


def check_accounting(pipe: StagedPipeline) -> None:
    """Each frame that was received has one fate; the last acquisition is complete and right."""
    assert sorted(pipe.drained) == list(range(1, max(pipe.drained) + 1))
    for serial in pipe.drained:
        counted = pipe.counters(serial)
        assert counted.get("frames_received", 0) == sum(counted[key] for key in FATES)
    last = max(pipe.drained)
    assert pipe.counters(last)["frames_analysed"] == N
    assert not pipe.counters(last).get("frames_missing")
    assert pipe.drained[last].reason is EndReason.FINISHED
    assert np.array_equal(pipe.sums[last], FRAMES.sum(axis=0))


@dataclass
class Faulty:
    """What became of the acquisition with the fault; it may have been taken for several."""

    refused: list[WireError]
    """Why messages could not be used."""
    parts: list[dict[str, float]]
    """Counters."""

    def __getitem__(self, key: str) -> float:
        return sum(counted.get(key, 0.0) for counted in self.parts)

    @property
    def whole(self) -> bool:
        """Whether nothing is lacking, and nothing was refused."""
        return self["frames_analysed"] == N and not self.refused

    @property
    def late(self) -> bool:
        """Whether all that was refused came too late."""
        return bool(self.refused) and all(isinstance(error, SequenceError) for error in self.refused)


EXPECTED: dict[str, Callable[[Faulty], bool]] = {
    MessageFault.DROP: lambda f: 0 < f["frames_missing"] <= N - f["frames_received"],
    MessageFault.DUPLICATE: lambda f: f["frames_analysed"] == N and f["frames_duplicate"] > 0,
    MessageFault.REORDER: lambda f: f.late or f.whole,
    MessageFault.TRUNCATE: lambda f: f["frames_analysed"] >= N / 2,
    MessageFault.CORRUPT: lambda f: f["frames_analysed"] >= N / 2,
    MessageFault.PAUSE: lambda f: f.whole,
    MessageFault.BURST: lambda f: f.whole,
    ScanFault.NO_END: lambda f: f.whole and len(f.parts) == 1,
    ScanFault.EARLY_END: lambda f: f.late and 0 < f["frames_analysed"] < N,
    ScanFault.ABORT: lambda f: not f.refused and 0 < f["frames_analysed"] < N,
    ScanFault.DOUBLE_START: lambda f: f.whole and len(f.parts) == 2,
    ScanFault.WRONG_SHAPE: lambda f: 0 < f["frames_analysed"] < N and f["frames_failed"] + len(f.refused) > 0,
    ScanFault.RECONNECT: lambda f: len(f.parts) == 1 and f["frames_received"] + f["frames_missing"] == N,
    ScanFault.RESTART: lambda f: len(f.parts) == 2 and f.parts[1]["frames_analysed"] == N,
}
NO_WORD_FOR_IT = {("merlin", ScanFault.EARLY_END): EXPECTED[ScanFault.NO_END]}
"""Merlin has no end that could come early."""


def rate_of(fault: str) -> float:
    return 1.0 if fault in tuple(ScanFault) else 0.1


@pytest.mark.parametrize("protocol", WRITERS)
@pytest.mark.parametrize("fault", EXPECTED)
def test_after_a_fault_every_frame_has_its_fate_and_the_next_scan_is_untouched(
    tmp_path: Path, protocol: str, fault: str
) -> None:
    pipe, done = through_the_pipeline(tmp_path, protocol, Faults({fault: rate_of(fault)}, seed=SEED))
    assert done[fault] > 0
    check_accounting(pipe)
    faulty = Faulty(pipe.refused, [pipe.counters(serial) for serial in sorted(pipe.drained)[:-1]])
    expected = NO_WORD_FOR_IT.get((protocol, fault), EXPECTED[fault])
    assert expected(faulty), faulty
