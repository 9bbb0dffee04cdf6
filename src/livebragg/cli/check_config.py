"""``livebragg check-config``: is this configuration file right?"""

from __future__ import annotations

import argparse
from typing import Any

from rich.console import Console

from livebragg.cli.options import add_config_options, build_config
from livebragg.config.render import to_toml


def add_parser(commands: Any) -> None:
    """Add this command to the command line."""
    parser = commands.add_parser(
        "check-config",
        help="check a configuration file, or print all defaults",
        description="Check a configuration file, or print every key with its meaning, unit and default.",
    )
    add_config_options(parser)
    parser.add_argument("file", nargs="?", help="configuration file (TOML)")
    parser.add_argument("--print", action="store_true", help="print the whole configuration that results")
    parser.add_argument("--print-defaults", action="store_true", help="print the defaults")
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace, console: Console) -> int:
    if args.file is not None:
        args.config = args.file
    if args.print_defaults:
        args.config, args.set = None, []
    config = build_config(args, {})
    config.check()
    if args.print or args.print_defaults:
        print(to_toml(config), end="")
    else:
        console.print(
            f"{args.config or 'the default configuration'} is valid", markup=False, highlight=False, soft_wrap=True
        )
    return 0
