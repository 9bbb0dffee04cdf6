"""Receiver and worker as they are, sockets and frame log included, in one thread; the analyst only counts."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from livebragg.config.schema import Config
from livebragg.errors import WireError
from livebragg.pipeline.receiving.receiver import Receiver
from livebragg.pipeline.runtime import Runtime
from livebragg.pipeline.worker import WorkerStage
from livebragg.storage.frame_log import FrameLogReader
from livebragg.wire import sockets
from livebragg.wire.messages import (
    AcquisitionDrained,
    AcquisitionOpened,
    AnalystFinished,
    DetectJob,
    DetectResult,
    ReceiverReport,
    ResultAccepted,
    WorkerReady,
)

PATIENCE_S = 120.0
FATES = ("frames_analysed", "frames_unmapped", "frames_failed")


class StagedPipeline:
    """A pipeline that moves only when it is told to.

    Parameters
    ----------
    ctx : zmq.Context
    folder : Path
        For sockets and frame log.
    config : Config
    """

    def __init__(self, ctx: Any, folder: Path, config: Config) -> None:
        runtime = Runtime(folder / "run", folder / "log", config, False, os.getppid())
        for part in (runtime.directory, runtime.log_directory):
            part.mkdir()
        self.receiver = Receiver(runtime, ctx)
        self._log = FrameLogReader(runtime.log_directory)
        self._stage = WorkerStage("w0", config, self._log)
        self._jobs = sockets.open_socket(ctx, sockets.DEALER, connect=runtime.jobs, identity="w0")
        self._events = sockets.open_socket(ctx, sockets.PULL, bind=runtime.results)
        self._answers = sockets.open_socket(ctx, sockets.PUSH, connect=runtime.accepted)
        self.opened: dict[int, AcquisitionOpened] = {}
        self.fates: dict[int, Counter[str]] = {}
        """Frames by what workers said of them."""
        self.sums: dict[int, Any] = {}
        self.drained: dict[int, AcquisitionDrained] = {}
        self.report: dict[str, float] = {}
        self.refused: list[WireError] = []
        """Why messages could not be used."""
        self.receiver._refuse = self._note_refusal

    def run_until(self, condition: Callable[[], bool]) -> None:
        """Go on until something is so."""
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < deadline, f"it took too long; the last report: {self.report}"
            self.receiver._turn()
            self._work()
            self._analyse()

    @property
    def at_rest(self) -> bool:
        """Whether the newest acquisition is done with, and nothing has come for a while."""
        intake, silent_s = self.receiver._intake, time.monotonic() - self.receiver._last_message_at
        return intake.serial > 0 and intake.serial in self.drained and silent_s > 0.3

    def counters(self, serial: int) -> dict[str, float]:
        """What receiver and workers say about an acquisition."""
        fates = self.fates.get(serial, Counter())
        return self.drained[serial].counters | {key: float(fates[key]) for key in FATES}

    def close(self) -> None:
        """Close files and descriptors; sockets end with their context."""
        self.receiver.close()
        self._log.close()

    def _work(self) -> None:
        finished = []
        while (job := sockets.receive(self._jobs)) is not None:
            if isinstance(job, DetectJob):
                answer = self._stage.handle(job)
                assert isinstance(answer, DetectResult)
                self._count(answer)
                finished.append(job.job_id)
        sign = WorkerReady(
            worker_id="w0", pid=os.getpid(), credits=2, finished=finished, jobs_done=0, frames_done=0, busy_s=0.0
        )  # fmt: skip
        sockets.send(self._jobs, sign)

    def _count(self, result: DetectResult) -> None:
        fates = self.fates.setdefault(result.serial, Counter())
        fates.update({key: getattr(result, key) for key in FATES})
        self.sums[result.serial] = self.sums.get(result.serial, 0.0) + result.sum_pattern
        sockets.send(self._answers, ResultAccepted(job_id=result.job_id, serial=result.serial))

    def _analyse(self) -> None:
        while (message := sockets.receive(self._events)) is not None:
            if isinstance(message, AcquisitionOpened):
                self.opened[message.serial] = message
            elif isinstance(message, AcquisitionDrained):
                self.drained[message.serial] = message
                finished = AnalystFinished(serial=message.serial, results_path="", problem="")
                sockets.send(self._answers, finished)
            elif isinstance(message, ReceiverReport):
                self.report = dict(message.counters)

    def _note_refusal(self, error: WireError) -> None:
        self.refused.append(error)
        Receiver._refuse(self.receiver, error)


@contextmanager
def staged_pipeline(folder: Path, config: Config) -> Iterator[StagedPipeline]:
    """A pipeline in this thread."""
    with sockets.context() as ctx:
        pipeline = StagedPipeline(ctx, folder, config)
        try:
            yield pipeline
        finally:
            pipeline.close()
