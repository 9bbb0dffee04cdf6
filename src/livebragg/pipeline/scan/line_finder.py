"""Scan lines from the times of frames: during the fly-back a detector waits longer for its next trigger."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from livebragg.model import ScanGeometry
from livebragg.pipeline.scan.start_times import StartTimes

MOST_FRAMES = 1 << 17
"""Frames after which nothing regular is looked for any more."""

_EVERY = 64
_GROWTH = 1.1
"""Frames, and growth, after which it is looked again."""
_FEWEST_PAUSES = 6
_LONGER = 0.2
_NOISES = 8.0
"""A pause is longer than the time between other frames by this part of it, and by so much of its scatter."""
_REGULAR = 0.75
"""Share of the pauses that must follow each other after the same number of frames."""


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

    Examples
    --------
    >>> finder = LineFinder()
    >>> number = np.arange(70)
    >>> finder.add(number, number * 1e-3 + number // 10 * 5e-4)
    >>> finder.lines().frames
    10
    """

    def __init__(self) -> None:
        self._times = StartTimes()
        self._look_at = _EVERY

    def add(self, numbers: NDArray[np.int64], times_s: NDArray[np.float64]) -> None:
        """Take the start times of some frames, in any order."""
        if len(self._times) < MOST_FRAMES:
            self._times.add(numbers, times_s)

    def lines(self) -> Lines | None:
        """The lines, once there are enough frames to tell; ``None`` also while too few more came."""
        n = len(self._times)
        if n < self._look_at:
            return None
        self._look_at = max(n + _EVERY, int(_GROWTH * n))
        return find_lines(*self._times.rising())


def find_lines(numbers: NDArray[np.int64], times_s: NDArray[np.float64]) -> Lines | None:
    """Regular pauses among rising frame numbers, ``None`` when there are none, or too few."""
    next_to = np.diff(numbers) == 1
    between, after = np.diff(times_s)[next_to], numbers[1:][next_to]
    if between.size < _EVERY // 2:
        return None
    dwell = float(np.median(between))
    noise = 1.48 * float(np.median(np.abs(between - dwell)))
    paused = between > dwell + max(_LONGER * dwell, _NOISES * noise)
    pauses = after[paused]
    if dwell <= 0 or pauses.size < _FEWEST_PAUSES:
        return None
    steps, counts = np.unique(np.diff(pauses), return_counts=True)
    frames = int(steps[np.argmax(counts)])
    whole = int(counts[steps % frames == 0].sum())  # a pause at which a frame is lost is not seen
    if counts.max() < _FEWEST_PAUSES - 1 or whole < _REGULAR * counts.sum() or frames < 2:
        return None
    phases, counts = np.unique(pauses % frames, return_counts=True)
    pause = float(np.median(between[paused]))
    return Lines(frames, int(phases[np.argmax(counts)]), pause, dwell)
