"""A simulated DECTRIS control unit: REST interface and stream, driven by its clients."""

from __future__ import annotations

import contextlib
import json
import queue
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from numpy.typing import NDArray

from livebragg.model import Acquisition
from livebragg.wire.messages import EndReason
from livebragg_simulators.dectris.simplon import MAX_BODY_BYTES, Command, Simplon
from livebragg_simulators.dectris.v1 import DectrisV1Writer
from livebragg_simulators.dectris.v2 import DectrisV2Writer
from livebragg_simulators.led import POLL_S, LedDetector
from livebragg_simulators.sender import Sender, SendOptions
from livebragg_simulators.served import serving
from livebragg_simulators.sources import ScanPath
from livebragg_simulators.writers import Parts, StreamWriter


@contextlib.contextmanager
def rest_server(simplon: Simplon, address: str) -> Iterator[str]:
    """Serve the REST interface at HOST:PORT (port 0: any that is free); gives its address."""
    with serving(ThreadingHTTPServer, _handler(simplon), address, flag="--rest", usual_port=8910) as where:
        yield f"http://{where}"


def _handler(simplon: Simplon) -> type[BaseHTTPRequestHandler]:
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 30.0

        def _answer(self, body: bytes = b"") -> None:
            with lock:
                status, value = simplon.handle(self.command, self.path, body)
            text = b"" if value is None else json.dumps(value).encode()
            self.send_response(status)
            if text:
                self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def do_GET(self) -> None:
            self._answer()

        def do_PUT(self) -> None:
            length = self.headers.get("Content-Length", "0")
            size = int(length) if length.isdigit() else MAX_BODY_BYTES + 1
            self._answer(self.rfile.read(size) if size <= MAX_BODY_BYTES else bytes(MAX_BODY_BYTES + 1))
            self.close_connection = self.close_connection or size > MAX_BODY_BYTES

        do_POST = do_DELETE = do_GET  # noqa: N815 (the names of http.server)

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing: the program that is tested says enough."""

    return Handler


class Dcu(LedDetector):
    """Follows its REST interface.

    Parameters
    ----------
    simplon : Simplon
    writer : SwitchingWriter
        The sender's.
    sender, path, options, said
        See `LedDetector`.
    """

    def __init__(
        self,
        simplon: Simplon,
        sender: Sender,
        writer: SwitchingWriter,
        path: ScanPath,
        options: SendOptions,
        said: Callable[[str], None],
    ) -> None:
        super().__init__(sender, path, options, said)
        self._simplon = simplon
        self._writer = writer
        self._expected = self._next = 0
        self._armed = False

    def run(self) -> None:
        """Follow commands until `stop` is called."""
        while not self._stopped:
            with contextlib.suppress(queue.Empty):
                self._follow(self._simplon.commands.get(timeout=POLL_S))
        if self._armed:
            self._sender.end(self._expected)

    def _follow(self, command: Command) -> None:
        if command.name == "arm":
            self._arm(command)
        elif self._armed and command.name == "trigger":
            self._send(command.n_images)
        elif self._armed:
            self._finish()

    def _arm(self, command: Command) -> None:
        self._expected, self._next, self._armed = command.n_images, 0, True
        self._writer.cbor = command.cbor
        self._sender.resume()
        self._sender.begin(self._path.acquisition("series"), command.n_images)
        trigger_mode = self._simplon.config["detector"]["trigger_mode"]
        self._said(f"armed for {command.n_images} images, {trigger_mode}")
        if trigger_mode in ("exts", "exte"):  # the triggers of a scan generator that is always on
            self._send(command.n_images)

    def _send(self, n_images: int) -> None:
        """Send images until all are sent or another command comes."""
        self._simplon.state = "acquire"
        stop = min(self._next + n_images, self._expected)
        while self._next < stop and not self._stopped:
            self._next += self._send_some(self._next, stop)
            waiting = self._simplon.commands.queue
            if any(command.name in ("disarm", "abort") for command in list(waiting)):
                break
        self._simplon.state = "ready"
        if self._next >= self._expected:
            self._finish()

    def _finish(self) -> None:
        self._sender.end(self._expected)
        self._said(f"{self._next} of {self._expected} images sent")
        self._armed = False
        self._simplon.state = "idle"


@dataclass(slots=True)
class SwitchingWriter:
    """V1 or V2, as the client configured it before it armed."""

    v1: DectrisV1Writer
    v2: DectrisV2Writer
    cbor: bool
    linger_frames: int = 4

    @property
    def _chosen(self) -> StreamWriter:
        return self.v2 if self.cbor else self.v1

    def start(self, acquisition: Acquisition, n_frames: int) -> list[Parts]:
        """See `StreamWriter.start`."""
        return self._chosen.start(acquisition, n_frames)

    def frames(self, first: int, frames: NDArray[Any]) -> list[Parts]:
        """See `StreamWriter.frames`."""
        return self._chosen.frames(first, frames)

    def end(self, frames_sent: int, reason: EndReason) -> list[Parts]:
        """See `StreamWriter.end`."""
        return self._chosen.end(frames_sent, reason)

    def alive(self, frames_sent: int) -> list[Parts]:
        """See `StreamWriter.alive`."""
        return self._chosen.alive(frames_sent)
