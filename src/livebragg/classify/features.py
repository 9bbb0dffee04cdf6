"""Sparse feature rows: what each position has at the tracked peaks.

Rows are not stored apart from the disks: every disk knows its column (or that it has none), so a row is the
slice of its position's disks, and nothing is copied when peaks come and go.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from livebragg.config.analysis import ClassifyConfig
from livebragg.kernels.matching import feature_rows, match_disks, paint_owners
from livebragg.model import MapGeometry, TrackedPeaks

T = TypeVar("T", bound=np.generic)

FEATURE_POWER = {"boolean": 0.0, "intensity": 1.0, "sqrt_intensity": 0.5}
_OVERSAMPLING = 4.0
"""Bins per pixel of the look-up image: a disk's place is rounded to an eighth of a pixel."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureView:
    """The present feature rows of all positions.

    Parameters
    ----------
    column : NDArray[np.int32], shape (n_disks,)
        Feature column of each disk; negative for disks that are no feature.
    value : NDArray[np.float32], shape (n_disks,)
        Feature value; the values of a row have unit norm.
    start, count : shape (n_positions,)
        Disks of position ``i`` are ``start[i]:start[i] + count[i]``; count is 0 where nothing was seen.
    norm : NDArray[np.float32], shape (n_positions,)
        What each row was divided by.
    tracked, loose : NDArray[np.int32], shape (n_positions,)
        Disks on tracked peaks, and on none; the direct beam is neither.
    n_columns : int
        Columns so far: peak ids are the columns.
    """

    column: NDArray[np.int32]
    value: NDArray[np.float32]
    start: NDArray[np.int64]
    count: NDArray[np.int32]
    norm: NDArray[np.float32]
    tracked: NDArray[np.int32]
    loose: NDArray[np.int32]
    n_columns: int

    def crystalline(self, min_peaks: int) -> NDArray[np.bool_]:
        """Positions with at least so many disks on tracked peaks, and not more disks elsewhere.

        Disks at random azimuths hit tracked peaks of the crystals by chance; that makes no crystal of them.
        """
        return (self.tracked >= min_peaks) & ((self.loose <= self.tracked) | (self.loose < 2 * min_peaks))

    def dense(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Rows as a dense matrix, shape (n, n_columns)."""
        owner, disks = self._feature_disks(rows)
        out = np.zeros((rows.size, self.n_columns), np.float32)
        out[owner, self.column[disks]] = self.value[disks]
        return out

    def sparse(self, n_positions: int) -> csr_array:
        """All rows as they were before they got unit norm, shape (n_positions, n_columns)."""
        rows = np.arange(min(n_positions, self.count.size))
        owner, disks = self._feature_disks(rows)
        values = self.value[disks] * self.norm[rows][owner]
        return csr_array((values, (owner, self.column[disks])), shape=(n_positions, self.n_columns))

    def _feature_disks(self, rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Place in `rows` and number of each disk that is a feature."""
        counts = self.count[rows]
        owner = np.repeat(np.arange(rows.size), counts)
        within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        disks = np.repeat(self.start[rows], counts) + within
        used = self.column[disks] >= 0
        return owner[used], disks[used]


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
        self._power = FEATURE_POWER[config.feature]
        self._match_radius = match_radius
        self._center_radius = center_radius
        self.reset()

    def reset(self) -> None:
        """Forget all rows."""
        self._owner = np.full(self._lookup.shape, -1, np.int16)
        self._distance = np.zeros(self._lookup.shape, np.float32)
        self._columns = np.zeros(0, np.int32)
        self._n_columns = 0
        self._column = np.zeros(0, np.int32)
        self._value = np.zeros(0, np.float32)
        self._start = np.zeros(0, np.int64)
        self._count = np.zeros(0, np.int32)
        self._norm = np.zeros(0, np.float32)
        self._tracked = np.zeros(0, np.int32)
        self._loose = np.zeros(0, np.int32)

    def track(self, peaks: TrackedPeaks) -> None:
        """Use these peaks from now on; rows follow when they are next updated."""
        bins = self._lookup.to_bins(peaks.qx, peaks.qy)
        paint_owners(bins, self._match_radius * _OVERSAMPLING, self._owner, self._distance)
        self._columns = peaks.peak_id.copy()
        self._n_columns = max(self._n_columns, int(peaks.peak_id.max(initial=-1)) + 1)

    def update(
        self, vectors: Vectors, positions: NDArray[np.int64], origins: NDArray[np.float32]
    ) -> NDArray[np.bool_]:
        """Compute the rows of some positions again; returns which of them changed.

        Parameters
        ----------
        positions : NDArray[np.int64], shape (n,)
            Scan indices that have been seen.
        origins : NDArray[np.float32], shape (n, 2)
            Their origins in detector pixels.
        """
        self._make_room(vectors)
        n = positions.size
        start, count = vectors.start[positions], vectors.count[positions]
        tracked, loose = np.zeros(n, np.int32), np.zeros(n, np.int32)
        changed = np.equal(self._count[positions], 0)
        self._start[positions], self._count[positions] = start, count
        moved = np.zeros(n, np.bool_)
        match_disks(
            vectors.qx,
            vectors.qy,
            vectors.intensity,
            start,
            count,
            np.ascontiguousarray(origins, np.float32),
            self._owner,
            _OVERSAMPLING,
            self._center_radius,
            self._columns,
            np.full(self._columns.size, -1, np.int64),
            self._column,
            tracked,
            loose,
            moved,
        )
        changed |= moved
        self._tracked[positions], self._loose[positions] = tracked, loose
        self._scale(vectors, positions[changed])
        return changed

    def snapshot(self) -> FeatureView:
        """Copy of the present rows."""
        return copy.deepcopy(self.view)

    @property
    def view(self) -> FeatureView:
        """The present rows without a copy: they change with the next update, and are not to be written to."""
        return FeatureView(
            column=self._column,
            value=self._value,
            start=self._start,
            count=self._count,
            norm=self._norm,
            tracked=self._tracked,
            loose=self._loose,
            n_columns=self._n_columns,
        )

    def _scale(self, vectors: Vectors, positions: NDArray[np.int64]) -> None:
        norm = np.zeros(positions.size, np.float32)
        feature_rows(
            vectors.intensity,
            self._column,
            vectors.start[positions],
            vectors.count[positions],
            self._power,
            self._value,
            norm,
        )
        self._norm[positions] = norm

    def _make_room(self, vectors: Vectors) -> None:
        n_disks, n_positions = vectors.qx.size, vectors.count.size
        if n_disks > self._column.size:
            room = max(n_disks, 2 * self._column.size)
            self._column = _grown(self._column, room, -1)
            self._value = _grown(self._value, room, 0)
        if n_positions > self._count.size:
            self._start = _grown(self._start, n_positions, 0)
            self._count = _grown(self._count, n_positions, 0)
            self._norm = _grown(self._norm, n_positions, 0)
            self._tracked = _grown(self._tracked, n_positions, 0)
            self._loose = _grown(self._loose, n_positions, 0)


def _grown(values: NDArray[T], room: int, fill: int) -> NDArray[T]:
    grown = np.full(room, fill, values.dtype)
    grown[: values.size] = values
    return grown
