"""Radial profiles of a whole scan, kept so that classes can be found again and regions can be asked for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from livebragg.accumulate.rings import without_gaps
from livebragg.errors import FrameError
from livebragg.model import RadialBatch
from livebragg.model.arrays import with_room
from livebragg.model.half import packed, unpacked

_MANY = 60_000
"""Pixels of a ring from which its count may not fit two bytes."""
_BLOCK = 8192
"""Positions taken at a time: a region may be the whole of a large scan."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionProfile:
    """Radial profile of a set of positions.

    Parameters
    ----------
    radii : NDArray[np.float32], shape (bins,)
        Middles of the bins in pixels.
    mean : NDArray[np.float32], shape (bins,)
        Mean of all their pixels, counts; NaN where there is none.
    variance : NDArray[np.float32], shape (bins,)
        Variance within a frame, the mean over frames (as in fluctuation electron microscopy), counts squared.
    pixels : NDArray[np.int64], shape (bins,)
        Pixels in each mean.
    n_positions : int
        Positions with a profile.
    """

    radii: NDArray[np.float32]
    mean: NDArray[np.float32]
    variance: NDArray[np.float32]
    pixels: NDArray[np.int64]
    n_positions: int


class ProfileStore:
    """Profiles by scan index; the first profile of a position counts.

    Memory is 6 bytes per bin and position (288 bytes at 48 bins: 0.3 GB for 1024 x 1024 positions), taken as
    positions arrive, not before: means and variances are kept to 0.1 %, less than the counting error of a ring
    below a million electrons.

    Examples
    --------
    >>> import numpy as np
    >>> one = np.ones((2, 3), np.float32)
    >>> batch = RadialBatch(radii=one[0], mean=one, variance=0 * one, pixels=np.full((2, 3), 4, np.int32))
    >>> store = ProfileStore(n_positions=5)
    >>> store.update(np.array([1, 4]), batch)
    >>> store.region(np.array([0, 1, 2])).pixels.tolist(), store.region(np.array([0, 1, 2])).n_positions
    ([4, 4, 4], 1)
    """

    def __init__(self, n_positions: int) -> None:
        self._n_positions = n_positions
        self.reset()

    def reset(self) -> None:
        """Forget everything, also which bins there are."""
        self.radii = np.zeros(0, np.float32)
        self._known = np.zeros(self._n_positions, np.bool_)
        self._mean = np.zeros((self._n_positions, 0), np.float16)
        self._variance, self._pixels = self._mean, np.zeros((self._n_positions, 0), np.uint16)

    def update(self, scan_index: NDArray[np.int64], profiles: RadialBatch) -> None:
        """Keep the profiles of some positions.

        Raises
        ------
        FrameError
            Other bins than those of the profiles before.
        """
        if self.radii.size == 0:
            self.radii = profiles.radii.copy()
            shape = (self._known.size, self.radii.size)
            self._mean, self._variance = np.zeros(shape, np.float16), np.zeros(shape, np.float16)
            self._pixels = np.zeros(shape, _pixel_type(self.radii))
        elif not np.array_equal(self.radii, profiles.radii):
            raise FrameError(
                f"profiles with {profiles.radii.size} bins follow some with {self.radii.size}; all must have the "
                "same bins"
            )
        self._make_room(int(scan_index.max(initial=-1)) + 1)
        new = ~self._known[scan_index]
        index = scan_index[new]
        self._mean[index], self._variance[index] = packed(profiles.mean[new]), packed(profiles.variance[new])
        self._pixels[index], self._known[index] = profiles.pixels[new], True

    def at(self, scan_index: NDArray[np.int64]) -> RadialBatch:
        """Profiles of some positions, copied; without pixels where there is none, also beyond those seen."""
        self._make_room(int(scan_index.max(initial=-1)) + 1)
        return RadialBatch(
            radii=self.radii,
            mean=unpacked(self._mean[scan_index]),
            variance=unpacked(self._variance[scan_index]),
            pixels=self._pixels[scan_index].astype(np.int32),
        )

    def region(self, scan_index: NDArray[np.int64]) -> RegionProfile:
        """Profile of some positions together; those without one are left out."""
        index = scan_index[scan_index < self._known.size]
        index = index[self._known[index]]
        pixels = np.zeros(self.radii.size, np.int64)
        total, spread = np.zeros(self.radii.size), np.zeros(self.radii.size)
        for first in range(0, index.size, _BLOCK):
            block = self.at(index[first : first + _BLOCK])
            counts = block.pixels.astype(np.float64)
            pixels += block.pixels.sum(axis=0, dtype=np.int64)
            total += (np.nan_to_num(block.mean) * counts).sum(axis=0)
            spread += (np.nan_to_num(block.variance) * counts).sum(axis=0)
        with np.errstate(invalid="ignore", divide="ignore"):
            mean, variance = total / pixels, spread / pixels
        return RegionProfile(
            radii=self.radii.copy(),
            mean=mean.astype(np.float32),
            variance=variance.astype(np.float32),
            pixels=pixels,
            n_positions=int(index.size),
        )

    def weighted(self, pixels: NDArray[np.float64]) -> NDArray[np.float32]:
        """Counts of every position in so many pixels of each bin, shape (n_positions,), as if no disk covered
        them; NaN where there is no profile."""
        out = np.full(self._known.size, np.nan, np.float32)
        index = np.flatnonzero(self._known)
        for first in range(0, index.size, _BLOCK):
            block = index[first : first + _BLOCK]
            out[block] = without_gaps(unpacked(self._mean[block])) @ pixels
        return out

    def _make_room(self, needed: int) -> None:
        self._known, self._pixels = with_room(self._known, needed), with_room(self._pixels, needed)
        self._mean, self._variance = with_room(self._mean, needed), with_room(self._variance, needed)


def _pixel_type(radii: NDArray[np.float32]) -> type[np.unsignedinteger]:
    """What holds the pixels of the largest ring."""
    largest = 2 * np.pi * float(radii.max()) * float(np.diff(radii).max(initial=0.0))
    return np.uint16 if 0 < largest < _MANY else np.uint32
