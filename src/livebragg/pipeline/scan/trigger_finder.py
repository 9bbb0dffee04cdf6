"""Triggers that a detector missed, by the times of its frames.

Where a trigger is missed, the next frame comes one dwell time late. That alone may be anything; but the line then
has a frame less, and the pause of the fly-back comes earlier by just as many frames as are missing. Only what the
next fly-back bears out is believed.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from livebragg.model import ScanGeometry
from livebragg.pipeline.scan.start_times import StartTimes

_NEAR = 0.25
"""Parts of a dwell time by which a gap may differ from a whole number of them."""
_FEWEST_LINES = 2
"""Ends of lines that must be where they should be, before anything is missed."""
_LONGER = 0.2
"""Parts of a dwell time from which a gap counts."""
_LATE = 2048
"""Frames by which one may be late before it counts as lost."""


class TriggerFinder:
    """Collects times of frames, and finds the triggers missed between them.

    Only for scans with one frame at a position, and with a pause after each line.
    """

    def __init__(self) -> None:
        self._times = StartTimes()

    def add(self, numbers: NDArray[np.int64], times_s: NDArray[np.float64]) -> None:
        """Take the start times of some frames, in any order."""
        self._times.add(numbers, times_s)

    def missed(self, geometry: ScanGeometry, *, final: bool = False) -> list[int]:
        """Frames before which a trigger was missed that `geometry` does not know of, each named once a trigger.

        Frames behind one that may still come are left for later, unless it is `final`.
        """
        if not len(self._times):
            return []
        numbers, times = self._times.rising()
        if not final:
            holes = np.flatnonzero(np.diff(numbers) > 1)
            late = holes[numbers[holes] > numbers[-1] - _LATE]
            if late.size:
                numbers, times = numbers[: late[0] + 1], times[: late[0] + 1]
        return find_missed(numbers, times, geometry)


def find_missed(numbers: NDArray[np.int64], times_s: NDArray[np.float64], geometry: ScanGeometry) -> list[int]:
    """Missed triggers among rising frame numbers; see `TriggerFinder.missed`."""
    step = np.diff(numbers)
    if step.size < geometry.frames_per_line or geometry.frames_per_position > 1:
        return []
    between, after = np.diff(times_s), numbers[1:]
    dwell = float(np.median(between[step == 1])) if (step == 1).any() else 0.0
    if dwell <= 0:
        return []
    excess = between / dwell - step
    triggers = geometry.triggers(after)
    gaps = np.flatnonzero(excess > _LONGER)
    pause = float(np.median(excess[gaps])) if gaps.size else 0.0  # a line has one, missed triggers are few
    at_ends = triggers[gaps[np.abs(excess[gaps] - pause) < _NEAR]] % geometry.frames_per_line == 0
    if at_ends.sum() < _FEWEST_LINES or at_ends.size < gaps.size / 2:
        return []
    walk = _Walk(geometry.frames_per_line, pause)
    for at in gaps:
        walk.gap(int(after[at]), int(triggers[at]), float(excess[at]))
    return walk.missed


class _Walk:
    """From gap to gap, in dwell times beyond the usual one."""

    def __init__(self, per_line: int, pause: float) -> None:
        self._per_line = per_line
        self._pause = pause
        self._supposed: list[int] = []
        """Not borne out by a fly-back yet."""
        self.missed: list[int] = []

    def gap(self, frame: int, trigger: int, excess: float) -> None:
        """Look at the gap before a frame, which would have this trigger if none had been missed."""
        trigger += len(self.missed) + len(self._supposed)
        to_end = -trigger % self._per_line
        beyond = excess - self._pause
        extra = round(beyond)
        most = max(1, self._per_line // 4)
        if 0 <= extra <= most and abs(beyond - extra) < _NEAR and to_end <= extra:
            # The fly-back, where it should be if what is supposed is true; triggers missed around it come on top.
            self.missed += self._supposed
            self._supposed = [frame] * extra
            return
        late = round(excess)
        if to_end and 1 <= late <= most and abs(excess - late) < _NEAR:
            self._supposed += [frame] * late
        else:
            self._supposed = []
