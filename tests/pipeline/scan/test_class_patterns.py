"""Mean patterns: from samples while the scan runs, from everything at the end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from livebragg.pipeline.scan import class_patterns
from livebragg.pipeline.scan.class_patterns import MAX_SAMPLES_PER_CLASS, PatternSampler, all_patterns

SHAPE = (3, 4)


class FakeLookup:
    """Frames that are all the position's number; some are gone."""

    def __init__(self, n: int, gone: set[int] | None = None) -> None:
        self.n, self.gone = n, gone or set()
        self.asked: list[int] = []

    def frame(self, scan_index: int) -> Any:
        self.asked.append(scan_index)
        return None if scan_index in self.gone else np.full(SHAPE, scan_index, np.float32)

    def blocks(self) -> Iterator[tuple[Any, Any]]:
        left = np.array([k for k in range(self.n) if k not in self.gone], np.int64)
        for start in range(0, left.size, 7):
            index = left[start : start + 7]
            yield index, np.broadcast_to(index[:, None, None].astype(np.uint16), (index.size, *SHAPE))


def ids(*numbers: int) -> Any:
    return np.array(numbers, np.int16)


def labelled(rows: int, cols: int) -> Any:
    """Class 5 on the left, class 2 on the right, the first row not classified."""
    labels = np.full((rows, cols), 5, np.int16)
    labels[:, cols // 2 :] = 2
    labels[0] = -1
    return labels


def test_the_mean_of_a_small_class_is_exact() -> None:
    labels = labelled(3, 4)
    means = PatternSampler(FakeLookup(12), SHAPE).update(labels, ids(5, 2), budget_s=10)
    assert means.class_ids.tolist() == [5, 2]
    assert means.n_frames.tolist() == [4, 4]
    assert means.patterns.shape == (2, *SHAPE)
    for k, members in enumerate(([4, 5, 8, 9], [6, 7, 10, 11])):
        assert np.allclose(means.patterns[k], np.mean(members))


def test_a_large_class_is_sampled_and_every_frame_is_read_once() -> None:
    lookup = FakeLookup(10_000)
    sampler = PatternSampler(lookup, SHAPE)
    for _ in range(5):
        means = sampler.update(labelled(100, 100), ids(5, 2), budget_s=10)
    assert means.n_frames.tolist() == [MAX_SAMPLES_PER_CLASS] * 2
    assert len(lookup.asked) == len(set(lookup.asked)) == 2 * MAX_SAMPLES_PER_CLASS


def test_samples_follow_their_positions_when_labels_change() -> None:
    lookup = FakeLookup(12)
    sampler = PatternSampler(lookup, SHAPE)
    labels = labelled(3, 4)
    sampler.update(labels, ids(5, 2), budget_s=10)
    labels[labels == 5] = 9
    labels[2, 3] = -1
    means = sampler.update(labels, ids(9, 2), budget_s=10)
    assert np.allclose(means.patterns[0], np.mean([4, 5, 8, 9]))
    assert np.allclose(means.patterns[1], np.mean([6, 7, 10]))
    assert len(lookup.asked) == 8, "no frame is read again for a new label"


def test_a_class_without_frames_is_nan_and_frames_that_are_gone_are_asked_for_once() -> None:
    lookup = FakeLookup(12, gone={4, 5, 8, 9})
    sampler = PatternSampler(lookup, SHAPE)
    for _ in range(3):
        means = sampler.update(labelled(3, 4), ids(5, 2), budget_s=10)
    assert means.n_frames.tolist() == [0, 4]
    assert np.isnan(means.patterns[0]).all()
    assert np.isfinite(means.patterns[1]).all()
    assert sorted(lookup.asked) == list(range(4, 12))


def test_no_class_and_no_time_are_no_problem() -> None:
    sampler = PatternSampler(FakeLookup(12), SHAPE)
    assert sampler.update(labelled(3, 4), ids(), budget_s=10).patterns.shape == (0, *SHAPE)
    assert sampler.update(labelled(3, 4), ids(5, 2), budget_s=-1).n_frames.tolist() == [0, 0]


def test_samples_never_take_more_memory_than_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(class_patterns, "SAMPLE_BYTES", 10 * 4 * 12)
    means = PatternSampler(FakeLookup(400), SHAPE).update(labelled(20, 20), ids(5, 2), budget_s=10)
    assert means.n_frames.tolist() == [5, 5]


def test_the_same_seed_gives_the_same_samples() -> None:
    one, two = (
        PatternSampler(FakeLookup(10_000), SHAPE, seed=3).update(labelled(100, 100), ids(5, 2), budget_s=10)
        for _ in range(2)
    )
    assert np.array_equal(one.patterns, two.patterns)


def test_at_the_end_every_frame_that_is_left_counts() -> None:
    means = all_patterns(FakeLookup(12, gone={4}), SHAPE, labelled(3, 4), ids(5, 2, 7))
    assert means.n_frames.tolist() == [3, 4, 0]
    assert np.allclose(means.patterns[0], np.mean([5, 8, 9]))
    assert np.allclose(means.patterns[1], np.mean([6, 7, 10, 11]))
    assert np.isnan(means.patterns[2]).all()
    assert means.patterns.dtype == np.float32
