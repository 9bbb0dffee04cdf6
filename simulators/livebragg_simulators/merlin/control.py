"""Merlin's command socket: ``GET``, ``SET`` and ``CMD``. The state is apart from the server."""

from __future__ import annotations

import contextlib
import queue
import socketserver
import threading
from collections.abc import Iterator
from typing import Any

from livebragg.wire.mpx import PREFIX_BYTES, payload_bytes, unit
from livebragg_simulators.served import serving

OK, BUSY, UNKNOWN, OUT_OF_RANGE = 0, 1, 2, 3
MAX_COMMAND_BYTES = 4096

_COMMANDS = ("STARTACQUISITION", "SOFTTRIGGER", "STOPACQUISITION", "ABORT")
_LIMITS = {
    "COUNTERDEPTH": (1, 24),
    "NUMFRAMESTOACQUIRE": (0, 1 << 31),
    "NUMFRAMESPERTRIGGER": (0, 1 << 31),
    "ACQUISITIONTIME": (0, 1e9),
}


class MerlinControl:
    """Parameters of a simulated detector, and commands for whoever sends its frames.

    Parameters
    ----------
    frame_shape : tuple of int
        ``(frame_rows, frame_cols)``.
    n_frames, depth : int
        Frames of an acquisition, and bits of a counter, unless the client asks for others.
    """

    def __init__(self, frame_shape: tuple[int, int], n_frames: int, depth: int) -> None:
        self.commands: queue.Queue[str] = queue.Queue()
        self.values: dict[str, str] = {
            "IMAGEX": str(frame_shape[1]),
            "IMAGEY": str(frame_shape[0]),
            "COUNTERDEPTH": str(depth),
            "NUMFRAMESTOACQUIRE": str(n_frames),
            "NUMFRAMESPERTRIGGER": "1",
            "ACQUISITIONTIME": "1.0",
            "CONTINUOUSRW": "1",
            "TRIGGERSTART": "0",
            "RUNHEADLESS": "0",
            "FILEENABLE": "0",
            "FILEDIRECTORY": "",
            "IMAGESPERFILE": "1",
            "USETIMESTAMPING": "0",
            "FILEFORMAT": "0",
            "DETECTORSTATUS": "0",
        }

    @property
    def n_frames(self) -> int:
        """Frames of the next acquisition; 0: without end."""
        return int(self.values["NUMFRAMESTOACQUIRE"])

    def handle(self, text: str) -> str:
        """Answer one command."""
        kind, _, rest = text.strip("\0\r\n ").partition(",")
        name, _, value = rest.partition(",")
        if kind == "GET":
            known = name in self.values
            return f"GET,{name[:80]},{self.values.get(name, '0')},{OK if known else UNKNOWN}"
        if kind == "SET":
            return f"SET,{name[:80]},{self._set(name, value)}"
        if kind == "CMD":
            if name in _COMMANDS:
                self.commands.put(name)
            return f"CMD,{name[:80]},{OK if name in _COMMANDS else UNKNOWN}"
        return f"{kind[:80]},{name[:80]},{UNKNOWN}"

    def _set(self, name: str, value: str) -> int:
        if name not in self.values or name in ("IMAGEX", "IMAGEY"):
            return UNKNOWN
        if name in _LIMITS:
            low, high = _LIMITS[name]
            try:
                if not low <= float(value) <= high:
                    return OUT_OF_RANGE
            except ValueError:
                return OUT_OF_RANGE
            value = str(int(float(value))) if name != "ACQUISITIONTIME" else value
        self.values[name] = value[:1000]
        return OK


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


@contextlib.contextmanager
def control_server(control: MerlinControl, address: str) -> Iterator[str]:
    """Serve the command socket at HOST:PORT (port 0: any that is free); gives its address."""
    lock = threading.Lock()

    class Handler(socketserver.StreamRequestHandler):
        timeout = 600.0

        def handle(self) -> None:
            with contextlib.suppress(OSError):
                while (text := _read(self.rfile)) is not None:
                    with lock:
                        answer = control.handle(text)
                    self.wfile.write(unit(answer.encode("latin-1", "replace")))

    with serving(_Server, Handler, address, flag="--control", usual_port=6341) as where:
        yield where


def _read(stream: Any) -> str | None:
    """Text of the next command, ``None`` at the end or after something that is none."""
    size = payload_bytes(stream.read(PREFIX_BYTES))
    if size is None or size > MAX_COMMAND_BYTES:
        return None
    text = stream.read(size)
    return text.decode("latin-1") if len(text) == size else None
