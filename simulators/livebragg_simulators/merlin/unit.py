"""A simulated Merlin that does nothing until a client starts an acquisition through its command socket."""

from __future__ import annotations

import contextlib
import queue
from collections.abc import Callable

from livebragg_simulators.led import POLL_S, LedDetector
from livebragg_simulators.merlin.control import MerlinControl
from livebragg_simulators.sender import Sender, SendOptions
from livebragg_simulators.sources import ScanPath

SOFTWARE_TRIGGER = "5"
"""Value of ``TRIGGERSTART`` with which frames wait for ``SOFTTRIGGER``."""

_ENDS = ("STOPACQUISITION", "ABORT")


class MerlinUnit(LedDetector):
    """Follows its command socket.

    Parameters
    ----------
    control : MerlinControl
        Parameters and commands.
    sender, path, options, said
        See `LedDetector`.
    """

    def __init__(
        self,
        control: MerlinControl,
        sender: Sender,
        path: ScanPath,
        options: SendOptions,
        said: Callable[[str], None],
    ) -> None:
        super().__init__(sender, path, options, said)
        self._control = control

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
                sent += self._send_some(sent, n_frames)
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
