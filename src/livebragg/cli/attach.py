"""``livebragg attach``: the main job."""

from __future__ import annotations

import argparse
import signal
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from rich.console import Console

from livebragg.cli.display import StatusDisplay
from livebragg.cli.options import add_config_options, build_config, parse_shape
from livebragg.config.schema import Config
from livebragg.errors import ConfigError, PipelineError, ResultsError
from livebragg.pipeline.supervisor import Supervisor, worker_count
from livebragg.storage.calibration_file import load_calibration
from livebragg.wire import sockets
from livebragg.wire.messages import PipelineStatus

POLL_S = 0.1

_EPILOG = """\
The sender (detector, simulator, or your own script) binds a ZeroMQ PUSH socket at ENDPOINT and speaks the
native protocol; sender and livebragg may be started in any order. Each acquisition gets a results file.
Ctrl-C stops receiving, analyses what was received, and writes the results; a second Ctrl-C skips what was not
analysed yet.

Two programs on one stream take frames from each other: let the first one pass the stream on with --forward.

examples:
  livebragg attach tcp://127.0.0.1:7550
  livebragg attach tcp://detector:7550 --config config/merlin_200kv_gold.toml --results /data/today
  livebragg attach tcp://dcu:31001 --detector dectris --scan-shape 256,256
  livebragg attach tcp://merlin-pc:6342 --detector merlin
  livebragg attach --once --set probe.radius=4.2
"""


def add_parser(commands: Any) -> None:
    """Add this command to the command line."""
    parser = commands.add_parser(
        "attach",
        help="attach to a live detector stream",
        description="Attach to a live detector stream and analyse every frame as it arrives.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("endpoint", nargs="?", help="where the sender is (default: tcp://127.0.0.1:7550)")
    add_pipeline_options(parser)
    parser.add_argument("--detector", metavar="KIND", help="what the sender speaks: native, dectris, merlin")
    parser.add_argument("--forward", metavar="ENDPOINT", help="where the untouched stream is passed on")
    parser.add_argument("--once", action="store_true", help="end after the first acquisition")
    parser.set_defaults(run=_run)


def add_pipeline_options(parser: argparse.ArgumentParser) -> None:
    """Options of every command that runs the pipeline."""
    add_config_options(parser)
    parser.add_argument("--workers", type=int, metavar="N", help="worker processes (0: one per free processor)")
    parser.add_argument("--scan-shape", metavar="R,C", help="scan positions, if the sender does not know")
    parser.add_argument("--results", metavar="DIR", help="folder for results files (default: this one)")
    parser.add_argument("--feed", metavar="ENDPOINT", help="where results are published")
    parser.add_argument("--control", metavar="ENDPOINT", help="where requests are answered")


def pipeline_config(args: argparse.Namespace, endpoint: str | None) -> Config:
    """Configuration of a run of the pipeline, checked as far as can be before anything is started.

    Raises
    ------
    ConfigError
        A value is wrong, or an endpoint cannot be used.
    ResultsError
        The results folder cannot be written to.
    """
    flags = {
        "stream.endpoint": endpoint,
        "stream.detector": getattr(args, "detector", None),
        "stream.forward": getattr(args, "forward", None),
        "dispatch.workers": args.workers,
        "scan.shape": parse_shape(args.scan_shape, "--scan-shape"),
        "results.directory": args.results,
        "publish.feed": args.feed,
        "publish.control": args.control,
    }
    config = build_config(args, flags)
    config.check()
    _check_endpoints(config)
    _check_vacuum_file(config)
    if config.analysis.calibration.file:
        load_calibration(config.analysis.calibration.file)
    if config.results.write:
        _check_folder(Path(config.results.directory))
    return config


def _check_endpoints(config: Config) -> None:
    """Endpoints that other programs can find, each for one thing only."""
    users: dict[str, str] = {}
    for key, endpoint in (
        ("stream.endpoint", config.stream.endpoint),
        ("stream.forward", config.stream.forward),
        ("publish.feed", config.publish.feed),
        ("publish.control", config.publish.control),
    ):
        if not endpoint:  # no tee
            continue
        sockets.check_endpoint(endpoint, key)
        if endpoint.startswith("inproc:"):
            raise ConfigError(f"{key} {endpoint!r} works in one process only; write tcp://HOST:PORT or ipc://PATH")
        if endpoint.startswith("tcp:") and endpoint.endswith(":*"):
            raise ConfigError(f"{key} {endpoint!r}: other programs must know the port; write a number for *")
        if endpoint in users:
            raise ConfigError(f"{key} and {users[endpoint]} are both {endpoint!r}; give each its own port")
        users[endpoint] = key


def _check_vacuum_file(config: Config) -> None:
    """A file that shows no probe is told here, not by workers that fail."""
    if config.probe.vacuum_file is not None:
        from livebragg.pipeline.vacuum_file import vacuum_template  # takes a second, for the kernels

        vacuum_template(config)


def _check_folder(folder: Path) -> None:
    """A scan must not be lost because of a folder that could have been tried before."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(4096))
            file.flush()
    except OSError as error:
        raise ResultsError(
            f"results cannot be written to {folder}: {error.strerror}{_where(error)}; choose another folder with "
            "--results or results.directory, or write none with --set results.write=false"
        ) from None


def _where(error: OSError) -> str:
    return f" ({error.filename})" if isinstance(error.filename, str) else ""


def _run(args: argparse.Namespace, console: Console) -> int:
    config = pipeline_config(args, args.endpoint)
    workers = worker_count(config)
    console.print(
        f"attaching to {config.stream.endpoint} with {workers} worker{'s' if workers != 1 else ''}; "
        f"results are published on {config.publish.feed}. Ctrl-C stops.",
        highlight=False,
        soft_wrap=True,
    )
    return watch(config, console, once=args.once)


class StopFlag:
    """Counts requests to stop (Ctrl-C, SIGTERM) instead of interrupting whatever runs."""

    def __init__(self) -> None:
        self.requests = 0
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._on_signal)

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self.requests += 1


def watch(
    config: Config, console: Console, *, once: bool, observer: Callable[[PipelineStatus], None] | None = None
) -> int:
    """Run the pipeline until it ends, showing its status; `observer` is called with each."""
    flag, passed_on = StopFlag(), 0
    last: PipelineStatus | None = None
    with Supervisor(config, once=once) as supervisor, sockets.context() as ctx, StatusDisplay(console) as display:
        feed = None
        while supervisor.poll():
            time.sleep(POLL_S)
            if feed is None and supervisor.publishes:
                feed = sockets.open_socket(ctx, sockets.SUB, connect=config.publish.feed)
                sockets.subscribe(feed, PipelineStatus)
            while feed is not None and (status := sockets.receive(feed, prefix=1)) is not None:
                last = status
            if last is not None:
                display.show(last)
                if observer is not None:
                    observer(last)
            if flag.requests > passed_on:
                passed_on = flag.requests
                display.note(
                    "stopping: what was received is analysed and saved; Ctrl-C again skips the rest"
                    if passed_on == 1
                    else "stopping without the frames that were not analysed yet"
                )
                supervisor.stop()
    return _verdict(last, console)


def _verdict(last: PipelineStatus | None, console: Console) -> int:
    if last is not None and last.results_path:
        console.print(f"results: {last.results_path}", highlight=False, soft_wrap=True)
    problems = [r for r in last.reasons if "results" in r] if last is not None and last.light == "red" else []
    if problems:
        raise PipelineError(problems[0])
    return 0
