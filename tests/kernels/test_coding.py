"""Coding and learning kernels against NumPy."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import nnls

from livebragg.kernels.coding import add_statistics, code_rows, residual_rows, sweep_dictionary


@pytest.fixture
def sparse():
    """Twenty rows over 12 columns, 4 components."""
    rng = np.random.default_rng(5)
    dense = rng.exponential(1, (20, 12)) * (rng.random((20, 12)) < 0.5)
    rows, cols = np.nonzero(dense)
    count = np.bincount(rows, minlength=20).astype(np.int32)
    start = (np.cumsum(count) - count).astype(np.int64)
    h = rng.exponential(1, (4, 12)) * (rng.random((4, 12)) < 0.6)
    h /= np.linalg.norm(h, axis=1, keepdims=True)
    return dense[rows, cols].astype(np.float32), cols.astype(np.int32), start, count, dense, h


def coded(sparse, sparsity=0.0):
    value, column, start, count, _dense, h = sparse
    weights, novelty = np.zeros((20, 4), np.float32), np.zeros(20, np.float32)
    dictionary = np.ascontiguousarray(h.T, np.float32)
    code_rows(value, column, start, count, dictionary, h @ h.T, sparsity, 500, np.zeros(12), weights, novelty)
    return weights, novelty, dictionary


def test_coordinate_descent_finds_the_non_negative_least_squares_weights(sparse):
    weights, _, _ = coded(sparse)
    dense, h = sparse[4], sparse[5]
    expected = np.array([nnls(h.T, row)[0] for row in dense])
    np.testing.assert_allclose(weights, expected, atol=3e-3)


def test_a_penalty_makes_weights_smaller(sparse):
    assert coded(sparse, 0.5)[0].sum() < coded(sparse)[0].sum()


def test_novelty_is_what_lies_above_the_components(sparse):
    weights, novelty, _ = coded(sparse)
    dense, h = sparse[4], sparse[5]
    over = np.where(dense > 0, np.maximum(dense - weights @ h, 0), 0)
    expected = (over**2).sum(1) / (dense**2).sum(1)
    assert (novelty <= expected + 1e-5).all()
    assert (novelty >= 0).all()


def test_missing_entries_do_not_make_a_known_pattern_new():
    pattern = np.full((1, 20), 1 / np.sqrt(20))
    value = np.ones(8, np.float32)
    args = (value, np.arange(8, dtype=np.int32), np.array([0], np.int64), np.array([8], np.int32))
    weights, novelty = np.zeros((1, 1), np.float32), np.zeros(1, np.float32)
    dictionary = np.ascontiguousarray(pattern.T, np.float32)
    code_rows(*args, dictionary, pattern @ pattern.T, 0.0, 50, np.zeros(3), weights, novelty)
    assert novelty[0] < (1 - weights[0, 0] * pattern[0, 0]) ** 2 < 0.4


def test_a_pattern_that_only_touches_a_component_is_new():
    pattern = np.concatenate([np.full(10, 0.31), np.full(10, 0.04)])[None]
    pattern /= np.linalg.norm(pattern)
    args = (np.ones(10, np.float32), np.arange(10, 20, dtype=np.int32), np.array([0]), np.array([10], np.int32))
    weights, novelty = np.zeros((1, 1), np.float32), np.zeros(1, np.float32)
    dictionary = np.ascontiguousarray(pattern.T, np.float32)
    code_rows(*args, dictionary, pattern @ pattern.T, 0.0, 50, np.zeros(3), weights, novelty)
    assert novelty[0] > 0.9


def test_statistics_are_the_products_of_the_matrices(sparse):
    value, column, start, count, dense, _ = sparse
    weights = np.random.default_rng(0).random((20, 4)).astype(np.float32)
    a, b = np.zeros((4, 4)), np.zeros((12, 4))
    add_statistics(value, column, start, count, weights, 1.0, a, b)
    np.testing.assert_allclose(a, weights.T @ weights, rtol=1e-5)
    np.testing.assert_allclose(b, dense.T @ weights, rtol=1e-5)
    add_statistics(value, column, start, count, weights, -1.0, a, b)
    np.testing.assert_allclose(a, 0, atol=1e-9)


def test_a_sweep_lowers_the_misfit_and_keeps_components_non_negative(sparse):
    weights, _, dictionary = coded(sparse)
    dense = sparse[4]

    def misfit():
        return ((dense - weights @ dictionary.T) ** 2).sum()

    before = misfit()
    w = weights.astype(np.float64)
    sweep_dictionary(w.T @ w, dense.T @ w, 3, dictionary)
    assert misfit() < before
    assert dictionary.min() >= 0


def test_residual_rows_are_the_positive_part(sparse):
    weights, _, dictionary = coded(sparse)
    value, column, start, count, dense, _ = sparse
    out = np.ones((20, 12), np.float32)
    residual_rows(value, column, start, count, dictionary, weights, out)
    expected = np.where(dense > 0, np.maximum(dense - weights @ dictionary.T, 0), 0)
    np.testing.assert_allclose(out, expected, atol=1e-5)


@pytest.mark.skipif(os.environ.get("NUMBA_DISABLE_JIT") == "1", reason="already running uncompiled")
def test_the_analysis_kernels_pass_their_tests_uncompiled():
    here = Path(__file__).parent
    names = ("test_binning.py", "test_map_peaks.py", "test_matching.py", "test_coding.py")
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider"]
    run = subprocess.run(
        [*command, *(str(here / name) for name in names)],
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"},
        cwd=here.parents[1],
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout[-4000:] + run.stderr[-2000:]


def test_a_component_without_rows_keeps_its_pattern():
    dictionary = np.array([[1.0, 0.6], [0.0, 0.8]], np.float32)
    rounding = np.array([[5.0, 0.0], [0.0, 1e-9]])
    sweep_dictionary(rounding, np.array([[5.0, 1e-7], [0.0, 1e-7]]), 3, dictionary)
    np.testing.assert_allclose(dictionary, [[1.0, 0.6], [0.0, 0.8]], atol=1e-6)
