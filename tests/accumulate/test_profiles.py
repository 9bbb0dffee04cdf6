"""Radial profiles of a scan: the first of each position, and regions of any shape."""

from __future__ import annotations

import numpy as np
import pytest

from livebragg.accumulate import ProfileStore
from livebragg.errors import FrameError
from livebragg.model import RadialBatch

BINS = 6


def profiles(n, seed=0, bins=BINS):
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 9, (n, bins)).astype(np.int32)
    mean = np.where(pixels > 0, rng.random((n, bins)), np.nan).astype(np.float32)
    variance = np.where(pixels > 0, rng.random((n, bins)), np.nan).astype(np.float32)
    return RadialBatch(radii=np.arange(bins, dtype=np.float32), mean=mean, variance=variance, pixels=pixels)


def test_a_region_is_the_mean_over_all_its_pixels():
    batch = profiles(20)
    store = ProfileStore(20)
    store.update(np.arange(20), batch)
    region = store.region(np.array([3, 4, 11]))
    part = batch.take(np.array([3, 4, 11]))
    expected = np.nansum(part.mean * part.pixels, axis=0) / part.pixels.sum(axis=0)
    np.testing.assert_allclose(region.mean, expected, rtol=1e-3)
    np.testing.assert_array_equal(region.pixels, part.pixels.sum(axis=0))
    assert region.n_positions == 3


def test_order_and_repetition_do_not_matter():
    batch, order = profiles(12), np.random.default_rng(1).permutation(12)
    one, two = ProfileStore(12), ProfileStore(12)
    one.update(np.arange(12), batch)
    for k in order:
        two.update(np.array([k]), batch.take(np.array([k])))
    two.update(np.arange(12), profiles(12, seed=5))
    everything = np.arange(12)
    for name in ("mean", "variance", "pixels"):
        np.testing.assert_array_equal(getattr(one.at(everything), name), getattr(two.at(everything), name))


def test_positions_without_a_profile_are_left_out_and_unknown_ones_too():
    store = ProfileStore(8)
    store.update(np.array([2]), profiles(1))
    assert store.region(np.array([0, 1, 2, 700])).n_positions == 1
    nothing = store.region(np.array([5]))
    assert nothing.n_positions == 0 and np.isnan(nothing.mean).all()
    assert not store.at(np.array([5])).pixels.any()


def test_a_scan_may_grow_and_be_forgotten():
    store = ProfileStore(4)
    store.update(np.array([1, 9]), profiles(2))
    assert store.region(np.array([9])).n_positions == 1
    store.reset()
    assert store.radii.size == 0
    store.update(np.array([1]), profiles(1, bins=3))
    assert store.radii.size == 3


def test_other_bins_are_refused_and_inputs_do_not_change():
    store, batch = ProfileStore(4), profiles(2)
    before = batch.mean.copy()
    store.update(np.array([0, 1]), batch)
    with pytest.raises(FrameError, match="3 bins follow some with 6"):
        store.update(np.array([2, 3]), profiles(2, bins=3))
    store.at(np.array([0, 1])).mean[:] = 7
    np.testing.assert_array_equal(batch.mean, before)
    assert not (store.at(np.array([0, 1])).mean == 7).any()


def test_arrays_that_do_not_fit_are_refused():
    one = profiles(3)
    with pytest.raises(FrameError, match="must be"):
        RadialBatch(radii=one.radii[:2], mean=one.mean, variance=one.variance, pixels=one.pixels)


def test_positions_beyond_those_seen_have_no_pixels():
    one = np.ones((1, 3), np.float32)
    store = ProfileStore(2)
    store.update(
        np.array([1]), RadialBatch(radii=one[0], mean=one, variance=one, pixels=np.full((1, 3), 4, np.int32))
    )
    assert store.at(np.array([1, 7])).pixels.tolist() == [[4, 4, 4], [0, 0, 0]]
