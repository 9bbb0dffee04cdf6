"""Passes the untouched stream on to the program that was attached before."""

from __future__ import annotations

from collections import Counter
from typing import Any

from livebragg.config.pipeline import StreamConfig
from livebragg.wire import sockets

HIGH_WATER = 4096
"""Messages that may wait for the program."""


class Tee:
    """A PUSH socket that gets every message as it came, before anything else is done with it.

    Parameters
    ----------
    ctx : zmq.Context
        Not closed here.
    config : StreamConfig
        ``forward`` is where it binds, empty for no tee; ``forward_when_full`` what happens when the program does
        not take what is sent.
    """

    def __init__(self, ctx: Any, config: StreamConfig) -> None:
        self.counters: Counter[str] = Counter()
        """``messages_forwarded`` and ``messages_not_forwarded``."""
        self._socket: Any = None
        self._hold = config.forward_when_full == "block"
        self._waiting: list[Any] | None = None
        if config.forward:
            self._socket = sockets.open_socket(ctx, sockets.PUSH, bind=config.forward, send_high_water=HIGH_WATER)

    @property
    def passes(self) -> bool:
        """Whether there is a program that the stream is passed on to."""
        return self._socket is not None

    def ready(self) -> bool:
        """Whether the next message may be taken from the detector."""
        if self._waiting is not None and sockets.send_parts(self._socket, self._waiting, wait=False):
            self.counters["messages_forwarded"] += 1
            self._waiting = None
        return self._waiting is None

    def pass_on(self, parts: list[Any]) -> None:
        """Send one message; call only when `ready`."""
        if self._socket is None:
            return
        if sockets.send_parts(self._socket, parts, wait=False):
            self.counters["messages_forwarded"] += 1
        elif self._hold:
            self._waiting = parts
        else:
            self.counters["messages_not_forwarded"] += 1

    def close(self) -> None:
        """Close the socket; what waits in it may still be taken for a second."""
        if self._socket is not None:
            self._socket.close()
