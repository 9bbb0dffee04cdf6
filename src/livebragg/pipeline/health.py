"""Counters and warnings: every loss has a name, a number and words."""

from __future__ import annotations

import logging
from collections import Counter, deque

logger = logging.getLogger(__name__)

MAX_NOTICES = 50


class Notices:
    """The newest warnings in words; a repeated one is counted instead of shown again."""

    def __init__(self) -> None:
        self._texts: deque[str] = deque(maxlen=MAX_NOTICES)
        self._times: Counter[str] = Counter()

    def add(self, text: str) -> None:
        """Remember a warning, and log it the first time."""
        if text not in self._texts:
            logger.warning("%s", text)
            self._times[text] = 0
            if len(self._texts) == MAX_NOTICES:
                self._times.pop(self._texts[0], None)
            self._texts.append(text)
        self._times[text] += 1

    def snapshot(self) -> list[str]:
        """Warnings, oldest first, with how often each came."""
        return [text if self._times[text] == 1 else f"{text} ({self._times[text]} times)" for text in self._texts]


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
