"""The job table: which payloads wait, who works on which, and what has not been accepted yet.

A job is retired only when the analyst has accepted its result. Until then its payloads stay in the frame log
and it can be given to another worker, so that no frame is lost with a worker.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from livebragg.wire.messages import Piece

MAX_SKIPPED = 1 << 15
"""Skipped frames in a job: each is named in its message, whose header has an upper limit."""

MAX_PIECES = 4096
"""Payloads in a job; the same limit."""

SPLIT_WAIT_S = 10.0
"""How long a job waits for the other frames of its last position."""


@dataclass(slots=True)
class Job:
    """Pieces of one acquisition that are analysed in one go."""

    job_id: int
    serial: int
    pieces: list[Piece]
    attempts: int = 0
    worker: str | None = None
    """Who works on it; ``None`` while it waits, or once its worker is done and acceptance is awaited."""
    issued_at: float = 0.0
    done: bool = False
    splits_position: bool = False
    """The frames so far end within a position, whose other frames are still to come."""
    made_at: float = 0.0

    @property
    def n_frames(self) -> int:
        """Frames to analyse."""
        return sum(p.n_frames - len(p.skip) for p in self.pieces)

    @property
    def n_skipped(self) -> int:
        """Frames in the payloads that are not to be analysed."""
        return sum(len(p.skip) for p in self.pieces)


@dataclass(slots=True)
class JobTable:
    """Jobs of all acquisitions, oldest first.

    Parameters
    ----------
    batch_frames : int
        Frames after which a job is complete.
    flush_s : float
        Seconds after which a smaller job is given out all the same.
    max_attempts : int
        Workers that may be lost over a job before it is given up.
    """

    batch_frames: int
    flush_s: float
    max_attempts: int
    _open: Job | None = None
    _waiting: deque[Job] = field(default_factory=deque)
    _issued: dict[int, Job] = field(default_factory=dict)
    _next_id: int = 1
    _waiting_frames: int = 0

    def add(self, serial: int, piece: Piece, now: float, *, splits_position: bool = False) -> None:
        """Put a payload in line; one that ends within a position waits for the next, so that one job has both."""
        if self._open is not None and self._open.serial != serial:
            self.close_open()
        if self._open is None:
            self._open = Job(self._next_id, serial, [], made_at=now)
            self._next_id += 1
        self._open.pieces.append(piece)
        self._open.splits_position = splits_position and len(self._open.pieces) < MAX_PIECES
        self._waiting_frames += piece.n_frames - len(piece.skip)
        full = self._open.n_frames >= self.batch_frames and not self._open.splits_position
        if full or self._open.n_skipped >= MAX_SKIPPED:
            self.close_open()

    def close_open(self) -> None:
        """No more payloads join the job that is being filled."""
        if self._open is not None:
            self._waiting.append(self._open)
            self._open = None

    def flush(self, now: float) -> float | None:
        """Close a job that has waited long enough; seconds until there is one to close, if any."""
        if self._open is None:
            return None
        left = self._open.made_at + self.flush_s + self._open.splits_position * SPLIT_WAIT_S - now
        if left <= 0:
            self.close_open()
            return None
        return left

    def issue(self, worker: str, now: float, serials: set[int]) -> Job | None:
        """Give the oldest waiting job of one of these acquisitions to a worker."""
        for at, job in enumerate(self._waiting):
            if job.serial in serials:
                del self._waiting[at]
                job.worker, job.issued_at, job.attempts = worker, now, job.attempts + 1
                self._issued[job.job_id] = job
                self._waiting_frames -= job.n_frames
                return job
        return None

    def done(self, job_id: int, worker: str) -> None:
        """The worker says it sent the result; acceptance is awaited."""
        job = self._issued.get(job_id)
        if job is not None and job.worker == worker:
            job.done = True

    def accepted(self, job_id: int) -> Job | None:
        """Retire a job; ``None`` when it was retired before."""
        job = self._issued.pop(job_id, None)
        if job is None:  # its result was on the way when its worker was lost
            job = next((j for j in self._waiting if j.job_id == job_id), None)
            if job is not None:
                self._waiting.remove(job)
                self._waiting_frames -= job.n_frames
        return job

    def worker_lost(self, worker: str) -> list[Job]:
        """Put the worker's jobs back in line; returns those that are given up."""
        lost = [job for job in self._issued.values() if job.worker == worker]
        begun = next((job for job in lost if not job.done), None)
        for job in lost:
            job.attempts -= job is not begun  # the others it had finished, or, as it works in order, not begun
        return self._take_back(lost)

    def overdue(self, now: float, timeout_s: float) -> set[str]:
        """Workers that hold a job for longer than allowed."""
        late = [job for job in self._issued.values() if not job.done and now - job.issued_at > timeout_s]
        return {job.worker for job in late if job.worker is not None}

    def take_waiting(self, serial: int | None = None) -> list[Job]:
        """Take everything out that no worker has begun, of one acquisition or of all."""
        self.close_open()
        jobs = [job for job in self._waiting if serial in (None, job.serial)]
        self._waiting = deque(job for job in self._waiting if serial not in (None, job.serial))
        self._waiting_frames -= sum(job.n_frames for job in jobs)
        return jobs

    def _take_back(self, jobs: list[Job]) -> list[Job]:
        given_up = []
        for job in sorted(jobs, key=lambda j: j.job_id, reverse=True):
            del self._issued[job.job_id]
            job.worker, job.done = None, False
            if job.attempts >= self.max_attempts:
                given_up.append(job)
            else:
                self._waiting.appendleft(job)
                self._waiting_frames += job.n_frames
        return given_up

    @property
    def backlog_frames(self) -> int:
        """Frames no worker has begun."""
        return self._waiting_frames

    @property
    def in_flight(self) -> int:
        """Jobs issued and not accepted."""
        return len(self._issued)

    def held_by(self, worker: str) -> int:
        """Jobs a worker has not finished."""
        return sum(job.worker == worker and not job.done for job in self._issued.values())

    def outstanding(self, serial: int) -> int:
        """Jobs of an acquisition that are not retired."""
        jobs = [*self._waiting, *self._issued.values(), *([self._open] if self._open else [])]
        return sum(job.serial == serial for job in jobs)
