"""``livebragg process``: the whole analysis of a recorded file."""

from __future__ import annotations

import argparse
import contextlib
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from livebragg.cli.options import add_config_options, build_config, parse_shape
from livebragg.errors import ResultsError

_STARTING = "starting; after an installation the kernels are compiled, a minute or two"


def add_parser(commands: Any) -> None:
    """Add this command to the command line."""
    parser = commands.add_parser(
        "process",
        help="analyse a recorded file",
        description="Analyse a recorded 4D-STEM scan (HDF5 or .npy) with the same objects as a live run.",
    )
    parser.add_argument("file", type=Path, help="file with a 4-D dataset (scan rows, scan cols, rows, cols)")
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="RESULTS",
        help="results file (default: FILE_results.h5 in this folder)",
    )
    parser.add_argument("--dataset", help="name of the dataset (default: the largest 4-D one)")
    parser.add_argument("--scan-shape", metavar="R,C", help="scan shape of a 3-D dataset (n, rows, cols)")
    parser.add_argument("--workers", type=int, metavar="N", help="threads (default: one per processor)")
    parser.add_argument("--force", action="store_true", help="replace the results file if it exists")
    add_config_options(parser)
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace, console: Console) -> int:
    # Imported here, since the kernels take a second that --help and the other commands need not wait for.
    from livebragg.pipeline.offline import process_recording
    from livebragg.storage.recordings import open_recording

    config = build_config(args, {"dispatch.workers": args.workers, "results.write": True})
    shape = parse_shape(args.scan_shape, "--scan-shape")
    if args.output is None:
        args.output = Path(f"{args.file.stem}_results.h5")
    check_output(args.file, args.output, force=args.force)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with (
        interruptible(),
        open_recording(args.file, args.dataset, shape) as recording,
        written_whole(args.output) as path,
        Progress(*columns, console=console) as bar,
    ):
        task = bar.add_task(_STARTING, total=recording.n_frames)
        snapshot = process_recording(
            recording,
            config,
            path,
            lambda what, done, total: bar.update(task, description=what, completed=done, total=total),
        )
    counts = ", ".join(
        f"{family} {class_id}: {fraction:.0%}"
        for class_id, family, fraction in zip(
            snapshot.class_ids, snapshot.class_families, snapshot.class_fractions, strict=True
        )
    )
    console.print(
        f"{len(snapshot.peaks)} peaks, {snapshot.class_ids.size} classes ({counts})",
        highlight=False,
        soft_wrap=True,
    )
    console.print(f"results: {args.output}", highlight=False, soft_wrap=True)
    return 0


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Ctrl-C ends the block as such, also where numba, which was compiling, made an error of its own of it."""
    asked = False

    def on_interrupt(*_: object) -> None:
        nonlocal asked
        asked = True
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, on_interrupt)
    try:
        yield
    except Exception:
        if asked:
            raise KeyboardInterrupt from None
        raise
    finally:
        signal.signal(signal.SIGINT, before)


def check_output(recording: Path, output: Path, *, force: bool) -> None:
    """Refuse a results file that must not or cannot be replaced.

    Parameters
    ----------
    recording : Path
        File that is read; never replaced, whatever name leads to it.
    output : Path
        Results file to write.
    force : bool
        Whether an existing results file may be replaced.

    Raises
    ------
    ResultsError
        The output is the recording, no regular file, or exists without `force`.
    """
    if not output.exists():
        return
    if recording.exists() and output.samefile(recording):
        raise ResultsError(f"{output} is the recording itself; choose another name for the results")
    if not output.is_file():
        raise ResultsError(
            f"{output} is no regular file; write the name of a file, such as {output / 'results.h5'}"
        )
    if not force:
        raise ResultsError(f"{output} exists; choose another name, or --force to replace it")


@contextlib.contextmanager
def written_whole(output: Path) -> Iterator[Path]:
    """Path to write results to; an existing file is replaced only once the new one is complete.

    Raises
    ------
    ResultsError
        The folder of an existing file cannot be written to.
    """
    if not output.exists():
        yield output
        return
    target = output.resolve()  # behind a link, the file is replaced and the link stays
    try:
        folder = tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.stem[:80]}-")
    except OSError as error:
        raise ResultsError(
            f"{output} cannot be replaced ({error.strerror}); make its folder writable, or choose another name"
        ) from None
    with folder as name:
        path = Path(name) / target.name
        yield path
        path.replace(target)
