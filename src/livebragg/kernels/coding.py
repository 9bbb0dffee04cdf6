"""Non-negative coding of sparse feature rows, and the sums that the dictionary is learned from."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

_MISSING = 0.3
"""How much an entry that a component has and a row lacks counts against it: faint disks are often not found."""


LEAST_WEIGHT = 1e-3
"""Sum of squared weights below which a component has no rows."""


@njit(cache=True, nogil=True)
def code_rows(
    value: NDArray[np.float32],
    column: NDArray[np.int32],
    start: NDArray[np.int64],
    count: NDArray[np.int32],
    dictionary: NDArray[np.float32],
    gram: NDArray[np.float64],
    sparsity: float,
    sweeps: int,
    scratch: NDArray[np.float64],
    out_weights: NDArray[np.float32],
    out_novelty: NDArray[np.float32],
) -> None:
    """Find ``w >= 0`` that minimises ``0.5 |x - w H|^2 + sparsity * sum(w)``, by coordinate descent.

    Parameters
    ----------
    value, column : shape (n_entries,)
        Sparse features; entries with a negative column are no features.
    start, count : shape (n,)
        Entries of row ``i`` are ``start[i]:start[i] + count[i]``.
    dictionary : NDArray[np.float32], shape (n_features, n_components)
        ``H`` transposed, so that the components of one feature lie side by side.
    gram : NDArray[np.float64], shape (n_components, n_components)
        ``H H'``.
    scratch : NDArray[np.float64], shape (3 * n_components,)
        Overwritten.
    out_weights : NDArray[np.float32], shape (n, n_components)
        Read as the starting point, overwritten with the weights.
    out_novelty : NDArray[np.float32], shape (n,)
        Part of ``|x|^2`` that the components do not explain, 0 to 1; 0 for empty rows. The smaller of two:
        what lies above ``w H``, and what a single component leaves when the entries that are missing count for
        little. The second keeps faint frames, where many disks are not found, from seeming new.
    """
    k_all = gram.shape[0]
    c = scratch[:k_all]
    g = scratch[k_all : 2 * k_all]
    there = scratch[2 * k_all :]
    for i in range(start.size):
        c[:] = -sparsity
        there[:] = 0.0
        total = 0.0
        for d in range(start[i], start[i] + count[i]):
            j = column[d]
            if j >= 0:
                v = value[d]
                total += v * v
                for k in range(k_all):
                    c[k] += v * dictionary[j, k]
                    there[k] += dictionary[j, k] * dictionary[j, k]
        best = 0.0
        for k in range(k_all):
            if there[k] > 0.0:
                missing = max(gram[k, k] - there[k], 0.0)
                best = max(best, (c[k] + sparsity) ** 2 / (there[k] + _MISSING * missing))
        g[:] = 0.0
        for k in range(k_all):
            if out_weights[i, k] > 0.0:
                for m in range(k_all):
                    g[m] += out_weights[i, k] * gram[k, m]
        for _ in range(sweeps):
            largest = 0.0
            for k in range(k_all):
                if gram[k, k] <= 0.0:
                    out_weights[i, k] = 0.0
                    continue
                old = out_weights[i, k]
                new = max(old + (c[k] - g[k]) / gram[k, k], 0.0)
                step = new - old
                if step != 0.0:
                    out_weights[i, k] = new
                    for m in range(k_all):
                        g[m] += step * gram[k, m]
                    largest = max(largest, abs(step))
            if largest < 1e-4:
                break
        rest = 0.0
        for d in range(start[i], start[i] + count[i]):
            j = column[d]
            if j >= 0:
                r = value[d]
                for k in range(k_all):
                    r -= out_weights[i, k] * dictionary[j, k]
                if r > 0.0:
                    rest += r * r
        out_novelty[i] = max(min(rest, total - best), 0.0) / total if total > 0.0 else 0.0


@njit(cache=True, nogil=True)
def add_statistics(
    value: NDArray[np.float32],
    column: NDArray[np.int32],
    start: NDArray[np.int64],
    count: NDArray[np.int32],
    weights: NDArray[np.float64],
    sign: float,
    out_a: NDArray[np.float64],
    out_b: NDArray[np.float64],
) -> None:
    """Add (or, with `sign` -1, take away) the rows' ``A += w' w`` and ``B += w' x``.

    `out_a` is (n_components, n_components), `out_b` is ``B`` transposed: (n_features, n_components).
    """
    k_all = weights.shape[1]
    for i in range(start.size):
        for k in range(k_all):
            w = sign * weights[i, k]
            if w != 0.0:
                for m in range(k_all):
                    out_a[k, m] += w * weights[i, m]
        for d in range(start[i], start[i] + count[i]):
            j = column[d]
            if j >= 0:
                v = sign * value[d]
                for k in range(k_all):
                    out_b[j, k] += v * weights[i, k]


@njit(cache=True, nogil=True)
def sweep_dictionary(
    a: NDArray[np.float64], b: NDArray[np.float64], sweeps: int, out_dictionary: NDArray[np.float32]
) -> None:
    """Block-coordinate descent on ``H >= 0`` for fixed sums ``A`` and ``B``; rows are *not* normalised.

    `b` and `out_dictionary` are transposed: (n_features, n_components). A component whose rows were all taken out
    keeps its pattern: what is left in its sums is rounding.
    """
    n, k_all = out_dictionary.shape
    for _ in range(sweeps):
        for k in range(k_all):
            if a[k, k] <= LEAST_WEIGHT:
                continue
            for j in range(n):
                fit = 0.0
                for m in range(k_all):
                    fit += a[k, m] * out_dictionary[j, m]
                out_dictionary[j, k] = max(out_dictionary[j, k] + (b[j, k] - fit) / a[k, k], 0.0)


@njit(cache=True, nogil=True)
def residual_rows(
    value: NDArray[np.float32],
    column: NDArray[np.int32],
    start: NDArray[np.int64],
    count: NDArray[np.int32],
    dictionary: NDArray[np.float32],
    weights: NDArray[np.float32],
    out_residual: NDArray[np.float32],
) -> None:
    """Dense ``max(x - w H, 0)`` of some rows, shape (n, n_features)."""
    out_residual[:] = 0.0
    for i in range(start.size):
        for d in range(start[i], start[i] + count[i]):
            j = column[d]
            if j >= 0:
                r = value[d]
                for k in range(weights.shape[1]):
                    r -= weights[i, k] * dictionary[j, k]
                out_residual[i, j] = max(r, 0.0)
