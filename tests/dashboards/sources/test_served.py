"""What is on disk is read by another program; what it says when it cannot is passed on."""

from __future__ import annotations

from pathlib import Path

import pytest

from livebragg.errors import PipelineError
from livebragg_dashboards.cli import main
from livebragg_dashboards.sources.served import Served


@pytest.mark.processes
def test_a_file_that_cannot_be_shown_is_said_with_its_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "x.h5").write_bytes(b"no HDF5")
    with pytest.raises(PipelineError, match=r"x\.h5 cannot be opened"):
        Served("serve", str(tmp_path / "x.h5"))
    assert main(["--file", str(tmp_path / "none.h5"), "--no-browser"]) == 1
    assert "none.h5 does not exist" in capsys.readouterr().err


def test_a_recording_without_its_results_file_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--recording", "scan.h5", "--no-browser"]) == 2
    assert "--file" in capsys.readouterr().err
