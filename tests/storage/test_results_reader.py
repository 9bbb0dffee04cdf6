"""Files that are not results are refused in words."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from livebragg.errors import ResultsError
from livebragg.model import Acquisition
from livebragg.storage.results import ResultsWriter
from livebragg.storage.results_reader import read_results


def test_a_missing_file_is_reported(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match=r"absent\.h5 does not exist"):
        read_results(tmp_path / "absent.h5")


def test_a_file_that_is_not_hdf5_is_reported(tmp_path: Path) -> None:
    (tmp_path / "text.h5").write_text("hello")
    with pytest.raises(ResultsError, match=r"text\.h5 cannot be opened"):
        read_results(tmp_path / "text.h5")


def test_an_hdf5_file_of_another_program_is_reported(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["data"] = np.zeros(3)
    with pytest.raises(ResultsError, match="not written by livebragg"):
        read_results(tmp_path / "other.h5")


@pytest.fixture
def closed_file(tmp_path: Path, acquisition: Acquisition) -> Path:
    ResultsWriter(tmp_path / "scan.h5", acquisition, None, (32, 24), {}).close()
    return tmp_path / "scan.h5"


def test_a_newer_format_is_reported(closed_file: Path) -> None:
    with h5py.File(closed_file, "r+") as file:
        file["livebragg"].attrs["format_version"] = 99
    with pytest.raises(ResultsError, match="newer livebragg"):
        read_results(closed_file)


@pytest.mark.parametrize("missing", ["vectors", "parameters", "acquisition", "vectors/qx"])
def test_a_file_with_a_part_missing_is_reported(closed_file: Path, missing: str) -> None:
    with h5py.File(closed_file, "r+") as file:
        del file["livebragg"][missing]
    with pytest.raises(ResultsError, match="damaged or incomplete"):
        read_results(closed_file)
