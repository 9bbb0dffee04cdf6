"""Intensities at positions that were given, whether there is a disk or not."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from livebragg.errors import FrameError


@dataclass(frozen=True, slots=True, kw_only=True)
class ForcedIntensities:
    """Background-corrected intensities at ``k`` positions of ``n`` frames.

    Parameters
    ----------
    intensity : NDArray[np.float32], shape (n, k)
        Detector counts; negative where there is less than the background. NaN where it cannot be told.
    error : NDArray[np.float32], shape (n, k)
        Its standard error, in detector counts, above 0; NaN where the intensity is.
    usable : NDArray[np.float32], shape (n, k)
        Part of the disk's light on usable pixels, 0 to 1: below a half there is no intensity. 0 for a position
        that is NaN or far outside.
    """

    intensity: NDArray[np.float32]
    error: NDArray[np.float32]
    usable: NDArray[np.float32]

    def __post_init__(self) -> None:
        if not self.intensity.ndim == 2 or not self.intensity.shape == self.error.shape == self.usable.shape:
            raise FrameError(
                f"intensities of shape {self.intensity.shape}, errors of shape {self.error.shape} and usable "
                f"parts of shape {self.usable.shape}; all must be (frames, positions)"
            )

    @property
    def significance(self) -> NDArray[np.float32]:
        """Intensity in units of its error, shape (n, k)."""
        return self.intensity / self.error

    def __len__(self) -> int:
        return int(self.intensity.shape[0])
