"""What ``livebragg attach`` refuses before it starts anything."""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path

import pytest

from livebragg.cli import attach
from livebragg.cli.main import main


@pytest.fixture(autouse=True)
def _nothing_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attach, "watch", lambda *_, **__: 0)


def _words(capsys: pytest.CaptureFixture[str]) -> str:
    return " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    ("flags", "complaint"),
    [
        (["inproc://here"], "stream.endpoint 'inproc://here' works in one process only"),
        (["--feed", "inproc://here"], "publish.feed"),
        (["tcp://127.0.0.1:*"], "stream.endpoint 'tcp://127.0.0.1:*': other programs must know the port"),
        (["--control", "tcp://*:*"], "publish.control"),
        (["tcp://a:1", "--feed", "tcp://a:1"], "publish.feed and stream.endpoint are both 'tcp://a:1'"),
        (["--feed", "ipc:///x", "--control", "ipc:///x"], "publish.control and publish.feed are both"),
        (["7550"], "stream.endpoint '7550' is not an endpoint"),
    ],
)
def test_endpoints_nobody_could_use_are_refused(
    flags: list[str], complaint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["attach", *flags, "--results", str(tmp_path)]) == 1
    assert complaint in _words(capsys)


@pytest.mark.parametrize("folder", ["file", "file/below"])
def test_a_results_folder_that_is_a_file_is_refused(
    folder: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    flags = ["attach", "--results", str(tmp_path / folder)]
    assert main(flags) == 1
    words = _words(capsys)
    assert f"results cannot be written to {tmp_path / folder}" in words
    assert "--results" in words
    assert main([*flags, "--set", "results.write=false"]) == 0


def test_a_results_folder_that_cannot_be_made_is_refused_with_the_systems_reason(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["attach", "--results", "/proc/livebragg/scans"]) == 1
    words = _words(capsys)
    assert (
        "results cannot be written to /proc/livebragg/scans: No such file or directory (/proc/livebragg)" in words
    )
    assert "--results" in words


def test_a_results_folder_in_which_nothing_can_be_written_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(**_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(attach.tempfile, "TemporaryFile", full)
    assert main(["attach", "--results", str(tmp_path)]) == 1
    assert f"results cannot be written to {tmp_path}: No space left on device" in _words(capsys)


def test_a_results_folder_that_is_yet_to_be_made_is_made_and_left_empty(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "folder"
    assert main(["attach", "--results", str(folder)]) == 0
    assert list(folder.iterdir()) == []


def test_configuration_files_named_in_the_help_exist(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["attach", "--help"])
    named = re.findall(r"config/\w+\.toml", capsys.readouterr().out)
    assert named
    assert all((Path(__file__).resolve().parents[2] / name).is_file() for name in named)


def test_a_vacuum_file_that_is_missing_is_told_before_anything_starts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = tmp_path / "vacuum.npy"
    flags = ["--set", f"probe.vacuum_file={missing}", "--results", str(tmp_path)]
    assert main(["attach", *flags]) == 1
    assert f"probe.vacuum_file {missing}: does not exist" in _words(capsys)
