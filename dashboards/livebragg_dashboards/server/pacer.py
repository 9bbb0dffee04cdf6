"""Decides when a session may send: only when the browser has drawn what it got before.

Updates that are sent on a clock queue up in a browser that cannot follow, and it shows the past with nothing to
tell it. Here the browser acknowledges each update after it was drawn. One that never acknowledges (a hidden tab,
a broken network) gets an update after a time-out, then ever fewer. One that takes long rests for as long after it:
where it shares its processors with a pipeline, it leaves it at least half of what it could take.
"""

from __future__ import annotations

from collections import deque

TIMEOUT_S = 1.0
MAX_TIMEOUT_S = 8.0
EASY_S = 0.15
"""Drawing that takes no longer is no burden."""
MAX_REST_S = 1.0
KEPT = 300
"""Acknowledged updates whose times are kept."""


class Pacer:
    """One update on the way at a time.

    Examples
    --------
    >>> pacer = Pacer()
    >>> seq = pacer.sent(now=0.0, data_at=-0.05)
    >>> pacer.may_send(0.5), pacer.may_send(1.1)
    (False, True)
    >>> pacer.acknowledge(seq, now=0.1), pacer.may_send(0.11)
    (True, True)
    """

    def __init__(self) -> None:
        self._seq = 0
        self._sent_at = self._rests_until = float("-inf")
        self._data_at: float | None = None
        self._waiting = False
        self._timeout_s = TIMEOUT_S
        self._drawn: deque[tuple[float, float]] = deque(maxlen=KEPT)
        self.unanswered = 0
        """Updates that were never acknowledged in time."""

    def may_send(self, now: float) -> bool:
        """Whether the browser is ready, or has had its time."""
        return not self._waiting or now - self._sent_at >= self._timeout_s

    def has_rested(self, now: float) -> bool:
        """Whether the browser has had a break as long as it drew; what its viewer asks for need not wait."""
        return now >= self._rests_until

    def sent(self, now: float, data_at: float | None = None) -> int:
        """Number of the update that is sent now; `data_at` is when its new data came, if it has any."""
        if self._waiting:
            self.unanswered += 1
            self._timeout_s = min(2 * self._timeout_s, MAX_TIMEOUT_S)
        self._seq += 1
        self._sent_at, self._waiting, self._data_at = now, True, data_at
        return self._seq

    def acknowledge(self, seq: int, now: float) -> bool:
        """The browser has drawn an update; false for an older one than the last."""
        if seq != self._seq or not self._waiting:
            return False
        self._waiting, self._timeout_s = False, TIMEOUT_S
        took = now - self._sent_at
        self._rests_until = now + min(took, MAX_REST_S) if took > EASY_S else now
        if self._data_at is not None:
            self._drawn.append((now, now - self._data_at))
        return True

    def drawn_ages(self) -> list[float]:
        """Seconds from the arrival of new data to its drawing, newest last."""
        return [age for _, age in self._drawn]

    def rate_hz(self, now: float, window_s: float = 5.0) -> float:
        """Drawn updates with new data per second, lately."""
        return sum(at > now - window_s for at, _ in self._drawn) / window_s
