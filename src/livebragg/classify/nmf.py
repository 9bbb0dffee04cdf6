"""Non-negative matrix factorisation ``x ~ w H`` whose features and components grow with the scan.

Every position has one row of features and one of weights; the sums ``A = W'W`` and ``B = W'X`` over all
positions carry everything the components need (Mairal et al., J. Mach. Learn. Res. 11 (2010) 19). Because rows
can be taken out of the sums and put back with new weights, nothing is forgotten, and repeated sweeps converge to
the batch solution. Components are born from positions that agree in what is not explained yet.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from livebragg.classify.features import FeatureView
from livebragg.classify.novelty import coherence, coherent_group, separation_of, two_groups
from livebragg.config.analysis import ClassifyConfig
from livebragg.kernels.coding import add_statistics, code_rows, residual_rows, sweep_dictionary
from livebragg.model import AnalysisEvent

_CODE_SWEEPS = 50
_CONVERGED = 1e-3
_SPLIT_SAMPLE = 400
_SECOND_LOOKS = 3
_RUN = 8
_CERTAIN = 0.75
"""Novelty of a group that is a new class wherever its positions lie."""
_RELATED = 0.5
"""Components with a smaller cosine are never the same class."""
_COHERENT = 0.5
"""Domains of a specimen reach 0.6 to 1 in `coherence`, classes that divide one domain by chance 0 to 0.2."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Factors:
    """Copies of a factorisation.

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
    """

    component_ids: NDArray[np.int32]
    patterns: NDArray[np.float32]
    weights: NDArray[np.float32]
    novelty: NDArray[np.float32]


class GrowingNMF:
    """Growing online NMF over the rows of a `FeatureTable`.

    Parameters
    ----------
    config : ClassifyConfig
        Thresholds of births and merges, sparsity and budgets.
    """

    def __init__(self, config: ClassifyConfig) -> None:
        self._config = config
        self.reset()

    def reset(self) -> None:
        """Forget all rows and components; ids start again at 0."""
        self._ids = np.zeros(0, np.int32)
        self._next_id = 0
        self._dictionary = np.zeros((0, 0), np.float32)
        self._a = np.zeros((0, 0))
        self._b = np.zeros((0, 0))
        self._weights = np.zeros((0, 0), np.float32)
        self._novelty = np.zeros(0, np.float32)
        self._coded = np.zeros(0, np.bool_)
        self._cursor = 0
        self._split_tested: dict[int, int] = {}
        self._join_tested: dict[tuple[int, int], int] = {}
        self._buffer: deque[int] = deque(maxlen=self._config.novelty_buffer)
        self.events: deque[AnalysisEvent] = deque(maxlen=1000)

    @property
    def n_components(self) -> int:
        """Components alive."""
        return int(self._ids.size)

    def update(self, features: FeatureView, changed: NDArray[np.int64]) -> None:
        """Code rows that are new or changed, improve the components, look for new ones.

        Parameters
        ----------
        features : FeatureView
            All rows as they are now.
        changed : NDArray[np.int64], shape (n,)
            Rows that are new or differ from the last update.
        """
        self._make_room(features)
        if self._coded[changed].any():
            self._coded[changed] = False
            self._recount(features)
        rows = changed[features.tracked[changed] >= self._config.min_peaks]
        self._novelty[changed] = np.nan
        self._recode(features, rows)
        self._remember(features, rows)
        self._improve(features, 1)
        self._give_birth(features)
        self._split(features)
        self._merge(features)
        self._rejoin(features)

    def refine(self, features: FeatureView) -> None:
        """Bring the weights of the next few old rows up to date, in turn."""
        coded = np.flatnonzero(self._coded)
        if coded.size == 0:
            return
        take = min(self._config.recode_budget, coded.size)
        first = int(np.searchsorted(coded, self._cursor)) % coded.size
        rows = np.sort(np.take(coded, np.arange(first, first + take), mode="wrap"))
        self._cursor = int(coded[(first + take) % coded.size])
        self._recode(features, rows)
        self._remember(features, rows)
        self._improve(features, 1)

    def finish(self, features: FeatureView) -> None:
        """Sweep over all rows until the components stand still; dissolve classes that own too little."""
        for _ in range(self._config.final_sweeps):
            before = self._dictionary.copy()
            rows = np.flatnonzero(self._coded)
            self._recode(features, rows)
            self._recount(features)
            self._remember(features, rows)
            self._give_birth(features)
            self._split(features)
            self._merge(features)
            self._rejoin(features)
            self._dissolve(features)
            self._improve(features, 2)
            same = before.shape == self._dictionary.shape
            if same and np.abs(before - self._dictionary).max(initial=0.0) < _CONVERGED:
                break
        self._recode(features, np.flatnonzero(self._coded))

    def snapshot(self) -> Factors:
        """Copy of components and weights."""
        return Factors(
            component_ids=self._ids.copy(),
            patterns=np.ascontiguousarray(self._dictionary.T),
            weights=self._weights.copy(),
            novelty=self._novelty.copy(),
        )

    @property
    def residual(self) -> float:
        """Mean unexplained part of the squared features over the coded rows."""
        return float(self._novelty[self._coded].mean()) if self._coded.any() else 0.0

    def _recode(self, features: FeatureView, rows: NDArray[np.int64]) -> None:
        """New weights for `rows`; what they had put into the sums is exchanged."""
        known = rows[self._coded[rows]]
        self._count_rows(features, known, -1.0)
        start, count = features.start[rows], features.count[rows]
        weights, novelty = self._weights[rows], np.zeros(rows.size, np.float32)
        gram = (self._dictionary.T @ self._dictionary).astype(np.float64)
        code_rows(
            features.value,
            features.column,
            start,
            count,
            self._dictionary,
            gram,
            self._config.sparsity,
            _CODE_SWEEPS,
            np.zeros(3 * self.n_components),
            weights,
            novelty,
        )
        self._weights[rows], self._novelty[rows] = weights, novelty
        self._coded[rows] = True
        self._count_rows(features, rows, 1.0)

    def _count_rows(self, features: FeatureView, rows: NDArray[np.int64], sign: float) -> None:
        add_statistics(
            features.value,
            features.column,
            features.start[rows],
            features.count[rows],
            self._weights[rows],
            sign,
            self._a,
            self._b,
        )

    def _recount(self, features: FeatureView) -> None:
        """The sums from scratch: exact after features of old rows changed."""
        self._a[:], self._b[:] = 0.0, 0.0
        self._weights[~self._coded] = 0.0
        self._count_rows(features, np.flatnonzero(self._coded), 1.0)

    def _improve(self, features: FeatureView, sweeps: int) -> None:
        if self.n_components == 0:
            return
        sweep_dictionary(self._a, self._b, sweeps, self._dictionary)
        norm = np.sqrt((self._dictionary.astype(np.float64) ** 2).sum(axis=0))
        scale = np.where(norm > 0, norm, 1.0)
        self._dictionary /= scale.astype(np.float32)
        self._weights *= scale.astype(np.float32)
        self._a *= np.outer(scale, scale)
        self._b *= scale

    def _remember(self, features: FeatureView, rows: NDArray[np.int64]) -> None:
        """Keep the unexplained among `rows`, after the components had the chance to take up new features."""
        threshold = self._threshold()
        for _ in range(_SECOND_LOOKS):
            novel = rows[self._novelty[rows] > threshold]
            if novel.size == 0 or self.n_components == 0:
                break
            self._improve(features, 1)
            self._recode(features, novel)
        held = set(self._buffer)
        self._buffer.extend(int(r) for r in rows[self._novelty[rows] > threshold] if int(r) not in held)

    def _threshold(self) -> float:
        """Novelty that rows of a known class do not reach."""
        known = self._novelty[self._coded]
        known = known[known < 0.8]
        if known.size < 20:
            return self._config.novelty_threshold
        low, middle = np.quantile(known[:: max(1, known.size // 5000)], [0.25, 0.5])
        return float(np.clip(middle + 3 * (middle - low) / 0.674, self._config.novelty_threshold, 0.9))

    def _give_birth(self, features: FeatureView) -> None:
        """Found classes from unexplained positions that agree with one another and with no class."""
        while self.n_components < self._config.max_classes:
            rows = np.array(self._buffer, np.int64)
            rows = rows[self._coded[rows] & (self._novelty[rows] > self._threshold())]
            self._buffer = deque(rows.tolist(), maxlen=self._config.novelty_buffer)
            if rows.size < self._config.birth_members:
                return
            residual = self._residual(features, rows)
            group = coherent_group(residual, self._config.birth_cosine, self._config.birth_members)
            if group is None:
                return
            alike = self._resembles(features.dense(rows[group]).mean(axis=0))
            if alike or not self._is_domain(rows[group]):
                # Positions of a known class that miss the same disks by chance.
                self._buffer = deque(np.delete(rows, group).tolist(), maxlen=self._config.novelty_buffer)
                continue
            self._add_component(residual[group].mean(axis=0), "unexplained alike", self._count_coded())
            self._recode(features, rows)
            self._improve(features, 1)

    def _residual(self, features: FeatureView, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        residual = np.zeros((rows.size, features.n_columns), np.float32)
        residual_rows(
            features.value,
            features.column,
            features.start[rows],
            features.count[rows],
            self._dictionary,
            self._weights[rows],
            residual,
        )
        return residual

    def _is_domain(self, group: NDArray[np.int64]) -> bool:
        """Whether unexplained positions lie together, among those with the same leading component, or are so
        unexplained that it does not matter."""
        if self.n_components == 0 or np.median(self._novelty[group]) > _CERTAIN:
            return True
        leader = np.bincount(self._weights[group].argmax(axis=1)).argmax()
        coded = np.flatnonzero(self._coded)
        others = np.setdiff1d(coded[self._weights[coded].argmax(axis=1) == leader], group)
        return coherence(np.sort(group), others) > _COHERENT

    def _resembles(self, pattern: NDArray[np.float32]) -> bool:
        """Whether a mean feature row is much like that of a known class."""
        if self.n_components == 0:
            return False
        cosine = pattern @ self._dictionary / max(float(np.sqrt((pattern**2).sum())), 1e-12)
        return bool(cosine.max() > self._config.split_cosine)

    def _split(self, features: FeatureView) -> None:
        """Divide components that lead at two kinds of positions, as when two grains came at the same time."""
        coded = np.flatnonzero(self._coded)
        if self.n_components == 0 or self.n_components >= self._config.max_classes or coded.size == 0:
            return
        leader = self._weights[coded].argmax(axis=1)
        for index in range(self.n_components):
            members = coded[leader == index]
            tested = self._split_tested.get(int(self._ids[index]), self._config.birth_members)
            if members.size >= 1.2 * tested:
                self._split_tested[int(self._ids[index])] = members.size
                self._split_one(features, index, members)

    def _split_one(self, features: FeatureView, index: int, members: NDArray[np.int64]) -> None:
        sample = _sample(members, _SPLIT_SAMPLE)
        rows = features.dense(sample)
        c = self._config
        second = two_groups(rows, c.split_separation, c.split_cosine, c.birth_members)
        if second is None or coherence(sample[~second], sample[second]) < _COHERENT:
            return
        if second.sum() > (~second).sum():
            second = ~second
        first = rows[~second].mean(axis=0)
        self._dictionary[:, index] = first / np.sqrt((first**2).sum())
        self._add_component(rows[second].mean(axis=0), f"split from {self._ids[index]}", self._count_coded())
        self._split_tested.pop(int(self._ids[index]), None)
        self._recode(features, members)
        self._improve(features, 1)

    def _add_component(self, pattern: NDArray[np.float32], detail: str, seen: int) -> None:
        unit = pattern / np.sqrt((pattern.astype(np.float64) ** 2).sum())
        self._dictionary = np.ascontiguousarray(np.column_stack([self._dictionary, unit]), np.float32)
        self._weights = np.column_stack([self._weights, np.zeros(len(self._weights), np.float32)])
        self._a = np.pad(self._a, ((0, 1), (0, 1)))
        self._b = np.pad(self._b, ((0, 0), (0, 1)))
        self._ids = np.append(self._ids, np.int32(self._next_id))
        self._log(seen, "component_born", self._next_id, detail)
        self._next_id += 1

    def _merge(self, features: FeatureView) -> None:
        """Join components with nearly the same pattern; the older keeps its id, weights and sums add."""
        while self.n_components > 1:
            cosine = np.triu(self._dictionary.T @ self._dictionary, 1)
            older, younger = np.unravel_index(int(cosine.argmax()), cosine.shape)
            if cosine[older, younger] < self._config.merge_cosine:
                return
            self._absorb(int(older), int(younger), features)

    def _rejoin(self, features: FeatureView) -> None:
        """Join related components that divide one kind of positions by which disks happened to be found."""
        cosine = np.triu(self._dictionary.T @ self._dictionary, 1)
        pairs = np.argwhere(cosine > _RELATED)
        if pairs.size == 0:
            return
        coded = np.flatnonzero(self._coded)
        leader = self._weights[coded].argmax(axis=1)
        owned = np.bincount(leader, minlength=self.n_components)
        for older, younger in pairs:
            key = (int(self._ids[older]), int(self._ids[younger]))
            smaller = int(min(owned[older], owned[younger]))
            if smaller < max(1.2 * self._join_tested.get(key, 0), 2 * self._config.birth_members):
                continue
            self._join_tested[key] = smaller
            members = [coded[leader == k] for k in (older, younger)]
            groups = [features.dense(_sample(rows, _SPLIT_SAMPLE // 2)) for rows in members]
            one_kind = separation_of(*groups) < self._config.rejoin_separation
            if one_kind and coherence(*members) < _COHERENT:
                self._absorb(int(older), int(younger), features)
                return

    def _absorb(self, older: int, younger: int, features: FeatureView) -> None:
        share = self._a[[older, younger], [older, younger]]
        share = share / max(share.sum(), 1e-12)
        pattern = self._dictionary[:, [older, younger]] @ share.astype(np.float32)
        self._dictionary[:, older] = pattern / max(float(np.sqrt((pattern**2).sum())), 1e-12)
        self._weights[:, older] += self._weights[:, younger]
        self._log(self._count_coded(), "component_merged", int(self._ids[younger]), f"into {self._ids[older]}")
        self._remove(younger)
        self._recount(features)

    def _dissolve(self, features: FeatureView) -> None:
        """Remove components that lead at too few positions."""
        if self.n_components == 0:
            return
        leads = np.bincount(self._weights[self._coded].argmax(axis=1), minlength=self.n_components)
        small = int(leads.argmin())
        if leads[small] >= self._config.min_class_positions:
            return
        self._log(self._count_coded(), "component_died", int(self._ids[small]), f"led {leads[small]} positions")
        self._remove(small)
        self._recode(features, np.flatnonzero(self._coded))
        self._recount(features)

    def _remove(self, index: int) -> None:
        keep = np.arange(self.n_components) != index
        self._ids = self._ids[keep]
        self._dictionary = np.ascontiguousarray(self._dictionary[:, keep])
        self._weights = np.ascontiguousarray(self._weights[:, keep])
        self._a = np.ascontiguousarray(self._a[np.ix_(keep, keep)])
        self._b = np.ascontiguousarray(self._b[:, keep])

    def _count_coded(self) -> int:
        return int(self._coded.sum())

    def _make_room(self, features: FeatureView) -> None:
        rows = features.count.size - self._coded.size
        if rows > 0:
            self._weights = np.pad(self._weights, ((0, rows), (0, 0)))
            self._novelty = np.pad(self._novelty, (0, rows), constant_values=np.nan)
            self._coded = np.pad(self._coded, (0, rows))
        columns = features.n_columns - self._dictionary.shape[0]
        if columns > 0:
            self._dictionary = np.pad(self._dictionary, ((0, columns), (0, 0)))
            self._b = np.pad(self._b, ((0, columns), (0, 0)))

    def _log(self, seen: int, kind: str, subject: int, detail: str) -> None:
        self.events.append(AnalysisEvent(positions_seen=seen, kind=kind, subject=subject, detail=detail))


def _sample(rows: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """At most so many of the rows, as evenly spread runs of neighbours."""
    if rows.size <= most:
        return rows
    starts = np.linspace(0, rows.size - _RUN, most // _RUN).astype(np.int64)
    return rows[np.unique(starts[:, None] + np.arange(_RUN))]
