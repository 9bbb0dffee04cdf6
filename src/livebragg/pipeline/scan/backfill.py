"""Light at tracked peaks, for one position after the other: which are due, and what has come of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from livebragg.classify import FeatureTable
from livebragg.classify.forced import Catalogue, Vectors
from livebragg.classify.turns import next_in_turn
from livebragg.model import ForcedIntensities

Part = tuple[NDArray[np.int64], ForcedIntensities]
Measuring = tuple[NDArray[np.int64], Future[ForcedIntensities]]
"""Positions, and their light as soon as it is measured."""
_WORTH_WHILE = 0.25
"""Part of the light of the class it shows that is not measured at a position, from which the position is measured
while the scan runs: where most is known, the peaks of other classes can wait for the end."""
_TOLD_NOTHING = 0.5
"""Part of the peaks that are not measured where a position shows no class, from which it is measured (again)."""
_TOGETHER = 8192
"""Positions of a round that waits."""
_LOOKED_AT = 8192
"""Newest positions, and others in turn, among which a round looks for those that are due."""
_NOBODY = np.zeros(0, np.int64)
Shows = Callable[[NDArray[np.int64]], tuple[NDArray[np.int64], NDArray[np.float32]]]


def _nothing_known(positions: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    return np.full(positions.size, -1), np.zeros((0, 0), np.float32)


class Photometer(Protocol):
    """Measures light at given places of the frames of some positions.

    `scan_index` (n,) rises; `places` (k, 2) are relative to the origins, `origins` (n_positions, 2) are those of
    all positions; only what is `wanted` (n, k) is measured. Positions without frames are left out.
    """

    capacity: int
    """Most positions to begin with at a time: their frames wait in memory."""

    def measure(
        self,
        scan_index: NDArray[np.int64],
        places: NDArray[np.float32],
        origins: NDArray[np.float32],
        wanted: NDArray[np.bool_],
    ) -> Iterator[Part]:
        """Part after part of `scan_index` with its intensities."""
        ...

    def begin(
        self,
        scan_index: NDArray[np.int64],
        places: NDArray[np.float32],
        origins: NDArray[np.float32],
        wanted: NDArray[np.bool_],
    ) -> Iterator[Measuring]:
        """The same without waiting for the intensities."""
        ...


class Round(NamedTuple):
    """What is measured together: positions in rising order, the peaks as they were, and which of them where."""

    positions: NDArray[np.int64]
    catalogue: Catalogue
    wanted: NDArray[np.bool_]


class Backfill:
    """Keeps the measured light of a scan up to date, as far as there is time.

    Parameters
    ----------
    photometer : Photometer, optional
        Without it nothing is measured.
    features : FeatureTable
        Takes the light.
    changing : callable
        Called with positions just before their features change.
    background : bool
        Measure between the refreshes, one round after the other, and never wait for it.
    shows : callable
        Tells the class that each of some positions shows, -1 for none, and the patterns of all classes.
    """

    def __init__(
        self,
        photometer: Photometer | None,
        features: FeatureTable,
        changing: Callable[[NDArray[np.int64]], None],
        background: bool = False,
        shows: Shows = _nothing_known,
    ) -> None:
        self._photometer = photometer
        self._features = features
        self._changing = changing
        self._background = background
        self._shows = shows
        self._asked: list[Measuring] = []
        self._looked_to = 0
        self._round = self._round_of(_NOBODY)

    @property
    def is_ready(self) -> bool:
        """Whether a round is done, and its light waits to be taken."""
        return bool(self._asked) and all(task.done() for _, task in self._asked)

    def refresh(
        self,
        vectors: Vectors,
        arrived: NDArray[np.int64],
        origins: NDArray[np.float32],
        most: int,
    ) -> NDArray[np.int64]:
        """Measure at most `most` of the positions that are due: those first of whose class least light is known,
        then those that lack most peaks, of them the newest.

        Returns the positions with new light; `arrived` are all that have been seen, the newest last.
        """
        if self._photometer is None:
            return _NOBODY
        if not self._background:
            return self._measure(vectors, self._due(arrived)[-most:] if most else _NOBODY, origins)
        waiting: list[Measuring] = []
        ready: list[Measuring] = []
        for part in self._asked:  # looked at once: others come to their end meanwhile
            (ready if part[1].done() else waiting).append(part)
        self._asked = waiting
        done = self._take(vectors, ready, origins)
        self.ask(arrived, origins, most)
        return done

    def ask(self, arrived: NDArray[np.int64], origins: NDArray[np.float32], most: int) -> None:
        """Begin with a round of the positions that are due, unless one is under way; reading their frames takes a
        while."""
        if self._photometer is not None and self._background and not self._asked and most:
            self._ask(self._due(arrived)[-min(most, self._photometer.capacity) :], origins)

    def finish(
        self, vectors: Vectors, arrived: NDArray[np.int64], origins: NDArray[np.float32], most: int
    ) -> NDArray[np.int64]:
        """Measure at most `most` of all that are not up to date, those with the fewest disks first."""
        if self._photometer is None:
            return _NOBODY
        asked, self._asked = self._asked, []
        done = self._take(vectors, asked, origins)
        stale = self._features.forced.stale(arrived)
        weakest = stale[np.argsort(vectors.count[stale], kind="stable")[:most]]
        return np.union1d(done, self._measure(vectors, weakest, origins))

    def _due(self, arrived: NDArray[np.int64]) -> NDArray[np.int64]:
        """What lacks so much that measuring it is worth while before the end, the most urgent last."""
        forced = self._features.forced
        stale = forced.stale(self._next_to_look_at(arrived))
        leader, patterns = self._shows(stale)
        lacks, own = forced.lacking(stale), forced.lacking_light(stale, leader, patterns)
        due = own >= np.where(leader < 0, _TOLD_NOTHING, _WORTH_WHILE)
        order = np.lexsort((lacks, own))
        return stale[order[due[order]]]

    def _next_to_look_at(self, arrived: NDArray[np.int64]) -> NDArray[np.int64]:
        """The newest positions and the next few of the others in turn, in order of arrival."""
        older = max(arrived.size - _LOOKED_AT, 0)
        turn, self._looked_to = next_in_turn(np.arange(older), self._looked_to, _LOOKED_AT)
        return arrived[np.append(turn, np.arange(older, arrived.size))]

    def _ask(self, chosen: NDArray[np.int64], origins: NDArray[np.float32]) -> None:
        assert self._photometer is not None
        self._round = self._round_of(chosen)
        index, catalogue, wanted = self._round
        self._asked = list(self._photometer.begin(index, catalogue.places, origins, wanted))
        self._give_up(chosen, [index for index, _ in self._asked])

    def _take(
        self,
        vectors: Vectors,
        parts: Iterable[Measuring],
        origins: NDArray[np.float32],
    ) -> NDArray[np.int64]:
        done = [self._put(vectors, index, task.result(), origins, self._round) for index, task in parts]
        return np.concatenate([_NOBODY, *done])

    def _measure(
        self, vectors: Vectors, chosen: NDArray[np.int64], origins: NDArray[np.float32]
    ) -> NDArray[np.int64]:
        assert self._photometer is not None
        done = []
        for first in range(0, chosen.size, _TOGETHER):
            index, catalogue, wanted = this = self._round_of(chosen[first : first + _TOGETHER])
            for part, values in self._photometer.measure(index, catalogue.places, origins, wanted):
                done.append(self._put(vectors, part, values, origins, this))
        self._give_up(chosen, done)
        return np.concatenate([_NOBODY, *done])

    def _round_of(self, chosen: NDArray[np.int64]) -> Round:
        forced, index = self._features.forced, np.sort(chosen)
        return Round(index, forced.catalogue, forced.wanted(index))

    def _put(
        self,
        vectors: Vectors,
        index: NDArray[np.int64],
        values: ForcedIntensities,
        origins: NDArray[np.float32],
        of: Round,
    ) -> NDArray[np.int64]:
        self._changing(index)
        wanted = of.wanted[np.searchsorted(of.positions, index)]
        self._features.measure(vectors, index, origins[index], values, of.catalogue, wanted)
        return index

    def _give_up(self, chosen: NDArray[np.int64], with_frames: list[NDArray[np.int64]]) -> None:
        """Those of the chosen ones without frames are never asked for again."""
        self._features.forced.give_up(np.setdiff1d(chosen, np.concatenate([_NOBODY, *with_frames])))
