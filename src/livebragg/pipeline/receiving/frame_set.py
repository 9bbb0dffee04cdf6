"""Which frames were received: disjoint intervals, so that hours of frames cost nothing while none is missing."""

from __future__ import annotations

from bisect import bisect_left, bisect_right


class FrameSet:
    """A set of frame numbers that is told ranges.

    Examples
    --------
    >>> frames = FrameSet()
    >>> frames.add(0, 4), frames.add(2, 6), len(frames), frames.missing_below(8)
    ([], [2, 3], 6, 2)
    """

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._stops: list[int] = []
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def __contains__(self, frame: int) -> bool:
        at = bisect_right(self._starts, frame) - 1
        return at >= 0 and frame < self._stops[at]

    def add(self, start: int, stop: int) -> list[int]:
        """Add frames ``start`` to ``stop - 1``; returns those that were in the set already."""
        first = bisect_left(self._stops, start)
        last = bisect_right(self._starts, stop)
        known = [
            frame
            for at in range(first, last)
            for frame in range(max(start, self._starts[at]), min(stop, self._stops[at]))
        ]
        if first < last:
            start_all, stop_all = min(start, self._starts[first]), max(stop, self._stops[last - 1])
        else:
            start_all, stop_all = start, stop
        self._starts[first:last] = [start_all]
        self._stops[first:last] = [stop_all]
        self._size += stop - start - len(known)
        return known

    def missing_below(self, stop: int) -> int:
        """How many frames below `stop` were never added."""
        return stop - sum(min(b, stop) - a for a, b in zip(self._starts, self._stops, strict=True) if a < stop)
