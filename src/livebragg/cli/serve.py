"""``livebragg serve``: a results file as a feed that the dashboard can show."""

from __future__ import annotations

import argparse
import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from livebragg.cli.options import add_config_options, build_config
from livebragg.errors import RecordingError
from livebragg.wire import sockets

if TYPE_CHECKING:
    from livebragg.pipeline.frame_lookup import FrameLookup
    from livebragg.pipeline.stored.server import Served
    from livebragg.storage.results_reader import Results


def add_parser(commands: Any) -> None:
    """Add this command to the command line."""
    parser = commands.add_parser(
        "serve",
        help="show a results file as if it were live",
        description="Publish a results file on the feed and answer requests about it, as a pipeline does, until "
        "Ctrl-C. livebragg-dashboard --file RESULTS does this and shows the page. Of a folder, the list of its "
        "results files is published.",
    )
    parser.add_argument("path", type=Path, metavar="RESULTS", help="results file, or a folder of them")
    add_config_options(parser)
    parser.add_argument("--feed", metavar="ENDPOINT", help="where to publish")
    parser.add_argument("--control", metavar="ENDPOINT", help="where to answer requests")
    parser.add_argument("--recording", type=Path, metavar="FILE", help="the frames of this scan, to show them too")
    parser.add_argument("--end-with-input", action="store_true",
                        help="end when standard input is closed, for programs that start this one")  # fmt: skip
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace, console: Console) -> int:
    # Imported here, since the kernels take a second that --help and the other commands need not wait for.
    from livebragg.pipeline.stored.server import serve

    config = build_config(args, {"publish.feed": args.feed, "publish.control": args.control})

    def ready(feed: str, control: str) -> None:
        print(f"serving {args.path} on {feed}, requests on {control}", flush=True)

    with contextlib.ExitStack() as stack:
        served = _served(args, stack)
        ctx = stack.enter_context(sockets.context())
        end_with = sys.stdin.fileno() if args.end_with_input else None
        serve(ctx, served, config.publish.feed, config.publish.control, ready, end_with)
    return 0


def _served(args: argparse.Namespace, stack: contextlib.ExitStack) -> Served:
    from livebragg.pipeline.scan.history import ServedFolder
    from livebragg.pipeline.stored.scan import StoredScan
    from livebragg.pipeline.stored.server import ServedScan
    from livebragg.storage.results_reader import read_results

    if args.path.is_dir():
        return ServedFolder(args.path)
    results = read_results(args.path)
    lookup = None if args.recording is None else _frames(args.recording, results, stack)
    return ServedScan(StoredScan(results, lookup))


def _frames(path: Path, results: Results, stack: contextlib.ExitStack) -> FrameLookup:
    """Frames of a recording, if it can be that of the results."""
    from livebragg.pipeline.frame_lookup import RecordingLookup
    from livebragg.storage.recordings import open_recording

    recording = stack.enter_context(open_recording(path))
    acquisition = results.acquisition
    if (recording.scan_shape, recording.frame_shape) != (acquisition.scan_shape, acquisition.frame_shape):
        raise RecordingError(
            f"{path} has scan {recording.scan_shape} and frames {recording.frame_shape}, the results have "
            f"{acquisition.scan_shape} and {acquisition.frame_shape}: it is another scan's recording"
        )
    return RecordingLookup(recording)
