"""One request at a time to the pipeline's control endpoint, never waiting."""

from __future__ import annotations

from typing import Any

from livebragg.errors import WireError
from livebragg.wire import sockets
from livebragg.wire.codec import decode


class Channel:
    """A DEALER socket, used by one thread.

    Replies carry no number of their request, so there is one request on the way at a time, and the socket of a
    request that was never answered is thrown away with whatever may still come on it.

    Parameters
    ----------
    ctx : zmq.Context
        Not closed here.
    endpoint : str
        Where the pipeline answers.
    timeout_s : float
        Silence after which a request is given up.
    """

    def __init__(self, ctx: Any, endpoint: str, timeout_s: float) -> None:
        self._ctx = ctx
        self._endpoint = endpoint
        self._timeout_s = timeout_s
        self._deadline: float | None = None
        self._socket = self._open()

    @property
    def busy(self) -> bool:
        """Whether a request is on the way."""
        return self._deadline is not None

    def send(self, request: object, now: float) -> None:
        """Ask, when nothing is on the way."""
        self._deadline = now + self._timeout_s
        sockets.send(self._socket, request, prefix=(b"",), wait=False)

    def poll(self, now: float) -> object | None:
        """The reply, or as a text why there is none; ``None`` while there is neither."""
        parts = sockets.receive_parts(self._socket)
        if self._deadline is None or (parts is None and now <= self._deadline):
            return None
        self._deadline = None
        if parts is None:
            self.close()
            self._socket = self._open()
            return f"the pipeline did not answer at {self._endpoint} within {self._timeout_s:g} s"
        try:
            reply: object = decode(parts[1:])
        except WireError as error:
            return f"the answer cannot be read: {error}"
        return reply

    def close(self) -> None:
        """Close the socket."""
        self._socket.close(0)

    def _open(self) -> Any:
        return sockets.open_socket(self._ctx, sockets.DEALER, connect=self._endpoint, linger_ms=0)
