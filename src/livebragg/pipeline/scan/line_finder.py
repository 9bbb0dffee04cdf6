"""Scan lines from the times of frames: during the fly-back a detector waits longer for its next trigger.

Three clocks tell times, and not all deserve the same trust. A detector's own counter names every frame's start to
the tick. A time stamp may come from a computer's clock, which goes in steps or is read once for several frames.
The time at which a frame was sent says when some program came to it: frames leave in bunches, and programs pause
as regularly as any fly-back. What such clocks show is looked at more severely; the last is only ever a hint.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from livebragg.model import ScanGeometry
from livebragg.pipeline.scan.start_times import StartTimes
from livebragg.wire.messages import Piece, PieceEncoding

MOST_FRAMES = 1 << 17
"""Frames after which nothing regular is looked for any more."""

_EVERY = 64
_GROWTH = 1.1
"""Frames, and growth, after which it is looked again."""
_SHORTEST = 4
"""Frames of a line: fewer between two pauses are rather the way in which a detector is read out."""
_LONGER = 0.2
_NOISES = 8.0
"""A pause is longer than the time between other frames by this part of it, and by so much of its scatter."""
_STEPS = 1.5
"""Steps of a clock by which a pause must be longer: one step more is how the clock counts."""
_EXPOSED = 0.75
"""Part of the exposure that must lie between two frames: they leave faster only when they had to wait."""


class Clock(Enum):
    """Who says when a frame began; `fewest` pauses must have come, and this `share` of them must fit."""

    COUNTER = 6, 0.75, "starts"
    STAMP = 6, 0.75, "time stamps"
    SENDER = 12, 0.95, "times of sending"

    def __init__(self, fewest: int, share: float, words: str) -> None:
        self.fewest = fewest
        self.share = share
        self.words = words


_CLOCKS = {
    PieceEncoding.DECTRIS_V1: Clock.COUNTER,
    PieceEncoding.DECTRIS_V2: Clock.COUNTER,
    PieceEncoding.MERLIN: Clock.STAMP,
}


@dataclass(frozen=True, slots=True)
class Lines:
    """Pauses that come regularly."""

    frames: int
    """From one to the next."""
    first: int
    """Number of a frame after one, from 0 to ``frames - 1``."""
    pause_s: float
    dwell_s: float
    """Seconds between frames at the pauses, and between all others."""
    n_pauses: int
    n_fitting: int
    """Pauses that were seen, and those of them that come after whole lines."""
    clock: Clock = Clock.COUNTER

    @property
    def evidence(self) -> str:
        """Why, in words."""
        return (
            f"{self.pause_s * 1e3:.3g} ms instead of {self.dwell_s * 1e3:.3g} ms pass after every {self.frames} "
            f"frames, by their {self.clock.words}; {self.n_fitting} of {self.n_pauses} pauses fit"
        )

    def geometry(self, old: ScanGeometry) -> ScanGeometry | None:
        """Lines of so many frames, as many as come; ``None`` when no line can have so many.

        Frames before the first pause are the end of a line whose beginning was missed, unless it was said where
        the first position is.
        """
        positions, rest = divmod(self.frames - old.flyback_frames, old.frames_per_position)
        if rest or positions < 1:
            return None
        first = old.first_frame or -(-self.first % self.frames)
        return replace(old, scan_shape=(1, positions), open_ended=True, first_frame=first)


class LineFinder:
    """Collects times of frames until pauses come regularly.

    Parameters
    ----------
    exposure_s : float, optional
        What a detector says of it.

    Examples
    --------
    >>> finder = LineFinder()
    >>> number = np.arange(70)
    >>> finder.add(number, number * 1e-3 + number // 10 * 5e-4, Clock.COUNTER)
    >>> finder.lines().frames
    10
    """

    def __init__(self, exposure_s: float | None = None) -> None:
        self._exposure_s = exposure_s
        self._clock = Clock.SENDER
        self._times = StartTimes()
        self._look_at = _EVERY

    def take(self, pieces: Sequence[Piece], numbers: NDArray[np.int64], times_s: NDArray[np.float64]) -> None:
        """Take frames of a job: the times that the detector gave, or when those were sent that came alone."""
        if numbers.size:
            self.add(numbers, times_s, _CLOCKS.get(pieces[0].encoding, Clock.STAMP))
        else:
            alone = [(piece.first_frame, piece.sent_at) for piece in pieces if piece.n_frames == 1]
            self.add(np.array([n for n, _ in alone], np.int64), np.array([t for _, t in alone]), Clock.SENDER)

    def add(self, numbers: NDArray[np.int64], times_s: NDArray[np.float64], clock: Clock) -> None:
        """Take the times of some frames, in any order; a detector's own make those of sending superfluous."""
        if clock is not self._clock and self._clock is Clock.SENDER and numbers.size:
            self._clock, self._times, self._look_at = clock, StartTimes(), _EVERY
        if clock is self._clock and len(self._times) < MOST_FRAMES:
            self._times.add(numbers, times_s)

    def lines(self) -> Lines | None:
        """The lines, once there are enough frames to tell; ``None`` also while too few more came."""
        n = len(self._times)
        if n < self._look_at:
            return None
        self._look_at = max(n + _EVERY, int(_GROWTH * n))
        return find_lines(*self._times.rising(), self._clock, self._exposure_s)


def find_lines(
    numbers: NDArray[np.int64],
    times_s: NDArray[np.float64],
    clock: Clock = Clock.COUNTER,
    exposure_s: float | None = None,
) -> Lines | None:
    """Regular pauses among rising frame numbers, ``None`` when there are none, or too few."""
    next_to = np.diff(numbers) == 1
    between, after = np.diff(times_s)[next_to], numbers[1:][next_to]
    if between.size < _EVERY // 2:
        return None
    dwell = float(np.median(between))
    noise = 1.48 * float(np.median(np.abs(between - dwell)))
    step = 0.0 if clock is Clock.COUNTER else _step(between)
    paused = between > dwell + max(_LONGER * dwell, _NOISES * noise, _STEPS * step)
    pauses = after[paused]
    if dwell <= 0 or pauses.size < clock.fewest:
        return None
    pause = float(np.median(between[paused]))
    steps, counts = np.unique(np.diff(pauses), return_counts=True)
    frames = int(steps[np.argmax(counts)])
    whole = int(counts[steps % frames == 0].sum())  # a pause at which a frame is lost is not seen
    if counts.max() < clock.fewest - 1 or whole < clock.share * counts.sum() or frames < _SHORTEST:
        return None
    if clock is not Clock.COUNTER and not _can_be_waiting(dwell, pause, frames, exposure_s):
        return None
    phases, counts = np.unique(pauses % frames, return_counts=True)
    first = int(phases[np.argmax(counts)])
    return Lines(frames, first, pause, dwell, int(pauses.size), whole + 1, clock)


def _can_be_waiting(dwell: float, pause: float, frames: int, exposure_s: float | None) -> bool:
    """Whether it may be a microscope that waits, and not frames that leave in bunches.

    Those follow each other faster than they can be exposed, and wait in between for as long as the others took.
    """
    return dwell >= _EXPOSED * (exposure_s or 0.0) and pause - dwell <= frames * dwell


def _step(between: NDArray[np.float64]) -> float:
    """Seconds by which a clock goes, when all times are whole multiples of a step; else 0."""
    values = np.unique(np.round(between, 6))  # seconds since 1970 are not told more finely
    if values.size < 2:
        return 0.0
    step = float(np.diff(values).min())
    rest = np.abs(values / step - np.round(values / step))
    return step if bool((rest < 1e-2).all()) else 0.0


def unsaid(geometry: ScanGeometry) -> str:
    """What the maps rest on while nothing has shown the lines, and what to say; empty where the shape was said."""
    if not geometry.open_ended:
        return ""
    return (
        f"nobody has said the shape of the scan: lines of {geometry.scan_shape[1]} positions are assumed; to say "
        "it: livebragg scan-shape ROWS,COLS"
    )
