"""``livebragg demo``: simulator, pipeline and dashboard together."""

from __future__ import annotations

import argparse
import contextlib
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
    Path(args.results).mkdir(parents=True, exist_ok=True)
    config = pipeline_config(args, endpoint)
    with contextlib.ExitStack() as stack:
        if not args.no_dashboard:
            port = args.port or ports[3]
            stack.enter_context(_dashboard(config, port))
            console.print(f"\n  dashboard: [bold]http://127.0.0.1:{port}[/bold]\n")
        simulate = ["specimen", "--preset", args.preset, "--rate", str(args.rate), "--bind", endpoint]
        truth = str(Path(args.results) / "truth.h5")
        stack.enter_context(_child("livebragg_simulators.cli", [*simulate, "--truth", truth]))
        return watch(config, console, once=args.once)


def _dashboard(config: Config, port: int) -> contextlib.AbstractContextManager[None]:
    flags = ["--feed", config.publish.feed, "--control", config.publish.control, "--port", str(port)]
    return _child("livebragg_dashboards.cli", flags)


@contextlib.contextmanager
def _child(module: str, arguments: list[str]) -> Iterator[None]:
    """A program of ours in a process of its own, ended with the context."""
    child = subprocess.Popen(
        [sys.executable, "-m", module, *arguments], process_group=0, stdout=subprocess.DEVNULL
    )
    try:
        yield
        if child.poll() not in (None, 0):
            raise PipelineError(f"{module} ended with exit code {child.returncode}; its messages are above")
    finally:
        child.terminate()
        try:
            child.wait(5)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def free_ports(count: int) -> list[int]:
    """Ports of this machine that nobody listens on."""
    with contextlib.ExitStack() as stack:
        listeners = [stack.enter_context(socket.socket()) for _ in range(count)]
        for listener in listeners:
            listener.bind(("127.0.0.1", 0))
        return [int(listener.getsockname()[1]) for listener in listeners]
