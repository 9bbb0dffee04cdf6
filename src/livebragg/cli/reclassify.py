"""``livebragg reclassify``: other classes from the same disks."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from rich.console import Console

from livebragg.cli.options import add_config_options, build_config


def add_parser(commands: Any) -> None:
    """Add this command to the command line."""
    parser = commands.add_parser(
        "reclassify",
        help="classify a results file again",
        description="Classify the disks of a results file again with other parameters ([analysis] of the "
        "configuration; other sections are not used), into a new file. The old file is only read.",
    )
    parser.add_argument("file", type=Path, metavar="RESULTS", help="finished results file")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="NEW", help="results file to write")
    parser.add_argument(
        "--lock", type=int, action="append", default=[], metavar="CLASS",
        help="keep this crystalline class of RESULTS: its pattern, number and name (may be given several times)",
    )  # fmt: skip
    add_config_options(parser)
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace, console: Console) -> int:
    # Imported here, since the kernels take a second that --help and the other commands need not wait for.
    from livebragg.pipeline.reclassify import reclassify

    config = build_config(args, {})
    snapshot = reclassify(args.file, config.analysis, args.output, args.lock)
    console.print(f"{len(snapshot.peaks)} peaks, {snapshot.class_ids.size} classes", highlight=False)
    console.print(f"results: {args.output}", highlight=False, soft_wrap=True)
    return 0
