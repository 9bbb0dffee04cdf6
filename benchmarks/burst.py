"""A burst far above the rate of analysis: nothing may be lost, and the backlog must be caught up.

::

    python benchmarks/burst.py [--factor 10] [--seconds 10] [--size 192] [--workers 1]

A first series, as fast as it is taken, tells the rate of analysis; then a second one comes with `factor` times
that rate. Prints rates, largest backlog, largest size of the frame log and the time to catch up; exits with 1 when
a frame is lost.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ingest import UNIQUE, diffraction, numbered

from livebragg.cli.demo import free_ports
from livebragg.cli.status import ask_status
from livebragg.config.loader import from_table
from livebragg.config.schema import Config
from livebragg.errors import PipelineError
from livebragg.model import Acquisition
from livebragg.pipeline.supervisor import Supervisor
from livebragg.wire import sockets
from livebragg.wire.messages import EndReason, PipelineStatus
from livebragg_simulators.dectris.series import SeriesFacts
from livebragg_simulators.dectris.v2 import DectrisV2Writer

COLS = 100
FIRST_ROWS = 40


@dataclass
class Watched:
    """What was seen of one series."""

    sent_s: float = 0.0
    """Time the sender took."""
    done_s: float = 0.0
    """Time until all was analysed and saved."""
    rate_hz: float = 0.0
    """Frames analysed per second, from the first to the last of them."""
    backlog: float = 0.0
    log_bytes: float = 0.0
    counters: dict[str, float] | None = None


class Camera:
    """Sends series of V2 images made beforehand.

    Parameters
    ----------
    ctx : zmq.Context
    endpoint : str
    size : int
        Side of the images.
    """

    def __init__(self, ctx: Any, endpoint: str, size: int) -> None:
        self._socket = sockets.open_socket(ctx, sockets.PUSH, bind=endpoint, send_high_water=1000)
        self._facts, self._size = SeriesFacts(), size
        self._writer = DectrisV2Writer(self._facts)
        self._frames = diffraction(UNIQUE, size)

    def send(self, rows: int, rate_hz: float) -> None:
        """Send a series of `rows` lines; 0: as fast as it is taken."""
        n, base = rows * COLS, 1 << 20
        self._facts.header_appendix = {"scan_shape": [rows, COLS]}
        acquisition = Acquisition(
            acquisition_id="b", scan_shape=(rows, COLS), frame_shape=(self._size, self._size), dtype="uint16"
        )
        for parts in self._writer.start(acquisition, n):
            sockets.send_parts(self._socket, parts)
        images = self._writer.frames(base, self._frames)
        began = time.monotonic()
        for k in range(n):
            if rate_hz and k % 16 == 0:
                time.sleep(max(0.0, began + k / rate_hz - time.monotonic()))
            sockets.send_parts(self._socket, numbered(images[k % UNIQUE], base + k % UNIQUE, k, "dectris-v2"))
        for parts in self._writer.end(n, EndReason.FINISHED):
            sockets.send_parts(self._socket, parts)


def series(
    camera: Camera, supervisor: Supervisor, control: str, serial: int, rows: int, rate_hz: float
) -> Watched:
    """Send one series and watch it until it is saved."""
    seen, began, first = Watched(), time.monotonic(), (0.0, 0.0)

    def send() -> None:
        camera.send(rows, rate_hz)
        seen.sent_s = time.monotonic() - began

    sending = threading.Thread(target=send)
    sending.start()
    for status in statuses(supervisor, control):
        if status.serial != serial:
            continue
        seen.backlog = max(seen.backlog, status.counters.get("backlog_frames", 0.0))
        seen.log_bytes = max(seen.log_bytes, status.counters.get("log_bytes", 0.0))
        done, now = status.counters.get("frames_analysed", 0.0), time.monotonic()
        if done > (seen.counters or {}).get("frames_analysed", 0.0):
            first = first if first[0] else (now, done)
            seen.rate_hz = (done - first[1]) / max(now - first[0], 0.1)
        seen.counters = dict(status.counters)
        if status.phase == "complete":
            break
    seen.done_s = time.monotonic() - began
    sending.join()
    return seen


def statuses(supervisor: Supervisor, control: str) -> Iterator[PipelineStatus]:
    """What the pipeline says of itself, ten times a second."""
    while supervisor.poll():
        with contextlib.suppress(PipelineError):
            yield ask_status(control, 2.0)
        time.sleep(0.1)


def main() -> int:
    """Run both series."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--factor", type=float, default=10.0)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--size", type=int, default=192)
    parser.add_argument("--workers", type=int, default=1)
    args = parser.parse_args()
    stream, feed, control = (f"tcp://127.0.0.1:{port}" for port in free_ports(3))
    with tempfile.TemporaryDirectory() as folder:
        table = {
            "stream": {"endpoint": stream, "detector": "dectris"},
            "publish": {"feed": feed, "control": control},
            "dispatch": {"workers": args.workers},
            "frame_log": {"capacity_mb": 4096},
            "results": {"directory": str(Path(folder))},
        }
        with sockets.context() as ctx, Supervisor(from_table(Config, table)) as supervisor:
            camera = Camera(ctx, stream, args.size)
            for status in statuses(supervisor, control):
                if len(status.workers) == args.workers:
                    break
            rate = series(camera, supervisor, control, 1, FIRST_ROWS, 0.0).rate_hz
            print(
                f"{args.workers} worker(s), {args.size}x{args.size}: {rate:.0f} frames/s, the sender held back",
                flush=True,
            )
            rows = max(1, round(args.factor * rate * args.seconds / COLS))
            return report(rows * COLS, rate, series(camera, supervisor, control, 2, rows, args.factor * rate))


def report(n: int, rate: float, seen: Watched) -> int:
    """What became of the burst; 1 when a frame is lost."""
    counters = seen.counters or {}
    lost = n - round(counters.get("frames_analysed", 0.0))
    print(
        f"burst: {n} frames in {seen.sent_s:.1f} s, {n / seen.sent_s / rate:.1f} of that rate; largest backlog "
        f"{seen.backlog:.0f} frames, frame log {seen.log_bytes / 1e6:.0f} MB; analysed at {seen.rate_hz:.0f} "
        f"frames/s, done and saved {seen.done_s - seen.sent_s:.1f} s after the last was sent; frames lost: {lost}"
    )
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
