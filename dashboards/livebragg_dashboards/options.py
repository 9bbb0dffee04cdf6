"""Command line of the dashboard, the same for ``livebragg-dashboard`` and ``bokeh serve ... --args``."""

from __future__ import annotations

import argparse

from livebragg.config.dashboard import THEMES, DashboardConfig

DEFAULTS = DashboardConfig()

DESCRIPTION = (
    "Show a running livebragg pipeline in the browser, and act on it: class map, Bragg vector map, frames, health."
)

EPILOG = """\
Start it before or after the pipeline, stop it, or open it several times; the acquisition does not notice.
In three terminals:

  livebragg-simulate replay scan.h5          a detector (or use the real one)
  livebragg attach tcp://127.0.0.1:7550      the pipeline; it publishes on port 7551
  livebragg-dashboard                        this page, on http://127.0.0.1:7553/

A results file is shown the same way, and says that it is one; --recording adds its frames:

  livebragg-dashboard --file results.h5 --recording scan.h5

The finished scans of a folder are listed beside the running one with --results FOLDER.

To watch from another computer, serve on the network and name the address that browsers will use, exactly:

  livebragg-dashboard --host 0.0.0.0 --allow-origin microscope.lab.example:7553

Browsers that come from any other address are refused (403). Anyone who can reach that one can look, and act,
unless the page asks for a token (at least 16 characters in a file that only you can read) or only looks:

  head -c 24 /dev/urandom | base64 > token; chmod 600 token
  livebragg-dashboard --host 0.0.0.0 --allow-origin microscope.lab.example:7553 --token-file token
  livebragg-dashboard --port 7554 --read-only
"""


def parser() -> argparse.ArgumentParser:
    """Options with the configuration's defaults."""
    made = argparse.ArgumentParser(
        prog="livebragg-dashboard",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = made.add_argument
    add("--feed", default=DEFAULTS.feed, metavar="ENDPOINT", help="results feed of the pipeline (%(default)s)")
    add("--control", default=DEFAULTS.control, metavar="ENDPOINT", help="where clicks are answered (%(default)s)")
    add("--file", metavar="RESULTS", help="show this results file instead of a running pipeline")
    add("--recording", metavar="FRAMES", help="with --file: the recorded frames of that scan")
    add("--results", metavar="FOLDER", help="list the finished scans of this folder on the page, and open them")
    add("--rules", metavar="FILE", help="watch the pipeline by these rules, and show their alerts on the page")
    add("--host", default=DEFAULTS.host, metavar="ADDRESS", help="address to serve on (%(default)s)")
    add("--port", type=int, default=DEFAULTS.port, help="port to serve on; 0 takes a free one (%(default)s)")
    add("--allow-origin", action="append", default=[], metavar="HOST[:PORT]",
        help="address under which browsers may open the page; may be repeated")  # fmt: skip
    add("--read-only", action="store_true", default=DEFAULTS.read_only,
        help="nothing can be changed from this server's pages")  # fmt: skip
    add("--token-file", default=DEFAULTS.token_file, metavar="FILE",
        help="ask browsers for the token in this file before they see anything")  # fmt: skip
    add("--nice", type=int, default=DEFAULTS.nice, metavar="N",
        help="how far the server gives way to other programs, as the pipeline: 0 to 19 (%(default)s)")  # fmt: skip
    add("--theme", choices=THEMES, default=DEFAULTS.theme, help="look at the start (%(default)s)")
    add("--show", action=argparse.BooleanOptionalAction, default=True, help="open the page in a browser")
    add("--no-browser", dest="show", action="store_false", help="the same as --no-show")
    return made


def config_of(args: argparse.Namespace) -> DashboardConfig:
    """Checked configuration.

    Raises
    ------
    livebragg.errors.ConfigError
        A value cannot be used.
    """
    return DashboardConfig(
        feed=args.feed,
        control=args.control,
        host=args.host,
        port=args.port,
        allowed_origins=tuple(args.allow_origin),
        theme=args.theme,
        nice=args.nice,
        read_only=args.read_only,
        token_file=args.token_file,
    )
