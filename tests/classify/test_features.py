from __future__ import annotations

import numpy as np
import pytest

from livebragg.accumulate import VectorStore
from livebragg.classify import FeatureTable
from livebragg.config.analysis import ClassifyConfig
from livebragg.model import BraggPeaks, ForcedIntensities, MapGeometry, TrackedPeaks

GEOMETRY = MapGeometry.around((64, 64), center=(32.0, 32.0), sampling=2.0)


def tracked(places, ids):
    places = np.asarray(places, np.float32)
    n = len(places)
    return TrackedPeaks(
        peak_id=np.array(ids, np.int32), qx=places[:, 0], qy=places[:, 1], support=np.ones(n, np.float32),
        significance=np.ones(n, np.float32), covariance=np.zeros((n, 2, 2), np.float32),
    )  # fmt: skip


@pytest.fixture
def vectors():
    qx = np.array([32, 42.3, 20, 42, 50], np.float32)
    qy = np.array([32, 32, 25, 32.5, 50], np.float32)
    value = np.array([900, 16, 9, 25, 4], np.float32)
    peaks = BraggPeaks(
        qx=qx, qy=qy, intensity=value, intensity_error=value, position_error=value, offsets=np.array([0, 3, 5])
    )
    store = VectorStore(3)
    store.update(np.array([2, 0]), peaks)
    return store.view


def table(feature="sqrt_intensity"):
    return FeatureTable(GEOMETRY, ClassifyConfig(feature=feature), match_radius=2.0, center_radius=4.0)


@pytest.mark.parametrize(
    ("feature", "expected"), [("sqrt_intensity", [4, 3]), ("intensity", [16, 9]), ("boolean", [1, 1])]
)
def test_rows_hold_the_feature_at_each_tracked_peak(vectors, feature, expected):
    features = table(feature)
    features.track(tracked([(10, 0), (-12, -7)], ids=[1, 4]))
    features.update(vectors, np.array([2, 0]), np.full((2, 2), 32.0, np.float32))
    view = features.view
    dense = view.dense(np.array([2, 0])) * view.norm[[2, 0], None]
    np.testing.assert_allclose(dense[0, [1, 4]], expected, rtol=1e-5)
    assert (np.flatnonzero(dense[1]).tolist(), view.n_columns) == ([1], 5)
    assert (view.tracked[[2, 0]].tolist(), view.loose[[2, 0]].tolist()) == ([2, 1], [0, 1])


def test_only_rows_at_a_new_peak_change(vectors):
    features = table()
    positions, origins = np.array([0, 2]), np.full((2, 2), 32.0, np.float32)
    features.track(tracked([(10, 0)], ids=[0]))
    assert features.update(vectors, positions, origins).all()
    features.track(tracked([(10, 0), (18, 18)], ids=[0, 1]))
    assert features.update(vectors, positions, origins).tolist() == [True, False]


def test_a_disk_follows_the_origin_of_its_position(vectors):
    features = table()
    features.track(tracked([(10, 0)], ids=[0]))
    features.update(vectors, np.array([2]), np.array([[36.0, 32.0]], np.float32))
    assert features.view.tracked[2] == 0


def show(features, vectors, positions):
    """Let the light of these positions count, as if it stood out as a class."""
    features._shown[positions] = True
    features._write(vectors, positions)


def test_measured_light_adds_what_was_not_found_and_replaces_what_was(vectors):
    features = table()
    positions, origins = np.array([0, 2]), np.full((2, 2), 32.0, np.float32)
    features.track(tracked([(10, 0), (-12, -7)], ids=[0, 1]))
    features.update(vectors, positions, origins)
    value = np.array([[36, 49], [1, -5]], np.float32)
    error = np.array([[5, 6], [9, 1]], np.float32)
    measured = ForcedIntensities(intensity=value, error=error, usable=np.ones_like(value))
    features.measure(vectors, positions, origins, measured, features.forced.catalogue)
    assert features.view.dense(positions)[:, 0].all()
    show(features, vectors, positions)
    view = features.view
    dense = view.dense(positions) * view.norm[positions, None]
    np.testing.assert_allclose(dense, [[6, 7], [4, 3]], rtol=1e-5)
    assert view.tracked[positions].tolist() == [1, 2]


def test_rows_survive_packing(vectors):
    features = table()
    positions, origins = np.array([0, 2]), np.full((2, 2), 32.0, np.float32)
    features.track(tracked([(10, 0), (-12, -7)], ids=[0, 1]))
    features.update(vectors, positions, origins)
    before = features.view.dense(positions)
    for width in range(3, 12):
        extra = [(10, 0), (-12, -7)] + [(3.0 * k - 15, 20) for k in range(width)]
        features.track(tracked(extra, ids=range(len(extra))))
        value = np.full((2, len(extra)), 100, np.float32)
        value[:, :2] = -1
        show(features, vectors, positions)
        light = ForcedIntensities(intensity=value, error=value / 10, usable=value / 100)
        features.measure(vectors, positions, origins, light, features.forced.catalogue)
        assert (features.view.count[positions] == width + np.array([1, 2])).all()
        features.track(tracked([(10, 0), (-12, -7)], ids=[0, 1]))
        features.update(vectors, positions, origins + 1e-4)
        two = value[:, :2]
        light = ForcedIntensities(intensity=two, error=1 - two, usable=two)
        features.measure(vectors, positions, origins, light, features.forced.catalogue)
        np.testing.assert_allclose(features.view.dense(positions)[:, :2], before, rtol=1e-5)


def test_whoever_keeps_sums_is_told_before_rows_change(vectors):
    features = table()
    positions, origins = np.array([0, 2]), np.full((2, 2), 32.0, np.float32)
    features.track(tracked([(10, 0)], ids=[0]))
    features.update(vectors, positions, origins)
    told = []
    features.track(tracked([(10, 0), (18, 18)], ids=[0, 1]))
    features.update(vectors, positions, origins, lambda rows: told.append((rows.tolist(), features.view.count[0])))
    assert told == [([0], 1)]
    assert features.view.count[0] == 2
