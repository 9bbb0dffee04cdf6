"""How options become a configuration, and what is said about those that cannot."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from livebragg.cli.main import main
from livebragg.cli.options import build_config, parse_shape
from livebragg.errors import ConfigError


def _words(capsys: pytest.CaptureFixture[str]) -> str:
    return " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    ("setting", "complaint"),
    [
        ("probe.radios=4", "unknown key 'probe.radios'; did you mean 'radius'?"),
        ("prob.radius=4", "unknown key 'prob'; did you mean 'probe'?"),
        ("probe=4", "probe is a section"),
        ("probe.radius=wide", "probe.radius must be a number, not 'wide'"),
        ("probe.radius", "needs a value"),
        ("probe.radius=", "needs a value"),
        ("dispatch.workers=" + "9" * 5000, "dispatch.workers must be a whole number"),
        ("probe.center=" + "[" * 5000, "probe.center must be"),
    ],
)
def test_a_setting_that_is_wrong_is_named_with_the_nearest_right_one(
    setting: str, complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check-config", "--set", setting]) == 1
    assert complaint in _words(capsys)


def test_a_missing_configuration_file_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check-config", str(tmp_path / "none.toml")]) == 1
    assert f"{tmp_path / 'none.toml'}: No such file" in _words(capsys)


def test_a_missing_recording_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["process", str(tmp_path / "none.h5"), "-o", str(tmp_path / "r.h5")]) == 1
    assert str(tmp_path / "none.h5") in _words(capsys)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["64", "64,", "64,48,2", "-1,4", "axb", "6.5,4", "²,4", "9" * 5000 + ",4"])
def test_what_is_no_shape_is_refused(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["process", "scan.h5", "-o", "r.h5", f"--scan-shape={text}"]) == 1
    assert f"--scan-shape {text!r} is no shape; write ROWS,COLS" in _words(capsys)


def test_a_shape_may_be_written_with_a_comma_or_a_cross() -> None:
    assert parse_shape("64,48", "--scan-shape") == parse_shape("64x48", "--scan-shape") == (64, 48)
    assert parse_shape(None, "--scan-shape") is None


def test_flags_win_over_settings_and_settings_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text("[dispatch]\nworkers = 1\nbatch_frames = 4\n[results]\nwrite = false\n")
    args = argparse.Namespace(config=file, set=["dispatch.workers=2", "dispatch.batch_frames=5"])
    config = build_config(args, {"dispatch.workers": 3, "results.directory": None})
    assert (config.dispatch.workers, config.dispatch.batch_frames, config.results.write) == (3, 5, False)


def test_flags_of_the_wrong_kind_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"dispatch\.workers"):
        build_config(argparse.Namespace(config=None, set=[]), {"dispatch.workers": -1})
