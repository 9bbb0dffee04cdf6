"""What the user asks of the components: one that stays as it is, two made of one, a certain number of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from livebragg.classify.components import COHERENT, SPLIT_SAMPLE, Components, alike_measured, evenly
from livebragg.classify.features import FeatureView
from livebragg.classify.locked import LockedPattern
from livebragg.classify.novelty import Division, coherence, divided, joining_cost
from livebragg.errors import ClassRequestError
from livebragg.model import TrackedPeaks


class AskedComponents(Components):
    """Components that also do what the user asks.

    Parameters
    ----------
    config : ClassifyConfig
        Thresholds of births and merges.
    """

    def track(self, peaks: TrackedPeaks, n_columns: int, radius: float) -> None:
        """Move locked patterns to the present peaks, each place to the nearest within `radius` pixels."""
        self._state.add_columns(n_columns)
        for index, number in enumerate(self._ids.tolist()):
            if number in self.locked:
                self._state.replace(index, self.locked[number].on(peaks, n_columns, radius))

    def lock(self, number: int, peaks: TrackedPeaks) -> None:
        """Keep the component with this id as it is now."""
        index = self._index_of(number)
        self.locked[number] = LockedPattern.of(self._state.dictionary[:, index], peaks)
        self._fix()

    def add_locked(self, pattern: LockedPattern) -> int:
        """A component that is known beforehand, and locked; returns its id."""
        number = self._next_id
        self._born(np.zeros(self._state.dictionary.shape[0], np.float32), "locked before the scan")
        self.locked[number] = pattern
        self._fix()
        return number

    def unlock(self, number: int) -> None:
        """Learn the component with this id again."""
        self.locked.pop(number, None)
        self._fix()

    @property
    def divided(self) -> list[int]:
        """Ids of the components that were divided on request."""
        return [number for number in self._ids.tolist() if number in self._kinds]

    def divide(self, features: FeatureView, number: int) -> int:
        """Divide a component by the positions at which it leads; returns the id of the new one.

        The two are not joined again, nor dissolved.

        Raises
        ------
        ClassRequestError
            It leads at too few positions, or they are all alike.
        """
        index, least = self._index_of(number), self._config.birth_members
        members = self._members(features, index)
        if members.size < 2 * least:
            raise ClassRequestError(
                f"it has {members.size} positions that can be compared; dividing takes {2 * least}"
            )
        sample, found = self._divisible(features, members)
        if found is None:
            raise ClassRequestError(
                f"its positions are not two kinds: one of them would have fewer than {least} of "
                f"{sample.size} positions looked at"
            )
        return self._divide_for_good(features, index, members, sample, found)

    def _reach(self, features: FeatureView) -> None:
        """Join the two classes that cost least, or divide the most separable, until there are as many as asked
        for.

        Nothing is learned after that: the components had come to rest, and one that was joined would wander off
        to what many positions of another leave unexplained.
        """
        while self._n_counted > self.n_classes:
            pair, cost = self._cheapest()
            variant = min(self.variants, key=self.variants.__getitem__, default=None)
            if variant is not None and self.variants[variant] < cost:
                del self.variants[variant]
                self.whole.add(variant)
            elif pair is not None:
                self._absorb(features, *pair)
                self._state.recode(features, np.flatnonzero(self._state.coded))
            else:
                return
        while self._n_counted < self.n_classes and self._divide_most_separable(features):
            self._state.recode(features, np.flatnonzero(self._state.coded))

    @property
    def _n_counted(self) -> int:
        return self.n_components + len(self.variants)

    def _cheapest(self) -> tuple[tuple[int, int] | None, float]:
        """The two components whose joining costs least, of those that may be joined, and the cost."""
        cosine, owned = self._joinable(), self._state.owned
        cost = np.where(cosine >= 0, joining_cost(owned[:, None], owned[None], cosine), np.inf)
        older, younger = np.unravel_index(int(cost.argmin()), cost.shape)
        least = float(cost[older, younger])
        return ((int(older), int(younger)) if np.isfinite(least) else None), least

    def _divide_most_separable(self, features: FeatureView) -> bool:
        """Divide the component whose two kinds of positions lie furthest apart, if they lie in different places:
        what differs by chance is no class."""
        best, furthest = None, 0.0
        for index, number in enumerate(self._ids.tolist()):
            members = self._members(features, index)
            if number in self.locked or members.size == 0:
                continue
            sample, found = self._divisible(features, members)
            if found is None:
                continue
            together = coherence(sample[~found.second], sample[found.second]) >= COHERENT
            if together and found.separation > furthest:
                best, furthest = (index, members, sample, found), found.separation
        if best is None:
            return False
        self._divide_for_good(features, *best)
        return True

    def _divide_for_good(
        self,
        features: FeatureView,
        index: int,
        members: NDArray[np.int64],
        sample: NDArray[np.int64],
        found: Division,
    ) -> int:
        old, new = int(self._ids[index]), self._next_id
        self._divide(features, index, members, features.dense(sample), found.second)
        smaller = found.second if 2 * found.second.sum() <= sample.size else ~found.second
        self._kinds[old], self._kinds[new] = sample[~smaller], sample[smaller]
        self._apart.add(frozenset((old, new)))
        self._fix()
        return new

    def _show_kinds(self, features: FeatureView) -> None:
        """Give components that were divided on request the mean of the positions that show them.

        Learned together, two that are much alike become what they share and what they do not.
        """
        self._fix()
        for index, number in enumerate(self._ids.tolist()):
            if number in self._kinds and number not in self.locked:
                self._state.replace(index, features.dense(self._kinds[number]).mean(axis=0))

    def _fix(self) -> None:
        self._state.fixed[:] = [n in self.locked or n in self._kinds for n in self._ids.tolist()]

    def _members(self, features: FeatureView, index: int) -> NDArray[np.int64]:
        coded = np.flatnonzero(self._state.coded)
        return alike_measured(features, coded[self._state.leaders(coded) == index])

    def _divisible(
        self, features: FeatureView, members: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], Division | None]:
        sample = evenly(members, SPLIT_SAMPLE)
        return sample, divided(features.dense(sample), self._config.birth_members)

    def _index_of(self, number: int) -> int:
        return int(np.flatnonzero(self._ids == number)[0])
