"""What is counted and said of the stream, divided among its acquisitions.

Messages that are refused or left out after the end of an acquisition belong to the next one: most of them are what
was lost of that one's beginning. Everything else, say a worker's end, belongs to the newest acquisition.
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
            counter.subtract({k: at_end[k] if _is_of_messages(k) else n for k, n in counter.items()})
            at_end.clear()
        self._marks[serial] = self._mark

    def ended(self, serial: int) -> None:
        """No more frames of an acquisition will come: messages that are counted from now on are not its own."""
        self._at_end = [Counter(counter) for counter in self._counters]
        self._mark = self._notices.mark()
        self._closed[serial] = self._of_messages()

    def settled(self, serial: int) -> tuple[dict[str, float], list[str]]:
        """What was counted of an acquisition's messages, 0 where only others have some, and its warnings."""
        return dict.fromkeys(self._of_messages(), 0.0) | self._closed.pop(serial, {}), self._notices.since(
            self._marks.pop(serial, 0)
        )

    def _of_messages(self) -> dict[str, float]:
        return {k: float(n) for counter in self._counters for k, n in counter.items() if _is_of_messages(k)}


def _is_of_messages(key: str) -> bool:
    return key.startswith("messages_")
