"""Gain and read noise of the detector, from frames."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from livebragg.detect.frames import as_frames
from livebragg.errors import FrameError
from livebragg.kernels.noise import SEGMENTS, measure_noise


def measure_gain(frames: NDArray[np.generic], offset: float = 0.0) -> tuple[float, float]:
    """Measure how many counts an electron makes.

    Parameters
    ----------
    frames : NDArray, shape (n, frame_rows, frame_cols)
    offset : float
        Counts of a pixel that saw no electron.

    Returns
    -------
    gain : float
        Counts per electron; 1 when it is near 1, or when the frames are too empty to tell.
    read_noise : float
        Standard deviation of a pixel without electrons, in electrons.

    Examples
    --------
    >>> frames = 7 * np.random.default_rng(0).poisson(20.0, (3, 128, 128))
    >>> round(measure_gain(frames)[0])
    7
    """
    stack = np.asarray(frames)
    if stack.ndim != 3 or stack.shape[0] == 0:
        raise FrameError(f"the gain is measured from frames (n, frame_rows, frame_cols), not from {stack.shape}")
    scratch, order = np.zeros((3, SEGMENTS), np.float32), np.zeros(SEGMENTS, np.int32)
    noise = np.empty((stack.shape[0], 2))
    for frame, out in zip(as_frames(stack, stack.shape[1:]), noise, strict=True):
        measure_noise(frame - np.float32(offset), scratch, order, out)
    gain, variance = np.median(noise, axis=0)
    return float(gain), float(np.sqrt(variance))
