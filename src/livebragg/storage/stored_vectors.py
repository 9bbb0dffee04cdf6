"""The Bragg vectors of a scan as a results file keeps them: one record per position seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from livebragg.model import BraggPeaks, DetectedBatch, RadialBatch

PEAK_COLUMNS = {
    "qx": "pixels",
    "qy": "pixels",
    "intensity": "counts",
    "intensity_error": "counts",
    "position_error": "pixels",
}
"""Columns of the disks, with their units."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredVectors:
    """Disks and numbers of some scan positions.

    Parameters
    ----------
    scan_index : NDArray[np.int64], shape (n,)
        Flat, row-major scan position of each record.
    peaks : BraggPeaks
        Disks of the ``n`` positions, in detector pixels.
    direct_beam : NDArray[np.float32], shape (n, 3)
        Measured ``(qx, qy)`` of the direct beam and its standard error, in pixels.
    virtual : NDArray[np.float32], shape (n, len(VIRTUAL_IMAGES))
        Virtual detectors.
    profiles : RadialBatch or None
        Radial profiles of the ``n`` positions.
    """

    scan_index: NDArray[np.int64]
    peaks: BraggPeaks
    direct_beam: NDArray[np.float32]
    virtual: NDArray[np.float32]
    profiles: RadialBatch | None = None

    def __len__(self) -> int:
        return int(self.scan_index.size)

    @classmethod
    def concatenate(cls, batches: Sequence[DetectedBatch | StoredVectors]) -> StoredVectors:
        """Records of one or more batches, in order; profiles are kept if every batch has them."""
        profiles = [b.profiles for b in batches if b.profiles is not None]
        return cls(
            scan_index=np.concatenate([b.scan_index for b in batches]).astype(np.int64, copy=False),
            peaks=BraggPeaks.concatenate([b.peaks for b in batches]),
            direct_beam=np.concatenate([b.direct_beam for b in batches]),
            virtual=np.concatenate([b.virtual for b in batches]),
            profiles=RadialBatch.concatenate(profiles) if len(profiles) == len(batches) else None,
        )

    def in_scan_order(self) -> StoredVectors:
        """Records by rising scan index; of a position that came twice, the first."""
        index, record = np.unique(self.scan_index, return_index=True)
        if index.size == self.scan_index.size and np.array_equal(index, self.scan_index):
            return self
        start = self.peaks.offsets[record]
        count = self.peaks.offsets[record + 1] - start
        offsets = np.concatenate([[0], np.cumsum(count)]).astype(np.int64)
        disk = np.repeat(start - offsets[:-1], count) + np.arange(offsets[-1])
        columns = {name: getattr(self.peaks, name)[disk] for name in PEAK_COLUMNS}
        return StoredVectors(
            scan_index=index,
            peaks=BraggPeaks(**columns, offsets=offsets),
            direct_beam=self.direct_beam[record],
            virtual=self.virtual[record],
            profiles=None if self.profiles is None else self.profiles.take(record),
        )
