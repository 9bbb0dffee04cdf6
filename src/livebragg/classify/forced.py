"""Light measured at every tracked peak of every position, and which of it is still current."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from livebragg.kernels.feature_rows import ROOT_UNIT, UNKNOWN, shadow_forced, store_forced
from livebragg.model import ForcedIntensities, TrackedPeaks
from livebragg.model.arrays import ragged, with_room

_MOVED = 0.5
"""A peak that moved further than this since it was measured, in pixels, is measured again."""
_SURE_PLACE = 0.4
"""Standard error of a disk's place, in pixels, up to which it is known to belong to no peak."""


class Vectors(Protocol):
    """Disks of a scan by position, as a vector store shows them."""

    @property
    def qx(self) -> NDArray[np.float32]: ...
    @property
    def qy(self) -> NDArray[np.float32]: ...
    @property
    def intensity(self) -> NDArray[np.float32]: ...
    @property
    def start(self) -> NDArray[np.int64]: ...
    @property
    def count(self) -> NDArray[np.int32]: ...
    def place_error(self, disks: NDArray[np.int64]) -> NDArray[np.float32]: ...


class Catalogue(NamedTuple):
    """Which peaks are tracked, where, and since when: measuring takes time, and the peaks may change meanwhile."""

    version: int
    slots: NDArray[np.int64]
    places: NDArray[np.float32]
    """Where to measure, shape (n_peaks, 2), relative to the origin in pixels."""


class ForcedStore:
    """Intensities at the tracked peaks, two bytes each, with exact bookkeeping.

    The catalogue of peaks has a version that rises whenever a peak is new or has moved. Every slot remembers the
    version at which its peak last changed, every position the version with which it was measured; a value is
    current when the position's is not older.

    Parameters
    ----------
    n_positions : int
        Positions so far; `make_room` adds more.
    presence : float
        Standard errors from which light is significant.

    Examples
    --------
    >>> from livebragg.model import TrackedPeaks
    >>> one, zero = np.ones(1, np.float32), np.zeros(1, np.float32)
    >>> peaks = TrackedPeaks(peak_id=np.array([7], np.int32), qx=9 * one, qy=zero, support=one,
    ...                      significance=one, covariance=np.zeros((1, 2, 2), np.float32))
    >>> store = ForcedStore(3)
    >>> store.track(peaks)
    >>> store.stale(np.arange(3)).tolist()
    [0, 1, 2]
    >>> value = np.array([[25.0]], np.float32)
    >>> light = ForcedIntensities(intensity=value, error=value / 5, usable=value / 25)
    >>> store.put(np.array([1]), light, store.catalogue)
    >>> store.stale(np.arange(3)).tolist(), store.intensity(7).tolist()
    ([0, 2], [nan, 25.0, nan])
    """

    def __init__(self, n_positions: int = 0, presence: float = 0.0) -> None:
        self._n_positions = n_positions
        self._presence = presence
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self._version = 0
        self._place = np.zeros((0, 2), np.float32)
        self._order = np.zeros(0, np.int64)
        self.column_of = np.zeros(0, np.int32)
        self.slot_of = np.zeros(0, np.int32)
        self.version = np.zeros(0, np.int32)
        self.stamp = np.zeros(self._n_positions, np.int32)
        self._gone = np.zeros(self._n_positions, np.bool_)
        self.stored = np.zeros((self._n_positions, 0), np.int16)

    @property
    def places(self) -> NDArray[np.float32]:
        """Where to measure, shape (n_peaks, 2), relative to the origin in pixels."""
        return self._place[self._order]

    @property
    def catalogue(self) -> Catalogue:
        """The peaks as they are now."""
        return Catalogue(self._version, self._order, self.places)

    def make_room(self, n_positions: int) -> None:
        """Know at least so many positions."""
        self.stamp, self._gone = with_room(self.stamp, n_positions), with_room(self._gone, n_positions)
        self.stored = with_room(self.stored, n_positions)

    def track(self, peaks: TrackedPeaks) -> None:
        """Take these peaks as the catalogue; slots of those that are gone are used again."""
        self._free(np.setdiff1d(self.column_of[self.column_of >= 0], peaks.peak_id))
        self._add_columns(int(peaks.peak_id.max(initial=-1)) + 1)
        new = peaks.peak_id[self.slot_of[peaks.peak_id] < 0]
        self._give_slots(new)
        slots = self.slot_of[peaks.peak_id]
        place = np.stack([peaks.qx, peaks.qy], axis=1)
        moved = ~(np.hypot(*(place - self._place[slots]).T) <= _MOVED)
        if moved.any():
            self._version += 1
            self.version[slots[moved]] = self._version
            self._place[slots[moved]] = place[moved]
        self._order = slots.astype(np.int64)

    def stale(self, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        """Those of the positions for which some peak was not measured, unless their frames are gone."""
        newest = self.version[self._order].max(initial=0)
        return np.asarray(positions[(self.stamp[positions] < newest) & ~self._gone[positions]])

    def lacking(self, positions: NDArray[np.int64]) -> NDArray[np.float32]:
        """Part of the peaks whose light is not known at each of the positions, or is not current."""
        versions = np.sort(self.version[self._order])
        known = np.searchsorted(versions, self.stamp[positions], side="right")
        return (1 - known / max(versions.size, 1)).astype(np.float32)

    def lacking_light(
        self, positions: NDArray[np.int64], leader: NDArray[np.int64], patterns: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Part of the light of its own class that is not known at each of the positions, or is not current.

        Parameters
        ----------
        leader : NDArray[np.int64], shape (n,)
            Row of `patterns` that each position shows, -1 for none: there all peaks count alike.
        patterns : NDArray[np.float32], shape (n_classes, n_columns)
            Feature values of each class.
        """
        lacks = self.lacking(positions)
        columns = self.column_of[self._order]
        versions = self.version[self._order]
        order = np.argsort(versions, kind="stable")
        order = order[columns[order] < patterns.shape[1]]
        for kind in np.unique(leader[leader >= 0]):
            light = np.append(0.0, np.cumsum(patterns[kind, columns[order]] ** 2))
            where = leader == kind
            known = light[np.searchsorted(versions[order], self.stamp[positions[where]], side="right")]
            lacks[where] = 1 - known / max(light[-1], 1e-9)
        return lacks

    def wanted(self, positions: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which peaks of the catalogue to measure at each of some positions, shape (n, k): those whose light is
        not known, and those that shine, since they share their light with those beside them. Where a peak is known
        to be dark, measuring it again would tell nothing new."""
        stale = self.version[self._order] > self.stamp[positions][:, None]
        stored = self.stored[np.ix_(positions, self._order)]
        return np.asarray(stale | (stored == UNKNOWN) | (stored & 1 == 1))

    def put(
        self,
        positions: NDArray[np.int64],
        measured: ForcedIntensities,
        catalogue: Catalogue,
        wanted: NDArray[np.bool_] | None = None,
    ) -> None:
        """Take what was measured for some positions at the peaks of a catalogue, which may be an earlier one:
        where the peaks have changed since, that is not current.

        By default everything is new; else what is not `wanted`, shape (n, k), stays what it was.
        """
        if wanted is None:
            wanted = np.ones(measured.intensity.shape, np.bool_)
        # Parts of larger arrays look different to the compiler from whole ones.
        light = np.ascontiguousarray(measured.intensity), np.ascontiguousarray(measured.error)
        store_forced(*light, positions, catalogue.slots, wanted, self._presence, self.stored)
        self.stamp[positions] = catalogue.version

    def shadow(
        self,
        vectors: Vectors,
        column: NDArray[np.signedinteger],
        positions: NDArray[np.int64],
        origins: NDArray[np.float32],
        radius: float,
    ) -> None:
        """Call unknown what disks without a column (-1) light up within `radius` pixels.

        Disks whose place is not sure, as at low doses, may belong to the peaks beside them, and are left out.
        `origins` (n, 2) are those of `positions`.
        """
        row, disk = ragged(vectors.start[positions], vectors.count[positions])
        alone = column[disk] == -1
        row, disk = row[alone], disk[alone]
        sure = vectors.place_error(disk) <= _SURE_PLACE
        row, disk = row[sure], disk[sure]
        place = np.stack([vectors.qx[disk], vectors.qy[disk]], axis=1) - origins[row]
        shadow_forced(positions[row], place, self._order, self.places, radius, self.stored)

    def give_up(self, positions: NDArray[np.int64]) -> None:
        """Do not ask for these positions again: there are no frames of them."""
        self._gone[positions] = True

    def intensity(self, peak_id: int) -> NDArray[np.float32]:
        """Dark-field signal of one peak at every position in counts; NaN where it is not current."""
        slot = self.slot_of[peak_id] if 0 <= peak_id < self.slot_of.size else -1
        if slot < 0:
            return np.full(self.stamp.size, np.nan, np.float32)
        current = (self.stamp >= self.version[slot]) & (self.stored[:, slot] != UNKNOWN)
        root = (self.stored[:, slot] >> 1).astype(np.float32) * ROOT_UNIT
        return np.where(current, np.sign(root) * root**2, np.nan).astype(np.float32)

    def current(self, positions: NDArray[np.int64], columns: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which values of some positions and peaks are measured and up to date, shape (n, k)."""
        slots = self.slot_of[columns]
        there = (self.stamp[positions][:, None] >= self.version[slots]) & (slots >= 0)
        return np.asarray(there & (self.stored[np.ix_(positions, slots)] != UNKNOWN))

    def roots(self, positions: NDArray[np.int64], columns: NDArray[np.int64]) -> NDArray[np.float32]:
        """Signed square roots of the intensities of some positions and peaks, shape (n, k); NaN: not current."""
        value = (self.stored[np.ix_(positions, self.slot_of[columns])] >> 1).astype(np.float32) * ROOT_UNIT
        return np.where(self.current(positions, columns), value, np.nan).astype(np.float32)

    def _free(self, columns: NDArray[np.int32]) -> None:
        self.column_of[self.slot_of[columns]] = -1
        self.slot_of[columns] = -1

    def _add_columns(self, n_columns: int) -> None:
        extra = n_columns - self.slot_of.size
        if extra > 0:
            self.slot_of = np.concatenate([self.slot_of, np.full(extra, -1, np.int32)])

    def _give_slots(self, columns: NDArray[np.int32]) -> None:
        free = np.flatnonzero(self.column_of < 0)
        if free.size < columns.size:
            self._add_slots(max(columns.size - free.size, 32))
            free = np.flatnonzero(self.column_of < 0)
        slots = free[: columns.size]
        self.column_of[slots] = columns
        self.slot_of[columns] = slots
        self._place[slots] = np.nan

    def _add_slots(self, extra: int) -> None:
        self.column_of = np.concatenate([self.column_of, np.full(extra, -1, np.int32)])
        self.version = np.pad(self.version, (0, extra))
        self._place = np.pad(self._place, ((0, extra), (0, 0)))
        end = int(np.flatnonzero(self.stamp).max(initial=-1)) + 1  # what was never written takes no memory
        stored = np.zeros((len(self.stored), self.column_of.size), np.int16)
        stored[:end, :-extra] = self.stored[:end]
        self.stored = stored
