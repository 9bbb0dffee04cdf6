"""Where a simulated detector's messages leave: a ZeroMQ socket, or a TCP server."""

from __future__ import annotations

import contextlib
import socket
import time
from typing import Any, Protocol

from livebragg.errors import ConfigError
from livebragg.wire import sockets
from livebragg.wire.mpx import parse_address

LINGER_S = 2.0
"""How long closing waits for clients, unless it is told."""

AWAY_S = 0.3
"""Time for which a sender that starts anew cannot be reached."""

QUEUE_FRAMES = 256
"""Frames the socket may hold, about; more would only hide that the receiver is behind."""


class Outlet(Protocol):
    """Takes messages one by one."""

    @property
    def endpoint(self) -> str:
        """Where clients connect."""

    def offer(self, parts: list[Any]) -> bool:
        """Send one message; False when it would have to wait."""

    def settle(self) -> bool:
        """Nothing follows for now: keep nothing back. False while something could not leave; ask again."""

    def linger(self, seconds: float) -> None:
        """How long closing waits for what clients have not taken."""

    def reopen(self) -> None:
        """Be gone for a moment as a program that dies and is started again: what was on its way is lost."""

    def close(self) -> None:
        """Close the socket, once clients have taken what was sent."""


def settle_for(outlet: Outlet, seconds: float) -> bool:
    """Settle, trying for some time."""
    deadline = time.monotonic() + seconds
    while not outlet.settle():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.002)
    return True


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
        self._ctx, self._queue = ctx, max(1, QUEUE_FRAMES // linger_frames)
        self._socket = self._open(endpoint)
        self.endpoint = sockets.bound_endpoint(self._socket)

    def offer(self, parts: list[Any]) -> bool:
        """See `Outlet.offer`."""
        return sockets.send_parts(self._socket, parts, wait=False)

    def settle(self) -> bool:
        """See `Outlet.settle`: the socket keeps nothing back."""
        return True

    def linger(self, seconds: float) -> None:
        """See `Outlet.linger`."""
        sockets.set_linger(self._socket, seconds)

    def reopen(self) -> None:
        """See `Outlet.reopen`."""
        self._socket.close(0)
        time.sleep(AWAY_S)  # ZeroMQ gives the port back in the meantime
        self._socket = self._open(self.endpoint)

    def close(self) -> None:
        """See `Outlet.close`: the socket ends with its context."""

    def _open(self, endpoint: str) -> Any:
        return sockets.open_socket(
            self._ctx,
            sockets.PUSH,
            bind=endpoint,
            send_high_water=self._queue,
            linger_ms=round(1000 * LINGER_S),
        )


class TcpOutlet:
    """A TCP server with one client at a time; while there is none, messages have to wait.

    Parameters
    ----------
    endpoint : str
        ``tcp://HOST:PORT``; port 0 is any that is free.
    """

    def __init__(self, endpoint: str) -> None:
        host, port = parse_address(endpoint, "--bind") if not endpoint.endswith(":0") else (endpoint[6:-2], 0)
        self._server = _listen(host, port, endpoint)
        self.endpoint = f"tcp://{host}:{self._server.getsockname()[1]}"
        self._client: socket.socket | None = None
        self._waiting = memoryview(b"")
        self._linger_s = LINGER_S

    def offer(self, parts: list[Any]) -> bool:
        """See `Outlet.offer`: a message is taken when the one before it is on its way."""
        if not self._accept() or not self._flush():
            return False
        self._waiting = memoryview(b"".join(parts))
        self._flush()
        return True

    def settle(self) -> bool:
        """See `Outlet.settle`."""
        return self._flush()

    def linger(self, seconds: float) -> None:
        """See `Outlet.linger`."""
        self._linger_s = seconds

    def reopen(self) -> None:
        """See `Outlet.reopen`."""
        host, port = self._server.getsockname()[:2]
        self._drop()
        self._server.close()
        time.sleep(AWAY_S)
        self._server = _listen(host, port, self.endpoint)

    def close(self) -> None:
        """See `Outlet.close`."""
        settle_for(self, self._linger_s)
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


def _listen(host: str, port: int, endpoint: str) -> socket.socket:
    try:
        server = socket.create_server((host, port))
    except OSError as error:
        raise ConfigError(f"--bind {endpoint}: {error.strerror}; choose another port") from None
    server.setblocking(False)
    return server
