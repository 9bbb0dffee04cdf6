"""A detector that does nothing until clients say so: what the control interfaces of all kinds share."""

from __future__ import annotations

from collections.abc import Callable

from livebragg_simulators.sender import Sender, SendOptions
from livebragg_simulators.sources import ScanPath

POLL_S = 0.2
"""Time between two looks at what clients say."""


class LedDetector:
    """Sends what clients ask for, and looks at their commands in between.

    Parameters
    ----------
    sender : Sender
    path : ScanPath
        Frames; a longer acquisition begins again at its start.
    options : SendOptions
        The rate.
    said : callable
        Takes sentences for the operator.
    """

    def __init__(self, sender: Sender, path: ScanPath, options: SendOptions, said: Callable[[str], None]) -> None:
        self._sender = sender
        self._path = path
        self._options = options
        self._said = said
        self._stopped = False

    def stop(self) -> None:
        """End `run`, and the acquisition under way after the message being sent."""
        self._stopped = True
        self._sender.stop()

    def _send_some(self, start: int, stop: int) -> int:
        """Send frames until it is time to look at the commands again; returns how many were sent."""
        together = max(1, round((self._options.rate_hz or 5000.0) * POLL_S))
        last = min(start + together, stop)
        return self._sender.send_frames(self._path, start, last, self._options, lambda *_: None)
