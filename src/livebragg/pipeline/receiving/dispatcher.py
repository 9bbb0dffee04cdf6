"""Dispatcher: who analyses what. A stage without sockets or clocks; the receiver process runs it.

Each method takes an event and the time and returns messages with their destinations: ``ANALYST``, or the id of
a worker.
"""

from __future__ import annotations

from dataclasses import dataclass

from livebragg.config.detection import ProbeConfig
from livebragg.config.pipeline import DispatchConfig
from livebragg.model import ProbeShape, ScanGeometry
from livebragg.pipeline.health import Notices
from livebragg.pipeline.probe_finder import ProbeFinder, fixed_probe
from livebragg.pipeline.receiving.intake import Ended, IntakeEvent, Opened, Stored, Stream
from livebragg.pipeline.receiving.job_table import HeldPositions, Job, JobTable
from livebragg.storage.frame_log import FrameLogWriter
from livebragg.wire.messages import (
    AcquisitionDrained,
    AcquisitionOpened,
    DetectJob,
    EndReason,
    MeasureJob,
    Piece,
    ProbeChosen,
    ProbeMeasured,
    ResultAccepted,
    WorkerReady,
)

ANALYST = "analyst"
MAX_UNACCEPTED_JOBS = 256
"""Results that may wait for the analyst before workers have to wait for it."""

HELD_SHARE = 0.25
"""Share of the frame log that may arrive while frames wait for the others of their position: what never comes
must not fill the log."""

Outgoing = list[tuple[str, object]]


@dataclass(slots=True)
class _Run:
    """One acquisition until it is drained."""

    stream: Stream
    finder: ProbeFinder
    held: HeldPositions | None
    """``None`` when every frame is a position."""
    ended: Ended | None = None


@dataclass(slots=True)
class WorkerState:
    """A worker as the dispatcher knows it."""

    worker_id: str
    pid: int
    credits: int
    last_seen: float
    jobs_done: int = 0
    frames_done: int = 0
    busy_s: float = 0.0


class Dispatcher:
    """Gives jobs to workers that asked, takes back those of lost workers, and tells when all is done."""

    def __init__(
        self,
        config: DispatchConfig,
        probe: ProbeConfig,
        log: FrameLogWriter,
        notices: Notices,
        false_disks_per_frame: float,
    ) -> None:
        self._config = config
        self._probe_frames = probe.frames
        self._log = log
        self._notices = notices
        self._fixed_probe = fixed_probe(probe)
        self._runs: dict[int, _Run] = {}
        self._next_measurement = -1
        self.false_disks_per_frame = false_disks_per_frame
        """Sensitivity of the jobs that are given out from now on."""
        self.jobs = JobTable(config.batch_frames, config.flush_ms / 1000, config.max_attempts)
        self.workers: dict[str, WorkerState] = {}
        self.measuring: dict[str, tuple[int, float]] = {}
        """Serial and start of the measurement each worker is busy with."""
        self._written_off: dict[int, tuple[Job, str]] = {}
        """Jobs that were given up or skipped although a worker had them, and as what they were counted."""

    # ------------------------------------------------------------------------------------- the stream
    def on_stream(self, events: list[IntakeEvent], now: float) -> Outgoing:
        """Take what intake made of a message."""
        out: Outgoing = []
        for event in events:
            if isinstance(event, Opened):
                out += self._open(event.stream, now)
            elif isinstance(event, Stored):
                self._store(self._runs[event.stream.serial], event.piece, now)
            else:
                run = self._runs[event.stream.serial]
                run.ended = event
                self._let_go_of_all(run, now)
                self.jobs.close_open()
        return out + self.assign(now)

    def change_geometry(self, serial: int, geometry: ScanGeometry) -> None:
        """Frames of an acquisition lie elsewhere, but the same ones belong together.

        Jobs that workers have keep their geometry, which their results name.
        """
        if serial in self._runs:
            self._runs[serial].stream.geometry = geometry

    def _open(self, stream: Stream, now: float) -> Outgoing:
        finder = ProbeFinder(self._probe_frames, self._config.probe_wait_s, now)
        self._runs[stream.serial] = _Run(stream, finder, self._holder(stream))
        opened = AcquisitionOpened(
            acquisition=stream.acquisition,
            serial=stream.serial,
            geometry=stream.geometry,
            n_frames_expected=stream.n_frames_expected,
            opened_at=now,
        )
        out: Outgoing = [(ANALYST, opened)]
        if self._fixed_probe is not None:
            out += self._use_probe(stream.serial, self._fixed_probe, measured=False)
        return out

    def _holder(self, stream: Stream) -> HeldPositions | None:
        if stream.geometry.frames_per_position == 1:
            return None
        return HeldPositions(stream.geometry, int(self._log.capacity_bytes * HELD_SHARE), self.jobs.divided)

    def _store(self, run: _Run, piece: Piece, now: float) -> None:
        run.finder.add(piece)
        if run.held is None:
            self.jobs.add(run.stream.serial, piece, now)
            return
        cut = len(run.held.cut)
        groups = run.held.add(piece)
        self.jobs.add_groups(run.stream.serial, groups, now, more=run.held.newest_waits)
        if len(run.held.cut) > cut:
            self._notice_cut(run)

    def _let_go_of_all(self, run: _Run, now: float) -> None:
        if run.held is not None:
            self.jobs.add_groups(run.stream.serial, run.held.let_go_of_all(), now)

    def _notice_cut(self, run: _Run) -> None:
        assert run.held is not None
        self._notices.add(
            f"{len(run.held.cut)} positions of {run.stream.acquisition.acquisition_id!r} were analysed without "
            "some of their frames, which did not come in time; send all frames of a position in one batch, or "
            "raise frame_log.capacity_mb"
        )

    def _use_probe(self, serial: int, probe: ProbeShape, *, measured: bool) -> Outgoing:
        self._runs[serial].finder.probe = probe
        return [(ANALYST, ProbeChosen(serial=serial, probe=probe, measured=measured))]

    # ---------------------------------------------------------------------------------------- workers
    def on_ready(self, message: WorkerReady, now: float) -> Outgoing:
        """A worker can take more, and is alive."""
        out: Outgoing = []
        state = self.workers.get(message.worker_id)
        if state is not None and state.pid != message.pid:  # a new process of this name: the first is gone
            out, state = self.worker_lost(message.worker_id, now), None
        if state is None:
            state = self.workers[message.worker_id] = WorkerState(message.worker_id, message.pid, 0, now)
        state.credits = message.credits
        state.last_seen, state.busy_s = now, message.busy_s
        state.jobs_done, state.frames_done = message.jobs_done, message.frames_done
        for job_id in message.finished:
            self.jobs.done(job_id, message.worker_id)
        return out + self.assign(now)

    def on_probe(self, message: ProbeMeasured, now: float) -> Outgoing:
        """A worker measured the probe, or could not."""
        self.measuring.pop(message.worker_id, None)
        run = self._runs.get(message.serial)
        if run is None or not run.finder.is_asked(message.job_id):
            return []
        hopeful = run.finder.answered(message.probe, message.problem, now)
        if message.probe is not None:
            return self._use_probe(message.serial, message.probe, measured=True) + self.assign(now)
        self._notices.add(f"the probe could not be measured yet: {message.problem}")
        if not hopeful:
            self._give_up_all(run, message.problem, now)
        return self.assign(now)

    def worker_lost(self, worker_id: str, now: float) -> Outgoing:
        """A worker died or hangs: its jobs go to others."""
        self.workers.pop(worker_id, None)
        lost = self.measuring.pop(worker_id, None)
        if lost is not None and lost[0] in self._runs:
            self._measurement_lost(self._runs[lost[0]], now)
        for job in self.jobs.worker_lost(worker_id):
            self._notices.add(
                f"{job.n_frames} frames were given up: {job.attempts} workers were lost while analysing them"
            )
            self._give_up(job)
        return self.assign(now)

    def _measurement_lost(self, run: _Run, now: float) -> None:
        losses = run.finder.lost()
        if losses >= self._config.max_attempts:
            problem = f"{losses} workers were lost while measuring it"
            run.finder.begin_again(problem)
            self._give_up_all(run, problem, now)

    def hung_workers(self, now: float) -> set[str]:
        """Workers that hold a job for longer than allowed."""
        slow = {w for w, (_, since) in self.measuring.items() if now - since > self._config.job_timeout_s}
        return (self.jobs.overdue(now, self._config.job_timeout_s) | slow) & self.workers.keys()

    # --------------------------------------------------------------------------------------- the analyst
    def on_accepted(self, message: ResultAccepted, now: float) -> Outgoing:
        """The analyst has a result for good."""
        job = self.jobs.accepted(message.job_id)
        if job is not None:
            self._retire(job)
        elif message.job_id in self._written_off:  # its result was on the way when its worker was lost
            job, cause = self._written_off.pop(message.job_id)
            self._runs[job.serial].stream.counters[cause] -= job.n_frames
        return self.assign(now)

    def discard_backlog(self, now: float) -> Outgoing:
        """Stop at once: what no worker has begun will not be analysed."""
        for run in self._runs.values():
            self._let_go_of_all(run, now)
        for job in self.jobs.take_waiting():
            self._write_off(job, "frames_skipped")
        return self.assign(now)

    def on_log_full(self, now: float) -> Outgoing:
        """The sender has to wait for room: frames that wait for what cannot come must not block it."""
        for run in self._runs.values():
            if run.finder.needs_more:
                problem = run.finder.problem
                run.finder.begin_again(problem)
                self._give_up_all(run, f"{problem}, and the frame log is full", now)
            elif run.held and self.jobs.idle:
                self.jobs.add_groups(run.stream.serial, run.held.let_go_of_oldest(), now)
                self._notice_cut(run)
        return self.assign(now)

    # ------------------------------------------------------------------------------------------ internals
    def assign(self, now: float) -> Outgoing:
        """Hand out what can be handed out, and report acquisitions that are done."""
        self.jobs.flush(now)
        out: Outgoing = []
        idle = [w for w in self.workers.values() if w.credits > self.jobs.held_by(w.worker_id)]
        for run in self._runs.values():
            out += self._measure(run, idle, now)
        ready = {serial for serial, run in self._runs.items() if run.finder.probe is not None}
        # Breadth first: one job for each worker, then a second one for each.
        while idle and self.jobs.in_flight < MAX_UNACCEPTED_JOBS:
            idle.sort(key=lambda w: self.jobs.held_by(w.worker_id))
            worker = idle[0]
            job = self.jobs.issue(worker.worker_id, now, ready)
            if job is None:
                break
            out.append((worker.worker_id, self._message(job)))
            if worker.credits <= self.jobs.held_by(worker.worker_id):
                idle.remove(worker)
        return out + self._drained(now)

    def _measure(self, run: _Run, idle: list[WorkerState], now: float) -> Outgoing:
        free = [w for w in idle if w.worker_id not in self.measuring]
        pieces = run.finder.pieces_to_measure(now, run.ended is not None) if free else None
        if pieces is None:
            if run.ended is not None:
                run.finder.give_up()
            return []
        worker, job_id = free[0].worker_id, self._next_measurement
        self._next_measurement -= 1
        run.finder.asked(job_id)
        self.measuring[worker] = (run.stream.serial, now)
        stream = run.stream
        return [
            (
                worker,
                MeasureJob(job_id=job_id, acquisition=stream.acquisition, serial=stream.serial, pieces=pieces),
            )
        ]

    def _message(self, job: Job) -> DetectJob:
        run = self._runs[job.serial]
        assert run.finder.probe is not None
        return DetectJob(
            job_id=job.job_id,
            acquisition=run.stream.acquisition,
            serial=job.serial,
            geometry=run.stream.geometry,
            probe=run.finder.probe,
            false_disks_per_frame=self.false_disks_per_frame,
            pieces=job.pieces,
        )

    def _give_up(self, job: Job) -> None:
        self._write_off(job, "frames_failed")

    def _write_off(self, job: Job, cause: str) -> None:
        self._runs[job.serial].stream.counters[cause] += job.n_frames
        if job.issued_at:
            self._written_off[job.job_id] = job, cause
        self._retire(job)

    def _retire(self, job: Job) -> None:
        for piece in job.pieces:
            if self.jobs.last_of_payload(piece):
                self._log.release(piece.segment)

    def _drained(self, now: float) -> Outgoing:
        out: Outgoing = []
        for serial, run in list(self._runs.items()):
            if run.ended is None:
                continue
            note, reason = run.ended.note, run.ended.reason
            if run.finder.failed:
                self._give_up_all(run, run.finder.failed, now)
                note, reason = f"{note}; no probe: {run.finder.failed}", EndReason.ABORTED
            if self.jobs.outstanding(serial) == 0:
                counters = {key: float(value) for key, value in run.stream.counters.items()}
                drained = AcquisitionDrained(serial=serial, reason=reason, note=note, counters=counters)
                out.append((ANALYST, drained))
                del self._runs[serial]
                self._written_off = {k: v for k, v in self._written_off.items() if v[0].serial != serial}
        return out

    def _give_up_all(self, run: _Run, problem: str, now: float) -> None:
        self._let_go_of_all(run, now)
        jobs = self.jobs.take_waiting(run.stream.serial)
        for job in jobs:
            self._give_up(job)
        if jobs:
            self._notices.add(
                f"frames of {run.stream.acquisition.acquisition_id!r} were given up, because the probe could not "
                f"be measured: {problem}; set probe.radius, probe.edge_width and probe.center"
            )

    # ---------------------------------------------------------------------------------------------- health
    def measuring_probe(self, serial: int) -> bool:
        """Whether the acquisition still waits for its probe."""
        run = self._runs.get(serial)
        return run is not None and run.finder.probe is None

    @property
    def busy(self) -> bool:
        """Whether any acquisition is not drained."""
        return bool(self._runs)
