"""Configuration to TOML and back."""

from __future__ import annotations

import re
import tomllib
from dataclasses import fields, is_dataclass
from typing import Any

import pytest

from livebragg.config.loader import from_table
from livebragg.config.render import to_table, to_toml
from livebragg.config.schema import Config

CHANGED = from_table(
    Config,
    {
        "scan": {"shape": [3, 4]},
        "probe": {"radius": 1e-5, "center": [1.5, 2.0], "edge_width": 0.1 + 0.2},
        "detection": {"bad_pixels": [[1, 2], [3, 4]], "false_disks_per_frame": 1e-7},
        "frame_log": {"directory": 'C:\\a "quoted" földer\twith\x7fodd characters'},
        "results": {"write": False},
        "dashboard": {"allowed_origins": ["localhost:7553", "scope.lab"]},
    },
)


@pytest.mark.parametrize("config", [Config(), CHANGED], ids=["defaults", "changed"])
def test_what_is_rendered_is_read_back_equal(config: Config) -> None:
    assert from_table(Config, tomllib.loads(to_toml(config))) == config
    assert from_table(Config, to_table(config)) == config


def test_every_key_is_there_with_words_above_it() -> None:
    lines = to_toml(Config()).splitlines()
    for name in _keys(Config()):
        at = [k for k, line in enumerate(lines) if re.match(rf"(# )?{name} =", line)]
        assert at, f"{name} is missing"
        assert all(re.match(r"# \S", lines[k - 1]) for k in at), f"{name} is not explained"


def test_keys_without_a_value_are_comments() -> None:
    text = to_toml(Config())
    assert "\n# radius =\n" in text
    assert "None" not in [line.split("=")[-1].strip() for line in text.splitlines() if not line.startswith("#")]


def test_a_table_is_plain_values_without_what_is_not_set() -> None:
    table = to_table(CHANGED)
    assert table["scan"]["shape"] == [3, 4]
    assert table["scan"]["fallback_cols"] == Config().scan.fallback_cols
    assert "order" not in table["scan"]
    assert "shape" not in to_table(Config())["scan"]


def test_lines_are_short_enough_to_read() -> None:
    assert max(map(len, to_toml(Config()).splitlines())) <= 110


def _keys(section: Any) -> list[str]:
    values = {f.name: getattr(section, f.name) for f in fields(section)}
    return [key for name, value in values.items() for key in (_keys(value) if is_dataclass(value) else [name])]
