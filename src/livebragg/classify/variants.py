"""Which classes fade into a disordered variant, and how far each position has."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from livebragg.classify.features import FeatureTable
from livebragg.classify.nmf import Factors
from livebragg.classify.novelty import joining_cost
from livebragg.classify.order import Fading, find_fading
from livebragg.model import TrackedPeaks

_LEAST_FEATURE = 0.02
"""Reflections of a class have at least this part of its unit pattern."""
_PURE = 0.3
"""Positions whose second component, or whose unexplained part, is larger are left out where fading is learned."""
_ANOTHERS = 0.5
"""Reflections that another component has so much more of are left out as well: at the boundary with it even a pure
position may have its light, which vanishes inwards and is no order."""
_SAMPLE = 3000
_NEWS = 0.2
"""Part of a component's positions that must be news before it is looked at again."""
_FEWEST = 40
"""Positions from which a component is looked at."""
_BLOCK = 8192
_DARK_SAMPLE = 500
_AS_FAR = 1.5
"""Peaks whose distances from the beam differ less, in pixels, have the same light beside reflections."""
_FEWEST_OTHERS = 4


class VariantFinder:
    """Fading of the components of a factorisation, and the order parameter of every position.

    A component is looked at again when the light of a fifth of its positions is news. What was found once stays,
    with its ends adjusted, so that labels do not flicker.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self.fadings: dict[int, Fading] = {}
        """By permanent id of the component."""
        self._news: dict[int, int] = {}
        """Positions of each component that are new, or were measured again, since it was last looked at."""
        self._order = np.zeros(0, np.float32)
        self._leader = np.zeros(0, np.int32)
        self._known: list[int] = []
        self.judged_all = False
        """Whether the last update looked at the order of all positions."""

    def update(
        self,
        table: FeatureTable,
        factors: Factors,
        peaks: TrackedPeaks,
        changed: NDArray[np.int64],
        final: bool = False,
        positions: NDArray[np.int64] | None = None,
        locked: Collection[int] = (),
        whole: Collection[int] = (),
    ) -> NDArray[np.float32]:
        """Bring everything up to date; returns the order parameter of every position.

        Parameters
        ----------
        table : FeatureTable
            Rows and measured light.
        factors : Factors
            Of the same positions.
        peaks : TrackedPeaks
            The present peaks.
        changed : NDArray[np.int64], shape (n,)
            Positions whose features are new or differ from the last update.
        final : bool
            Learn everything anew, and forget what is not found any more.
        positions : NDArray[np.int64], shape (m,), optional
            Positions whose weights may have changed, by default all.
        locked : collection of int
            Components about which nothing is learned any more.
        whole : collection of int
            Components that are not divided, whether they fade or not.

        Returns
        -------
        NDArray[np.float32], shape (n_positions,)
            0 (disordered) to 1 (ordered); NaN where the leading component does not fade.
        """
        weights = factors.weights
        more = len(weights) - self._order.size
        if more > 0:
            self._order = np.pad(self._order, (0, more), constant_values=np.nan)
            self._leader = np.pad(self._leader, (0, more), constant_values=-1)
        ids = [int(number) for number in factors.component_ids]
        if positions is None or final or not set(self._known) <= set(ids):
            positions = np.arange(len(weights))
        self._known = ids
        self._leader[positions] = _leaders(weights[positions], factors.component_ids)
        led = np.bincount(self._leader + 1, minlength=max(ids, default=0) + 2)[1:]
        self.fadings = {n: fading for n, fading in self.fadings.items() if n in ids and n not in whole}
        news = np.bincount(self._leader[changed] + 1, minlength=led.size + 1)[1:]
        learned = False
        for index, number in enumerate(ids):
            if number in locked or number in whole:
                continue
            if self._is_due(number, int(led[number]), int(news[number])) or final:
                members = np.flatnonzero(self._leader == number)
                learned |= self._learn(number, index, members, table, factors, peaks, final)
        self.judged_all = learned or final
        again = np.arange(len(weights)) if self.judged_all else changed
        self._order[again[~np.isin(self._leader[again], list(self.fadings))]] = np.nan
        for number, fading in self.fadings.items():
            self._judge(fading, again[self._leader[again] == number], table)
        return self._order.copy()

    @property
    def leader(self) -> NDArray[np.int32]:
        """Id of the leading component of every position, -1 for none; not to be written to."""
        return self._leader

    def costs(self, factors: Factors, locked: Collection[int] = ()) -> dict[int, float]:
        """What is lost where a component that fades is not divided, by id; locked ones stay as they are."""
        costs = {}
        for index, number in enumerate(factors.component_ids.tolist()):
            if number in self.fadings:
                order = self._order[self._leader == number]
                staying = factors.patterns[index].copy()
                staying[self.fadings[number].fading] = 0.0
                cosine = np.sqrt((staying.astype(np.float64) ** 2).sum())
                cost = joining_cost(np.sum(order < 0.5), np.sum(order >= 0.5), cosine)
                costs[number] = np.inf if number in locked else float(cost)
        return costs

    def _is_due(self, number: int, led: int, news: int) -> bool:
        """Whether to look at a component: enough of its positions are new, or were measured again. Light that was
        measured beside other peaks is not quite the same."""
        self._news[number] = self._news.get(number, 0) + news
        if led < _FEWEST or self._news[number] < _NEWS * led:
            return False
        self._news[number] = 0
        return True

    def _learn(
        self,
        number: int,
        index: int,
        members: NDArray[np.int64],
        table: FeatureTable,
        factors: Factors,
        peaks: TrackedPeaks,
        final: bool,
    ) -> bool:
        """Look at one component; returns whether anything is new."""
        pattern = factors.patterns[index]
        older = peaks.peak_id < pattern.size
        columns = peaks.peak_id[older].astype(np.int64)
        place = np.stack([peaks.qx, peaks.qy], axis=1)[older]
        others = np.delete(factors.patterns, index, axis=0)[:, columns].max(axis=0, initial=0.0)
        use = (pattern[columns] > _LEAST_FEATURE) & (pattern[columns] > _ANOTHERS * others)
        weights = factors.weights[members].copy()
        largest = weights[:, index].copy()
        weights[:, index] = 0
        pure = members[(weights.max(axis=1) < _PURE * largest) & (factors.novelty[members] < _PURE)]
        sample = pure[:: max(1, pure.size // _SAMPLE)]
        light = _light(table, sample, columns[use])
        measured = bool(table.forced.stamp.any())  # else what is missing may only not have been found
        unseen = 0.0 if measured else float(light[light > 0].min(initial=np.inf))
        dark = _dark(table, sample, np.hypot(*place.T), columns)[use] if measured else None
        found = find_fading(light, place[use], columns[use], unseen, dark)
        before = self.fadings.get(number)
        if found is not None:
            self.fadings[number] = found
        elif final:
            self.fadings.pop(number, None)
        return found is not None or (final and before is not None)

    def _judge(self, fading: Fading, positions: NDArray[np.int64], table: FeatureTable) -> None:
        """Order of some positions; where too little is known it stays what it was."""
        for first in range(0, positions.size, _BLOCK):
            part = positions[first : first + _BLOCK]
            order = fading.order(_light(table, part, fading.columns))
            self._order[part] = np.where(np.isfinite(order), order, self._order[part])


def _leaders(weights: NDArray[np.float32], ids: NDArray[np.int32]) -> NDArray[np.int32]:
    """Id of the leading component in each row, -1 for none."""
    if ids.size == 0:
        return np.full(len(weights), -1, np.int32)
    return np.where(weights.max(axis=1) > 0, ids[weights.argmax(axis=1)], -1).astype(np.int32)


def _dark(
    table: FeatureTable, positions: NDArray[np.int64], radius: NDArray[np.float32], columns: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Light that some positions have at each peak without its reflection: what they have at most others as far
    from the beam, which are of other crystals. 0 where there are few others."""
    light = _light(table, positions[:: max(1, positions.size // _DARK_SAMPLE)], columns)
    known = np.isfinite(light)
    mean = np.where(known, light, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    dark = np.zeros(columns.size, np.float32)
    for peak in range(columns.size):
        others = (np.abs(radius - radius[peak]) < _AS_FAR) & known.any(axis=0)
        others[peak] = False
        if others.sum() >= _FEWEST_OTHERS:
            dark[peak] = max(float(np.median(mean[others])), 0.0)
    return dark


def _light(table: FeatureTable, positions: NDArray[np.int64], columns: NDArray[np.int64]) -> NDArray[np.float32]:
    """Intensities of some positions and peaks, NaN where unknown: what was measured, or where nothing was measured
    what the disks have."""
    roots = table.forced.roots(positions, columns)
    intensity = np.sign(roots) * roots**2
    never = table.forced.stamp[positions] == 0
    if never.any():
        rows = positions[never]
        found = table.view.dense(rows)[:, columns] * table.view.norm[rows, None]
        intensity[never] = found ** (1 / max(table.power, 0.5))
    return np.asarray(intensity, np.float32)
