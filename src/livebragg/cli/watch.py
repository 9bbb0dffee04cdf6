"""``livebragg watch``: rules measured against the feed, and who is told."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

from rich.console import Console

from livebragg.cli.options import add_config_options, build_config
from livebragg.config.alerts import AlertsConfig
from livebragg.config.loader import load


def add_parser(commands: Any) -> None:
    """Add this command to the command line."""
    parser = commands.add_parser(
        "watch",
        help="alerts: rules about a running pipeline, and who is told",
        description="Measure the rules of a file against a pipeline's feed, say what comes true, and tell a "
        "command or a webhook. livebragg-dashboard --rules FILE does this and shows the alerts.",
    )
    parser.add_argument("rules", type=Path, metavar="RULES", help="file of rules (TOML; see docs/dashboard.md)")
    add_config_options(parser)
    parser.add_argument("--feed", metavar="ENDPOINT", help="results feed of the pipeline")
    parser.add_argument("--publish", metavar="ENDPOINT", help="where to publish the alerts for a dashboard")
    parser.add_argument("--end-with-input", action="store_true",
                        help="end when standard input is closed, for programs that start this one")  # fmt: skip
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace, console: Console) -> int:
    from livebragg.pipeline.alerts.delivery import Delivery
    from livebragg.pipeline.alerts.watch import watch
    from livebragg.wire import sockets

    rules = load(args.rules, AlertsConfig)
    feed = build_config(args, {"publish.feed": args.feed}).publish.feed
    end_with = sys.stdin.fileno() if args.end_with_input else None
    with sockets.context() as ctx, Delivery(rules) as delivery:
        alerts = watch(ctx, rules, feed, args.publish, end_with)
        print(f"watching {feed} by {args.rules}", flush=True)
        for alert in alerts:
            delivery.tell(alert)
            at = time.strftime("%H:%M:%S", time.localtime(alert.raised_at))
            console.print(
                f"{at} {alert.acquisition} {alert.text}", style="bold red", markup=False, highlight=False
            )
    return 0
