"""What a detector, its software or its operator may do to an acquisition."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

from numpy.typing import NDArray

from livebragg.model import Acquisition
from livebragg.wire.messages import EndReason
from livebragg_simulators.faults.plan import Faults, ScanFault
from livebragg_simulators.outlets import Outlet
from livebragg_simulators.sender import Progress, Sender, SendOptions, Sent
from livebragg_simulators.sources import ScanPath
from livebragg_simulators.writers import Parts, StreamWriter


class FaultySender(Sender):
    """A sender some of whose acquisitions go wrong in their middle; see `Sender`.

    Parameters
    ----------
    outlet : Outlet
    writer : StreamWriter
    faults : Faults
    """

    def __init__(self, outlet: Outlet, writer: StreamWriter, faults: Faults) -> None:
        super().__init__(outlet, writer)
        self._dice = faults.of(ScanFault)
        self._cropping = False
        self.counters: Counter[str] = Counter()
        """Faults done, by kind."""

    def send(self, path: ScanPath, acquisition_id: str, options: SendOptions, progress: Progress) -> Sent:
        """See `Sender.send`."""
        fault = next((kind for kind in ScanFault if self._dice.happens(kind)), None)
        if fault is None:
            return super().send(path, acquisition_id, options, progress)
        self.counters[fault] += 1
        start, stop = options.range_of(path.geometry.n_frames)
        at = start + self._dice.random.randint(1, max(1, stop - start - 1))
        announced, n_frames, began = path.acquisition(acquisition_id), path.geometry.n_frames, time.monotonic()
        self.begin(announced, n_frames)
        sent = self.send_frames(path, start, at, options, progress)
        at = self._go_wrong(fault, announced, n_frames, at, start)
        try:
            if fault is not ScanFault.ABORT:
                sent += self.send_frames(path, at, stop, options, progress)
        finally:
            self._cropping = False
        complete = self._end(fault, stop - start)
        return Sent(sent, time.monotonic() - began, complete)

    def _go_wrong(self, fault: ScanFault, announced: Acquisition, n_frames: int, at: int, start: int) -> int:
        """Do it before frame `at`; returns the frame with which it goes on."""
        if fault is ScanFault.EARLY_END:
            self.say_end(EndReason.FINISHED)
        elif fault is ScanFault.WRONG_SHAPE:
            self._cropping = True
        elif fault in (ScanFault.RECONNECT, ScanFault.RESTART):
            self.reopen()
        if fault in (ScanFault.DOUBLE_START, ScanFault.RESTART):
            self.begin(announced, n_frames)
        return start if fault is ScanFault.RESTART else at

    def _end(self, fault: ScanFault, expected: int) -> bool:
        if fault is ScanFault.ABORT:
            self.say_end(EndReason.ABORTED)
        elif fault not in (ScanFault.NO_END, ScanFault.EARLY_END):
            self.say_end(EndReason.FINISHED if self._sent >= expected else EndReason.STOPPED)
        return self.leave(not self._stopped)

    def _word(self, first: int, frames: NDArray[Any]) -> list[Parts]:
        """Frames as they are, or only the upper half of each."""
        return super()._word(first, frames[:, : frames.shape[1] // 2] if self._cropping else frames)
