"""Radial profiles of frames as plain data."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from livebragg.errors import FrameError


@dataclass(frozen=True, slots=True, kw_only=True)
class RadialBatch:
    """Radial profiles of some scan positions, their Bragg disks left out.

    Parameters
    ----------
    radii : NDArray[np.float32], shape (bins,)
        Middles of the bins, in pixels of the mean radius of an ellipse.
    mean, variance : NDArray[np.float32], shape (n, bins)
        Mean of the pixels in detector counts, and their variance across the bin; NaN where a bin has no pixel.
    pixels : NDArray[np.int32], shape (n, bins)
        Usable pixels that no disk covered.
    """

    radii: NDArray[np.float32]
    mean: NDArray[np.float32]
    variance: NDArray[np.float32]
    pixels: NDArray[np.int32]

    def __post_init__(self) -> None:
        shape = self.mean.shape
        if (
            len(shape) != 2
            or self.radii.shape != shape[1:]
            or not shape == self.variance.shape == self.pixels.shape
        ):
            raise FrameError(
                f"profiles have radii of shape {self.radii.shape}, means of {shape}, variances of "
                f"{self.variance.shape} and pixels of {self.pixels.shape}; all but the radii must be (n, bins)"
            )

    def __len__(self) -> int:
        return int(self.mean.shape[0])

    @classmethod
    def unknown(cls, n: int, radii: NDArray[np.float32]) -> RadialBatch:
        """Profiles of `n` positions of which nothing was measured."""
        shape = (n, radii.size)
        nothing = np.full(shape, np.nan, np.float32)
        return cls(radii=radii, mean=nothing, variance=nothing.copy(), pixels=np.zeros(shape, np.int32))

    @classmethod
    def concatenate(cls, batches: list[RadialBatch]) -> RadialBatch:
        """Profiles of several batches with the same bins, in order."""
        return cls(
            radii=batches[0].radii,
            mean=np.concatenate([b.mean for b in batches]),
            variance=np.concatenate([b.variance for b in batches]),
            pixels=np.concatenate([b.pixels for b in batches]),
        )

    def take(self, which: NDArray[np.generic]) -> RadialBatch:
        """Profiles of some positions, by index or mask."""
        return RadialBatch(
            radii=self.radii, mean=self.mean[which], variance=self.variance[which], pixels=self.pixels[which]
        )
