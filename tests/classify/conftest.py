"""Feature rows of a small raster of grains, as the classifier sees them."""

from __future__ import annotations

import numpy as np
import pytest

from livebragg.classify import FeatureView

COLS = 24


def make_features(pattern, detection=0.9, false=0.02, seed=0):
    """Rows of one region per entry of `pattern` (regions, columns), ten lines each."""
    rng = np.random.default_rng(seed)
    label = np.repeat(np.arange(len(pattern)), 10 * COLS)
    found = rng.random((label.size, pattern.shape[1])) < detection
    dense = pattern[label] * found * rng.normal(1, 0.1, found.shape)
    dense = np.where(rng.random(dense.shape) < false, 0.5, dense)
    norm = np.linalg.norm(dense, axis=1)
    rows, cols = np.nonzero(dense)
    count = np.bincount(rows, minlength=label.size).astype(np.int32)
    view = FeatureView(
        column=cols.astype(np.int32),
        value=(dense[rows, cols] / norm[rows]).astype(np.float32),
        start=(np.cumsum(count) - count).astype(np.int64),
        count=count,
        norm=norm.astype(np.float32),
        tracked=count.copy(),
        loose=np.zeros(label.size, np.int32),
        shown=np.zeros(label.size, np.bool_),
        n_columns=pattern.shape[1],
    )
    return view, label


@pytest.fixture
def grains():
    """Four grains of 20 reflections among 60, a quarter of them shared."""

    def make(regions=4, seed=0, **kwargs):
        rng = np.random.default_rng(seed)
        pattern = np.zeros((regions, 15 * regions + 5))
        pattern[:, :5] = 1.0
        for region in range(regions):
            pattern[region, 5 + 15 * region : 20 + 15 * region] = rng.uniform(0.5, 1.5, 15)
        return make_features(pattern, seed=seed, **kwargs)

    return make
