"""Which class a position of few electrons belongs to, from all of its light and what its neighbours are.

Where a third of the light of a class would show it, nothing is decided here: features, weights and directions do
that better, which know mixtures and what is unlike any class.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from livebragg.classify.components import evenly
from livebragg.classify.evidence import FEWEST_PEAKS, coupling, light_evidence, neighbours
from livebragg.classify.features import FeatureTable
from livebragg.classify.nmf import Factors
from livebragg.config.analysis import ClassifyConfig

NOT_ASKED = -2
"""Positions about which light has no say."""
NO_CRYSTAL = -1
_SURE = 0.99
"""Probability from which a position's own light leaves no doubt."""
_BRIGHT = 3.0
"""Classes whose light stands out by so many times `contrast` need no help."""
_MOST = 0.5
"""Part of the classes that must be faint."""
_UNEXPLAINED = 0.6
_MIXED = 0.3
"""Second weight over the first from which a position is two crystals: each alone explains it as badly as none."""
_FEWEST = 8
"""Positions from which the light of a class is learned."""
_SAMPLE = 128
"""Most of these, of each class."""
_LEARN_AGAIN = 1.1
"""Growth of the scan after which that is learned again, at the latest."""
_BLOCK = 4096
_ROUNDS = 4
"""How often neighbours hear from each other."""


class LightLabels(NamedTuple):
    """What light says about the class of every position."""

    component: NDArray[np.int32]
    """(n_positions,): id of the component, `NO_CRYSTAL`, or `NOT_ASKED`."""
    confidence: NDArray[np.float32]
    """(n_positions,): how much likelier that is than the next best, as a difference of probabilities."""
    inside: NDArray[np.bool_]
    """(n_positions,): crystals beside which nothing else is, but for one position."""


class LightClasses:
    """Classes of the positions whose light is faint.

    Parameters
    ----------
    config : ClassifyConfig
        Thresholds.
    scan_cols : int
        Positions in a scan line.
    """

    def __init__(self, config: ClassifyConfig, scan_cols: int) -> None:
        self._config = config
        self._cols = scan_cols
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self._component = np.full(0, NOT_ASKED, np.int32)
        self._confidence = np.zeros(0, np.float32)
        self._inside = np.zeros(0, np.bool_)
        self.coupling = 0.0
        """Nats that one neighbour is worth."""
        self._columns = np.zeros(0, np.int64)
        self._ids = np.zeros(0, np.int32)
        self._typical = np.zeros((0, 0), np.float32)
        self._faint = np.zeros(0, np.bool_)
        self._asked_about: tuple[int, ...] = ()
        self._learned_on = 0

    def update(
        self,
        table: FeatureTable,
        factors: Factors,
        leader: NDArray[np.int32],
        trusted: NDArray[np.int32],
        positions: NDArray[np.int64] | None = None,
    ) -> LightLabels:
        """Look at some positions anew, by default at all.

        Parameters
        ----------
        table : FeatureTable
            With the measured light.
        factors : Factors
            Components.
        leader : NDArray[np.int32], shape (n_positions,)
            Id of the leading component of every position, -1 for none.
        trusted : NDArray[np.int32]
            Ids of the components that light may show.
        """
        more = max(leader.size - self._component.size, 0)
        self._component = np.pad(self._component, (0, more), constant_values=NOT_ASKED)
        self._confidence = np.pad(self._confidence, (0, more))
        self._inside = np.pad(self._inside, (0, more))
        self._learn(table, factors, leader, trusted, final=positions is None)
        if self._faint.any():
            asked = self._asked(table, leader, np.arange(leader.size) if positions is None else positions)
            self._decide(table, asked, self._kinds(leader))
            self._component[asked[_mixed(factors, asked) & (self._component[asked] == NO_CRYSTAL)]] = NOT_ASKED
        told = np.isin(self._component, np.append(self._ids[self._faint], NO_CRYSTAL)) & self._faint.any()
        component = np.where(told, self._component, NOT_ASKED).astype(np.int32)
        return LightLabels(component, self._confidence, self._inside & (component >= 0))

    def _learn(
        self,
        table: FeatureTable,
        factors: Factors,
        leader: NDArray[np.int32],
        trusted: NDArray[np.int32],
        final: bool,
    ) -> None:
        """Light of each component at the tracked peaks, unless that is known and no component is new."""
        columns, about = table.columns.astype(np.int64), tuple(trusted.tolist())
        measured = table.forced.stamp[: leader.size] > 0
        n = int(np.count_nonzero(measured))
        same = about == self._asked_about and np.array_equal(columns, self._columns)
        if same and not final and n < _LEARN_AGAIN * self._learned_on:
            return
        self._columns, self._asked_about, self._learned_on = columns, about, n
        clear = (factors.novelty < _UNEXPLAINED) & measured
        members = {c: evenly(np.flatnonzero((leader == c) & clear), _SAMPLE) for c in about}
        members = {c: rows for c, rows in members.items() if rows.size >= _FEWEST}
        roots = [table.forced.roots(rows, columns) for rows in members.values()]
        self._ids = np.array(list(members), np.int32)
        means = [np.nan_to_num(each).mean(axis=0) for each in roots]
        self._typical = np.array(means, np.float32).reshape(len(roots), columns.size)
        if len(roots) < 2 or columns.size < FEWEST_PEAKS:
            self._faint = np.zeros(len(roots), np.bool_)
            return
        strength = [np.median(light_evidence(each, self._typical)[1][:, k]) for k, each in enumerate(roots)]
        faint = np.array(strength) < _BRIGHT * self._config.contrast
        self._faint = faint & (faint.mean() > _MOST)  # else it is not the dose, but a class of few reflections

    def _asked(
        self, table: FeatureTable, leader: NDArray[np.int32], positions: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """Those with measured light that are of no component or a faint one; what was said about others is taken
        back."""
        asked = (leader[positions] < 0) | np.isin(leader[positions], self._ids[self._faint])
        asked &= table.forced.stamp[positions] > 0
        self._component[positions[~asked]] = NOT_ASKED
        return np.asarray(positions[asked])

    def _decide(self, table: FeatureTable, asked: NDArray[np.int64], kind: NDArray[np.int64]) -> None:
        """Each position by its own light, as far as that is sure; then all with what their neighbours are."""
        n_kinds = self._ids.size + 1
        blocks = [asked[first : first + _BLOCK] for first in range(0, asked.size, _BLOCK)]
        for block in blocks:
            share = _probability(self._evidence(table, block))
            kind[block] = np.where(share.max(axis=1) >= _SURE, share.argmax(axis=1), -1)
        sure = evenly(asked[kind[asked] >= 0], _BLOCK)
        if sure.size >= _FEWEST * n_kinds:
            self.coupling = coupling(kind[sure], neighbours(sure, kind, self._cols, n_kinds))
        for block in blocks:
            own = self._evidence(table, block)
            for _ in range(_ROUNDS):
                both = own + self.coupling * neighbours(block, kind, self._cols, n_kinds)
                kind[block] = both.argmax(axis=1)
            share = np.sort(_probability(both), axis=1)
            self._confidence[block] = share[:, -1] - share[:, -2]
        self._component[asked] = np.append(self._ids, NO_CRYSTAL)[kind[asked]]
        self._inside[asked] = neighbours(asked, kind, self._cols, n_kinds)[:, -1] <= 1

    def _evidence(self, table: FeatureTable, positions: NDArray[np.int64]) -> NDArray[np.float32]:
        return light_evidence(table.forced.roots(positions, self._columns), self._typical)[0]

    def _kinds(self, leader: NDArray[np.int32]) -> NDArray[np.int64]:
        """Row in `_typical` of every position, their number for no crystal, -1 where it is not known."""
        kind = np.full(leader.size, -1)
        component = np.where(
            self._component == NOT_ASKED, np.where(leader < 0, NOT_ASKED, leader), self._component
        )
        for k, number in enumerate(np.append(self._ids, NO_CRYSTAL)):
            kind[component == number] = k
        return kind


def _mixed(factors: Factors, positions: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Positions that two components explain together."""
    weights = factors.weights[positions]
    if weights.shape[1] < 2:
        return np.zeros(positions.size, np.bool_)
    first, second = -np.partition(-weights, 1, axis=1)[:, :2].T
    return np.asarray((second >= _MIXED * first) & (second > 0) & (factors.novelty[positions] < _UNEXPLAINED))


def _probability(evidence: NDArray[np.float32]) -> NDArray[np.float32]:
    share = np.exp(evidence - evidence.max(axis=1, keepdims=True))
    return np.asarray(share / share.sum(axis=1, keepdims=True), np.float32)
