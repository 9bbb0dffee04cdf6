"""The job table: which payloads wait, who works on which, and what has not been accepted yet.

A job is retired only when the analyst has accepted its result. Until then its payloads stay in the frame log
and it can be given to another worker, so that no frame is lost with a worker.

Frames of one position are added by the worker, so that one job must have them all. A payload that ends within a
position is therefore divided: the frames of that position are held until the others have come. Both parts are
the same payload, with different frames to skip.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from livebragg.model import ScanGeometry
from livebragg.storage.frame_log import ALIGNMENT
from livebragg.wire.messages import Piece

MAX_SKIPPED = 1 << 15
"""Skipped frames in a job: each is named in its message, whose header has an upper limit."""

MAX_PIECES = 4096
"""Payloads in a job; the same limit."""

MAX_PARTS = MAX_PIECES // 2
"""Payloads over which the frames of a position may be spread."""

STRETCH = 4
"""How many times its size a job may grow for the rest of a divided payload, which is then read only once."""


def n_wanted(piece: Piece) -> int:
    """Frames of a payload that are to be analysed."""
    return piece.n_frames - len(piece.skip)


def _part(piece: Piece, keep: NDArray[np.bool_]) -> Piece:
    return replace(piece, skip=tuple(np.flatnonzero(~keep).tolist()))


@dataclass(slots=True)
class _Position:
    """A position of which only some frames have come."""

    missing: int
    since: int
    """Bytes of the acquisition in the frame log when the first of them had come."""
    parts: list[Piece] = field(default_factory=list)


@dataclass(slots=True)
class HeldPositions:
    """Frames of one acquisition that wait for the others of their position.

    Parameters
    ----------
    geometry : ScanGeometry
        Which frames belong together.
    max_bytes : int
        Bytes in the frame log after which the other frames of a position are not waited for any more: what is held
        occupies the frame log.
    divided : dict
        Frames to analyse in each divided payload, by segment and offset; written here.
    """

    geometry: ScanGeometry
    max_bytes: int
    divided: dict[tuple[int, int], int]
    cut: set[int] = field(default_factory=set)
    """Positions that were let go without some of their frames."""
    newest_waits: bool = False
    """Whether frames of the newest payload are held."""
    _positions: dict[int, _Position] = field(default_factory=dict)
    _bytes: int = 0

    def __len__(self) -> int:
        return len(self._positions)

    def add(self, piece: Piece) -> list[list[Piece]]:
        """Take a payload; returns groups of parts that can be analysed now, each group within one job."""
        self._bytes += -(-piece.nbytes // ALIGNMENT) * ALIGNMENT
        groups, self.newest_waits = self._let_go_of_old(), False
        first, stop = piece.first_frame, piece.first_frame + piece.n_frames
        aligned = not (self.geometry.splits_position(first) or self.geometry.splits_position(stop))
        return [*groups, [piece]] if aligned and not piece.skip else groups + self._divide(piece)

    def _divide(self, piece: Piece) -> list[list[Piece]]:
        index = self.geometry.scan_index(np.arange(piece.first_frame, piece.first_frame + piece.n_frames))
        rest = np.ones(piece.n_frames, np.bool_)
        rest[list(piece.skip)] = False
        places, counts = np.unique(index[rest & (index >= 0)], return_counts=True)
        groups, n_parts = [], 0
        for place in places[counts < self.geometry.frames_per_position].tolist():
            if place not in self.cut:
                mine = rest & (index == place)
                rest &= ~mine
                complete = self._put(place, _part(piece, mine))
                self.newest_waits |= not complete
                groups += complete
                n_parts += 1
        if rest.any():
            groups.append([_part(piece, rest) if n_parts else piece])
        if n_parts + rest.any() > 1:
            self.divided[piece.segment, piece.offset] = n_wanted(piece)
        return groups

    def _put(self, place: int, part: Piece) -> list[list[Piece]]:
        position = self._positions.get(place)
        if position is None:
            position = _Position(self.geometry.frames_per_position, self._bytes)
            self._positions[place] = position
        position.parts.append(part)
        position.missing -= n_wanted(part)
        if position.missing == 0:
            return [self._positions.pop(place).parts]
        too_much = len(position.parts) >= MAX_PARTS or sum(len(p.skip) for p in position.parts) >= MAX_SKIPPED
        return [self._let_go(place)] if too_much else []

    def _let_go(self, place: int) -> list[Piece]:
        self.cut.add(place)
        return self._positions.pop(place).parts

    def _let_go_of_old(self) -> list[list[Piece]]:
        groups = []
        while self._positions:
            place, position = next(iter(self._positions.items()))
            if self._bytes - position.since <= self.max_bytes:
                break
            groups.append(self._let_go(place))
        return groups

    def let_go_of_oldest(self) -> list[list[Piece]]:
        """Wait no longer for the position whose first frame came before all others."""
        return [self._let_go(next(iter(self._positions)))] if self._positions else []

    def let_go_of_all(self) -> list[list[Piece]]:
        """Wait no longer for anything."""
        return [self._let_go(place) for place in list(self._positions)]


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
    made_at: float = 0.0

    @property
    def n_frames(self) -> int:
        """Frames to analyse."""
        return sum(n_wanted(p) for p in self.pieces)

    @property
    def n_skipped(self) -> int:
        """Frames in the payloads that are not to be analysed."""
        return sum(len(p.skip) for p in self.pieces)


def _has_room(job: Job, group: list[Piece]) -> bool:
    skipped = sum(len(p.skip) for p in group)
    return len(job.pieces) + len(group) <= MAX_PIECES and (skipped == 0 or job.n_skipped + skipped <= MAX_SKIPPED)


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
    divided: dict[tuple[int, int], int] = field(default_factory=dict)
    """Frames not retired yet of each payload whose frames may be in several jobs, by segment and offset."""
    _open: Job | None = None
    _waiting: deque[Job] = field(default_factory=deque)
    _issued: dict[int, Job] = field(default_factory=dict)
    _next_id: int = 1
    _waiting_frames: int = 0

    def add(self, serial: int, piece: Piece, now: float) -> None:
        """Put a payload in line."""
        self.add_groups(serial, [[piece]], now)

    def add_groups(self, serial: int, groups: list[list[Piece]], now: float, *, more: bool = False) -> None:
        """Put groups in line, each in one job; with `more`, the last payload has frames that come later."""
        for group in groups:
            self._join(serial, group, now)
        if self._open is not None:
            full = self._open.n_frames >= self.batch_frames * (STRETCH if more else 1)
            if full or self._open.n_skipped >= MAX_SKIPPED:
                self.close_open()

    def _join(self, serial: int, group: list[Piece], now: float) -> None:
        job = self._open
        if job is not None and (job.serial != serial or not _has_room(job, group)):
            self.close_open()
        if self._open is None:
            self._open = Job(self._next_id, serial, [], made_at=now)
            self._next_id += 1
        for piece in group:
            self._add_piece(self._open.pieces, piece)
            self._waiting_frames += n_wanted(piece)

    def _add_piece(self, pieces: list[Piece], piece: Piece) -> None:
        if (piece.segment, piece.offset) in self.divided:
            for at, other in enumerate(pieces):
                if (other.segment, other.offset) == (piece.segment, piece.offset):
                    pieces[at] = replace(piece, skip=tuple(sorted({*piece.skip} & {*other.skip})))
                    return
        pieces.append(piece)

    def last_of_payload(self, piece: Piece) -> bool:
        """Whether nothing else of the payload of a piece that is retired is still needed."""
        key = piece.segment, piece.offset
        left = self.divided.pop(key, 0) - n_wanted(piece)
        if left > 0:
            self.divided[key] = left
        return left <= 0

    def close_open(self) -> None:
        """No more payloads join the job that is being filled."""
        if self._open is not None:
            self._waiting.append(self._open)
            self._open = None

    @property
    def filling(self) -> bool:
        """Whether payloads may still join a job."""
        return self._open is not None

    def seconds_to_flush(self, now: float) -> float | None:
        """Until there is a job to close that has waited long enough; ``None`` while none is being filled."""
        return None if self._open is None else max(0.0, self._open.made_at + self.flush_s - now)

    def flush(self, now: float) -> None:
        """Close a job that has waited long enough."""
        if self.seconds_to_flush(now) == 0.0:
            self.close_open()

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
    def idle(self) -> bool:
        """Whether there is no job at all."""
        return not (self._open or self._waiting or self._issued)

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
