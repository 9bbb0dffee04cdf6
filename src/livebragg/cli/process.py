"""``livebragg process``: the whole analysis of a recorded file."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from livebragg.cli.options import add_config_options, build_config, parse_shape
from livebragg.errors import ResultsError
from livebragg.pipeline.offline import process_recording
from livebragg.storage.recordings import open_recording


def add_parser(commands: Any) -> None:
    """Add this command to the command line."""
    parser = commands.add_parser(
        "process",
        help="analyse a recorded file",
        description="Analyse a recorded 4D-STEM scan (HDF5 or .npy) with the same objects as a live run.",
    )
    parser.add_argument("file", type=Path, help="file with a 4-D dataset (scan rows, scan cols, rows, cols)")
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="RESULTS", help="results file to write"
    )
    parser.add_argument("--dataset", help="name of the dataset (default: the largest 4-D one)")
    parser.add_argument("--scan-shape", metavar="R,C", help="scan shape of a 3-D dataset (n, rows, cols)")
    parser.add_argument("--workers", type=int, metavar="N", help="threads (default: one per processor)")
    parser.add_argument("--force", action="store_true", help="replace the results file if it exists")
    add_config_options(parser)
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace, console: Console) -> int:
    config = build_config(args, {"dispatch.workers": args.workers})
    shape = parse_shape(args.scan_shape, "--scan-shape")
    if args.output.exists():
        if not args.force:
            raise ResultsError(f"{args.output} exists; choose another name, or --force to replace it")
        args.output.unlink()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with open_recording(args.file, args.dataset, shape) as recording, Progress(*columns, console=console) as bar:
        task = bar.add_task("analysing", total=recording.n_frames)
        snapshot = process_recording(
            recording,
            config,
            args.output,
            lambda what, done, total: bar.update(task, description=what, completed=done, total=total),
        )
    counts = ", ".join(
        f"{family} {class_id}: {fraction:.0%}"
        for class_id, family, fraction in zip(
            snapshot.class_ids, snapshot.class_families, snapshot.class_fractions, strict=True
        )
    )
    console.print(f"{len(snapshot.peaks)} peaks, {snapshot.class_ids.size} classes ({counts})", highlight=False)
    console.print(f"results: {args.output}", highlight=False, soft_wrap=True)
    return 0
