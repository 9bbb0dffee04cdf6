"""Saying where frames lie, from the command line; what the pipeline makes of it is tested with the pipeline."""

from __future__ import annotations

import pytest

from live_pipeline import free_endpoints
from livebragg.cli import scan
from livebragg.cli.main import main


@pytest.mark.parametrize("shape", ["64;48", "64,", "-3,4", "64,48,2", "many"])
def test_a_shape_that_is_none_is_refused_before_anybody_is_asked(
    shape: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["scan-shape", "--control", "tcp://127.0.0.1:1", "--", shape]) == 1
    assert f"{shape!r} is no shape; write ROWS,COLS" in capsys.readouterr().err


@pytest.mark.parametrize("command", [["scan-shape", "8,10"], ["scan-shape", "10"], ["missed-triggers", "7", "2"]])
def test_a_pipeline_that_is_not_there_is_said(
    command: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scan, "TIMEOUT_S", 0.2)
    (endpoint,) = free_endpoints(1)
    assert main([*command, "--control", endpoint]) == 1
    assert f"no pipeline answers at {endpoint}" in capsys.readouterr().err
