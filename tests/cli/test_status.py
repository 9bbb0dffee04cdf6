"""How long ``livebragg status`` waits."""

from __future__ import annotations

from pathlib import Path

import pytest

from livebragg.cli.main import main


@pytest.mark.parametrize("timeout", ["-1", "0", "nan", "inf", "3601"])
def test_times_that_are_none_are_refused(timeout: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--timeout", timeout]) == 1
    assert "is no time to wait" in capsys.readouterr().err


def test_no_answer_is_told_with_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--control", f"ipc://{tmp_path}/nobody", "--timeout", "0.05"]) == 1
    words = " ".join(capsys.readouterr().err.split())
    assert "busy (finishing a scan?) or not running" in words
    assert "start one with: livebragg attach" in words
