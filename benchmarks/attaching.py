"""Attaching to a running detector and detaching again, many times, with the whole pipeline.

::

    python benchmarks/attaching.py [--times 100] [--rate 200]

The sender is a detector, in a process of its own: it keeps its own time, sends scan after scan of small frames,
and waits for nobody; what is not taken is gone. Each time a pipeline (receiver, analyst, one worker) starts,
analyses a scan, and is stopped in the middle of a later one, after five seconds for good. Prints how long that
takes, and how late the sender ever was; exits with 1 when a pipeline hangs, the sender suffers, or an acquisition
has neither results nor a reason.
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import os
import re
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from livebragg.cli.demo import free_ports
from livebragg.cli.status import ask_status
from livebragg.config.loader import from_table
from livebragg.config.schema import Config
from livebragg.errors import PipelineError
from livebragg.pipeline.supervisor import Supervisor
from livebragg.wire import sockets
from livebragg.wire.messages import EndReason
from livebragg_simulators.specimen import Specimen, SpecimenConfig
from livebragg_simulators.writers import NativeWriter

PATIENCE_S = 180.0
FOR_GOOD_S = 5.0
"""After this time a pipeline is told again to stop, and leaves what no worker has begun."""
SCAN = (16, 16)
BATCH = 4


@dataclass
class Figures:
    """How a sender fared."""

    sent: int = 0
    untaken: int = 0
    """Frames nobody took."""
    seconds: float = 0.0
    cpu_s: float = 0.0
    latest_s: float = 0.0
    """The most it was ever behind its clock."""
    error: str = ""

    @property
    def rate_hz(self) -> float:
        """Frames per second."""
        return self.sent / max(self.seconds, 1e-9)


class Detector:
    """Sends scan after scan on its own clock, whoever listens, from a process of its own until it is left.

    Parameters
    ----------
    rate_hz : float
    """

    def __init__(self, rate_hz: float) -> None:
        spawn = multiprocessing.get_context("spawn")
        self._pipe, other = spawn.Pipe()
        self._process = spawn.Process(target=_be_a_detector, args=(other, rate_hz), daemon=True)
        self.endpoint = ""
        self.figures = Figures()

    def __enter__(self) -> Detector:
        self._process.start()
        if not self._pipe.poll(PATIENCE_S):
            raise SystemExit(f"the sender did not start within {PATIENCE_S} s")
        self.endpoint = self._pipe.recv()
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._pipe.send("stop")
            self.figures = self._pipe.recv() if self._pipe.poll(10.0) else Figures(error="it does not answer")
        except (OSError, EOFError):
            self.figures = Figures(error="its process is gone")
        self._process.join(10.0)
        self._process.kill()


def _be_a_detector(pipe: Any, rate_hz: float) -> None:
    sending = _Sending(pipe, rate_hz, Figures())
    began = time.monotonic()
    try:
        with sockets.context() as ctx:
            socket = sockets.open_socket(ctx, sockets.PUSH, bind="tcp://127.0.0.1:*", linger_ms=0)
            sending.send(socket)
    except Exception as error:  # what a detector would crash with is what this is to find
        sending.figures.error = repr(error)
    sending.figures.seconds = time.monotonic() - (sending.began or began)
    sending.figures.cpu_s = time.process_time()
    pipe.send(sending.figures)


@dataclass
class _Sending:
    """The sender's process."""

    pipe: Any
    rate_hz: float
    figures: Figures
    began: float = 0.0

    def send(self, socket: Any) -> None:
        """Send until told to stop."""
        figures = self.figures
        specimen = Specimen(SpecimenConfig.preset("gold", scan_shape=SCAN, frame_shape=(64, 64)))
        writer, n, scan = NativeWriter(), SCAN[0] * SCAN[1], 0
        frames = specimen.frames(0, n)
        self.pipe.send(sockets.bound_endpoint(socket))
        due = self.began = time.monotonic()
        while not self.pipe.poll():
            scan += 1
            for parts in writer.start(specimen.acquisition(f"scan-{scan}"), n):
                sockets.send_parts(socket, parts, wait=False)
            for first in range(0, n, BATCH):
                for parts in writer.frames(first, frames[first : first + BATCH]):
                    if not sockets.send_parts(socket, parts, wait=False):
                        figures.untaken += BATCH
                figures.sent += BATCH
                due += BATCH / self.rate_hz
                figures.latest_s = max(figures.latest_s, time.monotonic() - due)
                time.sleep(max(0.0, due - time.monotonic()))
            for parts in writer.end(n, EndReason.FINISHED):
                sockets.send_parts(socket, parts, wait=False)


@dataclass(frozen=True)
class Visit:
    """One time attached."""

    worker_s: float
    """Until a worker was ready."""
    results_s: float
    """From then on until a scan was analysed and saved."""
    detach_s: float
    acquisitions: int
    saved: int
    explained: int
    """Acquisitions without results whose reason was told."""


def visit(stream: str, number: int) -> Visit:
    """Attach, wait for results, and detach."""
    feed, control = (f"tcp://127.0.0.1:{port}" for port in free_ports(2))
    with tempfile.TemporaryDirectory() as folder, log_of(Path(folder) / "log.txt") as log:
        table = {
            "stream": {"endpoint": stream},
            "publish": {"feed": feed, "control": control},
            "dispatch": {"workers": 1},
            "frame_log": {"capacity_mb": 64, "segment_mb": 8},
            "results": {"directory": folder},
        }
        began = time.monotonic()
        with Supervisor(from_table(Config, table)) as supervisor:
            wait(supervisor, control, lambda status: bool(status.workers), f"attachment {number}: no worker")
            ready = time.monotonic()
            wait(supervisor, control, lambda _: ".h5" in log.read_text(), f"attachment {number}: no results")
            done = time.monotonic()
            time.sleep(0.01 * (number % 10))  # somewhere else in a scan each time
            detach(supervisor, number)
        told = dict(re.findall(r"acquisition (\d+): (.*; results: .*)", log.read_text()))
        saved = len(list(Path(folder).glob("*.h5")))
        without = sum(text.endswith("results: none") or "there are no results" in text for text in told.values())
        begun = len(re.findall(r"acquisition \S+: probe radius", log.read_text()))
        count = max(begun, *map(int, told), 0)
        return Visit(ready - began, done - ready, time.monotonic() - done, count, saved, without)


def detach(supervisor: Supervisor, number: int) -> None:
    """Stop the pipeline, and for good when that takes long."""
    told, since = False, time.monotonic()
    supervisor.stop()
    while supervisor.poll():
        time.sleep(0.01)
        if not told and time.monotonic() > since + FOR_GOOD_S:
            supervisor.stop()
            told = True
        if time.monotonic() > since + PATIENCE_S:
            raise SystemExit(f"attachment {number}: it did not end within {PATIENCE_S} s")


@contextlib.contextmanager
def log_of(path: Path):
    """What the processes started meanwhile say, in a file."""
    os.environ["LIVEBRAGG_LOG_LEVEL"] = "INFO"
    before = os.dup(2)
    with path.open("wb") as file:
        os.dup2(file.fileno(), 2)
    try:
        yield path
    finally:
        os.dup2(before, 2)
        os.close(before)


def wait(supervisor: Supervisor, control: str, condition, what: str) -> None:
    """Wait until the pipeline's status meets a condition."""
    deadline = time.monotonic() + PATIENCE_S
    while supervisor.poll():
        with contextlib.suppress(PipelineError):
            if condition(ask_status(control, 2.0)):
                return
        if time.monotonic() > deadline:
            raise SystemExit(f"{what} within {PATIENCE_S} s")
        time.sleep(0.02)
    raise SystemExit(f"{what}: the pipeline ended")


def main() -> int:
    """Attach and detach."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=100)
    parser.add_argument("--rate", type=float, default=200.0, metavar="HZ", help="frames per second")
    args = parser.parse_args()
    visits: list[Visit] = []
    with Detector(args.rate) as detector:
        for number in range(1, args.times + 1):
            visits.append(visit(detector.endpoint, number))
            if number % 5 == 0 or number == args.times:
                report(visits)
    sender, silent = detector.figures, sum(v.acquisitions - v.saved - v.explained for v in visits)
    print(
        f"the sender sent {sender.sent} frames, {sender.rate_hz:.1f}/s of {args.rate:.0f}/s, at most "
        f"{sender.latest_s:.2f} s late, with {sender.cpu_s / max(sender.seconds, 1e-9):.0%} of a core; "
        f"{sender.untaken} of them were taken by nobody; errors: {sender.error or 'none'}; acquisitions "
        f"without results or reason: {silent}"
    )
    return 1 if silent or sender.error or sender.rate_hz < 0.99 * args.rate else 0


def report(visits: list[Visit]) -> None:
    """One line."""
    times = [statistics.median(getattr(v, key) for v in visits) for key in ("worker_s", "results_s", "detach_s")]
    worst = max(v.worker_s + v.results_s + v.detach_s for v in visits)
    print(
        f"{len(visits):3d} times: worker ready after {times[0]:.1f} s, a scan saved after {times[1]:.1f} s more, "
        f"gone {times[2]:.1f} s after being told (medians; the slowest took {worst:.1f} s in all); "
        f"{sum(v.acquisitions for v in visits)} acquisitions, {sum(v.saved for v in visits)} saved, "
        f"{sum(v.explained for v in visits)} without results for a reason",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())
