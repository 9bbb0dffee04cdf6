"""Weights, components and their sums of a non-negative matrix factorisation ``x ~ w H`` of sparse rows.

The sums ``A = W'W`` and ``B = W'X`` over all coded rows carry everything the components need (Mairal et al.,
J. Mach. Learn. Res. 11 (2010) 19). Rows can be taken out of the sums and put back with new weights, so nothing is
forgotten and repeated sweeps converge to the batch solution.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from livebragg.classify.features import FeatureView
from livebragg.kernels.coding import add_statistics, code_rows, residual_rows, sweep_dictionary

_CODE_SWEEPS = 50
_UNSETTLED = 0.01
"""Relative error of stored weights from which they are brought up to date."""


class Factorisation:
    """The arrays of a factorisation, and the exact operations on them.

    Parameters
    ----------
    sparsity : float
        Penalty on the sum of the weights of a row.

    Attributes
    ----------
    dictionary : NDArray[np.float32], shape (n_columns, n_components)
        Components as unit columns (``H`` transposed).
    weights : NDArray[np.float32], shape (n_rows, n_components)
        ``W`` to one per cent; 0 in rows that are not coded.
    novelty : NDArray[np.float32], shape (n_rows,)
        Unexplained part of the squared features; NaN in rows that are not coded.
    coded : NDArray[np.bool_], shape (n_rows,)
        Rows that have weights and are in the sums.
    owned : NDArray[np.int64], shape (n_components,)
        Coded rows at which each component leads.
    fixed : NDArray[np.bool_], shape (n_components,)
        Components that are not learned; may be written to.
    """

    def __init__(self, sparsity: float) -> None:
        self._sparsity = sparsity
        self.dictionary = np.zeros((0, 0), np.float32)
        self.weights = np.zeros((0, 0), np.float32)
        self.novelty = np.zeros(0, np.float32)
        self.coded = np.zeros(0, np.bool_)
        self._a = np.zeros((0, 0))
        self._b = np.zeros((0, 0))
        self._scale = np.ones(0)  # double: rows must take out what they put in
        self._leader = np.zeros(0, np.int16)
        self.owned = np.zeros(0, np.int64)
        self.fixed = np.zeros(0, np.bool_)

    @property
    def n_components(self) -> int:
        """Components alive."""
        return int(self.dictionary.shape[1])

    def leaders(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Component with the largest weight in each row."""
        return self._leader[rows].astype(np.int64)

    def make_room(self, features: FeatureView) -> None:
        """Follow the features when rows or columns were added."""
        rows = features.count.size - self.coded.size
        if rows > 0:
            self.weights = np.pad(self.weights, ((0, rows), (0, 0)))
            self.novelty = np.pad(self.novelty, (0, rows), constant_values=np.nan)
            self.coded = np.pad(self.coded, (0, rows))
            self._leader = np.pad(self._leader, (0, rows))
        self.add_columns(features.n_columns)

    def add_columns(self, n_columns: int) -> None:
        """Know at least so many columns; new ones start at zero."""
        columns = n_columns - self.dictionary.shape[0]
        if columns > 0:
            self.dictionary = np.pad(self.dictionary, ((0, columns), (0, 0)))
            self._b = np.pad(self._b, ((0, columns), (0, 0)))

    def take_out(self, features: FeatureView, rows: NDArray[np.int64]) -> None:
        """Take rows out whose features are about to change; their weights stay as where to start from."""
        known = rows[rows < self.coded.size]
        known = known[self.coded[known]]
        self._add(features, known, -1.0)
        self.coded[known] = False
        self.novelty[known] = np.nan

    def take_out_changed(self, features: FeatureView, rows: NDArray[np.int64]) -> None:
        """Take rows out whose features have changed already: what they had put into the sums is gone, so that
        these are built from scratch."""
        known = self.coded[rows].any()
        self.coded[rows] = False
        self.novelty[rows] = np.nan
        if known:
            self.recount(features)

    def recode(self, features: FeatureView, rows: NDArray[np.int64]) -> None:
        """Find new weights for `rows`; what they had put into the sums is exchanged."""
        self._add(features, rows[self.coded[rows]], -1.0)
        weights, novelty = self._scaled(rows), np.zeros(rows.size, np.float32)
        code_rows(
            features.value,
            features.column,
            features.start[rows],
            features.count[rows],
            self.dictionary,
            (self.dictionary.T @ self.dictionary).astype(np.float64),
            self._sparsity,
            _CODE_SWEEPS,
            np.zeros(3 * self.n_components),
            weights,
            novelty,
        )
        self.weights[rows], self.novelty[rows] = weights / self._scale, novelty
        self.coded[rows] = True
        if self.n_components:
            self._leader[rows] = weights.argmax(axis=1)
        self._add(features, rows, 1.0)

    def recount(self, features: FeatureView) -> None:
        """Build the sums from scratch, exact after features of old rows changed."""
        self.settle()
        self._a[:], self._b[:], self.owned[:] = 0.0, 0.0, 0
        self.weights[~self.coded] = 0.0
        self._add(features, np.flatnonzero(self.coded), 1.0)

    def improve(self, sweeps: int = 1) -> None:
        """Sweep over the components; their norm goes into the weights, so products do not change."""
        if self.n_components == 0:
            return
        sums = self._a.copy()
        sums[self.fixed, self.fixed] = 0.0  # what has no weight of its own is left as it is
        sweep_dictionary(sums, self._b, sweeps, self.dictionary)
        norm = np.sqrt((self.dictionary.astype(np.float64) ** 2).sum(axis=0))
        scale = np.where(norm > 0, norm, 1.0)
        self.dictionary /= scale.astype(np.float32)
        self._scale *= scale
        self._a *= np.outer(scale, scale)
        self._b *= scale
        if np.abs(self._scale - 1.0).max() > _UNSETTLED:
            self.settle()

    def settle(self) -> None:
        """Bring the stored weights up to date with the norms of the components: a pass over all rows, which
        is put off while it would hardly change them."""
        np.multiply(self.weights, self._scale, out=self.weights, casting="same_kind")
        self._scale[:] = 1.0

    def residual(self, features: FeatureView, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Dense ``max(x - w H, 0)``, shape (n, n_columns)."""
        out = np.zeros((rows.size, features.n_columns), np.float32)
        start, count = features.start[rows], features.count[rows]
        residual_rows(features.value, features.column, start, count, self.dictionary, self._scaled(rows), out)
        return out

    def similarity(self) -> NDArray[np.float32]:
        """Cosines between components; each pair once, above the diagonal."""
        return np.triu(self.dictionary.T @ self.dictionary, 1)

    def company(self) -> NDArray[np.float64]:
        """How much components are found at the same rows, 0 to 1: cosines between their weights; each pair once,
        above the diagonal."""
        length = np.sqrt(np.maximum(np.diag(self._a), 1e-12))
        return np.triu(self._a / np.outer(length, length), 1)

    def add(self, pattern: NDArray[np.float32]) -> None:
        """Append a component with this pattern and no weight."""
        self.dictionary = np.ascontiguousarray(np.column_stack([self.dictionary, _unit(pattern)]), np.float32)
        self.weights = np.column_stack([self.weights, np.zeros(len(self.weights), np.float32)])
        self._a = np.pad(self._a, ((0, 1), (0, 1)))
        self._b = np.pad(self._b, ((0, 0), (0, 1)))
        self._scale = np.append(self._scale, 1.0)
        self.owned = np.append(self.owned, 0 if self.owned.size else self.coded.sum())
        self.fixed = np.append(self.fixed, False)

    def replace(self, index: int, pattern: NDArray[np.float32]) -> None:
        """Give a component another pattern; its rows should be coded again."""
        self.dictionary[:, index] = _unit(pattern)

    def absorb(self, features: FeatureView, older: int, younger: int) -> None:
        """Merge `younger` into `older`: weights add, patterns average by what they explain."""
        share = np.maximum(self._a[[older, younger], [older, younger]], 1e-12).astype(np.float32)
        self.replace(older, self.dictionary[:, [older, younger]] @ share)
        self.settle()
        self.weights[:, older] += self.weights[:, younger]
        self.remove(younger)
        self.recount(features)

    def remove(self, index: int) -> None:
        """Drop a component with its weights."""
        keep = np.arange(self.n_components) != index
        self.dictionary = np.ascontiguousarray(self.dictionary[:, keep])
        self.weights = np.ascontiguousarray(self.weights[:, keep])
        self._a = np.ascontiguousarray(self._a[np.ix_(keep, keep)])
        self._b = np.ascontiguousarray(self._b[:, keep])
        self._scale, self.fixed = self._scale[keep], self.fixed[keep]
        self._leader[:] = self.weights.argmax(axis=1) if self.n_components else 0
        self.owned = np.bincount(self._leader[self.coded], minlength=self.n_components)[: self.n_components]

    def _scaled(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Weights of some rows as they are by now."""
        return (self.weights[rows] * self._scale).astype(np.float32)

    def _add(self, features: FeatureView, rows: NDArray[np.int64], sign: float) -> None:
        start, count = features.start[rows], features.count[rows]
        weights = self.weights[rows] * self._scale
        add_statistics(features.value, features.column, start, count, weights, sign, self._a, self._b)
        if self.n_components:
            self.owned += int(sign) * np.bincount(self._leader[rows], minlength=self.n_components)


def _unit(pattern: NDArray[np.float32]) -> NDArray[np.float32]:
    return pattern / np.float32(max(float(np.sqrt((pattern.astype(np.float64) ** 2).sum())), 1e-12))
