"""What ``livebragg-simulate`` refuses and prints."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from livebragg.model import ScanGeometry
from livebragg_simulators import cli
from livebragg_simulators.run import _attach


@pytest.mark.parametrize(
    ("flags", "complaint"),
    [
        (["--loop=-1"], "'-1' is no number of acquisitions"),
        (["--loop=two"], "'two' is no number of acquisitions"),
        (["--id="], "cannot have an empty name"),
        (["--id= "], "cannot have an empty name"),
    ],
)
def test_an_impossible_flag_is_refused_at_once(
    flags: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        cli.main(["specimen", *flags])
    assert complaint in " ".join(capsys.readouterr().err.split())


def test_lines_are_not_wrapped_where_there_is_no_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / ("long_" * 30 + "[bold].h5")
    assert cli.main(["record", str(path), "--scan-shape", "2,2", "--frame-shape", "64,64"]) == 0
    assert f"{path}: data and truth written" in capsys.readouterr().err.splitlines()


def test_ctrl_c_before_sending_leaves_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "_make_specimen", interrupted)
    assert cli.main(["specimen"]) == 130


def test_a_recording_never_replaces_a_file_unasked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "mine.h5"
    path.write_bytes(b"my data")
    assert cli.main(["record", str(path), "--scan-shape", "2,2", "--frame-shape", "64,64"]) == 1
    assert "exists; choose another name, or --force" in capsys.readouterr().err
    assert path.read_bytes() == b"my data"


@pytest.mark.parametrize(
    ("protocol", "flags"),
    [
        ("native", ""),
        ("dectris-v1", " --detector dectris --scan-shape 6,7"),
        ("dectris-v2", " --detector dectris --scan-shape 6,7"),
        ("merlin", " --detector merlin --scan-shape 6,7"),
    ],
)
def test_the_whole_command_to_attach_is_printed(protocol: str, flags: str) -> None:
    path = SimpleNamespace(geometry=ScanGeometry(scan_shape=(6, 7)), tells_shape=True)
    assert _attach("tcp://127.0.0.1:7550", path, protocol) == f"livebragg attach tcp://127.0.0.1:7550{flags}"  # type: ignore[arg-type]
    path.tells_shape = False
    assert "6,7" not in _attach("tcp://127.0.0.1:7550", path, protocol)  # type: ignore[arg-type]
