"""The Bragg vectors of a whole scan, kept so that everything downstream can be done again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from livebragg.errors import FrameError
from livebragg.model import BraggPeaks
from livebragg.model.arrays import with_room
from livebragg.model.half import packed, unpacked

T = TypeVar("T", bound=np.generic)

_COLUMNS = ("qx", "qy", "intensity")
_ERRORS = ("intensity_error", "position_error")


@dataclass(frozen=True, slots=True, kw_only=True)
class VectorView:
    """Read-only look at a `VectorStore`: flat disks, and where those of each position lie.

    Parameters
    ----------
    qx, qy, intensity : NDArray[np.float32], shape (n_disks,)
        Disks of all positions in order of arrival; positions in detector pixels, intensities in counts.
    intensity_error, position_error : NDArray[np.float16], shape (n_disks,)
        Their errors as `livebragg.model.half.packed` has them.
    start : NDArray[np.int64], shape (n_positions,)
        First disk of each scan index.
    count : NDArray[np.int32], shape (n_positions,)
        Disks of each scan index, -1 where it was not seen.
    """

    qx: NDArray[np.float32]
    qy: NDArray[np.float32]
    intensity: NDArray[np.float32]
    intensity_error: NDArray[np.float16]
    position_error: NDArray[np.float16]
    start: NDArray[np.int64]
    count: NDArray[np.int32]

    def peaks(self, scan_index: NDArray[np.int64]) -> BraggPeaks:
        """Disks of some positions that were seen, copied."""
        start, count = self.start[scan_index], self.count[scan_index]
        offsets = np.concatenate([[0], np.cumsum(count, dtype=np.int64)])
        disks = np.arange(offsets[-1]) + np.repeat(start - offsets[:-1], count)
        columns = {name: getattr(self, name)[disks] for name in _COLUMNS}
        errors = {name: unpacked(getattr(self, name)[disks]) for name in _ERRORS}
        return BraggPeaks(**columns, **errors, offsets=offsets)

    def place_error(self, disks: NDArray[np.int64]) -> NDArray[np.float32]:
        """Position errors of some disks, in pixels."""
        return unpacked(self.position_error[disks])


class VectorStore:
    """Ragged, append-only store of disks by scan index.

    Positions come in any order and only once: later copies are ignored and counted. Memory is 16 bytes per
    disk and 20 per position: errors are kept to 0.1 %. Room for growth takes none until it is used.

    Parameters
    ----------
    n_positions : int
        Positions of the scan.
    open_ended : bool
        Accept positions beyond `n_positions` (a scan whose number of rows is unknown).

    Examples
    --------
    >>> import numpy as np
    >>> store = VectorStore(4)
    >>> store.update(np.array([2, 2]), BraggPeaks.empty(2)).tolist(), store.duplicates, store.n_seen
    ([True, False], 1, 1)
    """

    def __init__(self, n_positions: int, *, open_ended: bool = False) -> None:
        self._n_positions = n_positions
        self._open_ended = open_ended
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self._columns = {name: np.zeros(1024, np.float32) for name in _COLUMNS}
        self._errors = {name: np.zeros(1024, np.float16) for name in _ERRORS}
        self._n_disks = 0
        self._start = np.zeros(self._n_positions, np.int64)
        self._count = np.full(self._n_positions, -1, np.int32)
        self._arrived = np.zeros(1024, np.int64)
        self._end = self._n_positions
        self.duplicates = 0
        self.n_seen = 0

    @property
    def n_positions(self) -> int:
        """Positions of the scan; more than announced once an open-ended scan went on."""
        return self._end

    @property
    def n_disks(self) -> int:
        """Disks in the store."""
        return self._n_disks

    def update(self, scan_index: NDArray[np.int64], peaks: BraggPeaks) -> NDArray[np.bool_]:
        """Take the disks of some positions; returns which of them were new.

        Raises
        ------
        FrameError
            If an index lies outside the scan.
        """
        self._make_room(scan_index)
        _, first = np.unique(scan_index, return_index=True)
        new = np.zeros(scan_index.size, np.bool_)
        new[first] = True
        new &= self._count[scan_index] < 0
        self.duplicates += int(scan_index.size - new.sum())
        counts = np.diff(peaks.offsets)
        if new.all():
            self._append(peaks, slice(None))
        else:
            self._append(peaks, np.repeat(new, counts))
        taken = counts[new]
        ends = self._n_disks - int(taken.sum()) + np.cumsum(taken)
        self._start[scan_index[new]] = ends - taken
        self._count[scan_index[new]] = taken
        end = self.n_seen + taken.size
        self._arrived = with_room(self._arrived, end)
        self._arrived[self.n_seen : end] = scan_index[new]
        self.n_seen = end
        return new

    def peaks_at(self, scan_index: int) -> BraggPeaks:
        """Disks of one position; none where it was not seen."""
        if not 0 <= scan_index < self._count.size or self._count[scan_index] <= 0:
            return BraggPeaks.empty()
        start = int(self._start[scan_index])
        stop = start + int(self._count[scan_index])
        columns = {name: column[start:stop] for name, column in self._columns.items()}
        errors = {name: unpacked(column[start:stop]) for name, column in self._errors.items()}
        return BraggPeaks(**columns, **errors, offsets=np.array([0, stop - start]))

    @property
    def arrived(self) -> NDArray[np.int64]:
        """Positions that have been seen in order of arrival, shape (n_seen,); read-only."""
        return _frozen(self._arrived[: self.n_seen])

    @property
    def view(self) -> VectorView:
        """The present content without any copy, read-only: to be used before more is appended."""
        disks: dict[str, Any] = self._columns | self._errors
        return VectorView(
            **{name: _frozen(values[: self._n_disks]) for name, values in disks.items()},
            start=_frozen(self._start[: self._end]),
            count=_frozen(self._count[: self._end]),
        )

    def _append(self, peaks: BraggPeaks, wanted: slice | NDArray[np.bool_]) -> None:
        first = self._n_disks
        self._n_disks += peaks.qx[wanted].size
        for name in _COLUMNS:  # one after the other: both sizes of only one are in memory at a time
            self._columns[name] = with_room(self._columns[name], self._n_disks)
            self._columns[name][first : self._n_disks] = getattr(peaks, name)[wanted]
        for name in _ERRORS:
            self._errors[name] = with_room(self._errors[name], self._n_disks)
            self._errors[name][first : self._n_disks] = packed(getattr(peaks, name)[wanted])

    def _make_room(self, scan_index: NDArray[np.int64]) -> None:
        if scan_index.size == 0:
            return
        lowest, highest = int(scan_index.min()), int(scan_index.max())
        if lowest < 0 or (highest >= self.n_positions and not self._open_ended):
            raise FrameError(
                f"scan indices {lowest}..{highest} do not fit a scan of {self.n_positions} positions: drop "
                f"fly-back frames first, or open the scan as one of unknown length"
            )
        self._end = max(self._end, highest + 1)
        self._start = with_room(self._start, self._end)
        self._count = with_room(self._count, self._end, fill=-1)


def _frozen(values: NDArray[T]) -> NDArray[T]:
    view = values.view()
    view.flags.writeable = False
    return view
