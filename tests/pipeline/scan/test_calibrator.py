"""The calibration of a scan: measured, given or loaded, in the results file and for the next scan."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from livebragg.config.loader import from_table
from livebragg.config.schema import Config
from livebragg.errors import ConfigError
from livebragg.pipeline.offline import process_recording
from livebragg.storage.calibration_file import load_calibration
from livebragg.storage.recordings import open_recording
from livebragg.storage.results_reader import read_results


@pytest.fixture(scope="module")
def scan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One crystal: 12x12 frames with eight disks on a square."""
    y, x = np.mgrid[:40, :40]
    mean = np.full((40, 40), 0.05)
    for row in (-11, 0, 11):
        for col in (-11, 0, 11):
            mean[np.hypot(y - 20 - row, x - 20 - col) <= 3] = 15 if (row, col) != (0, 0) else 60
    path = tmp_path_factory.mktemp("scan") / "scan.npy"
    np.save(path, np.random.default_rng(1).poisson(mean, (12, 12, 40, 40)).astype(np.float32))
    return path


def process(scan: Path, out: Path, **calibration: object):
    table = {
        "probe": {"radius": 3.0, "center": [20.0, 20.0]},
        "dispatch": {"workers": 1},
        "analysis": {"calibration": calibration},
    }
    with open_recording(scan) as recording:
        process_recording(recording, from_table(Config, table), out, lambda *_: None)
    final = read_results(out).final
    assert final is not None and final.calibration is not None
    return final


def test_a_pixel_size_that_cannot_be_measured_says_so_in_a_note_of_its_own(scan: Path, tmp_path: Path) -> None:
    final = process(scan, tmp_path / "r.h5", reference_spacing_angstrom=2.0, reference_radius_px=17.0)
    assert final.calibration.q_pixel_size_inv_angstrom is None
    assert final.calibration.q_pixel_size_note and "17" in final.calibration.q_pixel_size_note
    assert final.calibration.q_pixel_size_note not in final.calibration.ellipse_note


def test_one_crystal_does_not_determine_an_ellipse_and_the_file_says_why(scan: Path, tmp_path: Path) -> None:
    final = process(scan, tmp_path / "r.h5", reference_spacing_angstrom=2.0, reference_radius_px=11.0)
    assert final.calibration.ellipse is None
    assert "strain looks the same" in final.calibration.ellipse_note
    assert final.calibration.q_pixel_size_inv_angstrom == pytest.approx(1 / 22, rel=0.005)
    np.testing.assert_allclose(final.calibrated_map, final.snapshot.bragg_vector_map, atol=1e-3)


def test_a_given_calibration_moves_every_disk_and_serves_the_next_scan(scan: Path, tmp_path: Path) -> None:
    given = {"ellipse": "given", "ellipse_ratio": 1.1, "q_pixel_size_inv_angstrom": 0.02, "rotation_deg": 90.0}
    given |= {"flip": True}  # the pattern looks the same in a mirror
    final = process(scan, tmp_path / "r.h5", **given, save_to=str(tmp_path / "c.json"))
    ellipse = final.calibration.ellipse
    assert (ellipse.source, ellipse.error) == ("given", 0.0)
    row, col = np.array(final.snapshot.map_geometry.origin_bin)
    assert final.calibrated_map.sum() == pytest.approx(final.snapshot.bragg_vector_map.sum(), rel=1e-3)
    # The disks at 11 px along the rows end up along the columns, nearer by the root of the ratio.
    along = final.calibrated_map[row - 2 : row + 3, col + 8 :].sum(axis=0)
    assert (along.argmax() + 8) / final.snapshot.map_geometry.sampling == pytest.approx(11 / 1.1**0.5, abs=0.5)

    again = process(scan, tmp_path / "r2.h5", file=str(tmp_path / "c.json"))
    assert again.calibration.ellipse.source == "file"
    assert again.calibration.q_pixel_size_inv_angstrom == 0.02
    np.testing.assert_allclose(again.calibrated_map, final.calibrated_map)
    assert (again.calibration.rotation_deg, again.calibration.flip) == (90.0, True)
    assert load_calibration(tmp_path / "c.json").rotation_deg == 90.0


def test_a_calibration_file_that_is_not_there_ends_the_run_before_it_begins(scan: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        process(scan, tmp_path / "r.h5", file=str(tmp_path / "none.json"))
    assert not (tmp_path / "r.h5").exists()
