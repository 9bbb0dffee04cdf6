"""A calibration outlives its scan, and a file that is something else is refused in words."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from livebragg.errors import ConfigError
from livebragg.model import Calibration, EllipseEstimate
from livebragg.storage.calibration_file import FORMAT, load_calibration, save_calibration


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    ellipse = EllipseEstimate.from_axes(1.03, 35.0, "halo", error=0.001)
    saved = Calibration(ellipse=ellipse, q_pixel_size_inv_angstrom=0.02, rotation_deg=-12.5, flip=True)
    for _ in range(2):  # an existing file is replaced
        save_calibration(tmp_path / "c.json", saved)
    loaded = load_calibration(tmp_path / "c.json")
    assert loaded.ellipse is not None
    assert (loaded.ellipse.e1, loaded.ellipse.e2) == pytest.approx((ellipse.e1, ellipse.e2))
    assert (loaded.ellipse.source, loaded.ellipse.error) == ("file", 0.001)
    assert (loaded.q_pixel_size_inv_angstrom, loaded.rotation_deg, loaded.flip) == (0.02, -12.5, True)
    assert [p.name for p in tmp_path.iterdir()] == ["c.json"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\xff\x00", "not JSON"),
        (b"[" * 5000, "not JSON"),
        (b"[1]", "must be an object"),
        (b" " * 70000, "more than 65536 bytes"),
        ({"format": "something"}, "must be an object"),
        ({"ellipse": 1.0}, "unknown key 'ellipse'"),
        ({"ellipse_ratio": 0.5}, "ellipse_ratio must be a number from 1 to 1.5, not 0.5"),
        ({"ellipse_ratio": float("nan")}, "ellipse_ratio must be"),
        ({"rotation_deg": True}, "rotation_deg must be a number"),
        ({"rotation_deg": "10"}, "rotation_deg must be a number"),
        ({"q_pixel_size_inv_angstrom": 10**400}, "q_pixel_size_inv_angstrom must be"),
        ({"flip": 1}, "flip must be true or false"),
    ],
)
def test_a_file_that_is_no_calibration_is_refused(tmp_path: Path, content: object, reason: str) -> None:
    path = tmp_path / "c.json"
    if isinstance(content, dict):
        content = json.dumps({"format": FORMAT} | content).encode()
    assert isinstance(content, bytes)
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=reason):
        load_calibration(path)


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    for path in (tmp_path / "none.json", tmp_path):
        with pytest.raises(ConfigError, match="no such file"):
            load_calibration(path)
    with pytest.raises(ConfigError, match="cannot be written"):
        save_calibration(tmp_path / "no" / "c.json", Calibration())
