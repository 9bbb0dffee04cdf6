"""``livebragg process`` never harms a file that is there already."""

from __future__ import annotations

import contextlib
import signal
from pathlib import Path

import h5py
import numpy as np
import pytest

from livebragg.cli.main import main
from livebragg.cli.process import check_output, interruptible, written_whole
from livebragg.errors import ResultsError


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """A scan of 3x4 frames with a direct beam and two disks."""
    y, x = np.mgrid[:32, :32]
    mean = np.full((32, 32), 0.05)
    for row, col, height in ((16, 16, 60), (16, 25, 15), (16, 7, 15)):
        mean[np.hypot(y - row, x - col) <= 3] = height
    path = tmp_path / "scan.h5"
    with h5py.File(path, "w") as file:
        file["data"] = np.random.default_rng(1).poisson(mean, (3, 4, 32, 32)).astype(np.uint16)
    return path


def _process(recording: Path, output: Path, *more: str) -> int:
    probe = ["--set", "probe.radius=3", "--set", "probe.center=[16.0, 16.0]"]
    return main(["process", str(recording), "-o", str(output), "--workers", "1", *probe, *more])


def test_the_recording_is_never_replaced_by_its_results(
    recording: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = recording.read_bytes()
    link = recording.with_name("link.h5")
    link.symlink_to(recording)
    for output in (recording, link):
        assert _process(recording, output, "--force") == 1
        assert "is the recording itself" in capsys.readouterr().err
    assert recording.read_bytes() == before


def test_a_folder_is_refused_as_results_file(tmp_path: Path, recording: Path) -> None:
    with pytest.raises(ResultsError, match=r"no regular file.*results\.h5"):
        check_output(recording, tmp_path, force=True)


def test_results_are_replaced_with_force_only(
    tmp_path: Path, recording: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "r.h5"
    output.write_text("old")
    assert _process(recording, output) == 1
    assert "--force" in capsys.readouterr().err
    assert output.read_text() == "old"
    assert _process(recording, output, "--force") == 0
    with h5py.File(output) as file:
        assert file["/livebragg"].attrs["status"] == "complete"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["r.h5", "scan.h5"]


def test_old_results_survive_a_missing_recording(tmp_path: Path) -> None:
    output = tmp_path / "r.h5"
    output.write_text("old")
    assert _process(tmp_path / "missing.h5", output, "--force") == 1
    assert output.read_text() == "old"


def test_old_results_survive_a_failure_half_way(tmp_path: Path) -> None:
    output = tmp_path / "r.h5"
    output.write_text("old")
    with pytest.raises(RuntimeError), written_whole(output) as path:
        path.write_text("half")
        raise RuntimeError
    assert output.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["r.h5"]


def test_process_writes_even_where_the_configuration_of_live_runs_does_not(
    tmp_path: Path, recording: Path
) -> None:
    assert _process(recording, tmp_path / "r.h5", "--set", "results.write=false") == 0
    with h5py.File(tmp_path / "r.h5") as file:
        assert file["/livebragg"].attrs["status"] == "complete"


def test_results_without_a_name_lie_in_the_present_folder(
    recording: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    flags = ["--workers", "1", "--set", "probe.radius=3", "--set", "probe.center=[16.0, 16.0]"]
    assert main(["process", str(recording), *flags]) == 0
    assert [path.name for path in (tmp_path / "here").iterdir()] == ["scan_results.h5"]
    assert main(["process", str(recording), *flags]) == 1, "nothing is overwritten"


def test_an_interrupt_that_became_another_error_is_an_interrupt() -> None:
    with pytest.raises(KeyboardInterrupt), interruptible():
        with contextlib.suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        raise RuntimeError("no compiled object yet")
    with pytest.raises(RuntimeError), interruptible():
        raise RuntimeError("of its own")
