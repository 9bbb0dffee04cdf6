"""Shares of patterns: the compiled descent against scipy's non-negative least squares."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import nnls

from livebragg.classify.mixture import shares_of


def scene(seed, n=40, k=3, channels=20):
    rng = np.random.default_rng(seed)
    pure, own = rng.random((k, channels)), rng.random((2, channels))
    owner = rng.integers(-1, 2, n)
    truth = rng.dirichlet(np.ones(k + 1), n) * (rng.random((n, k + 1)) > 0.3)
    truth[owner < 0, -1] = 0
    signal = truth[:, :-1] @ pure + truth[:, -1:] * own[owner] + rng.normal(0, 0.02, (n, channels))
    return [a.astype(np.float32) for a in (signal, pure, own)] + [owner, truth]


@pytest.mark.parametrize("seed", range(4))
def test_shares_are_those_of_non_negative_least_squares(seed):
    signal, pure, own, owner, truth = scene(seed)
    shares, misfit = shares_of(signal, pure, own, owner)
    assert shares.min() >= 0
    for row, mine, share, left in zip(signal, owner, shares, misfit, strict=True):
        patterns = pure if mine < 0 else np.vstack([pure, own[mine]])
        best, residual = nnls(patterns.T.astype(np.float64), row.astype(np.float64))
        np.testing.assert_allclose(share[: best.size], best, atol=0.05)
        assert left <= (residual**2 / (row**2).sum()) * 1.05 + 1e-4
    assert np.abs(shares - truth).mean() < 0.06
    assert (shares[owner < 0, -1] == 0).all()


def test_the_same_shares_come_from_any_scale_of_a_channel_with_its_patterns():
    signal, pure, own, owner, _ = scene(7)
    once, _ = shares_of(signal, pure, own, owner)
    again, _ = shares_of(3 * signal, 3 * pure, 3 * own, owner)
    np.testing.assert_allclose(again, once, atol=1e-3)


def test_nothing_scattered_is_no_share_of_anything():
    shares, misfit = shares_of(np.zeros((2, 5), np.float32), np.ones((1, 5), np.float32))
    assert (shares == 0).all() and (misfit == 0).all()
