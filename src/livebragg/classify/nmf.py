"""Non-negative matrix factorisation whose features and components grow with the scan.

Here rows are coded and components improved; which components there are is decided in `components`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from livebragg.classify.asked import AskedComponents
from livebragg.classify.features import FeatureView
from livebragg.classify.turns import next_in_turn

_CONVERGED = 1e-3
_SECOND_LOOKS = 3
_WITNESSES = 0.25
"""Part of a component's positions where enough disks must have been found."""
_SAMPLE = 20_000
"""Coded rows from which it is learned what a known class leaves unexplained."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Factors:
    """What a factorisation found.

    Parameters
    ----------
    component_ids : NDArray[np.int32], shape (n_components,)
        Permanent ids in order of birth.
    patterns : NDArray[np.float32], shape (n_components, n_columns)
        ``H``: unit rows.
    weights : NDArray[np.float32], shape (n_positions, n_components)
        ``W``, for feature rows of unit norm; 0 where there are no features.
    novelty : NDArray[np.float32], shape (n_positions,)
        Part of the squared features that is not explained; NaN where there are no features.
    kinds : mapping of int to NDArray[np.int64]
        Positions that show what is meant by components that were divided on request, by id.
    """

    component_ids: NDArray[np.int32]
    patterns: NDArray[np.float32]
    weights: NDArray[np.float32]
    novelty: NDArray[np.float32]
    kinds: Mapping[int, NDArray[np.int64]] = field(default_factory=dict)


class GrowingNMF(AskedComponents):
    """Growing online NMF over the rows of a `FeatureTable`.

    Parameters
    ----------
    config : ClassifyConfig
        Thresholds of births and merges, sparsity and budgets.
    """

    def reset(self) -> None:
        """Forget all rows and components; ids start again at 0."""
        super().reset()
        self._cursor = 0
        self._doubtful: set[int] = set()

    def witnessed(self, features: FeatureView) -> NDArray[np.float32]:
        """Patterns, shape (n, n_columns), of the components that disks bear witness to.

        A component that leads mostly where too few disks were found is a halo, or another light that is no
        crystal's: from then on light alone does not make a position belong to it.
        """
        state, least = self._state, self._config.min_peaks
        rows = self._typical[state.coded[self._typical]]
        if rows.size:
            leader = state.leaders(rows)
            led = np.bincount(leader, minlength=self.n_components)
            found = np.bincount(leader[features.tracked[rows] >= least], minlength=self.n_components)
            doubtful = (led >= self._config.min_class_positions) & (found < _WITNESSES * led)
            self._doubtful |= {int(number) for number in self._ids[doubtful]}
        return state.dictionary.T[np.isin(self._ids, self.trusted)]

    @property
    def trusted(self) -> NDArray[np.int32]:
        """Ids of these, as of the last time they were looked for."""
        return self._ids[~np.isin(self._ids, list(self._doubtful))]

    def shown(self, rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Component that leads in each of some rows, -1 for none, and the patterns of all components."""
        state, known = self._state, rows < self._state.coded.size
        leader = np.full(rows.size, -1)
        known[known] = state.coded[rows[known]]
        if self.n_components:
            leader[known] = state.leaders(rows[known])
        return leader, state.dictionary.T

    @property
    def residual(self) -> float:
        """Mean unexplained part of the squared features over the coded rows."""
        known = self._state.novelty[self._state.coded]
        return float(known.mean()) if known.size else 0.0

    def take_out(self, features: FeatureView, rows: NDArray[np.int64]) -> None:
        """Take rows out that are about to change, while `features` still shows them as they were.

        Without it `update` gives the same, at the cost of counting all rows again.
        """
        self._state.take_out(features, rows)

    def update(self, features: FeatureView, changed: NDArray[np.int64], positions_seen: int = 0) -> None:
        """Code rows that are new or changed, improve the components, look for new ones.

        Parameters
        ----------
        features : FeatureView
            All rows as they are now.
        changed : NDArray[np.int64], shape (n,)
            Rows that are new or differ from the last update.
        positions_seen : int
            How far the scan is, for the event log; counts at least the rows that are coded.
        """
        self._positions_seen = max(self._positions_seen, positions_seen)
        self._state.make_room(features)
        self._show_kinds(features)
        self._state.take_out_changed(features, changed)
        rows = changed[features.crystalline(self._config.min_peaks, changed)]
        self._state.recode(features, rows)
        self._sample_coded()
        self._remember(features, rows)
        self._state.improve()
        self._restructure(features)

    def refine(self, features: FeatureView, rows: NDArray[np.int64] | None = None) -> None:
        """Bring the weights of old rows up to date: the coded among `rows`, by default the next few in turn."""
        rows = self._next_rows() if rows is None else rows[self._state.coded[rows]]
        if rows.size:
            self._state.recode(features, rows)
            self._remember(features, rows)
            self._state.improve()

    def _next_rows(self) -> NDArray[np.int64]:
        coded = np.flatnonzero(self._state.coded)
        rows, self._cursor = next_in_turn(coded, self._cursor, self._config.recode_budget)
        return rows

    def finish(self, features: FeatureView) -> None:
        """Sweep over all rows until the components stand still; dissolve classes that own too little."""
        state = self._state
        self.whole.clear()
        self._join_tested.clear()  # all that was found apart while there were few positions is looked at again
        self._dissolve_scattered(features)
        self._sweep_to_the_end(features)
        state.recode(features, np.flatnonzero(state.coded))
        state.settle()
        self.reach(features)

    def reach(self, features: FeatureView) -> bool:
        """End with as many classes as were asked for, as far as positions can be told apart; returns whether any
        came or went."""
        before = self._ids.tolist(), len(self.whole)
        if self.n_classes and self.n_components:
            self._reach(features)
        if (self._ids.tolist(), len(self.whole)) == before:
            self._tell_if_missed()
            return False
        self._state.settle()
        return True

    def _tell_if_missed(self) -> None:
        told = any(e.kind == "class_number_missed" and e.subject == self.n_classes for e in self.events)
        if self.n_classes > self._n_counted > 0 and not told:
            self._log("class_number_missed", self.n_classes, f"only {self._n_counted} can be told apart")

    def _sweep_to_the_end(self, features: FeatureView) -> None:
        """Sweeps over all rows until the components stand still; new and other ones on the way."""
        state = self._state
        for _ in range(self._config.final_sweeps):
            before = state.dictionary.copy()
            rows = np.flatnonzero(state.coded)
            self._sample_coded()
            state.recode(features, rows)
            state.recount(features)
            self._remember(features, rows)
            self._restructure(features)
            self._dissolve(features)
            state.improve(2)
            same = before.shape == state.dictionary.shape
            if same and np.abs(before - state.dictionary).max(initial=0.0) < _CONVERGED:
                break

    @property
    def view(self) -> Factors:
        """Components and weights (to one per cent) without a copy of the latter; not to be written to."""
        state = self._state
        return Factors(
            component_ids=self._ids.copy(),
            patterns=state.dictionary.T.copy(),
            weights=state.weights,
            novelty=state.novelty,
            kinds=dict(self._kinds),
        )

    def _sample_coded(self) -> None:
        coded = np.flatnonzero(self._state.coded)
        self._typical = coded[:: max(1, coded.size // _SAMPLE)]

    def _remember(self, features: FeatureView, rows: NDArray[np.int64]) -> None:
        """Keep the unexplained among `rows`, after the components had the chance to take up new features."""
        state, threshold = self._state, self._threshold()
        for _ in range(_SECOND_LOOKS):
            novel = rows[state.novelty[rows] > threshold]
            if novel.size == 0 or self.n_components == 0:
                break
            state.improve()
            state.recode(features, novel)
        held = set(self._buffer)
        self._buffer.extend(int(r) for r in rows[state.novelty[rows] > threshold] if int(r) not in held)
