"""Sparse feature rows: what each position has at the tracked peaks.

Two witnesses speak for a peak: a disk that was found near it, and the light measured at its place whether a disk
was found or not (`ForcedStore`). Rows lie one after the other in a pool; a row that outgrows its room moves to
the end, and the pool is packed when half of it is empty.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from livebragg.classify.contrast import class_contrast
from livebragg.classify.forced import Catalogue, ForcedStore, Vectors
from livebragg.config.analysis import ClassifyConfig
from livebragg.kernels.feature_rows import ROOT_UNIT, Light, count_entries, fill_rows, pack_rows
from livebragg.kernels.matching import match_disks, paint_owners
from livebragg.model import ForcedIntensities, MapGeometry, TrackedPeaks
from livebragg.model.arrays import ragged, with_room

FEATURE_POWER = {"boolean": 0.0, "intensity": 1.0, "sqrt_intensity": 0.5}
_FAINT = 0.25
"""Light below this part of what the disks found at a peak have does not count as present."""
_ROOM = 1.5
_BLOCK = 8192
_SAMPLE = 50_000
"""Disks from which that is learned."""
_PER_POSITION = ("_start", "_count", "_room", "_seen", "_norm", "_tracked", "_loose", "_shown")
_OVERSAMPLING = 4.0
"""Bins per pixel of the look-up image: a disk's place is rounded to an eighth of a pixel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureView:
    """The present feature rows of all positions.

    Parameters
    ----------
    column : NDArray, shape (n_entries,)
        Feature column of each entry: 16-bit integers while they suffice.
    value : NDArray[np.float32], shape (n_entries,)
        Feature value; the values of a row have unit norm.
    start, count : shape (n_positions,)
        Entries of position ``i`` are ``start[i]:start[i] + count[i]``; count is 0 where there is nothing.
    norm : NDArray[np.float32], shape (n_positions,)
        What each row was divided by.
    tracked, loose : NDArray[np.int32], shape (n_positions,)
        Disks on tracked peaks, and on none; the direct beam is neither.
    shown : NDArray[np.bool_], shape (n_positions,)
        Whether the measured light shows a class, though too few disks may have been found.
    n_columns : int
        Columns so far: peak ids are the columns.
    """

    column: NDArray[np.signedinteger]
    value: NDArray[np.float32]
    start: NDArray[np.int64]
    count: NDArray[np.int32]
    norm: NDArray[np.float32]
    tracked: NDArray[np.int32]
    loose: NDArray[np.int32]
    shown: NDArray[np.bool_]
    n_columns: int

    def crystalline(self, min_peaks: int, rows: NDArray[np.int64] | None = None) -> NDArray[np.bool_]:
        """Positions (or those of `rows`) with at least so many disks on tracked peaks, or with the light of a
        class, and not more disks elsewhere.

        Disks at random azimuths hit tracked peaks of the crystals by chance; that makes no crystal of them.
        """
        which = slice(None) if rows is None else rows
        tracked, loose = self.tracked[which], self.loose[which]
        found = (tracked >= min_peaks) | (self.shown[which] & (self.count[which] >= min_peaks))
        return np.asarray(found & ((loose <= tracked) | (loose < 2 * min_peaks)))

    def dense(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Rows as a dense matrix, shape (n, n_columns)."""
        owner, entries = self._entries(rows)
        out = np.zeros((rows.size, self.n_columns), np.float32)
        out[owner, self.column[entries]] = self.value[entries]
        return out

    def sparse(self, n_positions: int) -> csr_array:
        """All rows as they were before they got unit norm, shape (n_positions, n_columns)."""
        rows = np.arange(min(n_positions, self.count.size))
        owner, entries = self._entries(rows)
        values = self.value[entries] * self.norm[rows][owner]
        return csr_array((values, (owner, self.column[entries])), shape=(n_positions, self.n_columns))

    def _entries(self, rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Place in `rows`, and place in the pool, of each entry."""
        return ragged(self.start[rows], self.count[rows])


class FeatureTable:
    """Feature rows of all positions at the tracked peaks.

    Parameters
    ----------
    geometry : MapGeometry
        Extent about the origin in which peaks are looked up.
    config : ClassifyConfig
        Kind of feature.
    match_radius : float
        Largest distance of a disk from its peak, in pixels.
    center_radius : float
        Disks nearer to the origin are the direct beam, in pixels.
    """

    def __init__(
        self, geometry: MapGeometry, config: ClassifyConfig, *, match_radius: float, center_radius: float
    ) -> None:
        half = [int(np.ceil((n // 2) / geometry.sampling * _OVERSAMPLING)) for n in geometry.shape]
        self._lookup = MapGeometry(shape=(2 * half[0] + 1, 2 * half[1] + 1), sampling=_OVERSAMPLING)
        self.power = FEATURE_POWER[config.feature]
        self._presence = config.presence
        self._contrast = config.contrast
        self._match_radius = match_radius
        self._center_radius = center_radius
        self.reset()

    def reset(self) -> None:
        """Forget all rows."""
        self._owner = np.full(self._lookup.shape, -1, np.int16)
        self._distance = np.zeros(self._lookup.shape, np.float32)
        self._columns = np.zeros(0, np.int32)
        self._n_columns = 0
        self._matched: NDArray[np.signedinteger] = np.full(0, -1, np.int16)
        self._column: NDArray[np.signedinteger] = np.zeros(0, np.int16)
        self._value = np.zeros(0, np.float32)
        self._end = 0
        self._n_positions = 0
        self._start = np.zeros(0, np.int64)
        self._count = np.zeros(0, np.int32)
        self._room = np.zeros(0, np.int32)
        self._seen = np.zeros(0, np.bool_)
        self._norm = np.zeros(0, np.float32)
        self._tracked = np.zeros(0, np.int32)
        self._loose = np.zeros(0, np.int32)
        self._shown = np.zeros(0, np.bool_)
        self._faintest = np.zeros(0, np.int16)
        self.forced = ForcedStore(presence=self._presence)

    def track(self, peaks: TrackedPeaks) -> None:
        """Use these peaks from now on; rows follow when they are next updated."""
        bins = self._lookup.to_bins(peaks.qx, peaks.qy)
        paint_owners(bins, self._match_radius * _OVERSAMPLING, self._owner, self._distance)
        self._columns = peaks.peak_id.copy()
        self._n_columns = max(self._n_columns, int(peaks.peak_id.max(initial=-1)) + 1)
        if self._n_columns > np.iinfo(self._column.dtype).max:
            self._matched, self._column = self._matched.astype(np.int32), self._column.astype(np.int32)
        self.forced.track(peaks)
        self._faintest = np.zeros(0, np.int16)

    def update(
        self,
        vectors: Vectors,
        positions: NDArray[np.int64],
        origins: NDArray[np.float32],
        changing: Callable[[NDArray[np.int64]], None] | None = None,
    ) -> NDArray[np.bool_]:
        """Compute the rows of some positions again; returns which of them changed.

        Parameters
        ----------
        positions : NDArray[np.int64], shape (n,)
            Scan indices that have been seen.
        origins : NDArray[np.float32], shape (n, 2)
            Their origins in detector pixels.
        changing : callable, optional
            Told which positions are about to change, while `view` still shows them as they were.
        """
        self._make_room(vectors)
        n = positions.size
        tracked, loose = np.zeros(n, np.int32), np.zeros(n, np.int32)
        changed = ~self._seen[positions]
        self._seen[positions] = True
        moved = np.zeros(n, np.bool_)
        match_disks(
            vectors.qx,
            vectors.qy,
            vectors.intensity,
            vectors.start[positions],
            vectors.count[positions],
            np.ascontiguousarray(origins, np.float32),
            self._owner,
            _OVERSAMPLING,
            self._center_radius,
            self._columns,
            np.full(self._columns.size, -1, np.int64),
            self._matched,
            tracked,
            loose,
            moved,
        )
        changed |= moved
        self._tracked[positions], self._loose[positions] = tracked, loose
        if changing is not None:
            changing(positions[changed])
        self._write(vectors, positions[changed])
        return changed

    def measure(
        self,
        vectors: Vectors,
        positions: NDArray[np.int64],
        origins: NDArray[np.float32],
        measured: ForcedIntensities,
        catalogue: Catalogue,
        wanted: NDArray[np.bool_] | None = None,
    ) -> None:
        """Take what was measured at the peaks of a catalogue, as `ForcedStore.put` does, and compute the rows of
        these positions again.

        A disk that belongs to no tracked peak makes the peaks beside it unknown. `origins` are those of
        `positions`, as in `update`.
        """
        self.forced.put(positions, measured, catalogue, wanted)
        self.forced.shadow(vectors, self._matched, positions, origins, self._center_radius / 1.5)
        self._write(vectors, positions)

    def judge(
        self,
        vectors: Vectors,
        positions: NDArray[np.int64],
        patterns: NDArray[np.float32],
        changing: Callable[[NDArray[np.int64]], None] | None = None,
    ) -> NDArray[np.int64]:
        """Look where the measured light shows one of the classes; returns the positions where that is news.

        Only there the light is part of the features: a halo or rings of tiny crystals light up many peaks too.

        Parameters
        ----------
        positions : NDArray[np.int64], shape (n,)
            Scan indices that have been seen.
        patterns : NDArray[np.float32], shape (n_classes, n_columns)
            Feature values of each class; columns younger than they are do not count.
        changing : callable, optional
            As in `update`.
        """
        columns = self._columns[self._columns < patterns.shape[1]].astype(np.int64)
        measured = positions[self.forced.stamp[positions] > 0]
        news: list[NDArray[np.int64]] = []
        for first in range(0, measured.size, _BLOCK):
            part = measured[first : first + _BLOCK]
            contrast = class_contrast(self.forced.roots(part, columns), patterns[:, columns])
            shown = contrast.max(axis=1, initial=0.0) >= self._contrast
            news.append(part[shown != self._shown[part]])
        changed = np.concatenate([*news, np.zeros(0, np.int64)])
        if changing is not None:
            changing(changed)
        self._shown[changed] = ~self._shown[changed]
        self._write(vectors, changed)
        return changed

    def _learn_faintest(self, vectors: Vectors) -> None:
        """Light that is next to nothing for its peak, from what the disks found there have.

        Where the frames are bright, the structure of an amorphous background is significant at many peaks, but
        far below what a crystal would have there.
        """
        step = max(1, vectors.qx.size // _SAMPLE)
        column = self._matched[: vectors.qx.size : step]
        root = np.sqrt(np.maximum(vectors.intensity[::step], 0))[column >= 0]
        column = column[column >= 0]
        number = np.maximum(np.bincount(column, minlength=self._n_columns), 1)
        mean = np.bincount(column, root, minlength=self._n_columns) / number
        slots = np.flatnonzero(self.forced.column_of >= 0)
        faintest = np.sqrt(_FAINT) * mean[self.forced.column_of[slots]] / ROOT_UNIT
        self._faintest = np.zeros(self.forced.column_of.size, np.int16)
        self._faintest[slots] = np.minimum(faintest, np.iinfo(np.int16).max)

    @property
    def columns(self) -> NDArray[np.int32]:
        """Columns of the peaks that are tracked now; not to be written to."""
        return self._columns

    @property
    def matched(self) -> NDArray[np.signedinteger]:
        """Feature column of each disk, -1 for none, -2 for the direct beam; not to be written to."""
        return self._matched

    @property
    def view(self) -> FeatureView:
        """The present rows without a copy: they change with the next update, and are not to be written to."""
        n = self._n_positions
        return FeatureView(
            column=self._column,
            value=self._value,
            start=self._start[:n],
            count=self._count[:n],
            norm=self._norm[:n],
            tracked=self._tracked[:n],
            loose=self._loose[:n],
            shown=self._shown[:n],
            n_columns=self._n_columns,
        )

    def _write(self, vectors: Vectors, positions: NDArray[np.int64]) -> None:
        forced, n = self.forced, positions.size
        if self._faintest.size != forced.column_of.size:
            self._learn_faintest(vectors)
        light = Light(
            stored=forced.stored,
            faintest=self._faintest,
            shown=self._shown,
            stamp=forced.stamp,
            version=forced.version,
            slot_of=forced.slot_of,
            column_of=forced.column_of,
        )
        disks = self._matched, vectors.start[positions], vectors.count[positions]
        count, norm = np.zeros(n, np.int32), np.zeros(n, np.float32)
        count_entries(positions, *disks, light, count)
        self._find_room(positions, count)
        start, pool = self._start[positions], (self._column, self._value)
        fill_rows(positions, *disks, light, vectors.intensity, self.power, start, count, *pool, norm)
        self._count[positions], self._norm[positions] = count, norm

    def _find_room(self, positions: NDArray[np.int64], needed: NDArray[np.int32]) -> None:
        """Move the rows that do not fit where they are to the end of the pool."""
        if self._end + int(needed.sum()) > self._column.size:
            self._count[positions] = 0  # they are written anew: nothing of them is worth keeping
            self._pack(int(needed.sum()))
        outgrown = needed > self._room[positions]
        rows, room = positions[outgrown], needed[outgrown]
        total = int(room.sum())
        self._start[rows] = self._end + np.cumsum(room) - room
        self._count[rows] = 0
        self._room[rows] = room
        self._end += total

    def _pack(self, needed: int) -> None:
        """Close the gaps between rows, with room at the end for half as much again."""
        self._end = int(self._count.sum())
        room = int(_ROOM * (self._end + needed))
        column, value = np.empty(room, self._column.dtype), np.empty(room, np.float32)
        start = np.zeros(self._count.size, np.int64)
        pack_rows(self._column, self._value, self._start, self._count, column, value, start)
        self._column, self._value, self._start, self._room = column, value, start, self._count.copy()

    def _make_room(self, vectors: Vectors) -> None:
        self._matched = with_room(self._matched, vectors.qx.size, fill=-1)
        self._n_positions = max(self._n_positions, vectors.count.size)
        for name in _PER_POSITION:
            setattr(self, name, with_room(getattr(self, name), self._n_positions))
        self.forced.make_room(self._n_positions)
