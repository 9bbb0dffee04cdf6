"""What every online object promises: update, something to read, reset, and no surprises."""

from __future__ import annotations

from collections import deque
from copy import deepcopy
from dataclasses import is_dataclass

import numpy as np
import pytest

from livebragg.accumulate import BraggVectorMap, ProfileStore, ScanImages, VectorStore
from livebragg.calibrate import OriginTracker, PeakTracker
from livebragg.classify import ClassLabeler, FeatureTable, GrowingNMF
from livebragg.config.analysis import ClassifyConfig
from livebragg.model import BraggPeaks, MapGeometry, RadialBatch, TrackedPeaks

N = 120
GEOMETRY = MapGeometry.around((64, 64), center=(32.0, 32.0), sampling=2.0)
CONFIG = ClassifyConfig()


def stored():
    rng = np.random.default_rng(0)
    places = rng.uniform(-25, 25, (12, 2))
    found = rng.random((N, 12)) < 0.8
    q = (places[np.nonzero(found)[1]] + 32 + rng.normal(0, 0.2, (found.sum(), 2))).astype(np.float32)
    value = rng.exponential(50, len(q)).astype(np.float32)
    offsets = np.concatenate([[0], np.cumsum(found.sum(1))]).astype(np.int64)
    peaks = BraggPeaks(
        qx=q[:, 0].copy(), qy=q[:, 1].copy(), intensity=value, intensity_error=value, position_error=value,
        offsets=offsets,
    )  # fmt: skip
    tracked = TrackedPeaks(
        peak_id=np.arange(12, dtype=np.int32), qx=places[:, 0].astype(np.float32),
        qy=places[:, 1].astype(np.float32), support=np.ones(12, np.float32),
        significance=np.ones(12, np.float32), covariance=np.zeros((12, 2, 2), np.float32),
    )  # fmt: skip
    return peaks, tracked


PEAKS, TRACKED = stored()
STORE = VectorStore(N)
STORE.update(np.arange(N), PEAKS)
VECTORS = STORE.view
ORIGINS = np.full((N, 2), 32, np.float32)
BEAM = np.column_stack([ORIGINS, np.full(N, 0.05)]).astype(np.float32)
VALUES = np.random.default_rng(1).random((N, 2)).astype(np.float32)
PROFILES = RadialBatch(
    radii=np.arange(2, dtype=np.float32), mean=VALUES, variance=VALUES, pixels=np.ones((N, 2), np.int32)
)


def feature_table():
    table = FeatureTable(GEOMETRY, CONFIG, match_radius=2.0, center_radius=4.0)
    table.track(TRACKED)
    return table


TABLE = feature_table()
TABLE.update(VECTORS, np.arange(N), ORIGINS)
FEATURES = TABLE.view
NMF = GrowingNMF(CONFIG)
NMF.update(FEATURES, np.arange(N))
COUNTS = BraggVectorMap(GEOMETRY)
COUNTS.update(VECTORS, np.arange(N), ORIGINS)


def part_of_peaks(rows):
    return BraggPeaks.concatenate([PEAKS.frame(int(i)) for i in rows])


def update_features(table, rows):
    table.track(TRACKED)
    table.update(VECTORS, rows, ORIGINS[rows])


CASES = {
    "VectorStore": (lambda: VectorStore(N), lambda o, rows: o.update(rows, part_of_peaks(rows))),
    "BraggVectorMap": (lambda: BraggVectorMap(GEOMETRY), lambda o, rows: o.update(VECTORS, rows, ORIGINS[rows])),
    "ScanImages": (lambda: ScanImages(["a", "b"], N, (2, 2)), lambda o, rows: o.update(rows, VALUES[rows])),
    "ProfileStore": (lambda: ProfileStore(N), lambda o, rows: o.update(rows, PROFILES.take(rows))),
    "OriginTracker": (lambda: OriginTracker((12, 10), (32, 32)), lambda o, rows: o.update(rows, BEAM[rows])),
    "PeakTracker": (lambda: PeakTracker(GEOMETRY), lambda o, rows: o.update(COUNTS.counts, N)),
    "FeatureTable": (feature_table, update_features),
    "GrowingNMF": (lambda: GrowingNMF(CONFIG), lambda o, rows: o.update(FEATURES, rows)),
    "ClassLabeler": (
        lambda: ClassLabeler(CONFIG),
        lambda o, rows: o.update(FEATURES, NMF.view, np.isin(np.arange(N), rows)),
    ),
}
READ = {
    "VectorStore": lambda o: o.view,
    "ProfileStore": lambda o: o.at(np.arange(N)),
    "FeatureTable": lambda o: {
        "rows": o.view.dense(np.arange(o.view.count.size)),
        "norm": o.view.norm,
        "tracked": o.view.tracked,
        "loose": o.view.loose,
    },
    "GrowingNMF": lambda o: o.view,
    "ClassLabeler": lambda o: o.maps,
}
"""How to look at those that have no `snapshot`, since a scan is too large to be copied each time."""
INPUTS = (PEAKS, TRACKED, VECTORS, ORIGINS, BEAM, VALUES, PROFILES, COUNTS.counts)
BATCH_EQUALS_ONE_BY_ONE = ("BraggVectorMap", "ScanImages", "ProfileStore", "OriginTracker", "FeatureTable")


def state(thing):
    """What there is to read, as it is now."""
    name = type(thing).__name__
    return deepcopy(READ[name](thing)) if name in READ else thing.snapshot()


@pytest.fixture(params=CASES, ids=str)
def case(request):
    return CASES[request.param]


def content(thing):
    """All numbers in an object, to compare it with another one, or with itself later."""
    if isinstance(thing, np.ndarray):
        return (thing.dtype.str, thing.shape, thing.tobytes())
    if isinstance(thing, dict):
        return tuple((str(key), content(value)) for key, value in thing.items())
    if isinstance(thing, (list, tuple, deque)):
        return tuple(content(value) for value in thing)
    if is_dataclass(thing):
        return tuple(content(getattr(thing, name)) for name in type(thing).__dataclass_fields__)
    if hasattr(thing, "__dict__"):
        return content(vars(thing))
    return repr(thing)


def n_bytes(held):
    """Bytes of the arrays and entries in a `content`."""
    return sum(n_bytes(part) for part in held) if isinstance(held, tuple) else len(str(held).encode()) + 8


def test_an_update_leaves_its_inputs_unchanged(case):
    make, update = case
    before = content(INPUTS)
    update(make(), np.arange(N))
    assert content(INPUTS) == before


def test_the_same_updates_give_the_same_state(case):
    make, update = case
    first, second = make(), make()
    for rows in np.split(np.arange(N), 4):
        update(first, rows)
        update(second, rows)
    assert content(state(first)) == content(state(second))


def test_reset_forgets_everything(case):
    make, update = case
    fresh, used = make(), make()
    update(used, np.arange(N))
    used.reset()
    update(fresh, np.arange(N))
    update(used, np.arange(N))
    assert content(state(used)) == content(state(fresh))


@pytest.mark.parametrize("name", sorted(CASES.keys() - READ.keys()))
def test_a_snapshot_stays_as_it_was(name):
    make, update = CASES[name]
    thing = make()
    update(thing, np.arange(N // 2))
    snapshot = thing.snapshot()
    before = content(snapshot)
    update(thing, np.arange(N // 2, N))
    assert content(snapshot) == before


def test_there_is_something_to_read_before_the_first_update(case):
    make, _ = case
    state(make())


@pytest.mark.parametrize("name", BATCH_EQUALS_ONE_BY_ONE)
@pytest.mark.parametrize("backwards", [False, True])
def test_a_batch_equals_its_positions_one_by_one_in_any_order(name, backwards):
    make, update = CASES[name]
    at_once, singly = make(), make()
    update(at_once, np.arange(N))
    for row in np.arange(N)[:: -1 if backwards else 1]:
        update(singly, np.array([row]))
    _assert_close(state(at_once), state(singly))


@pytest.mark.parametrize(
    "name", ["PeakTracker", "GrowingNMF", "ClassLabeler", "ScanImages", "ProfileStore", "OriginTracker"]
)
def test_memory_does_not_grow_when_the_same_positions_come_again(name):
    make, update = CASES[name]
    few, many = make(), make()
    for repeats, thing in ((3, few), (30, many)):
        for _ in range(repeats):
            update(thing, np.arange(N))
    assert n_bytes(content(many)) < 1.3 * n_bytes(content(few)) + 5000


def _assert_close(first, second):
    if isinstance(first, np.ndarray):
        np.testing.assert_allclose(first, second, atol=1e-5)
    elif isinstance(first, dict):
        for key, value in first.items():
            _assert_close(value, second[key])
    elif isinstance(first, (int, float, str)):
        assert first == pytest.approx(second)
    else:
        for name in type(first).__dataclass_fields__:
            _assert_close(getattr(first, name), getattr(second, name))
