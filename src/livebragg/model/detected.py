"""What a worker knows about a few scan positions once it has seen their frames."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from livebragg.errors import FrameError
from livebragg.model.peaks import BraggPeaks
from livebragg.model.radial import RadialBatch

VIRTUAL_IMAGES = ("bright_field", "annular_dark_field", "total", "com_qx", "com_qy")
"""Columns of `DetectedBatch.virtual`: counts, counts, counts, pixels, pixels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectedBatch:
    """Everything detection found in the frames of some scan positions.

    Parameters
    ----------
    scan_index : NDArray[np.int64], shape (n,)
        Flat, row-major scan position of each frame.
    peaks : BraggPeaks
        Bragg disks in detector pixels, ``n`` frames; the direct beam is among them.
    direct_beam : NDArray[np.float32], shape (n, 3)
        Measured centre ``(qx, qy)`` of the direct beam and its standard error along one axis, in pixels;
        NaN where it was not found.
    virtual : NDArray[np.float32], shape (n, len(VIRTUAL_IMAGES))
        Virtual detectors, in the order of `VIRTUAL_IMAGES`.
    sum_pattern : NDArray[np.float32], shape (frame_rows, frame_cols)
        Sum of the frames.
    profiles : RadialBatch or None
        Radial profiles of the same positions; ``None`` where they are not measured.
    """

    scan_index: NDArray[np.int64]
    peaks: BraggPeaks
    direct_beam: NDArray[np.float32]
    virtual: NDArray[np.float32]
    sum_pattern: NDArray[np.float32]
    profiles: RadialBatch | None = None

    def __post_init__(self) -> None:
        n = self.scan_index.size
        if (
            self.peaks.n_frames != n
            or self.direct_beam.shape != (n, 3)
            or self.virtual.shape != (n, len(VIRTUAL_IMAGES))
        ):
            raise FrameError(
                f"a batch of {n} positions has peaks of {self.peaks.n_frames} frames, direct beams of shape "
                f"{self.direct_beam.shape} and virtual images of shape {self.virtual.shape}"
            )
        if self.profiles is not None and len(self.profiles) != n:
            raise FrameError(f"a batch of {n} positions has radial profiles of {len(self.profiles)}")

    def __len__(self) -> int:
        return int(self.scan_index.size)

    def at(self, scan_index: NDArray[np.int64]) -> DetectedBatch:
        """The same at other positions; what is at a negative one is left out. The frames' sum stays whole."""
        keep = scan_index >= 0
        return DetectedBatch(
            scan_index=scan_index[keep],
            peaks=self.peaks.take(keep),
            direct_beam=self.direct_beam[keep],
            virtual=self.virtual[keep],
            sum_pattern=self.sum_pattern,
            profiles=None if self.profiles is None else self.profiles.take(keep),
        )
