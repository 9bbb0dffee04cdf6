"""Bragg peaks: what detection returns, in one set of flat arrays for any number of frames."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from livebragg.errors import FrameError


@dataclass(frozen=True, slots=True, kw_only=True)
class BraggPeaks:
    """Bragg disks found in one frame, or in many frames one after the other.

    Parameters
    ----------
    qx, qy : NDArray[np.float32], shape (n_peaks,)
        Position in detector pixels; ``qx`` runs along axis 0 (rows), ``qy`` along axis 1. The centre of the
        first pixel is at 0.
    intensity : NDArray[np.float32], shape (n_peaks,)
        Background-corrected counts inside the disk.
    intensity_error : NDArray[np.float32], shape (n_peaks,)
        One standard error of `intensity`, in counts.
    position_error : NDArray[np.float32], shape (n_peaks,)
        One standard error of a position along one axis, in pixels.
    offsets : NDArray[np.int64], shape (n_frames + 1,)
        Peaks of frame ``i`` are ``offsets[i]:offsets[i + 1]``.

    Examples
    --------
    >>> import numpy as np
    >>> one = np.ones(3, np.float32)
    >>> peaks = BraggPeaks(qx=one, qy=one, intensity=one, intensity_error=one, position_error=one,
    ...                    offsets=np.array([0, 1, 3]))
    >>> len(peaks), peaks.n_frames, len(peaks.frame(1))
    (3, 2, 2)
    """

    qx: NDArray[np.float32]
    qy: NDArray[np.float32]
    intensity: NDArray[np.float32]
    intensity_error: NDArray[np.float32]
    position_error: NDArray[np.float32]
    offsets: NDArray[np.int64]

    def __post_init__(self) -> None:
        # Made for every frame, so no more Python than it takes.
        shape = self.qx.shape
        alike = shape == self.qy.shape == self.intensity.shape == self.intensity_error.shape
        if not alike or shape != self.position_error.shape or len(shape) != 1:
            sizes = {name: getattr(self, name).shape for name in _COLUMNS}
            raise FrameError(f"the columns of BraggPeaks must be 1-D and of one length, not {sizes}")
        o = self.offsets
        if o.ndim != 1 or o.size < 1 or o[0] != 0 or o[-1] != shape[0] or (o[1:] < o[:-1]).any():
            raise FrameError(f"offsets must rise from 0 to the number of peaks ({self.qx.size}), not {o}")

    def __len__(self) -> int:
        return int(self.qx.size)

    @property
    def n_frames(self) -> int:
        """Number of frames these peaks come from."""
        return int(self.offsets.size - 1)

    def frame(self, index: int) -> BraggPeaks:
        """Peaks of one frame (views, not copies)."""
        start, stop = int(self.offsets[index]), int(self.offsets[index + 1])
        columns = {name: getattr(self, name)[start:stop] for name in _COLUMNS}
        return BraggPeaks(**columns, offsets=np.array([0, stop - start]))

    def take(self, keep: NDArray[np.bool_]) -> BraggPeaks:
        """Peaks of some of the frames."""
        counts = np.diff(self.offsets)
        mine = np.repeat(keep, counts)
        columns = {name: getattr(self, name)[mine] for name in _COLUMNS}
        return BraggPeaks(**columns, offsets=np.concatenate([[0], np.cumsum(counts[keep], dtype=np.int64)]))

    @classmethod
    def empty(cls, n_frames: int = 1) -> BraggPeaks:
        """No peaks in `n_frames` frames."""
        none = np.zeros(0, np.float32)
        return cls(**dict.fromkeys(_COLUMNS, none), offsets=np.zeros(n_frames + 1, np.int64))

    @classmethod
    def concatenate(cls, parts: list[BraggPeaks]) -> BraggPeaks:
        """Peaks of all frames of `parts`, in order."""
        if not parts:
            return cls.empty(0)
        columns = {name: np.concatenate([getattr(p, name) for p in parts]) for name in _COLUMNS}
        counts = np.concatenate([np.diff(p.offsets) for p in parts])
        return cls(**columns, offsets=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64))


_COLUMNS = ("qx", "qy", "intensity", "intensity_error", "position_error")
