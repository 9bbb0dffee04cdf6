"""A results file holds what was appended whatever happens, and everything when the scan is over."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from scipy.sparse import csr_array

from livebragg.errors import ResultsError
from livebragg.model import Acquisition, ProbeShape
from livebragg.storage.results_reader import read_results
from livebragg.storage.stored_vectors import StoredVectors
from results_written import PARAMETERS, Batches, Snapshots, assert_same_vectors, writer_of


def _assert_same(one: Any, two: Any, name: str = "") -> None:
    """Equality of dataclasses, containers and arrays, types of arrays included."""
    if dataclasses.is_dataclass(one):
        for field in dataclasses.fields(one):
            _assert_same(getattr(one, field.name), getattr(two, field.name), f"{name}.{field.name}")
    elif isinstance(one, np.ndarray):
        assert one.dtype == two.dtype, name
        np.testing.assert_array_equal(one, two, name)
    elif isinstance(one, dict):
        assert one.keys() == two.keys(), name
        for key in one:
            _assert_same(one[key], two[key], f"{name}[{key}]")
    else:
        assert one == two, name


def test_what_was_written_is_read_back(
    tmp_path: Path, acquisition: Acquisition, batches: Batches, snapshot: Snapshots
) -> None:
    written = list(batches())
    features = csr_array(np.diag(np.arange(54, dtype=np.float32))[:, :20])
    patterns = np.random.default_rng(0).random((3, 32, 24), np.float32)
    probe = ProbeShape(radius=3.5, edge_width=0.5, center=(15.25, 12.0))
    writer = writer_of(tmp_path / "scan.h5", acquisition)
    for batch in written:
        writer.append(batch)
    writer.finalize(
        snapshot(),
        probe=probe,
        patterns=patterns,
        pattern_frames=np.array([3, 4, 5]),
        class_names=["forêt", "vacuum", "rest"],
        features=features,
        health={"frames_received": 54.0, "lag_s": 0.25, "state": "green", "workers": [1, 2]},
        notices=["2 frames were late"],
        reason="end of scan",
    )
    results = read_results(tmp_path / "scan.h5")
    assert (results.status, results.reason) == ("complete", "end of scan")
    assert results.created_at <= results.finished_at
    assert results.acquisition == acquisition
    assert results.parameters == PARAMETERS
    assert results.software["numpy"] == np.__version__
    assert_same_vectors(results.vectors, StoredVectors.concatenate(written))
    assert results.final is not None
    _assert_same(results.final.snapshot, snapshot())
    assert results.final.probe == probe
    np.testing.assert_array_equal(results.final.patterns, patterns)
    np.testing.assert_array_equal(results.final.pattern_frames, [3, 4, 5])
    assert results.final.class_names == ("forêt", "vacuum", "rest")
    assert (results.final.features != features).nnz == 0
    assert results.final.health == {
        "frames_received": 54.0,
        "lag_s": 0.25,
        "state": "green",
        "workers": "[1, 2]",
    }
    assert results.final.notices == ("2 frames were late",)


def test_labels_and_weights_lie_where_the_documentation_says(
    tmp_path: Path, acquisition: Acquisition, snapshot: Snapshots
) -> None:
    writer = writer_of(tmp_path / "scan.h5", acquisition)
    writer.finalize(snapshot())
    with h5py.File(tmp_path / "scan.h5") as file:
        labels, weights = file["/livebragg/classes/labels"], file["/livebragg/classes/weights"]
        assert (labels.dtype, labels.shape) == (np.int16, (6, 9))
        assert (weights.dtype, weights.shape) == (np.float32, (3, 6, 9))
        assert labels[5, 8] == -1
        assert file["/livebragg"].attrs["status"] == "complete"


def test_a_scan_without_disks_classes_or_peaks_is_written(
    tmp_path: Path, acquisition: Acquisition, snapshot: Snapshots
) -> None:
    writer = writer_of(tmp_path / "scan.h5", acquisition)
    empty = snapshot(n_classes=0, n_peaks=0)
    nowhere = np.full_like(empty.origin, np.nan)
    empty = dataclasses.replace(empty, events=(), origin=nowhere, seen=np.zeros_like(empty.seen))
    writer.finalize(empty, patterns=np.zeros((0, 32, 24), np.float32), status="stopped", reason="nothing came")
    results = read_results(tmp_path / "scan.h5")
    assert (results.status, results.reason, len(results.vectors)) == ("stopped", "nothing came", 0)
    assert results.final is not None
    _assert_same(results.final.snapshot, empty)


def test_positions_that_came_in_any_order_and_twice_are_sorted_and_the_first_is_kept(
    tmp_path: Path, acquisition: Acquisition, batches: Batches, snapshot: Snapshots
) -> None:
    expected = list(batches())
    twice = dataclasses.replace(expected[4], scan_index=expected[2].scan_index)
    writer = writer_of(tmp_path / "scan.h5", acquisition)
    for batch in [*reversed(expected), twice]:
        writer.append(batch)
    writer.finalize(snapshot())
    assert_same_vectors(read_results(tmp_path / "scan.h5").vectors, StoredVectors.concatenate(expected))


def test_the_scan_shape_may_be_known_only_at_the_end(
    tmp_path: Path, acquisition: Acquisition, batches: Batches, snapshot: Snapshots
) -> None:
    unknown = dataclasses.replace(acquisition, scan_shape=None)
    writer = writer_of(tmp_path / "scan.h5", unknown)
    for batch in batches(63):
        writer.append(batch)
    writer.flush()
    assert read_results(tmp_path / "scan.h5").acquisition.scan_shape is None
    writer.finalize(snapshot((7, 9)))
    results = read_results(tmp_path / "scan.h5")
    assert results.acquisition.scan_shape == (7, 9)
    with h5py.File(tmp_path / "scan.h5") as file:
        assert file["py4DSTEM_root/braggvectors/_v_uncal/data"].shape == (7, 9)


def test_a_running_file_can_be_read_up_to_the_last_flush(
    tmp_path: Path, acquisition: Acquisition, batches: Batches
) -> None:
    parts = list(batches())
    with writer_of(tmp_path / "scan.h5", acquisition) as writer:
        for batch in parts[:3]:
            writer.append(batch)
        writer.flush()
        writer.append(parts[3])
        results = read_results(tmp_path / "scan.h5")
        assert (results.status, results.final) == ("running", None)
        assert_same_vectors(results.vectors, StoredVectors.concatenate(parts[:3]))


def test_a_file_closed_without_the_end_of_the_scan_keeps_its_vectors_and_says_aborted(
    tmp_path: Path, acquisition: Acquisition, batches: Batches
) -> None:
    parts = list(batches())
    with pytest.raises(ZeroDivisionError), writer_of(tmp_path / "scan.h5", acquisition) as writer:
        writer.append(parts[0])
        raise ZeroDivisionError("oh\0 dear")
    results = read_results(tmp_path / "scan.h5")
    assert (results.status, results.reason) == ("aborted", "closed by an error: oh dear")
    assert_same_vectors(results.vectors, StoredVectors.concatenate(parts[:1]))
    with h5py.File(tmp_path / "scan.h5") as file:
        assert file["livebragg/vectors/scan_index"].shape == (8,)


def test_closing_again_and_after_the_end_does_nothing(
    tmp_path: Path, acquisition: Acquisition, snapshot: Snapshots
) -> None:
    with writer_of(tmp_path / "scan.h5", acquisition) as writer:
        writer.finalize(snapshot())
        writer.close()
    assert read_results(tmp_path / "scan.h5").status == "complete"


def test_a_closed_writer_refuses_more(
    tmp_path: Path, acquisition: Acquisition, batches: Batches, snapshot: Snapshots
) -> None:
    writer = writer_of(tmp_path / "scan.h5", acquisition)
    writer.close()
    for action in (lambda: writer.append(next(batches())), writer.flush, lambda: writer.finalize(snapshot())):
        with pytest.raises(ResultsError, match="closed already"):
            action()


def test_an_end_that_does_not_exist_is_refused(
    tmp_path: Path, acquisition: Acquisition, snapshot: Snapshots
) -> None:
    with writer_of(tmp_path / "scan.h5", acquisition) as writer, pytest.raises(ResultsError, match="'running'"):
        writer.finalize(snapshot(), status="running")
