"""Options that several commands share, and how they become a configuration."""

from __future__ import annotations

import argparse
import re
import tomllib
from typing import Any

from livebragg.config.loader import from_table, load_config
from livebragg.config.schema import Config
from livebragg.errors import ConfigError


def add_config_options(parser: argparse.ArgumentParser) -> None:
    """``--config FILE`` and ``--set KEY=VALUE``."""
    parser.add_argument("-c", "--config", metavar="FILE", help="configuration file (TOML)")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="change one key, as in --set detection.false_disks_per_frame=0.05 (may be repeated)",
    )


def build_config(args: argparse.Namespace, flags: dict[str, Any]) -> Config:
    """Defaults, changed by the file, changed by ``--set``, changed by the command's own flags.

    Parameters
    ----------
    args : argparse.Namespace
        With ``config`` and ``set``.
    flags : dict
        Dotted key to value; ``None`` means that the flag was not given.
    """
    config = load_config(args.config)
    for text in args.set:
        key, _, value = text.partition("=")
        config = _change(config, key.strip(), _parse(key, value))
    for key, value in flags.items():
        if value is not None:
            config = _change(config, key, value)
    return config


def _change(config: Config, key: str, value: Any) -> Config:
    table: Any = value
    for name in reversed(key.split(".")):
        table = {name: table}
    return from_table(Config, table, config)


def _parse(key: str, value: str) -> Any:
    if not value:
        raise ConfigError(f"--set {key} needs a value: --set KEY=VALUE")
    try:
        return tomllib.loads(f"value = {value}")["value"]
    except (ValueError, RecursionError):  # also numbers of 5000 digits
        return value  # a string without quotes, as shells like it


def parse_shape(text: str | None, flag: str) -> tuple[int, int] | None:
    """``"64,48"`` or ``"64x48"`` to a shape."""
    if text is None:
        return None
    match = re.fullmatch(r"\s*([0-9]{1,9})\s*[x,]\s*([0-9]{1,9})\s*", text)
    if match is None:
        raise ConfigError(f"{flag} {text!r} is no shape; write ROWS,COLS")
    return int(match[1]), int(match[2])
