"""``livebragg``: attach to a detector, process a recording, ask for the status."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from typing import TYPE_CHECKING

from livebragg import __version__
from livebragg.errors import LiveBraggError

if TYPE_CHECKING:
    from rich.console import Console

_EPILOG = """\
first steps:
  livebragg demo                                  everything at once, on a simulated specimen
  livebragg-simulate replay scan.h5               a recorded scan as a live detector stream ...
  livebragg attach tcp://127.0.0.1:7550           ... analysed while it arrives ...
  livebragg-dashboard                             ... and shown at http://127.0.0.1:7553
  livebragg process scan.h5 -o results.h5         the same analysis of a file, without a stream
  livebragg-dashboard --file results.h5           a finished scan in the same page
  livebragg reclassify results.h5 -o new.h5       other classes from the disks it holds

Every command explains itself: livebragg COMMAND --help
"""


def main(argv: list[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    try:
        return _run(argv)
    except KeyboardInterrupt:  # also while modules are imported, therefore they are imported below
        return 130


def _run(argv: list[str] | None) -> int:
    from rich.console import Console

    args = _parser().parse_args(argv)
    console = Console(stderr=True)
    _configure_logging(args.verbose, console)
    try:
        return int(args.run(args, console))
    except LiveBraggError as error:
        console.print(f"livebragg: {error}", style="bold red", markup=False, highlight=False, soft_wrap=True)
        return 1


def _parser() -> argparse.ArgumentParser:
    from livebragg.cli import attach, check_config, demo, process, reclassify, scan, serve, status, watch

    parser = argparse.ArgumentParser(
        prog="livebragg",
        description="Live Bragg-disk detection, Bragg vector maps and phase classification for 4D-STEM.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"livebragg {__version__}")
    parser.add_argument("-v", "--verbose", action="store_true", help="say more of what happens")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for module in (attach, demo, status, scan, process, reclassify, serve, watch, check_config):
        module.add_parser(commands)
    return parser


def _configure_logging(verbose: bool, console: Console) -> None:
    from rich.logging import RichHandler

    level = "INFO" if verbose else "WARNING"
    os.environ["LIVEBRAGG_LOG_LEVEL"] = level  # the child processes log like their parent
    logging.basicConfig(
        level=level, format="%(message)s", handlers=[RichHandler(console=console, show_path=False)]
    )


if __name__ == "__main__":
    sys.exit(main())
