from __future__ import annotations

import numpy as np

from livebragg.accumulate import BraggVectorMap, ClassVectorMaps, VectorStore, vector_map
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
    return store.view, np.arange(n), origins


def test_a_disk_at_the_origin_lands_in_the_middle_bin():
    store = VectorStore(1)
    one = np.array([30.5], np.float32)
    peaks = BraggPeaks(
        qx=one, qy=one, intensity=one, intensity_error=one, position_error=one, offsets=np.array([0, 1])
    )
    store.update(np.array([0]), peaks)
    out = vector_map(store.view, np.array([0]), np.array([[30.5, 30.5]], np.float32), GEOMETRY)
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


def test_maps_of_classes_follow_labels_and_origins():
    rng = np.random.default_rng(4)
    geometry = MapGeometry.around((32, 40), center=(16.0, 20.0), sampling=2.0)
    store = VectorStore(30)
    qx, qy = rng.uniform(4, 28, 90).astype(np.float32), rng.uniform(4, 36, 90).astype(np.float32)
    one = np.ones(90, np.float32)
    peaks = BraggPeaks(
        qx=qx, qy=qy, intensity=one, intensity_error=one, position_error=one, offsets=np.arange(0, 91, 3)
    )
    store.update(np.arange(30), peaks)
    maps, ids = ClassVectorMaps(geometry), np.array([0, 2], np.int16)
    for step in range(3):
        labels = rng.integers(-1, 3, 30).astype(np.int16)
        origins = np.full((30, 2), (16, 20), np.float32) + np.float32(step)
        origins[: 3 - step] = np.nan
        found = maps.update(store.view, labels, origins, ids)
        for number, image in zip(ids, found, strict=True):
            members = np.flatnonzero((labels == number) & np.isfinite(origins[:, 0]))
            expected = vector_map(store.view, members, origins[members], geometry)
            np.testing.assert_allclose(image, expected, atol=1e-5)
