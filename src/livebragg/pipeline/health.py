"""Counters and warnings: every loss has a name, a number and words."""

from __future__ import annotations

import logging
import re
from collections import deque
from collections.abc import Mapping

logger = logging.getLogger(__name__)

MAX_NOTICES = 50

_LOSSES = {
    "frames_missing": "frames never came",
    "frames_dropped": "frames were dropped, the frame log was full",
    "frames_failed": "frames could not be analysed",
    "frames_skipped": "frames were not analysed, it was stopped at once",
    "messages_not_forwarded": "messages were not taken by the program at stream.forward",
    "frames_out_of_range": "frames lie beyond the end of the scan",
}
"""Counters of what is lost, in words."""

_NUMBER = re.compile(r"0x[0-9a-f]+|\d+(\.\d+)?")


def losses(counters: Mapping[str, float]) -> list[str]:
    """What is lost, in words.

    Examples
    --------
    >>> losses({"frames_missing": 3.0, "frames_failed": 0, "frames_received": 97})
    ['3 frames never came']
    """
    return [f"{counters[key]:.0f} {words}" for key, words in _LOSSES.items() if counters.get(key)]


class Notices:
    """The newest warnings in words; a repeated one is counted instead of shown and logged again.

    Warnings that differ in their numbers only count as the same: a stream in which every frame is damaged makes
    one line, not thousands.
    """

    def __init__(self) -> None:
        self._newest: dict[str, tuple[str, int]] = {}
        self._added: dict[str, int] = {}
        self._total = 0

    def add(self, text: str, *, exact: bool = False) -> None:
        """Remember a warning, and log it the first time; an `exact` one differs in its numbers too."""
        kind = text if exact else _NUMBER.sub("#", text)
        times = self._newest[kind][1] if kind in self._newest else 0
        if times == 0:
            logger.warning("%s", text)
            if len(self._newest) == MAX_NOTICES:
                oldest = next(iter(self._newest))
                del self._newest[oldest], self._added[oldest]
        self._newest[kind] = text, times + 1
        self._total += 1
        self._added[kind] = self._total

    def mark(self) -> int:
        """This moment, for `since`."""
        return self._total

    def since(self, mark: int) -> list[str]:
        """Warnings that came (also) after a moment, oldest first, with how often each came in all."""
        return [
            text if times == 1 else f"{text} ({times} times)"
            for kind, (text, times) in self._newest.items()
            if self._added[kind] > mark
        ]

    def snapshot(self) -> list[str]:
        """All warnings, oldest first, with how often each came."""
        return self.since(0)


class RateMeter:
    """Events per second over the last few seconds."""

    def __init__(self, window_s: float = 3.0) -> None:
        self._window_s = window_s
        self._events: deque[tuple[float, int]] = deque()
        self._sum = 0

    def add(self, now: float, count: int) -> None:
        """Count `count` events at time `now`."""
        self._events.append((now, count))
        self._sum += count

    def rate(self, now: float) -> float:
        """Mean rate in 1/s over the window that ends now."""
        while self._events and self._events[0][0] < now - self._window_s:
            self._sum -= self._events.popleft()[1]
        if not self._events:
            return 0.0
        return self._sum / min(self._window_s, max(now - self._events[0][0], 0.25))
