"""Command line of the dashboard, the same for ``livebragg-dashboard`` and ``bokeh serve ... --args``."""

from __future__ import annotations

import argparse

from livebragg.config.dashboard import THEMES, DashboardConfig

DEFAULTS = DashboardConfig()

DESCRIPTION = "Show a running livebragg pipeline in the browser: class map, Bragg vector map, frames and health."

EPILOG = """\
The dashboard only listens: start it before or after the pipeline, stop it, or open it several times; the
acquisition does not notice. In three terminals:

  livebragg-simulate replay scan.h5          a detector (or use the real one)
  livebragg attach tcp://127.0.0.1:7550      the pipeline; it publishes on port 7551
  livebragg-dashboard                        this page, on http://127.0.0.1:7553/

A results file is shown the same way, and says that it is one; --recording adds its frames:

  livebragg-dashboard --file results.h5 --recording scan.h5

To watch from another computer, serve on the network and name the address that browsers will use, exactly:

  livebragg-dashboard --host 0.0.0.0 --allow-origin microscope.lab.example:7553

Anyone who can reach that address can look. Browsers that come from any other address are refused (403).
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
    add("--host", default=DEFAULTS.host, metavar="ADDRESS", help="address to serve on (%(default)s)")
    add("--port", type=int, default=DEFAULTS.port, help="port to serve on; 0 takes a free one (%(default)s)")
    add("--allow-origin", action="append", default=[], metavar="HOST[:PORT]",
        help="address under which browsers may open the page; may be repeated")  # fmt: skip
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
    )
