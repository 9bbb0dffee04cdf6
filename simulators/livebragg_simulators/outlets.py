"""Where a simulated detector's messages leave: a ZeroMQ socket, or a TCP server."""

from __future__ import annotations

import contextlib
import socket
import time
from typing import Any, Protocol

from livebragg.errors import ConfigError
from livebragg.wire import sockets
from livebragg.wire.mpx import parse_address

QUEUE_FRAMES = 256
"""Frames the socket may hold, about; more would only hide that the receiver is behind."""


class Outlet(Protocol):
    """Takes messages one by one."""

    @property
    def endpoint(self) -> str:
        """Where clients connect."""

    def offer(self, parts: list[Any]) -> bool:
        """Send one message; False when it would have to wait."""

    def linger(self, seconds: float) -> None:
        """How long closing waits for what clients have not taken."""

    def close(self) -> None:
        """Close the socket, once clients have taken what was sent."""


class PushOutlet:
    """A PUSH socket.

    Parameters
    ----------
    ctx : zmq.Context
        Not closed here.
    endpoint : str
        Where to bind.
    linger_frames : int
        Frames in a message, about.
    """

    def __init__(self, ctx: Any, endpoint: str, linger_frames: int) -> None:
        queue = max(1, QUEUE_FRAMES // linger_frames)
        self._socket = sockets.open_socket(ctx, sockets.PUSH, bind=endpoint, send_high_water=queue, linger_ms=2000)
        self.endpoint = sockets.bound_endpoint(self._socket)

    def offer(self, parts: list[Any]) -> bool:
        """See `Outlet.offer`."""
        return sockets.send_parts(self._socket, parts, wait=False)

    def linger(self, seconds: float) -> None:
        """See `Outlet.linger`."""
        sockets.set_linger(self._socket, seconds)

    def close(self) -> None:
        """See `Outlet.close`: the socket ends with its context."""


class TcpOutlet:
    """A TCP server with one client at a time; while there is none, messages have to wait.

    Parameters
    ----------
    endpoint : str
        ``tcp://HOST:PORT``; port 0 is any that is free.
    """

    def __init__(self, endpoint: str) -> None:
        host, port = parse_address(endpoint, "--bind") if not endpoint.endswith(":0") else (endpoint[6:-2], 0)
        try:
            self._server = socket.create_server((host, port))
        except OSError as error:
            raise ConfigError(f"--bind {endpoint}: {error.strerror}; choose another port") from None
        self._server.setblocking(False)
        self.endpoint = f"tcp://{host}:{self._server.getsockname()[1]}"
        self._client: socket.socket | None = None
        self._waiting = memoryview(b"")
        self._linger_s = 2.0

    def offer(self, parts: list[Any]) -> bool:
        """See `Outlet.offer`: a message is taken when the one before it is on its way."""
        if not self._accept() or not self._flush():
            return False
        self._waiting = memoryview(b"".join(parts))
        self._flush()
        return True

    def linger(self, seconds: float) -> None:
        """See `Outlet.linger`."""
        self._linger_s = seconds

    def close(self) -> None:
        """See `Outlet.close`."""
        deadline = time.monotonic() + self._linger_s
        while self._client is not None and not self._flush() and time.monotonic() < deadline:
            time.sleep(0.005)
        self._drop()
        self._server.close()

    def _accept(self) -> bool:
        if self._client is None:
            with contextlib.suppress(BlockingIOError):
                self._client, _ = self._server.accept()
                self._client.setblocking(False)
        return self._client is not None

    def _flush(self) -> bool:
        """Send what waits; True when nothing is left of it."""
        while self._waiting and self._client is not None:
            try:
                self._waiting = self._waiting[self._client.send(self._waiting) :]
            except BlockingIOError:
                return False
            except OSError:  # the client is gone, and the message with it
                self._drop()
        return not self._waiting

    def _drop(self) -> None:
        if self._client is not None:
            self._client.close()
        self._client, self._waiting = None, memoryview(b"")
