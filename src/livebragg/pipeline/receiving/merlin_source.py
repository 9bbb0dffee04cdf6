"""A Merlin's data socket: a TCP connection whose stream is cut into units (`livebragg.wire.mpx`)."""

from __future__ import annotations

import errno
import select
import socket
import time

import numpy as np

from livebragg.detectors.merlin import MAX_HEADER_BYTES, unit_sizes
from livebragg.errors import MalformedMessageError
from livebragg.wire import sockets
from livebragg.wire.mpx import PREFIX_BYTES, payload_bytes

RECONNECT_S = 0.5
RECEIVE_BUFFER_BYTES = 1 << 22
MAX_LOW_WATER_BYTES = 1 << 17

HEAD_BYTES = 128
"""Of a frame's unit, which say how long it is."""
CHUNK_BYTES = 1 << 16


def judged_size(head: bytes, claimed: int, usual: int) -> int | None:
    """Length of a unit whose prefix says another one than those of the frames before it.

    Parameters
    ----------
    head : bytes
        What the unit begins with.
    claimed, usual : int
        Length by the prefix, and of the frames before.

    Returns
    -------
    int or None
        ``None`` when neither can be believed.
    """
    if head.startswith(b"HDR,"):
        return claimed if claimed <= MAX_HEADER_BYTES else None
    stated = unit_sizes(head)
    if claimed in stated:
        return claimed
    if usual in stated:  # a digit of the prefix is damaged, the frame is not
        return usual
    return claimed if claimed < usual else None  # whatever it is, it swallows no more than a frame


class MerlinSource:
    """Connects to a data socket, again and again if it must be, and cuts its units out.

    Parameters
    ----------
    host, port
        Where the detector listens.

    Notes
    -----
    What is no unit is skipped until the next one begins: the connection is kept, since the detector may notice
    that it was closed. A prefix that says another length than those of the frames before is not believed before
    the header behind it bears it out: one damaged digit would swallow up to 64 MiB of the stream.
    """

    buffers = False

    def __init__(self, host: str, port: int) -> None:
        self._address = (host, port)
        self._socket: socket.socket | None = None
        self._connected = False
        self._next_try = 0.0
        self._prefix = bytearray()
        self._head = bytearray()
        """First bytes of a unit whose length is in doubt."""
        self._claimed = 0
        """Length that its prefix says; 0 while there is none."""
        self._usual = 0
        """Length of the newest frame; 0 before the first."""
        self._pending = bytearray()
        """Bytes that were read too early."""
        self._lost: bytearray | None = None
        """The newest bytes while the beginning of a unit is looked for."""
        self._unit: memoryview | None = None
        self._filled = 0
        self._low_water = 0
        self._watched: int | None = None

    @property
    def descriptor(self) -> int | None:
        """File descriptor to wait for; ``None`` while there is no connection."""
        return self._socket.fileno() if self._socket is not None and self._connected else None

    def connect(self) -> None:
        """Begin or finish a connection; call it often."""
        if self._connected or (self._socket is None and time.monotonic() < self._next_try):
            return
        if self._socket is None:
            self._begin()
        self._finish()

    def watch(self, poller: sockets.Poller) -> None:
        """See `StreamSource.watch`."""
        self.connect()
        if self.descriptor != self._watched:
            self.ignore(poller)
            self._watched = self.descriptor
            if self._watched is not None:
                poller.add(self._watched)

    def ignore(self, poller: sockets.Poller) -> None:
        """See `StreamSource.ignore`."""
        if self._watched is not None:
            poller.remove(self._watched)
            self._watched = None

    def receive(self) -> list[memoryview] | None:
        """The next unit's payload as the only part; see `StreamSource.receive`."""
        while self._socket is not None and self._connected:
            if self._unit is not None:
                if self._filled < len(self._unit) and not self._read_into(self._unit[self._filled :]):
                    return None
                if self._filled == len(self._unit):
                    done, self._unit = self._unit, None
                    if bytes(done[:4]) == b"MQ1,":
                        self._usual = len(done)
                    return [done]
            elif self._lost is not None:
                if not self._find_unit():
                    return None
            elif self._claimed:
                if not self._read_head():
                    return None
            elif not self._read_prefix():
                return None
        return None

    def close(self) -> None:
        """Close the connection; what came of a unit is dropped."""
        if self._socket is not None:
            self._socket.close()
        self._socket, self._connected, self._unit, self._low_water = None, False, None, 0
        self._lost, self._claimed, self._usual = None, 0, 0
        for left in (self._prefix, self._head, self._pending):
            left.clear()
        self._next_try = time.monotonic() + RECONNECT_S

    # ------------------------------------------------------------------------------------------ internals
    def _begin(self) -> None:
        try:
            family = socket.getaddrinfo(*self._address, type=socket.SOCK_STREAM)[0]
        except OSError:
            self._next_try = time.monotonic() + RECONNECT_S
            return
        self._socket = socket.socket(family[0], socket.SOCK_STREAM)
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
        if self._socket.connect_ex(family[4]) not in (0, errno.EINPROGRESS):
            self.close()

    def _finish(self) -> None:
        if self._socket is None or not select.select([], [self._socket], [], 0)[1]:
            return
        if self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self.close()
            return
        self._connected = True

    def _read_prefix(self) -> bool:
        """Read the prefix of a unit; False while it has not come whole."""
        missing = bytearray(PREFIX_BYTES - len(self._prefix))
        n = self._read(memoryview(missing))
        if n == 0:
            return False
        self._prefix += missing[:n]
        if len(self._prefix) < PREFIX_BYTES:
            return True
        size = payload_bytes(self._prefix)
        if size is None:
            raise self._skip(bytes(self._prefix))
        if self._usual and size != self._usual:
            self._claimed = size
            self._wake_for(min(size, HEAD_BYTES))
        else:
            self._begin_unit(size)
        return True

    def _begin_unit(self, size: int) -> None:
        self._wake_for(size)
        head, self._pending[:0] = self._head[:size], self._head[size:]
        # Not a bytearray, whose bytes would be set to 0 before they are received.
        self._unit, self._filled, self._claimed = np.empty(size, np.uint8).data, len(head), 0
        self._unit[: len(head)] = head
        self._prefix.clear()
        self._head.clear()

    def _read_head(self) -> bool:
        """Read the first bytes of a unit whose length is in doubt; False while they have not come."""
        view = memoryview(bytearray(min(self._claimed, HEAD_BYTES) - len(self._head)))
        n = self._read(view)
        self._head += view[:n]
        if n < len(view):
            return n > 0
        size = judged_size(bytes(self._head), self._claimed, self._usual)
        if size is None:
            raise self._skip(bytes(self._prefix + self._head))
        self._begin_unit(size)
        return True

    def _wake_for(self, size: int) -> None:
        """Let polls wake up for whole units, not for every packet: whoever waits tries now and then anyway."""
        low = min(size, MAX_LOW_WATER_BYTES)
        if low != self._low_water and self._socket is not None:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, low)
            self._low_water = low

    def _skip(self, bad: bytes) -> MalformedMessageError:
        """Look for the next unit; what to say of what lies before it."""
        self._pending[:0] = bad[1:]
        self._lost, self._claimed = bytearray(), 0
        self._prefix.clear()
        self._head.clear()
        self._wake_for(PREFIX_BYTES)
        return MalformedMessageError(f"bytes that begin no Merlin unit were skipped: {bad[:PREFIX_BYTES]!r}")

    def _find_unit(self) -> bool:
        """Drop bytes until a unit may begin; False while none has come."""
        assert self._lost is not None
        chunk = bytearray(CHUNK_BYTES)
        n = self._read(memoryview(chunk))
        if n == 0:
            return False
        seen = self._lost + chunk[:n]
        at = seen.find(b"MPX,")
        if at < 0:
            self._lost = seen[-3:]
        else:
            self._pending[:0], self._lost = seen[at:], None
        return True

    def _read_into(self, view: memoryview) -> bool:
        n = self._read(view)
        self._filled += n
        return n > 0

    def _read(self, view: memoryview) -> int:
        assert self._socket is not None
        if self._pending:
            n = min(len(view), len(self._pending))
            view[:n] = self._pending[:n]
            del self._pending[:n]
            return n
        try:
            n = self._socket.recv_into(view)
        except BlockingIOError:
            return 0
        except OSError:
            n = 0
        if n == 0:
            self.close()
        return n
