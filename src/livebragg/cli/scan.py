"""``livebragg scan-shape`` and ``livebragg missed-triggers``: where the frames of the running scan lie."""

from __future__ import annotations

import argparse
import re
from typing import Any

from rich.console import Console

from livebragg.cli.options import add_config_options, build_config, parse_shape
from livebragg.errors import ConfigError, PipelineError
from livebragg.wire import sockets
from livebragg.wire.messages import Accepted, MissedTriggersRequest, Refused, ScanShapeRequest

TIMEOUT_S = 60.0
"""Mapping millions of positions anew takes its time."""


def add_parser(commands: Any) -> None:
    """Add these commands to the command line."""
    shape = commands.add_parser(
        "scan-shape",
        help="say the shape of the running scan",
        description=(
            "Say how many positions the lines of the running scan have, and how many lines there are. Everything "
            "that came is mapped anew; classes are found anew, too."
        ),
    )
    shape.add_argument(
        "shape", metavar="ROWS,COLS", help="the shape; COLS alone when the number of rows is unknown"
    )
    missed = commands.add_parser(
        "missed-triggers",
        help="say that the detector missed triggers",
        description=(
            "Say that the detector missed triggers: the frames from FRAME on move by one position for each, and "
            "leave holes. Everything that came is mapped anew."
        ),
    )
    missed.add_argument("frame", type=int, metavar="FRAME", help="number of the first frame after them, from 0")
    missed.add_argument(
        "count", type=int, nargs="?", default=1, metavar="N", help="how many (default: 1); negative: take it back"
    )
    for parser in (shape, missed):
        add_config_options(parser)
        parser.add_argument("--control", metavar="ENDPOINT", help="where the pipeline answers requests")
        parser.set_defaults(run=_run)


def _run(args: argparse.Namespace, console: Console) -> int:
    config = build_config(args, {"publish.control": args.control})
    request = (
        _shape_request(args.shape)
        if "shape" in args
        else MissedTriggersRequest(serial=0, frame=args.frame, count=args.count)
    )
    endpoint = config.publish.control
    with sockets.context() as ctx:
        reply = sockets.request(ctx, endpoint, request, TIMEOUT_S)
    if isinstance(reply, Refused):
        raise PipelineError(reply.reason)
    if not isinstance(reply, Accepted):
        raise PipelineError(f"no pipeline answers at {endpoint}; start one with: livebragg attach")
    console.print(reply.note, highlight=False, soft_wrap=True)
    return 0


def _shape_request(text: str) -> ScanShapeRequest:
    if re.fullmatch(r"[0-9]{1,9}", text):
        return ScanShapeRequest(serial=0, cols=int(text))
    shape = parse_shape(text, "the shape")
    if shape is None:
        raise ConfigError("write ROWS,COLS or COLS")
    return ScanShapeRequest(serial=0, rows=shape[0], cols=shape[1])
