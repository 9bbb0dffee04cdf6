"""Command line, configuration and the addresses that may open the page."""

from __future__ import annotations

import socket

import pytest

from livebragg.config.dashboard import DashboardConfig
from livebragg.errors import ConfigError
from livebragg_dashboards.cli import main, origins
from livebragg_dashboards.options import config_of, parser


def test_the_defaults_of_the_command_line_are_those_of_the_configuration() -> None:
    assert config_of(parser().parse_args([])) == DashboardConfig()


def test_every_option_reaches_the_configuration() -> None:
    args = ["--feed", "ipc:///tmp/f", "--control", "tcp://h:1", "--host", "0.0.0.0", "--port", "80",
            "--allow-origin", "a.example", "--allow-origin", "b.example:99", "--theme", "light",
            "--nice", "3"]  # fmt: skip
    assert config_of(parser().parse_args(args)) == DashboardConfig(
        feed="ipc:///tmp/f", control="tcp://h:1", host="0.0.0.0", port=80,
        allowed_origins=("a.example", "b.example:99"), theme="light", nice=3,
    )  # fmt: skip


@pytest.mark.parametrize(("flag", "shown"), [([], True), (["--no-browser"], False), (["--no-show"], False)])
def test_the_browser_is_opened_unless_one_asks_it_not_to(flag: list[str], shown: bool) -> None:
    assert parser().parse_args(flag).show is shown


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"feed": "localhost:7551"}, "dashboard.feed"), ({"control": "tcp://x"}, "dashboard.control"),
        ({"host": " "}, "dashboard.host"), ({"port": 70_000}, "dashboard.port"),
        ({"nice": 20}, "dashboard.nice"),
        ({"theme": "pink"}, "'dark', 'light'"), ({"allowed_origins": ("*",)}, r"'\*'"),
        ({"allowed_origins": ("http://a.example",)}, "without http"),
    ],
)  # fmt: skip
def test_values_that_cannot_be_used_are_refused_with_their_key(changes: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        DashboardConfig(**changes)  # type: ignore[arg-type]


def test_only_exact_addresses_may_open_the_page() -> None:
    assert origins(DashboardConfig(), 7553) == ["localhost:7553", "127.0.0.1:7553"]
    config = DashboardConfig(host="10.0.0.5", allowed_origins=("lab.example", "proxy.example:443"))
    assert origins(config, 80)[2:] == ["10.0.0.5:80", "lab.example:80", "proxy.example:443"]
    assert "0.0.0.0:80" not in origins(DashboardConfig(host="0.0.0.0"), 80)


def test_help_teaches(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    text = capsys.readouterr().out
    assert "livebragg attach" in text and "--allow-origin" in text and "tcp://127.0.0.1:7551" in text


def test_a_wrong_value_ends_with_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--feed", "nonsense", "--no-browser"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_port_that_is_taken_ends_with_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["--port", str(port), "--no-browser"]) == 1
    assert "another dashboard" in capsys.readouterr().err
