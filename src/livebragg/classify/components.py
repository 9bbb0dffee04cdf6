"""The components of a factorisation: born, divided, joined and dissolved, each under an id of its own."""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

from livebragg.classify.factorisation import Factorisation
from livebragg.classify.features import FeatureView
from livebragg.classify.locked import LockedPattern
from livebragg.classify.novelty import coherence, coherent_group, separation_of, two_groups
from livebragg.config.analysis import ClassifyConfig
from livebragg.model import AnalysisEvent

SPLIT_SAMPLE = 400
_RUN = 8
_CERTAIN = 0.75
"""Novelty of a group that is a new class wherever its positions lie."""
_RELATED = 0.5
"""Components with a smaller cosine, of their patterns or their weights, are never the same class."""
COHERENT = 0.5
"""Domains of a specimen reach 0.6 to 1 in `coherence`, classes that divide one domain by chance 0 to 0.2."""
_SCATTERED = 0.3
"""Components that lead at positions less coherent than this are chance resemblances, not domains."""
_EVENTS = 1000


class Components:
    """Which components there are, and why.

    Components are born from positions that agree in what is not explained yet, divided when they lead at two
    kinds of positions, and joined when two of them say the same. Ids are permanent and never used again.

    Parameters
    ----------
    config : ClassifyConfig
        Thresholds of births and merges.
    """

    def __init__(self, config: ClassifyConfig) -> None:
        self._config = config
        self.n_classes = config.n_classes
        """Components that the scan ends with; 0: as many as the data show. Not forgotten by `reset`."""
        self.reset()

    def reset(self) -> None:
        """Forget all rows and components; ids start again at 0."""
        self._state = Factorisation(self._config.sparsity)
        self._ids = np.zeros(0, np.int32)
        self._next_id = 0
        self._positions_seen = 0
        self._split_tested: dict[int, int] = {}
        self._join_tested: dict[tuple[int, int], int] = {}
        self._typical = np.zeros(0, np.int64)
        self._buffer: deque[int] = deque(maxlen=self._config.novelty_buffer)
        self.locked: dict[int, LockedPattern] = {}
        """By id: components that are neither learned nor joined, divided or dissolved."""
        self.variants: dict[int, float] = {}
        """By id: components with a second class that is no component of its own but counts towards `n_classes`,
        and the cost of doing without it (see `joining_cost`)."""
        self.whole: set[int] = set()
        """Components that have no second class, since there would be more classes than asked for."""
        self._apart: set[frozenset[int]] = set()
        """Pairs that were divided because it was asked for: they are not joined again."""
        self._kinds: dict[int, NDArray[np.int64]] = {}
        """Positions that show what each of these is."""
        self.events: deque[AnalysisEvent] = deque(maxlen=_EVENTS)

    def change(self, config: ClassifyConfig) -> None:
        """Use other thresholds from now on; what was decided stays."""
        self._config = config

    @property
    def n_components(self) -> int:
        """Components alive."""
        return int(self._ids.size)

    def _threshold(self) -> float:
        """Novelty that rows of a known class do not reach."""
        known = self._state.novelty[self._typical]
        known = known[known < 0.8]
        if known.size < 20:
            return self._config.novelty_threshold
        low, middle = np.quantile(known[:: max(1, known.size // 5000)], [0.25, 0.5])
        return float(np.clip(middle + 3 * (middle - low) / 0.674, self._config.novelty_threshold, 0.9))

    def _restructure(self, features: FeatureView) -> None:
        self._give_birth(features)
        self._split(features)
        self._merge(features)
        self._rejoin(features)

    def _give_birth(self, features: FeatureView) -> None:
        """Found components from unexplained positions that agree with one another and with no component."""
        config, state = self._config, self._state
        while self.n_components < config.max_classes:
            rows = np.array(self._buffer, np.int64)
            rows = rows[state.coded[rows] & (state.novelty[rows] > self._threshold())]
            self._keep_waiting(rows)
            if rows.size < config.birth_members:
                return
            residual = state.residual(features, rows)
            group = coherent_group(residual, config.birth_cosine, config.birth_members)
            if group is None:
                return
            alike = self._resembles(features.dense(rows[group]).mean(axis=0))
            if alike or not self._is_domain(rows[group]):
                # Positions of a known class that miss the same disks by chance.
                self._keep_waiting(np.delete(rows, group))
                continue
            self._born(residual[group].mean(axis=0), "unexplained alike")
            state.recode(features, rows)
            state.improve()

    def _joinable(self) -> NDArray[np.float32]:
        """Cosines of the pairs that may be joined, above the diagonal; -1 for all others."""
        cosine = self._state.similarity()
        cosine[np.tril_indices(self.n_components)] = -1.0
        locked = np.isin(self._ids, list(self.locked))
        cosine[locked], cosine[:, locked] = -1.0, -1.0
        for pair in self._apart:
            both = np.isin(self._ids, list(pair))
            cosine[np.outer(both, both)] = -1.0
        return cosine

    def _stays(self, index: int) -> bool:
        """Whether a component was locked, or made by the user, and is not dissolved."""
        number = int(self._ids[index])
        return number in self.locked or any(number in pair for pair in self._apart)

    def _keep_waiting(self, rows: NDArray[np.int64]) -> None:
        self._buffer = deque(rows.tolist(), maxlen=self._config.novelty_buffer)

    def _is_domain(self, group: NDArray[np.int64]) -> bool:
        """Whether positions lie together, among those with the same leading component, or are so unexplained
        that it does not matter."""
        state = self._state
        if self._is_scattered(group):
            return False
        if self.n_components == 0 or np.median(state.novelty[group]) > _CERTAIN:
            return True
        leader = np.bincount(state.leaders(group)).argmax()
        coded = np.flatnonzero(state.coded)
        others = np.setdiff1d(coded[state.leaders(coded) == leader], group)
        return coherence(np.sort(group), others) > COHERENT

    def _resembles(self, pattern: NDArray[np.float32]) -> bool:
        """Whether a mean feature row is much like a component."""
        if self.n_components == 0:
            return False
        cosine = pattern @ self._state.dictionary / max(float(np.sqrt((pattern**2).sum())), 1e-12)
        return bool(cosine.max() > self._config.split_cosine)

    def _split(self, features: FeatureView) -> None:
        """Divide components that lead at two kinds of positions, as when two grains came at the same time."""
        state = self._state
        if self.n_components == 0:
            return
        tested = [self._split_tested.get(int(number), self._config.birth_members) for number in self._ids]
        grown = np.flatnonzero(state.owned >= 1.2 * np.array(tested)).tolist()
        if not grown:
            return
        coded = np.flatnonzero(state.coded)
        leader = state.leaders(coded)
        for index in grown:
            if self.n_components >= self._config.max_classes or int(self._ids[index]) in self.locked:
                continue
            members = alike_measured(features, coded[leader == index])
            if members.size >= 1.2 * tested[index]:
                self._split_tested[int(self._ids[index])] = members.size
                self._split_one(features, index, members)

    def _split_one(self, features: FeatureView, index: int, members: NDArray[np.int64]) -> None:
        sample = evenly(members, SPLIT_SAMPLE)
        rows = features.dense(sample)
        c = self._config
        second = two_groups(rows, c.split_separation, c.split_cosine, c.birth_members)
        if second is not None and coherence(sample[~second], sample[second]) >= COHERENT:
            self._divide(features, index, members, rows, second)

    def _divide(
        self,
        features: FeatureView,
        index: int,
        members: NDArray[np.int64],
        rows: NDArray[np.float32],
        second: NDArray[np.bool_],
    ) -> None:
        """Make two components of one, after the two kinds of `rows`; the smaller gets a new id."""
        if second.sum() > (~second).sum():
            second = ~second
        old = int(self._ids[index])
        self._state.replace(index, rows[~second].mean(axis=0))
        self._apart |= {(pair - {old}) | {self._next_id} for pair in self._apart if old in pair}
        self._born(rows[second].mean(axis=0), f"split from {old}")
        self._split_tested.pop(old, None)
        self._state.recode(features, members)
        self._state.improve()

    def _merge(self, features: FeatureView) -> None:
        """Join components with nearly the same pattern."""
        while self.n_components > 1:
            cosine = self._joinable()
            older, younger = np.unravel_index(int(cosine.argmax()), cosine.shape)
            if cosine[older, younger] < self._config.merge_cosine:
                return
            self._absorb(features, int(older), int(younger))

    def _rejoin(self, features: FeatureView) -> None:
        """Join a pair of components that divides one kind of positions by which disks were found: they resemble
        one another, or are found at the same positions and share the disks among them."""
        cosine, owned = self._joinable(), self._state.owned
        related = (cosine >= 0) & (np.maximum(cosine, self._state.company()) > _RELATED)
        for older, younger in np.argwhere(related):
            key = (int(self._ids[older]), int(self._ids[younger]))
            smaller = int(min(owned[older], owned[younger]))
            if smaller < max(1.2 * self._join_tested.get(key, 0), 2 * self._config.birth_members):
                continue
            self._join_tested[key] = smaller
            coded = np.flatnonzero(self._state.coded)
            leader = self._state.leaders(coded)
            if self._are_one_kind(features, coded[leader == older], coded[leader == younger]):
                self._absorb(features, int(older), int(younger))
                return

    def _are_one_kind(self, features: FeatureView, first: NDArray[np.int64], second: NDArray[np.int64]) -> bool:
        groups = [features.dense(evenly(rows, SPLIT_SAMPLE // 2)) for rows in (first, second)]
        return separation_of(*groups) < self._config.rejoin_separation and coherence(first, second) < COHERENT

    def _dissolve(self, features: FeatureView) -> None:
        """Remove the component that leads at the fewest positions, if they are too few."""
        coded = np.flatnonzero(self._state.coded)
        if self.n_components == 0 or coded.size == 0:
            return
        owned = np.bincount(self._state.leaders(coded), minlength=self.n_components)
        stays = np.array([self._stays(index) for index in range(self.n_components)])
        small = int(np.where(stays, coded.size + 1, owned).argmin())
        if stays[small] or owned[small] >= self._config.min_class_positions:
            return
        self._kill(features, small, f"led {owned[small]} positions")

    def _dissolve_scattered(self, features: FeatureView) -> None:
        """Remove the components whose positions lie nowhere together: random patterns that happen to agree."""
        coded = np.flatnonzero(self._state.coded)
        if self.n_components < 2 or coded.size == 0:
            return
        leader = self._state.leaders(coded)
        scattered = [
            index
            for index in range(self.n_components)
            if (leader == index).any() and not self._stays(index) and self._is_scattered(coded[leader == index])
        ]
        if len(scattered) == self.n_components:
            return
        for index in reversed(scattered):
            self._kill(features, index, f"its {(leader == index).sum()} positions lie scattered")

    def _is_scattered(self, members: NDArray[np.int64]) -> bool:
        """Whether positions lie nowhere together, among all that were seen; what is everywhere does not count."""
        if 2 * members.size > self._state.coded.size:
            return False
        return coherence(np.sort(members), _others(members, self._state.coded.size)) < _SCATTERED

    def _kill(self, features: FeatureView, index: int, why: str) -> None:
        self._log("component_died", int(self._ids[index]), why)
        self._remove_id(index)
        self._state.remove(index)
        self._state.recode(features, np.flatnonzero(self._state.coded))

    def _absorb(self, features: FeatureView, older: int, younger: int) -> None:
        old, gone = int(self._ids[older]), int(self._ids[younger])
        self._log("component_merged", gone, f"into {old}")
        self._apart = {(pair - {gone}) | {old} if gone in pair else pair for pair in self._apart}
        self._state.absorb(features, older, younger)
        self._remove_id(younger)

    def _born(self, pattern: NDArray[np.float32], detail: str) -> None:
        self._state.add(pattern)
        self._ids = np.append(self._ids, np.int32(self._next_id))
        self._log("component_born", self._next_id, detail)
        self._next_id += 1

    def _remove_id(self, index: int) -> None:
        gone = int(self._ids[index])
        self._apart = {pair for pair in self._apart if gone not in pair and len(pair) == 2}
        self._kinds = {n: rows for n, rows in self._kinds.items() if any(n in pair for pair in self._apart)}
        self._ids = np.delete(self._ids, index)

    def _log(self, kind: str, subject: int, detail: str) -> None:
        seen = max(self._positions_seen, int(self._state.coded.sum()))
        self.events.append(AnalysisEvent(positions_seen=seen, kind=kind, subject=subject, detail=detail))


def alike_measured(features: FeatureView, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """The larger of two groups: rows with measured light, and rows of disks alone, which differ by that."""
    shown = features.shown[rows]
    return rows[shown] if 2 * shown.sum() >= rows.size else rows[~shown]


def _others(rows: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    """All of the first `n` rows but these."""
    other = np.ones(n, np.bool_)
    other[rows] = False
    return np.flatnonzero(other)


def evenly(rows: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """At most so many of the rows, as evenly spread runs of neighbours."""
    if rows.size <= most:
        return rows
    starts = np.linspace(0, rows.size - _RUN, most // _RUN).astype(np.int64)
    return rows[np.unique(starts[:, None] + np.arange(_RUN))]
