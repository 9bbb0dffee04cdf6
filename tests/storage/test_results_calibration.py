"""The calibration in a results file, also in one written before the errors of both components were kept."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from livebragg.model import EllipseEstimate
from livebragg.storage.results_content import plain
from livebragg.storage.results_reader import _calibration

ELLIPSE = EllipseEstimate.of(np.array([0.01, 0.02]), np.array([[4e-6, 1e-6], [1e-6, 9e-6]]), "rings and halo")


def written(path: Path, **facts: object) -> dict[str, object]:
    """What HDF5 gives back of some attributes."""
    with h5py.File(path, "w") as file:
        file.attrs.update({name: plain(value) for name, value in facts.items()})
        return dict(file.attrs)


def facts() -> dict[str, object]:
    names = EllipseEstimate.__dataclass_fields__
    known = {f"ellipse_{name}": getattr(ELLIPSE, name) for name in names}
    return {"rotation_deg": 1.0, "flip": True, "ellipse_note": "", **known}


def test_an_ellipse_comes_back_with_the_covariance_of_its_components(tmp_path: Path) -> None:
    found = _calibration(written(tmp_path / "a.h5", **facts()))
    assert found is not None and found.ellipse == ELLIPSE
    np.testing.assert_allclose(found.ellipse.covariance, [[4e-6, 1e-6], [1e-6, 9e-6]])


def test_an_older_file_has_one_error_for_both_components(tmp_path: Path) -> None:
    older = {name: value for name, value in facts().items() if name != "ellipse_unequal"}
    found = _calibration(written(tmp_path / "a.h5", **older))
    assert found is not None and found.ellipse is not None
    assert found.ellipse.covariance[0, 0] == pytest.approx(found.ellipse.covariance[1, 1]) == ELLIPSE.error**2
