"""Files that a configuration names, which may come, change and go between scans."""

from __future__ import annotations

from pathlib import Path

import pytest

from livebragg.config.loader import from_table
from livebragg.config.schema import Config
from livebragg.errors import ConfigError
from livebragg.model import Calibration
from livebragg.pipeline.named_files import FilesOfScans, read_named_files
from livebragg.storage.calibration_file import save_calibration


def config(calibration: Path) -> Config:
    return from_table(Config, {"analysis": {"calibration": {"file": str(calibration)}}})


def test_each_scan_has_what_the_file_says_at_its_beginning(tmp_path: Path) -> None:
    files, path = FilesOfScans(), tmp_path / "c.json"
    for size in (0.02, 0.03):
        save_calibration(path, Calibration(q_pixel_size_inv_angstrom=size))
        known = files.read(config(path)).calibration
        assert known is not None and known.q_pixel_size_inv_angstrom == size
        assert files.problems == []


@pytest.mark.parametrize("spoilt", [None, b"no JSON", b"{}", b"\xff" * 70_000])
def test_a_file_that_became_unusable_leaves_what_it_said_before(tmp_path: Path, spoilt: bytes | None) -> None:
    files, path = FilesOfScans(), tmp_path / "c.json"
    save_calibration(path, Calibration(rotation_deg=12.0))
    files.read(config(path))
    path.unlink()
    if spoilt is not None:
        path.write_bytes(spoilt)
    known = files.read(config(path)).calibration
    assert known is not None and known.rotation_deg == 12.0
    assert len(files.problems) == 1
    assert str(path) in files.problems[0] and "what it said before is used" in files.problems[0]


def test_a_file_that_was_never_readable_is_named_and_ends_nothing(tmp_path: Path) -> None:
    files, named = FilesOfScans(), config(tmp_path / "none.json")
    with pytest.raises(ConfigError, match="no such file"):
        read_named_files(named)
    assert files.read(named).calibration is None
    assert "no such file; the scan goes on without it" in files.problems[0]
    save_calibration(tmp_path / "none.json", Calibration())
    assert files.read(named).calibration == Calibration(ellipse_note="the calibration file has none")
    assert files.problems == []


def test_a_vacuum_file_that_shows_no_probe_ends_nothing_either(tmp_path: Path) -> None:
    (tmp_path / "vacuum.npy").write_bytes(b"no frames")
    files = FilesOfScans()
    named = from_table(Config, {"probe": {"vacuum_file": str(tmp_path / "vacuum.npy")}})
    assert files.read(named).template is None
    assert "probe.vacuum_file" in files.problems[0] and "goes on without it" in files.problems[0]
