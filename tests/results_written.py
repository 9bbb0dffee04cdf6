"""A results file that tests write, and what must be the same when it is read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from livebragg.model import Acquisition, AnalysisSnapshot, DetectedBatch
from livebragg.storage.results import ResultsWriter
from livebragg.storage.stored_vectors import PEAK_COLUMNS, StoredVectors

Batches = Callable[..., Iterator[DetectedBatch]]
Snapshots = Callable[..., AnalysisSnapshot]

PARAMETERS = {"detection": {"false_disks_per_frame": 0.05, "mask": [1, 2]}, "note": 'say "hi"\n', "on": True}


def writer_of(path: Path, acquisition: Acquisition) -> ResultsWriter:
    return ResultsWriter(path, acquisition, acquisition.scan_shape, acquisition.frame_shape, PARAMETERS)


def assert_same_vectors(one: StoredVectors, two: StoredVectors) -> None:
    for name in ("scan_index", "direct_beam", "virtual"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name), name)
    for name in (*PEAK_COLUMNS, "offsets"):
        np.testing.assert_array_equal(getattr(one.peaks, name), getattr(two.peaks, name), name)
