"""``livebragg demo``: simulator, pipeline and dashboard together."""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import random
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console

from livebragg.cli.attach import add_pipeline_options, pipeline_config, watch
from livebragg.config.schema import Config
from livebragg.errors import PipelineError
from livebragg.wire.messages import PipelineStatus

_PR_SET_PDEATHSIG = 1
_PORTS = range(15_000, 32_000)


def add_parser(commands: Any) -> None:
    """Add this command to the command line."""
    parser = commands.add_parser(
        "demo",
        help="everything at once, on a simulated specimen",
        description=(
            "Scan a simulated specimen and watch it being analysed: starts the simulator, the pipeline and the "
            "dashboard, and prints the address of the page. Ctrl-C ends everything."
        ),
    )
    add_pipeline_options(parser)
    parser.add_argument("--preset", default="demo", help="which specimen (see: livebragg-simulate specimen -h)")
    parser.add_argument("--rate", type=float, default=100.0, metavar="HZ", help="frames per second (default: 100)")
    parser.add_argument("--port", type=int, default=0, help="port of the page (0: any free one)")
    parser.add_argument("--no-dashboard", action="store_true", help="without the page")
    parser.add_argument("--once", action="store_true", help="end when the scan is complete")
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace, console: Console) -> int:
    ports = free_ports(4)
    endpoint = f"tcp://127.0.0.1:{ports[0]}"
    args.feed = args.feed or f"tcp://127.0.0.1:{ports[1]}"
    args.control = args.control or f"tcp://127.0.0.1:{ports[2]}"
    args.results = args.results or tempfile.mkdtemp(prefix="livebragg-demo-")
    config = pipeline_config(args, endpoint)
    Path(args.results).mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        if not args.no_dashboard:
            port = args.port or ports[3]
            stack.enter_context(_dashboard(config, port))
            console.print(f"\n  dashboard: [bold]http://127.0.0.1:{port}[/bold]\n")
        simulate = ["specimen", "--preset", args.preset, "--rate", str(args.rate), "--bind", endpoint]
        simulate += ["--truth", str(Path(args.results) / "truth.h5")]
        console.print(f"results and truth go to {args.results}", highlight=False, soft_wrap=True)
        demo = _Demo(stack, simulate, console)
        return watch(config, console, once=args.once, observer=demo.observe)


class _Demo:
    """Starts the simulated detector once the pipeline is ready, so that the scan is seen from its first line."""

    def __init__(self, stack: contextlib.ExitStack, simulate: list[str], console: Console) -> None:
        self._stack = stack
        self._simulate = simulate
        self._console = console
        self._detector: subprocess.Popen[bytes] | None = None
        self._said = ""

    def observe(self, status: PipelineStatus) -> None:
        """Look at each status."""
        if self._detector is None:
            if status.workers:
                self._detector = self._stack.enter_context(_child("livebragg_simulators.cli", self._simulate))
            else:
                self._say("the kernels are compiled: one to two minutes after an installation, and never again")
        elif self._detector.poll() not in (None, 0):
            raise PipelineError(
                f"the simulated detector ended with exit code {self._detector.returncode}; it says why above"
            )
        elif status.phase == "complete":
            self._say("the scan is complete; the page stays until Ctrl-C")

    def _say(self, text: str) -> None:
        if text != self._said:
            self._said = text
            self._console.print(text, style="bold", highlight=False)


def _dashboard(config: Config, port: int) -> contextlib.AbstractContextManager[subprocess.Popen[bytes]]:
    flags = ["--feed", config.publish.feed, "--control", config.publish.control, "--port", str(port)]
    return _child("livebragg_dashboards.cli", flags)


@contextlib.contextmanager
def _child(module: str, arguments: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    """A program of ours in a process of its own, ended with the context."""
    child = subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        process_group=0,
        stdout=subprocess.DEVNULL,
        preexec_fn=_end_with_parent,
    )
    try:
        yield child
    finally:
        child.terminate()
        try:
            child.wait(5)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def _end_with_parent() -> None:
    """Ask the kernel to end this child when the demo is killed (prctl, PR_SET_PDEATHSIG)."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def free_ports(count: int) -> list[int]:
    """Ports of this machine that nobody listens on.

    They lie below those from which the system chooses one for every connection: such a port can be taken between
    now and when it is used.
    """
    found: list[int] = []
    for port in random.sample(_PORTS, len(_PORTS)):
        with socket.socket() as listener, contextlib.suppress(OSError):
            listener.bind(("127.0.0.1", port))
            found.append(port)
        if len(found) == count:
            break
    return found
