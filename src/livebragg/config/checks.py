"""Checks of configuration values, with messages that name the key, the value and the limit."""

from __future__ import annotations

import math
from collections.abc import Sequence

from livebragg.errors import ConfigError


def at_least(key: str, value: float, low: float) -> None:
    """Raise `ConfigError` unless ``value >= low`` (and finite)."""
    if not (math.isfinite(value) and value >= low):
        raise ConfigError(f"{key} must be at least {low}, not {value}")


def within(key: str, value: float, low: float, high: float) -> None:
    """Raise `ConfigError` unless ``low <= value <= high``."""
    if not low <= value <= high:
        raise ConfigError(f"{key} must be between {low} and {high}, not {value}")


def one_of(key: str, value: str, allowed: Sequence[str]) -> None:
    """Raise `ConfigError` unless the value is one of the allowed ones."""
    if value not in allowed:
        raise ConfigError(f"{key} must be one of {', '.join(map(repr, allowed))}, not {value!r}")
