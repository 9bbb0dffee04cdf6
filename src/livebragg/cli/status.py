"""``livebragg status``: asks a running pipeline how it is."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from typing import Any

from rich.console import Console

from livebragg.cli.display import render
from livebragg.cli.options import add_config_options, build_config
from livebragg.errors import ConfigError, PipelineError
from livebragg.wire import sockets
from livebragg.wire.messages import PipelineStatus, StatusRequest

MAX_TIMEOUT_S = 3600.0


def add_parser(commands: Any) -> None:
    """Add this command to the command line."""
    parser = commands.add_parser(
        "status",
        help="ask a running pipeline how it is",
        description="Ask a running pipeline how it is. Exit code: 0 green, 3 yellow, 4 red, 1 no answer.",
    )
    add_config_options(parser)
    parser.add_argument("--control", metavar="ENDPOINT", help="where the pipeline answers requests")
    parser.add_argument("--json", action="store_true", help="everything, for programs")
    parser.add_argument("--timeout", type=float, default=15.0, metavar="S", help="seconds to wait (default: 15)")
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace, console: Console) -> int:
    config = build_config(args, {"publish.control": args.control})
    if not 0 < args.timeout <= MAX_TIMEOUT_S:  # NaN is not either
        raise ConfigError(
            f"--timeout {args.timeout:g} is no time to wait; write seconds above 0, at most {MAX_TIMEOUT_S:g}"
        )
    status = ask_status(config.publish.control, args.timeout)
    if args.json:
        print(json.dumps(asdict(status), default=str))
    else:
        Console().print(render(status))
    return {"green": 0, "yellow": 3, "red": 4}.get(status.light, 1)


def ask_status(endpoint: str, timeout_s: float) -> PipelineStatus:
    """Status of the pipeline at an endpoint.

    Raises
    ------
    PipelineError
        Nobody answers.
    """
    with sockets.context() as ctx:
        reply = sockets.request(ctx, endpoint, StatusRequest(), timeout_s)
    if not isinstance(reply, PipelineStatus):
        raise PipelineError(
            f"no pipeline answers at {endpoint} within {timeout_s:g} s: it is busy (finishing a scan?) or not "
            "running. Ask again with a longer --timeout, or start one with: livebragg attach"
        )
    return reply
