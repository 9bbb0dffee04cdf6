"""The only place that touches ZeroMQ: sockets with the options the pipeline needs.

All sockets have a linger, so that closing a context never hangs, and a bounded message size. TCP endpoints
get ZeroMQ heartbeats, which notice a peer that vanished without closing its connection. On a stream of frames
they are patient: giving a connection up loses what is on its way, so a sender or a network that stalls for less
than a minute must not be taken for dead.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import zmq

from livebragg.errors import ConfigError, PipelineError
from livebragg.wire.codec import decode, encode, topic_of
from livebragg.wire.endpoints import host_port, is_listening

MAX_MESSAGE_BYTES = 1 << 30
MAX_IPC_PATH = 107
"""Longest path of a Unix domain socket on Linux, in bytes."""
HEARTBEAT_MS = 1000
VANISHED_MS, STREAM_VANISHED_MS = 5000, 60000
COPY_BELOW_BYTES = 1 << 16
"""libzmq copies smaller messages anyway; handing them over by reference only costs."""

PULL, PUSH, ROUTER, DEALER, XPUB, SUB, REQ = (
    zmq.PULL,
    zmq.PUSH,
    zmq.ROUTER,
    zmq.DEALER,
    zmq.XPUB,
    zmq.SUB,
    zmq.REQ,
)

Context = zmq.Context


@contextmanager
def context() -> Iterator[Any]:
    """A ZeroMQ context that is ended with everything in it; each socket lingers as it was told."""
    ctx: Any = zmq.Context()
    try:
        yield ctx
    finally:
        ctx.destroy(linger=None)


def check_endpoint(endpoint: str, key: str = "endpoint") -> str:
    """Return the endpoint, or raise `ConfigError` if ZeroMQ could never use it."""
    scheme, _, rest = endpoint.partition("://")
    if scheme == "tcp":
        if host_port(rest) or (rest.endswith(":*") and len(rest) > 2):
            return endpoint
    elif scheme == "ipc" and rest:
        if len(os.fsencode(rest)) <= MAX_IPC_PATH:
            return endpoint
        raise ConfigError(
            f"{key} {endpoint!r}: a socket path may have {MAX_IPC_PATH} bytes, this one has "
            f"{len(os.fsencode(rest))}; choose a shorter directory"
        )
    elif scheme == "inproc" and rest:
        return endpoint
    raise ConfigError(f"{key} {endpoint!r} is not an endpoint; write tcp://HOST:PORT or ipc://PATH")


def open_socket(
    ctx: Any,
    kind: int,
    *,
    bind: str | None = None,
    connect: str | None = None,
    send_high_water: int = 1000,
    receive_high_water: int = 1000,
    linger_ms: int = 1000,
    identity: str | None = None,
) -> Any:
    """Open, configure and bind or connect one socket.

    Raises
    ------
    ConfigError
        The endpoint is no endpoint.
    PipelineError
        The endpoint cannot be bound; the text says why.
    """
    endpoint = check_endpoint(bind or connect or "")
    socket = ctx.socket(kind)
    socket.setsockopt(zmq.LINGER, linger_ms)
    socket.setsockopt(zmq.SNDHWM, send_high_water)
    socket.setsockopt(zmq.RCVHWM, receive_high_water)
    socket.setsockopt(zmq.MAXMSGSIZE, MAX_MESSAGE_BYTES)
    if endpoint.startswith("tcp://"):
        patience = STREAM_VANISHED_MS if kind in (zmq.PUSH, zmq.PULL) else VANISHED_MS
        socket.setsockopt(zmq.HEARTBEAT_IVL, HEARTBEAT_MS)
        socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, patience)
        socket.setsockopt(zmq.RECONNECT_IVL, 100)
        socket.setsockopt(zmq.RECONNECT_IVL_MAX, 1000)
    if identity is not None:
        socket.setsockopt(zmq.IDENTITY, identity.encode())
    if kind == zmq.XPUB:
        socket.setsockopt(zmq.XPUB_VERBOSE, 1)
    if kind == zmq.ROUTER:
        socket.setsockopt(zmq.ROUTER_HANDOVER, 1)
    try:
        if bind and _is_taken_path(endpoint):
            raise zmq.ZMQError(zmq.EADDRINUSE)
        (socket.bind if bind else socket.connect)(endpoint)
    except zmq.ZMQError as error:
        socket.close(0)
        raise PipelineError(
            f"cannot {'bind' if bind else 'connect to'} {endpoint}: {error.strerror}; is another program "
            "using it? Choose another port in the configuration"
        ) from None
    return socket


def _is_taken_path(endpoint: str) -> bool:
    """Whether somebody listens at a path; ZeroMQ would take it away from him."""
    return endpoint.startswith("ipc://") and is_listening(endpoint.removeprefix("ipc://"))


def is_free(endpoint: str) -> bool:
    """Whether an endpoint of this machine can be bound now.

    Raises
    ------
    PipelineError
        It cannot be bound for another reason, such as an address of another machine.
    """
    if endpoint.startswith("ipc://"):
        return not _is_taken_path(endpoint)
    with context() as ctx:
        socket = ctx.socket(zmq.PAIR)
        try:
            socket.bind(endpoint)
        except zmq.ZMQError as error:
            if error.errno == zmq.EADDRINUSE:
                return False
            raise PipelineError(f"cannot bind {endpoint}: {error.strerror}; choose another one") from None
    return True


def send(socket: Any, message: Any, *, prefix: tuple[bytes, ...] = (), wait: bool = True) -> bool:
    """Send one message; False when it would have to wait and `wait` is false."""
    return send_parts(socket, [*prefix, *encode(message)], wait=wait)


def send_parts(socket: Any, parts: list[Any], *, wait: bool = True) -> bool:
    """Send parts that are encoded already; False when they would have to wait and `wait` is false."""
    try:
        copy = max(map(_size, parts)) < COPY_BELOW_BYTES
        socket.send_multipart(parts, flags=0 if wait else zmq.DONTWAIT, copy=copy)
    except zmq.Again:
        return False
    return True


def receive_parts(socket: Any) -> list[Any] | None:
    """Parts of the next message as buffers, or ``None`` when there is none."""
    try:
        frame = socket.recv(zmq.DONTWAIT, False)
    except zmq.Again:
        return None
    parts = [frame.buffer]
    while frame.more:  # the parts of a message arrive together
        frame = socket.recv(0, False)
        parts.append(frame.buffer)
    return parts


def receive(socket: Any, prefix: int = 0) -> Any | None:
    """Next message, decoded, or ``None`` when there is none; `prefix` parts in front are dropped.

    Raises
    ------
    livebragg.errors.WireError
        A message came but cannot be accepted.
    """
    parts = receive_parts(socket)
    return None if parts is None else decode(parts[prefix:])


def _size(part: Any) -> int:
    return memoryview(part).nbytes


class Poller:
    """Waits for several sockets at once."""

    def __init__(self) -> None:
        self._poller = zmq.Poller()

    def add(self, socket: Any) -> None:
        """Watch a socket for messages."""
        self._poller.register(socket, zmq.POLLIN)

    def remove(self, socket: Any) -> None:
        """Watch a socket no longer."""
        self._poller.unregister(socket)

    def wait(self, timeout_s: float) -> set[Any]:
        """Sockets with messages, at once or after at most `timeout_s` seconds."""
        return {socket for socket, _ in self._poller.poll(max(0, math.ceil(timeout_s * 1000)))}


def bound_endpoint(socket: Any) -> str:
    """Endpoint a socket was bound to, with the port the system chose."""
    return str(socket.getsockopt_string(zmq.LAST_ENDPOINT))


def subscribe(socket: Any, *kinds: type[Any]) -> None:
    """Subscribe to the feed's messages of these classes; to all without any."""
    for topic in [topic_of(kind) for kind in kinds] or [b""]:
        socket.setsockopt(zmq.SUBSCRIBE, topic)


def request(ctx: Any, endpoint: str, message: Any, timeout_s: float) -> Any | None:
    """Send one request and wait for its reply; ``None`` when there is none in time."""
    socket = open_socket(ctx, REQ, connect=endpoint, linger_ms=0)
    try:
        send(socket, message)
        return receive(socket) if socket.poll(round(timeout_s * 1000)) else None
    finally:
        socket.close(0)


def set_linger(socket: Any, seconds: float) -> None:
    """How long closing waits for messages that the peer has not taken."""
    socket.setsockopt(zmq.LINGER, round(seconds * 1000))
