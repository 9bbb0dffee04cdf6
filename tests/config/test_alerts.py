"""Rules of alerts: what cannot be used is refused with its key, value and limit."""

from __future__ import annotations

import re
import tomllib
from dataclasses import fields
from pathlib import Path

import pytest

from livebragg.config.alerts import AlertsConfig
from livebragg.config.loader import from_table, load
from livebragg.errors import ConfigError


def test_a_file_of_rules_is_read(tmp_path: Path) -> None:
    path = tmp_path / "rules.toml"
    path.write_text('[drift]\non = true\npixels = 1.5\n[command]\nargv = ["notify-send", "livebragg"]\n')
    config = load(path, AlertsConfig)
    assert (config.drift.on, config.drift.pixels) == (True, 1.5)
    assert config.command.argv == ("notify-send", "livebragg")
    assert config.lost.on and not config.trend.on


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"drift": {"pixels": 0.0}}, r"drift\.pixels must be between 0\.01"),
        ({"area": {"percent": 120.0}}, r"area\.percent must be between .* not 120"),
        ({"stalled": {"seconds": 0.1}}, r"stalled\.seconds"),
        ({"trend": {"percent": float("nan")}}, r"trend\.percent"),
        ({"webhook": {"url": "file:///etc/passwd"}}, r"webhook\.url .*http://HOST"),
        ({"webhook": {"url": "http://[::1"}}, r"webhook\.url"),
        ({"command": {"argv": "rm -rf x"}}, r"command\.argv must be a list"),
        ({"losses": {}}, r"did you mean|known here"),
    ],
)
def test_what_cannot_be_used_is_refused(table: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        from_table(AlertsConfig, table)


def test_the_rules_of_the_documentation_are_valid_and_all_there() -> None:
    text = (Path(__file__).parents[2] / "docs" / "dashboard.md").read_text(encoding="utf-8")
    found = re.search(r"```toml\n(# rules\.toml.*?)```", text, re.DOTALL)
    assert found is not None
    table = tomllib.loads(found.group(1))
    assert isinstance(from_table(AlertsConfig, table), AlertsConfig)
    assert set(table) == {f.name for f in fields(AlertsConfig)}
