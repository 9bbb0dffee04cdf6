"""Peaks of many frames in flat arrays, what a worker found, and the probe."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from livebragg.errors import FrameError, ProbeError
from livebragg.model import VIRTUAL_IMAGES, BraggPeaks, DetectedBatch, ProbeShape

COLUMNS = ("qx", "qy", "intensity", "intensity_error", "position_error")


def peaks(*counts: int) -> BraggPeaks:
    """Peaks whose columns tell where they belong."""
    n = sum(counts)
    columns: dict[str, Any] = {name: np.arange(n, dtype=np.float32) + 100 * k for k, name in enumerate(COLUMNS)}
    return BraggPeaks(**columns, offsets=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64))


def test_a_frame_is_a_view_of_its_peaks() -> None:
    many = peaks(2, 0, 3)
    assert (len(many), many.n_frames) == (5, 3)
    assert [len(many.frame(k)) for k in range(3)] == [2, 0, 3]
    last = many.frame(2)
    assert last.qx.tolist() == [2, 3, 4]
    assert last.position_error.tolist() == [402, 403, 404]
    assert np.shares_memory(last.qx, many.qx)


def test_frames_put_together_are_the_whole_again() -> None:
    many = peaks(2, 0, 3, 1)
    again = BraggPeaks.concatenate([many.frame(k) for k in range(4)])
    for name in (*COLUMNS, "offsets"):
        assert getattr(again, name).tolist() == getattr(many, name).tolist()
    assert again.offsets.dtype == np.int64
    assert BraggPeaks.concatenate([]).n_frames == 0
    assert BraggPeaks.concatenate([BraggPeaks.empty(2), peaks(1)]).offsets.tolist() == [0, 0, 0, 1]


@pytest.mark.parametrize("offsets", [[0, 1], [1, 3], [0, 2, 1, 3], [], [[0, 3]], [0, 3, 2]], ids=str)
def test_offsets_that_do_not_rise_to_the_number_of_peaks_are_refused(offsets: list[int]) -> None:
    columns: dict[str, Any] = dict.fromkeys(COLUMNS, np.zeros(3, np.float32))
    with pytest.raises(FrameError, match=r"offsets must rise from 0 to the number of peaks \(3\)"):
        BraggPeaks(**columns, offsets=np.array(offsets, np.int64))


@pytest.mark.parametrize("odd", [np.zeros(2, np.float32), np.zeros((3, 1), np.float32)], ids=["short", "2-D"])
def test_columns_of_different_lengths_are_refused(odd: Any) -> None:
    columns: dict[str, Any] = dict.fromkeys(COLUMNS, np.zeros(3, np.float32))
    with pytest.raises(FrameError, match="must be 1-D and of one length"):
        BraggPeaks(**{**columns, "intensity": odd}, offsets=np.array([0, 3]))


def batch(**changes: Any) -> DetectedBatch:
    fields: dict[str, Any] = {
        "scan_index": np.arange(2),
        "peaks": peaks(1, 2),
        "direct_beam": np.zeros((2, 3), np.float32),
        "virtual": np.zeros((2, len(VIRTUAL_IMAGES)), np.float32),
        "sum_pattern": np.zeros((4, 5), np.float32),
    }
    return DetectedBatch(**{**fields, **changes})


def test_a_batch_has_one_of_everything_per_position() -> None:
    assert len(batch()) == 2
    wrong: list[dict[str, Any]] = [
        {"scan_index": np.arange(3)},
        {"peaks": peaks(3)},
        {"direct_beam": np.zeros((2, 2), np.float32)},
        {"virtual": np.zeros((2, 4), np.float32)},
    ]
    for changes in wrong:
        with pytest.raises(FrameError, match=r"a batch of [23] positions has peaks of"):
            batch(**changes)


@pytest.mark.parametrize(("radius", "edge"), [(0, 1), (-1, 1), (3, -0.1), (float("nan"), 1), (3, float("nan"))])
def test_a_probe_without_extent_is_refused(radius: float, edge: float) -> None:
    with pytest.raises(ProbeError, match=r"radius > 0 and an edge width >= 0 pixels, not"):
        ProbeShape(radius=radius, edge_width=edge, center=(1.0, 2.0))
