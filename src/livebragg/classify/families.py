"""Which family each position belongs to, and which class in it: amorphous phases, polycrystals, vacuum, crystals.

Every class has the pattern of its purest positions; every position is a mixture of those patterns. Crystals are
told apart by their Bragg peaks (`ClassLabeler`); here they only compete with their neighbours of other families
at the boundary, where a strongly scattering minority would otherwise win.
"""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from livebragg.classify.class_maps import ClassMaps
from livebragg.classify.mixture import shares_of
from livebragg.classify.phase_finder import NewId, Phase, PhaseFinder, channels, crystal_patterns, errors
from livebragg.classify.scattering import ScatteringView, runs_of
from livebragg.config.analysis import FamiliesConfig
from livebragg.model import NOT_CLASSIFIED, AnalysisEvent

_LOOK_AGAIN = 1.15
"""Growth of the scan after which phases are looked for again, and earlier when many positions are unexplained."""
_LOOK_EARLIER = 1.05
_SMALL = 8192
_LARGE_LOOK_AGAIN = 1.4
_LARGE_LOOK_EARLIER = 1.1
"""The same for scans of more than so many positions: looking again takes as long as all of them."""
_ODD = 3.0
"""Misfit, relative to what is typical, of a position that no class explains."""
_ODD_POSITIONS = 12
"""So many more of them than usual are a sign of a new phase."""
_SAMPLE = 4096
"""Positions from which a typical signal is learned."""
_BOUNDARY = 2
"""Positions on either side of a boundary that the beam may cover at once."""


class FamilyClassifier:
    """Finds the classes without tracked Bragg peaks and composes the map of all classes.

    Parameters
    ----------
    config : FamiliesConfig
        Thresholds.
    scan_cols : int
        Positions in a scan line.
    """

    def __init__(self, config: FamiliesConfig, scan_cols: int) -> None:
        self._config = config
        self._cols = scan_cols
        self._finder = PhaseFinder(config, scan_cols)
        self.reset()

    def reset(self) -> None:
        """Forget all classes."""
        self._phases: list[Phase] = []
        self._vacuum_id: int | None = None
        self._looked_at = 0
        self._odd = False
        self._usual = self._odd_share = 0.0
        self._since = np.zeros(2, np.int64)
        self._pure_crystals: dict[int, NDArray[np.float32]] = {}
        self._sample = np.zeros(0, np.int64)
        self._shares = np.zeros((0, 0), np.float32)
        self._own_share = np.zeros(0, np.float32)
        self._labels = np.zeros(0, np.int16)
        self._confidence = np.zeros(0, np.float32)
        self._empty = np.zeros(0, np.bool_)
        self._certain = np.zeros(0, np.bool_)
        self._ids: list[int] = []
        self._weights = np.zeros((0, 0), np.float32)
        self.events: deque[AnalysisEvent] = deque(maxlen=1000)

    def change(self, config: FamiliesConfig) -> None:
        """Use other thresholds; the next update looks for phases and vacuum in everything that was seen."""
        self._config, self._finder = config, PhaseFinder(config, self._cols)
        self._looked_at = 0

    def update(
        self,
        view: ScatteringView,
        crystals: ClassMaps,
        seen: NDArray[np.bool_],
        positions: NDArray[np.int64],
        new_id: NewId,
        *,
        final: bool = False,
        labelled: NDArray[np.int64] | None = None,
        certain: NDArray[np.bool_] | None = None,
    ) -> ClassMaps:
        """Compose the classes; the maps change with the next update, and are not to be written to.

        Parameters
        ----------
        view : ScatteringView
            Signals of all positions.
        crystals : ClassMaps
            Crystalline classes; other positions are not classified there.
        seen : NDArray[np.bool_], shape (n_positions,)
            Positions that have arrived.
        positions : NDArray[np.int64], shape (n,)
            Those whose signals are new or changed.
        new_id : callable
            Gives the permanent id of a new class of a family.
        final : bool
            Look for phases in any case.
        labelled : NDArray[np.int64], shape (m,), optional
            Positions whose crystalline labels or weights are new, by default all.
        certain : NDArray[np.bool_], shape (n_positions,), optional
            Crystals that are not taken from them, though another family may be near: a single position, perhaps.
        """
        self._make_room(seen.size)
        if certain is not None:
            self._certain[: certain.size] = certain
        n_seen = int(seen.sum())
        looked = final or n_seen >= self._growth(n_seen) * self._looked_at
        where = np.flatnonzero(seen) if looked or labelled is None else np.union1d(positions, labelled)
        little = view.share[where] + view.disks[where].sum(axis=1) < self._config.vacuum_share
        self._empty[where] = little & (crystals.labels[where] == NOT_CLASSIFIED)
        if looked:
            self._look_for_phases(view, crystals, seen, new_id, afresh=final)
            self._looked_at = n_seen
            positions, self._sample = where, where[:: max(1, -(-where.size // _SAMPLE))]
        if self._vacuum_id is None and self._empty.sum() >= self._config.min_positions:
            self._vacuum_id = new_id("vacuum")
        self._mix(view, crystals, positions, looked)
        return self._compose(crystals, seen, where)

    # ---------------------------------------------------------------------------------------- the classes
    def _growth(self, n_seen: int) -> float:
        """Growth of the scan after which phases are looked for again: a pass over all positions."""
        usual, early = (
            (_LOOK_AGAIN, _LOOK_EARLIER) if n_seen <= _SMALL else (_LARGE_LOOK_AGAIN, _LARGE_LOOK_EARLIER)
        )
        return early if self._odd else usual

    def _look_for_phases(
        self,
        view: ScatteringView,
        crystals: ClassMaps,
        seen: NDArray[np.bool_],
        new_id: NewId,
        afresh: bool,
    ) -> None:
        stop = (int(np.flatnonzero(seen).max(initial=-1)) // self._cols + 1) * self._cols
        rest = (seen & ~self._empty[: seen.size] & (crystals.labels == NOT_CLASSIFIED))[:stop]
        self._pure_crystals = crystal_patterns(view, crystals, seen)
        known = {phase.number: phase.family for phase in self._phases}
        self._phases = self._finder.find(view, rest, self._labels[:stop], known, new_id)
        for number in sorted(set(known) - {phase.number for phase in self._phases}):
            gone = AnalysisEvent(positions_seen=int(seen.sum()), kind="class_died", subject=number)
            self.events.append(gone)
        if afresh or [phase.number for phase in self._phases] != list(known):
            self._shares = np.zeros((self._labels.size, len(self._phases)), np.float32)
            self._own_share[:] = 0.0

    # ------------------------------------------------------------------------------------------ the shares
    def _mix(self, view: ScatteringView, crystals: ClassMaps, positions: NDArray[np.int64], looked: bool) -> None:
        if positions.size == 0:
            return
        if not self._phases:
            unknown = (crystals.labels[positions] == NOT_CLASSIFIED) & ~self._empty[positions]
            self._odd = int(unknown.sum()) >= _ODD_POSITIONS
            return
        owner, ids = self._leading_crystals(crystals, positions)
        signal = channels(view, positions)
        # Both of the same positions until phases are looked for again, and measured anew: a peak that is tracked
        # from now on, or no longer, takes light from one channel of all of them to another.
        error = errors(channels(view, self._sample).mean(axis=0), view)
        own = np.array([self._pure_crystals[c] for c in ids], np.float32).reshape(len(ids), signal.shape[1])
        patterns = np.array([channels(view, phase.members).mean(axis=0) for phase in self._phases], np.float32)
        start = np.column_stack([self._shares[positions], np.where(owner >= 0, self._own_share[positions], 0.0)])
        shares, misfit = shares_of(signal / error, patterns / error, own / error, owner, start)
        self._shares[positions], self._own_share[positions] = shares[:, :-1], shares[:, -1]
        self._judge(misfit[crystals.labels[positions] == NOT_CLASSIFIED], looked)

    def _judge(self, misfit: NDArray[np.float32], looked: bool) -> None:
        """Whether many of the positions that came since phases were looked for are explained by none."""
        odd = misfit > max(_ODD * (float(np.median(misfit)) if looked and misfit.size else self._usual), 0.01)
        if looked:
            self._usual = float(np.median(misfit)) if misfit.size else 0.0
            self._odd_share, self._odd = float(odd.mean()) if odd.size else 0.0, False
            self._since[:] = 0
        else:
            self._since += odd.sum(), odd.size
            self._odd = bool(self._since[0] >= _ODD_POSITIONS + 2.0 * self._odd_share * self._since[1])

    def _leading_crystals(
        self, crystals: ClassMaps, positions: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], list[int]]:
        """The crystal each position may contain: its own, that of its weights, or a neighbour's."""
        ids = sorted(self._pure_crystals)
        owner = np.full(positions.size, -1)
        if not ids or crystals.class_ids.size == 0:
            return owner, ids
        place = {number: index for index, number in enumerate(ids)}
        row = [place.get(int(c), -1) for c in crystals.class_ids]
        weights = crystals.weights[:, positions]
        lead = weights.argmax(axis=0)
        owner = np.where(weights.max(axis=0) > 0, np.array(row)[lead], -1)
        n, labels = crystals.labels.size, crystals.labels
        of_label = np.array([place.get(int(c), -1) for c in range(-1, int(labels.max(initial=-1)) + 1)])
        for step in (1, -1, self._cols, -self._cols):
            beside = np.clip(positions + step, 0, n - 1)
            if abs(step) == 1:  # the end of a line is not beside the next one's beginning
                beside = np.where(beside // self._cols == positions // self._cols, beside, positions)
            owner = np.where(owner < 0, of_label[labels[beside] + 1], owner)
        known = of_label[labels[positions] + 1]
        return np.where(known >= 0, known, owner), ids

    # -------------------------------------------------------------------------------------- the composite
    def _compose(self, crystals: ClassMaps, seen: NDArray[np.bool_], where: NDArray[np.int64]) -> ClassMaps:
        """Compose the lines of some positions, and those that their boundaries reach."""
        families = dict(zip(crystals.class_ids.tolist(), crystals.families, strict=True))
        families |= {phase.number: phase.family for phase in self._phases}
        if self._vacuum_id is not None:
            families[self._vacuum_id] = "vacuum"
        ids = sorted(families)
        n_lines = seen.size // self._cols
        lines = np.flatnonzero(np.bincount(where // self._cols))
        if ids != self._ids:
            self._ids, self._weights = ids, np.zeros((len(ids), self._labels.size), np.float32)
            lines = np.arange(n_lines)
        for first, last in runs_of(lines, 4 * _BOUNDARY):
            inner = max(first - _BOUNDARY, 0), min(last + _BOUNDARY, n_lines - 1) + 1
            outer = max(inner[0] - _BOUNDARY, 0), min(inner[1] + _BOUNDARY, n_lines)
            self._compose_lines(crystals, seen, *inner, *outer)
        patterns = np.zeros((len(ids), crystals.patterns.shape[1]), np.float32)
        for number, pattern in zip(crystals.class_ids, crystals.patterns, strict=True):
            patterns[ids.index(int(number))] = pattern
        return ClassMaps(
            class_ids=np.array(ids, np.int16),
            families=tuple(families[number] for number in ids),
            labels=self._labels[: seen.size],
            confidence=self._confidence[: seen.size],
            weights=self._weights[:, : seen.size],
            patterns=patterns,
        )

    def _compose_lines(
        self, crystals: ClassMaps, seen: NDArray[np.bool_], first: int, stop: int, above: int, below: int
    ) -> None:
        """Compose lines ``first:stop``, with what lies beside them in ``above:below``."""
        part = slice(above * self._cols, below * self._cols)
        vacuum, there, theirs = self._empty[part], seen[part], crystals.labels[part]
        shares, own = self._shares[part], self._own_share[part]
        crystal = theirs != NOT_CLASSIFIED
        missing = np.where(self._around(vacuum), np.maximum(1.0 - shares.sum(axis=1) - own, 0.0), 0.0)
        missing = np.where(vacuum, 1.0, missing).astype(np.float32)
        numbers = np.array([*(p.number for p in self._phases), NOT_CLASSIFIED], np.int16)
        others = np.column_stack([shares, missing])
        if self._vacuum_id is not None:
            numbers[-1] = self._vacuum_id
        others[vacuum, :-1] = 0.0
        best = others.argmax(axis=1)
        most = others[np.arange(len(best)), best]
        labels = np.where(crystal, theirs, np.where(there & (most > 0), numbers[best], NOT_CLASSIFIED))
        boundary = self._around(there & ~crystal) & self._around(crystal)
        lost = boundary & crystal & (most > own) & (most > 0) & ~self._certain[part]
        labels = np.where(lost, numbers[best], labels).astype(np.int16)
        everything = np.column_stack([others, own])
        ordered = np.partition(everything, everything.shape[1] - 2, axis=1)
        clear = (ordered[:, -1] - ordered[:, -2]) / np.maximum(ordered[:, -1], 1e-6)
        confidence = np.where(crystal & (labels == theirs), crystals.confidence[part], clear)
        here = slice(first * self._cols, stop * self._cols)
        keep = slice((first - above) * self._cols, (stop - above) * self._cols)
        self._labels[here] = labels[keep]
        self._confidence[here] = np.where(labels >= 0, confidence, np.nan)[keep]
        for number, weights in zip(crystals.class_ids, crystals.weights, strict=True):
            self._weights[self._ids.index(int(number)), here] = weights[here]
        parts = (others / np.maximum(others.sum(axis=1) + own, 1e-6)[:, None])[keep]
        for k, number in enumerate(numbers):
            if number != NOT_CLASSIFIED:
                self._weights[self._ids.index(int(number)), here] = parts[:, k]

    def shares(self, maps: ClassMaps, crystals: ClassMaps) -> NDArray[np.float32]:
        """Part of each position that is each class of `maps`, shape (n_classes, n_positions)."""
        n = maps.labels.size
        labelled = maps.labels != NOT_CLASSIFIED
        family = dict(zip(maps.class_ids.tolist(), maps.families, strict=True))
        own = self._own_share[:n].copy()
        missing = np.maximum(1.0 - self._shares[:n].sum(axis=1) - own, 0.0) * self._around(self._empty[:n])
        out = np.zeros((maps.class_ids.size, n), np.float32)
        place = {int(number): k for k, number in enumerate(maps.class_ids)}
        for k, phase in enumerate(self._phases):
            out[place[phase.number]] = self._shares[:n, k]
        if self._vacuum_id is not None:
            out[:, self._empty[:n]] = 0.0
            out[place[self._vacuum_id]] = np.where(self._empty[:n], 1.0, missing)
        total = np.maximum(crystals.weights.sum(axis=0), 1e-9)
        for number, weight in zip(crystals.class_ids, crystals.weights, strict=True):
            out[place[int(number)]] = own * weight / total
        # A position is at least something of what it is labelled, also before its share is known.
        alone = labelled & (out.sum(axis=0) <= 0)
        rows = np.array([place.get(int(c), 0) for c in range(int(max(family, default=0)) + 1)])
        out[rows[maps.labels[alone]], np.flatnonzero(alone)] = 1.0
        return np.asarray(out / np.maximum(out.sum(axis=0), 1e-9), np.float32)

    def _around(self, where: NDArray[np.bool_]) -> NDArray[np.bool_]:
        grid = where.reshape(-1, self._cols).astype(np.uint8)
        near = ndimage.maximum_filter(grid, 2 * _BOUNDARY + 1, mode="constant")
        return np.asarray(near > 0).reshape(-1)

    def _make_room(self, n: int) -> None:
        more = n - self._labels.size
        if more > 0:
            self._shares = np.pad(self._shares, ((0, more), (0, 0)))
            self._own_share = np.pad(self._own_share, (0, more))
            self._empty = np.pad(self._empty, (0, more))
            self._certain = np.pad(self._certain, (0, more))
            self._labels = np.pad(self._labels, (0, more), constant_values=NOT_CLASSIFIED)
            self._confidence = np.pad(self._confidence, (0, more), constant_values=np.nan)
            self._weights = np.pad(self._weights, ((0, 0), (0, more)))
