"""Behind a beam stop the beam is where the disks of a frame have their centre."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from livebragg.detect import FrameAnalyzer, analyzer
from livebragg.detect.friedel import friedel_center
from livebragg.model import ProbeShape

LATTICE = np.array([[i, j] for i in range(-2, 3) for j in range(-2, 3) if (i, j) != (0, 0)], np.float64)
TRUE = np.array([41.3, 38.6])


def disks(spacing: float = 14.0, missing: float = 0.3, seed: int = 0) -> np.ndarray:
    """A square lattice of which a tilt leaves out a part, about `TRUE`."""
    random = np.random.default_rng(seed)
    turn = np.array([[0.8, -0.6], [0.6, 0.8]])
    q = spacing * LATTICE @ turn + TRUE + random.normal(0, 0.1, LATTICE.shape)
    return q[random.uniform(size=len(q)) > missing]


@pytest.mark.parametrize("seed", range(6))
def test_the_centre_of_most_pairs_is_the_beam_though_a_tilt_hides_a_third_of_the_disks(seed: int) -> None:
    found = friedel_center(disks(seed=seed), (39.0, 40.0), 8.0)
    assert np.hypot(*(found[:2] - TRUE)) < 0.15
    assert 0.005 < found[2] < 0.15


def test_disks_without_order_have_no_centre() -> None:
    random = np.random.default_rng(1)
    for _ in range(50):
        assert np.isnan(friedel_center(random.uniform(0, 80, (30, 2)), (40.0, 40.0), 8.0)).all()


def test_a_frame_with_few_disks_or_none_has_no_centre() -> None:
    for n in (0, 1, 5):
        assert np.isnan(friedel_center(disks()[:n], (40.0, 40.0), 8.0)).all()


def test_a_frame_of_500_disks_is_looked_at_in_little_memory_and_by_its_brightest_pairs() -> None:
    """All middles about one another would be gigabytes."""
    random = np.random.default_rng(0)
    half = random.uniform(5, 90, (60, 2)) * random.choice([-1, 1], (60, 2))
    bright, faint = np.concatenate([half, -half]) + TRUE, random.uniform(-50, 130, (400, 2))
    tracemalloc.start()
    found = friedel_center(np.concatenate([bright, faint]), (39.0, 40.0), 24.0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    np.testing.assert_allclose(found[:2], TRUE, atol=0.1)
    assert peak < 20e6


def test_the_brightest_disks_of_a_frame_tell_where_its_beam_is(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[np.ndarray] = []
    monkeypatch.setattr(analyzer, "friedel_center", lambda places, *_: (seen.append(places), np.zeros(3))[1])
    probe = ProbeShape(radius=3.5, edge_width=0.4, center=(40.0, 40.0))
    rows, cols = np.indices((80, 80))
    stack = frames()
    stack[:, np.hypot(rows - 40, cols - 40) < 7] = 0
    stack[0, np.hypot(rows - 60, cols - 60) < 3] += 100
    hidden = np.hypot(rows - 40, cols - 40) < 7
    batch = FrameAnalyzer(probe, (80, 80), bad_pixels=hidden).analyze(stack, np.arange(2))
    for frame, places in enumerate(seen):
        peaks = batch.peaks.frame(frame)
        order = np.argsort(-peaks.intensity)
        np.testing.assert_array_equal(places, np.stack([peaks.qx, peaks.qy], axis=1)[order])
        assert (order != np.arange(len(order))).any()  # they come in another order


def frames() -> np.ndarray:
    """Two frames of a lattice whose beam walks by a pixel, behind a round stop on a bar."""
    rows, cols = np.indices((80, 80))
    mean = np.full((2, 80, 80), 0.2)
    for frame in range(2):
        for q in 14.0 * LATTICE @ np.array([[0.8, -0.6], [0.6, 0.8]]) + TRUE + frame:
            mean[frame] += 12 * (np.hypot(rows - q[0], cols - q[1]) < 3.5)
    return np.random.default_rng(0).poisson(mean).astype(np.uint16)


def test_a_masked_beam_is_found_from_the_pairs_of_each_frame() -> None:
    rows, cols = np.indices((80, 80))
    stop = (np.hypot(rows - 41, cols - 39) < 7) | ((np.abs(cols - 39) < 2) & (rows > 41))
    probe = ProbeShape(radius=3.5, edge_width=0.4, center=(40.0, 40.0))
    batch = FrameAnalyzer(probe, (80, 80), bad_pixels=stop).analyze(frames() * ~stop, np.arange(2))
    np.testing.assert_allclose(batch.direct_beam[:, :2], [TRUE, TRUE + 1], atol=0.25)
    seen = FrameAnalyzer(probe, (80, 80)).analyze(frames(), np.arange(2))
    assert not np.isfinite(seen.direct_beam).any()  # no stop is announced: the beam is looked for, not made up
