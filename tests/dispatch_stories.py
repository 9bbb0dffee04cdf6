"""A detector, workers and an analyst without sockets or clocks, around the real intake and dispatcher."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from livebragg.config.detection import ProbeConfig
from livebragg.config.pipeline import DispatchConfig, ScanConfig
from livebragg.errors import FrameLogFullError
from livebragg.model import Acquisition, ProbeShape
from livebragg.pipeline.health import Notices
from livebragg.pipeline.receiving.dispatcher import ANALYST, Dispatcher, Outgoing
from livebragg.pipeline.receiving.intake import Intake
from livebragg.storage.frame_log import FrameLogWriter
from livebragg.wire.messages import (
    AcquisitionDrained,
    AcquisitionEnd,
    AcquisitionStart,
    DetectJob,
    FrameBatch,
    MeasureJob,
    ProbeMeasured,
    ResultAccepted,
    StreamMessage,
    WorkerReady,
)

PROBE = ProbeShape(radius=2.0, edge_width=0.5, center=(1.0, 1.0))
KNOWN_PROBE = ProbeConfig(radius=2.0, edge_width=0.5, center=(1.0, 1.0))
UNKNOWN_PROBE = ProbeConfig(frames=16)
SMALL = DispatchConfig(batch_frames=8, flush_ms=20.0, job_timeout_s=5.0, probe_wait_s=1.0)
T0 = 1000.0


def acquisition(rows: int | None = 4, cols: int = 10, name: str = "a", **fields: Any) -> Acquisition:
    """A scan of frames of 2x3 pixels of one byte."""
    shape = None if rows is None else (rows, cols)
    return Acquisition(acquisition_id=name, scan_shape=shape, frame_shape=(2, 3), dtype="uint8", **fields)


def start(rows: int | None = 4, cols: int = 10, name: str = "a", **fields: Any) -> AcquisitionStart:
    """The start of such a scan."""
    return AcquisitionStart(acquisition=acquisition(rows, cols, name, **fields))


def batch(first: int, n: int, name: str = "a", **fields: Any) -> FrameBatch:
    """Frames whose pixels are their number."""
    frames = np.arange(first, first + n).repeat(6) % 251
    return FrameBatch(
        acquisition_id=name, first_frame=first, n_frames=n, payload=frames.astype(np.uint8).tobytes(), **fields
    )


def end(frames_sent: int, name: str = "a", **fields: Any) -> AcquisitionEnd:
    """The end of such a scan."""
    return AcquisitionEnd(acquisition_id=name, frames_sent=frames_sent, **fields)


class FakeWorker:
    """Takes jobs in order, and answers when it is told to."""

    def __init__(self, name: str, pid: int, credits: int) -> None:
        self.name, self.pid, self.credits = name, pid, credits
        self.jobs: list[DetectJob | MeasureJob] = []
        self.finished: list[int] = []
        self.alive = True

    def ready(self) -> WorkerReady:
        """Sign of life."""
        done, self.finished = self.finished, []
        return WorkerReady(
            worker_id=self.name, pid=self.pid, credits=self.credits, finished=done, jobs_done=0, frames_done=0,
            busy_s=0.0,
        )  # fmt: skip


class FakePipeline:
    """Receiver, workers and analyst on a clock of their own; every step can be told to go wrong.

    Parameters
    ----------
    folder : Path
        For the frame log.
    log_bytes : int
        Capacity of the frame log; a segment is an eighth of it.
    """

    def __init__(
        self,
        folder: Path,
        *,
        config: DispatchConfig | None = None,
        probe: ProbeConfig = KNOWN_PROBE,
        scan: ScanConfig | None = None,
        log_bytes: int = 1 << 20,
        drop: bool = False,
    ) -> None:
        self.config = config or DispatchConfig(batch_frames=8, flush_ms=20.0)
        self.notices = Notices()
        self.log = FrameLogWriter(folder, log_bytes // 8, log_bytes)
        self.intake = Intake(scan or ScanConfig(), self.log, drop_when_full=drop, notices=self.notices)
        self.dispatcher = Dispatcher(self.config, probe, self.log, self.notices, false_disks_per_frame=0.1)
        self.now = T0
        self.workers: dict[str, FakeWorker] = {}
        self.to_analyst: list[object] = []
        self.results: list[DetectJob] = []
        """On the way to the analyst."""
        self.acceptances: list[ResultAccepted] = []
        """On the way back."""
        self.accepted: dict[int, DetectJob] = {}
        self.streams: list[Any] = []

    # ------------------------------------------------------------------------------------ the receiver
    def send(self, message: StreamMessage) -> bool:
        """A message of the detector; False when it has to wait."""
        serial = self.intake.serial
        try:
            events = self.intake.handle(message, self.now)
        except FrameLogFullError:
            self.deliver(self.dispatcher.on_log_full(self.now))
            return False
        if self.intake.serial != serial:
            self.streams.append(self.intake.stream)
        self.deliver(self.dispatcher.on_stream(events, self.now))
        return True

    def deliver(self, out: Outgoing) -> None:
        """Hand messages to those they are for; what a dead worker gets is lost."""
        for destination, message in out:
            if destination == ANALYST:
                self.to_analyst.append(message)
            elif destination in self.workers and self.workers[destination].alive:
                self.workers[destination].jobs.append(message)  # type: ignore[arg-type]

    def tick(self, seconds: float) -> None:
        """Time passes."""
        self.now += seconds
        self.deliver(self.dispatcher.assign(self.now))

    def stop(self, *, immediately: bool = False) -> None:
        """The operator stops everything."""
        self.deliver(self.dispatcher.on_stream(self.intake.stop("stopped"), self.now))
        if immediately:
            self.deliver(self.dispatcher.discard_backlog(self.now))

    # ------------------------------------------------------------------------------------- the workers
    def add_worker(self, name: str = "w0", pid: int = 1, credits: int = 3) -> FakeWorker:
        """A worker starts and asks for work."""
        worker = self.workers[name] = FakeWorker(name, pid, credits)
        self.say_ready(name)
        return worker

    def say_ready(self, name: str) -> None:
        """A worker's sign of life."""
        self.deliver(self.dispatcher.on_ready(self.workers[name].ready(), self.now))

    def work(self, name: str, probe: ProbeShape | None = PROBE) -> bool:
        """A worker does its oldest job, but has not told the receiver yet; False when it has none."""
        worker = self.workers[name]
        if not worker.jobs:
            return False
        job = worker.jobs.pop(0)
        if isinstance(job, MeasureJob):
            answer = ProbeMeasured(
                worker_id=name, job_id=job.job_id, serial=job.serial, probe=probe,
                problem="" if probe else "no beam",
            )  # fmt: skip
            self.deliver(self.dispatcher.on_probe(answer, self.now))
        else:
            self.results.append(job)
            worker.finished.append(job.job_id)
        return True

    def kill(self, name: str) -> None:
        """A worker dies, and the receiver notices."""
        self.workers.pop(name).alive = False
        self.deliver(self.dispatcher.worker_lost(name, self.now))

    # -------------------------------------------------------------------------------------- the analyst
    def analyse(self) -> None:
        """The analyst takes all results; those of acquisitions it has finished, or has already, are ignored."""
        drained = {m.serial for m in self.to_analyst if isinstance(m, AcquisitionDrained)}
        for job in self.results:
            if job.job_id not in self.accepted and job.serial not in drained:
                self.accepted[job.job_id] = job
            self.acceptances.append(ResultAccepted(job_id=job.job_id, serial=job.serial))
        self.results.clear()

    def acknowledge(self) -> None:
        """The receiver hears what the analyst accepted."""
        for message in self.acceptances:
            self.deliver(self.dispatcher.on_accepted(message, self.now))
        self.acceptances.clear()

    def finish_work(self) -> None:
        """Everything is worked off, with one more worker to be sure."""
        self.add_worker("last", pid=999)
        for _ in range(100_000):
            if not self.dispatcher.busy:
                return
            self.tick(0.05)
            for name in list(self.workers):
                self.work(name)
                self.say_ready(name)
            self.analyse()
            self.acknowledge()
        raise AssertionError("the pipeline never came to an end")

    # ------------------------------------------------------------------------------------- the accounts
    def frames_accepted(self, serial: int) -> list[int]:
        """Numbers of the frames the analyst has, in order of arrival."""
        jobs = [job for job in self.accepted.values() if job.serial == serial]
        return [
            piece.first_frame + k
            for job in jobs
            for piece in job.pieces
            for k in range(piece.n_frames)
            if k not in piece.skip
        ]

    def owners(self, serial: int) -> dict[int, set[int]]:
        """Jobs the analyst has of each scan position."""
        geometry = self.streams[serial - 1].geometry
        jobs = [job for job in self.accepted.values() if job.serial == serial]
        owner: dict[int, set[int]] = {}
        for job in jobs:
            for piece in job.pieces:
                index = geometry.scan_index(np.arange(piece.first_frame, piece.first_frame + piece.n_frames))
                for place in np.delete(index, list(piece.skip)):
                    owner.setdefault(int(place), set()).add(job.job_id)
        owner.pop(-1, None)
        return owner

    def told(self, kind: type[Any]) -> list[Any]:
        """Messages of one class to the analyst."""
        return [m for m in self.to_analyst if isinstance(m, kind)]

    def unreleased(self) -> int:
        """Payloads in the frame log that are still needed."""
        return sum(segment.unreleased for segment in self.log._segments.values())


def each_position_is_in_one_job(pipe: FakePipeline) -> bool:
    """Whether no position's frames were divided among jobs; every frame of the scan must have come."""
    owner = pipe.owners(1)
    geometry = pipe.streams[0].geometry
    assert sorted(pipe.frames_accepted(1)) == list(range(geometry.n_frames)), "every frame once"
    assert len(owner) == geometry.n_positions
    assert pipe.unreleased() == 0
    assert pipe.dispatcher.jobs.divided == {}
    return all(len(jobs) == 1 for jobs in owner.values())
