"""What is counted and said of the stream, divided among its acquisitions.

What is refused or left out after the end of an acquisition belongs to the next one: most of it is what was lost of
that one's beginning.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from livebragg.pipeline.health import Notices


class Account:
    """Says what belongs to which acquisition.

    Parameters
    ----------
    counters : sequence of Counter
        Counted on by others; what an acquisition does not own any more is taken out when the next begins.
    notices : Notices
        Warnings.
    """

    def __init__(self, counters: Sequence[Counter[str]], notices: Notices) -> None:
        self._counters = counters
        self._notices = notices
        self._at_end: list[Counter[str]] = [Counter() for _ in counters]
        self._mark = notices.mark()
        """Where the warnings of the next acquisition begin."""
        self._marks: dict[int, int] = {}
        self._closed: dict[int, dict[str, float]] = {}

    def opened(self, serial: int) -> None:
        """An acquisition begins."""
        for counter, at_end in zip(self._counters, self._at_end, strict=True):
            counter.subtract(at_end)
            at_end.clear()
        self._marks[serial] = self._mark

    def ended(self, serial: int) -> None:
        """No more frames of an acquisition will come: what is counted from now on is not its own."""
        self._at_end = [Counter(counter) for counter in self._counters]
        self._mark = self._notices.mark()
        self._closed[serial] = {k: float(n) for counter in self._counters for k, n in counter.items()}

    def settled(self, serial: int) -> tuple[dict[str, float], list[str]]:
        """Everything is known of an acquisition: its counters, 0 where only others have some, and its warnings."""
        later = {key: 0.0 for counter in self._counters for key in counter}
        return later | self._closed.pop(serial, {}), self._notices.since(self._marks.pop(serial, 0))
