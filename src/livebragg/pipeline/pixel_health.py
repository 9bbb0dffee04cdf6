"""Pixels a detector says not to use: those of its mask, and those without data in a frame."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from livebragg.errors import FrameError
from livebragg.model import Acquisition, unpack_mask

SURE_FRAMES = 16
"""A pixel without data in this many frames, the first ones, is never looked at."""


class PixelHealth:
    """The mask of one acquisition, completed by what its first frames show.

    A detector that sends no mask still marks its gaps: pixels without data have a value above the largest count.

    Attributes
    ----------
    bad : NDArray[np.bool_], shape (frame_rows, frame_cols)
        Pixels that are never to be used.
    revision : int
        Grows when `bad` changes.
    """

    def __init__(self, acquisition: Acquisition) -> None:
        try:
            self.bad = unpack_mask(acquisition.bad_pixels, acquisition.frame_shape)
        except FrameError:  # refused by intake, which tells the operator
            self.bad = np.zeros(acquisition.frame_shape, bool)
        self.revision = 0
        self._highest = acquisition.highest_count
        if self._highest is not None and not _can_exceed(acquisition.dtype, self._highest):
            self._highest = None
        self._always = np.ones(acquisition.frame_shape, bool)
        self._seen = 0

    def clean(self, frames: NDArray[Any]) -> NDArray[Any]:
        """Frames in which bad pixels are 0 and pixels without data are NaN; the same frames if there are none.

        Parameters
        ----------
        frames : NDArray, shape (n, frame_rows, frame_cols)
            Of the acquisition's pixel type, and not used again by the caller. Sums of frames (floating point) are
            returned as they are: the largest count is one of single frames.
        """
        if self._highest is None or frames.shape[0] == 0 or frames.dtype.kind == "f":
            return frames
        if self._seen < SURE_FRAMES:
            self._learn(frames, self._highest)
        if frames.max() <= self._highest:
            return frames
        frames = frames.copy()
        frames[:, self.bad] = 0
        empty = frames > self._highest
        if not empty.any():
            return frames
        frames = frames.astype(np.float32)  # the type that has a value for it
        frames[empty] = np.nan
        return frames

    def _learn(self, frames: NDArray[Any], highest: int) -> None:
        self._always &= frames.min(axis=0) > highest
        self._seen += frames.shape[0]
        if self._seen >= SURE_FRAMES and (self._always & ~self.bad).any():
            self.bad = self.bad | self._always
            self.revision += 1


def _can_exceed(dtype: str, highest: int) -> bool:
    return np.dtype(dtype).kind in "iu" and highest < np.iinfo(dtype).max
