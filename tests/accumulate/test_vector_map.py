from __future__ import annotations

import numpy as np

from livebragg.accumulate import BraggVectorMap, VectorStore, vector_map
from livebragg.model import BraggPeaks, MapGeometry

GEOMETRY = MapGeometry.around((64, 48), center=(30.0, 25.0), sampling=2.0)


def scan(n=30, seed=0):
    rng = np.random.default_rng(seed)
    q = rng.uniform(0, 48, (2, n * 4)).astype(np.float32)
    intensity = rng.exponential(10, n * 4).astype(np.float32)
    store = VectorStore(n)
    peaks = BraggPeaks(
        qx=q[0], qy=q[1], intensity=intensity, intensity_error=intensity, position_error=intensity,
        offsets=np.arange(0, 4 * n + 1, 4),
    )  # fmt: skip
    store.update(np.arange(n), peaks)
    origins = (np.array([30, 25]) + rng.normal(0, 1, (n, 2))).astype(np.float32)
    return store.snapshot(), np.arange(n), origins


def test_a_disk_at_the_origin_lands_in_the_middle_bin():
    store = VectorStore(1)
    one = np.array([30.5], np.float32)
    peaks = BraggPeaks(
        qx=one, qy=one, intensity=one, intensity_error=one, position_error=one, offsets=np.array([0, 1])
    )
    store.update(np.array([0]), peaks)
    out = vector_map(store.snapshot(), np.array([0]), np.array([[30.5, 30.5]], np.float32), GEOMETRY)
    assert out[GEOMETRY.origin_bin] == out.sum() == 1


def test_a_map_grown_position_by_position_equals_one_made_at_once():
    vectors, positions, origins = scan()
    running = BraggVectorMap(GEOMETRY)
    for i in positions[::-1]:
        running.update(vectors, positions[i : i + 1], origins[i : i + 1])
    np.testing.assert_allclose(running.snapshot(), vector_map(vectors, positions, origins, GEOMETRY), atol=1e-9)


def test_positions_whose_origin_moved_are_binned_again():
    vectors, positions, origins = scan()
    running = BraggVectorMap(GEOMETRY, "intensity", tolerance=0.05)
    running.update(vectors, positions, origins)
    moved = origins.copy()
    moved[3:9] += 0.4
    moved[9:] += 0.01
    assert running.update(vectors, positions, moved).tolist() == list(range(3, 9))
    moved[9:] = origins[9:]
    expected = vector_map(vectors, positions, moved, GEOMETRY, "intensity")
    np.testing.assert_allclose(running.snapshot(), expected, atol=1e-9)


def test_a_map_of_some_positions_has_only_their_disks():
    vectors, positions, origins = scan()
    box = positions[5:8]
    assert 0 < vector_map(vectors, box, origins[box], GEOMETRY).sum() <= 12
