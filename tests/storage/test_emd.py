"""The EMD part of a results file, seen with plain h5py."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest

from livebragg.model import Acquisition, AnalysisSnapshot, BraggPeaks, DetectedBatch, ProbeShape
from livebragg.storage.emd import POINT, write_bragg_vectors, write_metadata
from livebragg.storage.results import ResultsWriter
from livebragg.storage.stored_vectors import StoredVectors


@pytest.fixture
def parts(batches: Callable[..., Iterator[DetectedBatch]]) -> list[DetectedBatch]:
    """All but the last batch: a few positions stay unseen."""
    return list(batches())[:-1]


@pytest.fixture
def file(
    tmp_path: Path,
    acquisition: Acquisition,
    parts: list[DetectedBatch],
    snapshot: Callable[..., AnalysisSnapshot],
) -> Iterator[h5py.File]:
    parameters = {"number": 0.5, "section": {"list": ["a", "b"], "deep": {"on": False, "far": float("inf")}}}
    writer = ResultsWriter(tmp_path / "scan.h5", acquisition, (6, 9), (32, 24), parameters)
    for batch in parts:
        writer.append(batch)
    patterns = np.ones((3, 32, 24), np.float32)
    probe = ProbeShape(radius=3.5, edge_width=0.5, center=(15.25, 12.0))
    writer.finalize(snapshot(), probe=probe, patterns=patterns)
    with h5py.File(tmp_path / "scan.h5") as opened:
        yield opened


def test_the_header_and_root_say_emd(file: h5py.File) -> None:
    assert (file.attrs["emd_group_type"], file.attrs["version_major"], file.attrs["version_minor"]) == (
        "file",
        1,
        0,
    )
    roots = [name for name in file if file[name].attrs.get("emd_group_type") == "root"]
    assert roots == ["py4DSTEM_root"]


def test_each_position_has_its_own_list_of_points(file: h5py.File, parts: list[DetectedBatch]) -> None:
    lists = file["py4DSTEM_root/braggvectors/_v_uncal/data"][...]
    assert lists.shape == (6, 9)
    for batch in parts:
        for frame, position in enumerate(batch.scan_index):
            points, peaks = lists.flat[position], batch.peaks.frame(frame)
            for column in ("qx", "qy", "intensity"):
                np.testing.assert_array_equal(points[column], getattr(peaks, column).astype(np.float64))
    unseen = sum(len(batch) for batch in parts)
    assert all(points.size == 0 for points in lists.flat[unseen:])


def test_calibration_carries_origin_and_pixel_sizes(
    file: h5py.File, snapshot: Callable[..., AnalysisSnapshot]
) -> None:
    calibration = file["py4DSTEM_root/metadatabundle/calibration"]
    assert calibration.attrs["python_class"] == "Calibration"
    assert calibration["Q_pixel_size"][()] == 0.02
    assert calibration["Q_pixel_units"][()] == b"A^-1"
    assert (calibration["R_pixel_size"][()], calibration["R_pixel_units"][()]) == (1.5, b"nm")
    assert calibration["QR_flip"].attrs["type"] == "bool"
    assert calibration["_target_paths/0"][()] == b"/braggvectors"
    origin = snapshot().origin
    seen = np.isfinite(origin[..., 0])
    np.testing.assert_array_equal(calibration["qx0"][...][seen], origin[..., 0][seen])
    np.testing.assert_array_equal(calibration["qy0"][...][seen], origin[..., 1][seen])
    assert np.isfinite(calibration["qx0"][...]).all()


def test_stacks_of_images_have_labels_and_axes(file: h5py.File) -> None:
    weights = file["py4DSTEM_root/class_weights"]
    assert weights["data"].shape == (3, 6, 9)
    assert (weights["dim0"].shape, weights["dim1"].shape) == ((6,), (9,))
    assert weights["dim2"].attrs["name"] == "_labels_"
    assert weights["dim2"][...].tolist() == [b"class 0", b"class 1", b"class 2"]
    assert weights["dim1"][3] == pytest.approx(4.5)


def test_the_origin_of_the_vector_map_is_at_zero(file: h5py.File) -> None:
    node = file["py4DSTEM_root/bragg_vector_map"]
    row, col = node["metadatabundle/grid/origin"][...]
    assert (node["dim0"][row], node["dim1"][col]) == (0, 0)
    assert node["dim0"][row + 1] == 0.5


def test_the_parameters_can_be_read_as_toml(file: h5py.File) -> None:
    text = file["livebragg/parameters/toml"].asstr()[()]
    expected = {"number": 0.5, "section": {"list": ["a", "b"], "deep": {"on": False, "far": float("inf")}}}
    assert tomllib.loads(text) == expected


def test_metadata_values_keep_their_kind(tmp_path: Path) -> None:
    values = {"none": None, "yes": True, "n": 3, "x": 0.5, "text": "µ", "pair": (1, 2), "names": ["a", "b"]}
    with h5py.File(tmp_path / "file.h5", "w") as file:
        write_metadata(file, "all", {**values, "array": np.arange(3)})
        group = file["metadatabundle/all"]
        kinds = {name: group[name].attrs["type"] for name in group}
    assert kinds == {
        "none": "None",
        "yes": "bool",
        "n": "number",
        "x": "number",
        "text": "string",
        "pair": "tuple",
        "names": "list_of_strings",
        "array": "array",
    }


@pytest.mark.parametrize("each", [0, 1, 2, 3])
def test_positions_with_equally_many_points_keep_their_own(tmp_path: Path, each: int) -> None:
    total = 6 * each
    column = np.arange(total, dtype=np.float32)
    peaks = BraggPeaks(
        qx=column,
        qy=column + 100,
        intensity=column + 200,
        intensity_error=column,
        position_error=column,
        offsets=np.arange(0, total + 1, each) if each else np.zeros(7, np.int64),
    )
    beam, virtual = np.zeros((6, 3), np.float32), np.zeros((6, 5), np.float32)
    vectors = StoredVectors(scan_index=np.arange(6), peaks=peaks, direct_beam=beam, virtual=virtual)
    with h5py.File(tmp_path / "vectors.h5", "w") as opened:
        write_bragg_vectors(opened, "vectors", vectors, (2, 3), (32, 24))
        lists = opened["vectors/_v_uncal/data"][...]
    assert lists.dtype == object
    for position, points in enumerate(lists.flat):
        assert points.dtype == POINT
        assert points["qx"].tolist() == list(range(position * each, (position + 1) * each))
