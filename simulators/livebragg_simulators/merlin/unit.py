"""A simulated Merlin that does nothing until a client starts an acquisition through its command socket."""

from __future__ import annotations

import contextlib
import queue
from collections.abc import Callable

from livebragg_simulators.merlin.control import MerlinControl
from livebragg_simulators.sender import Sender, SendOptions
from livebragg_simulators.sources import ScanPath

POLL_S = 0.2
SOFTWARE_TRIGGER = "5"
"""Value of ``TRIGGERSTART`` with which frames wait for ``SOFTTRIGGER``."""

_ENDS = ("STOPACQUISITION", "ABORT")


class MerlinUnit:
    """Sends what clients ask for.

    Parameters
    ----------
    control : MerlinControl
        Parameters and commands.
    sender : Sender
    path : ScanPath
        Frames; a longer acquisition begins again at its start.
    options : SendOptions
        The rate.
    said : callable
        Takes sentences for the operator.
    """

    def __init__(
        self,
        control: MerlinControl,
        sender: Sender,
        path: ScanPath,
        options: SendOptions,
        said: Callable[[str], None],
    ) -> None:
        self._control = control
        self._sender = sender
        self._path = path
        self._options = options
        self._said = said
        self._stopped = False

    def stop(self) -> None:
        """End `run`, and the acquisition under way after the frame being sent."""
        self._stopped = True
        self._sender.stop()

    def run(self) -> None:
        """Follow commands until `stop` is called."""
        while not self._stopped:
            if self._next_command() == "STARTACQUISITION":
                self._acquire()

    def _next_command(self) -> str | None:
        """The next command, ``None`` when none comes within `POLL_S`."""
        with contextlib.suppress(queue.Empty):
            return self._control.commands.get(timeout=POLL_S)
        return None

    def _acquire(self) -> None:
        n_frames = self._control.n_frames or self._path.geometry.n_frames
        self._sender.begin(self._path.acquisition("merlin"), n_frames)
        sent = 0
        if self._triggered():
            while sent < n_frames and not self._stopped and not self._ended():
                sent += self._send(sent, min(sent + self._chunk(), n_frames))
        self._said(f"{sent} of {n_frames} frames sent")
        self._sender.end(sent)  # Merlin says no end, but what was sent has to leave

    def _triggered(self) -> bool:
        """Wait for the trigger where there is one; False when the acquisition ends without it."""
        if self._control.values["TRIGGERSTART"] != SOFTWARE_TRIGGER:
            return True
        while not self._stopped:
            command = self._next_command()
            if command == "SOFTTRIGGER" or command in _ENDS:
                return command == "SOFTTRIGGER"
        return False

    def _ended(self) -> bool:
        """Whether a client said that the acquisition is over; everything else it says now is not heard."""
        while not self._control.commands.empty():
            if self._control.commands.get() in _ENDS:
                return True
        return False

    def _chunk(self) -> int:
        """Frames between two looks at the commands."""
        return max(1, round((self._options.rate_hz or 5000.0) * POLL_S))

    def _send(self, start: int, stop: int) -> int:
        return self._sender.send_frames(self._path, start, stop, self._options, lambda *_: None)
