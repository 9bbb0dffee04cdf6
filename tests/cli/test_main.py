"""The command line as a whole: nothing a user types ends in a traceback."""

from __future__ import annotations

import argparse
import subprocess
import sys

import pytest

from livebragg.cli import check_config
from livebragg.cli.main import main


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    told = capsys.readouterr().out
    assert all(command in told for command in ("attach", "demo", "status", "process", "check-config"))


def test_an_unknown_command_ends_with_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["atach"])
    assert "atach" in capsys.readouterr().err


def test_ctrl_c_while_modules_are_imported_leaves_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_: argparse.ArgumentParser) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(check_config, "add_parser", interrupted)
    assert main(["status"]) == 130


def test_only_processing_loads_the_kernels() -> None:
    code = (
        "import sys; from livebragg.cli.main import _parser; _parser(); "
        "print(*{'numba', 'scipy', 'h5py', 'sklearn'} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
