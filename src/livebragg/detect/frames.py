"""Only arrays that can be frames get to the kernels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from livebragg.errors import FrameError


def as_frames(frames: NDArray[np.generic], frame_shape: tuple[int, int]) -> NDArray[np.generic]:
    """Check a stack of frames and make it contiguous and of native byte order; copies only if it must.

    Raises
    ------
    FrameError
        Wrong shape, or a dtype that holds no counts.
    """
    stack = np.asarray(frames)
    if stack.ndim != 3 or stack.shape[1:] != tuple(frame_shape):
        raise FrameError(
            f"frames have shape {stack.shape}; expected (n, {frame_shape[0]}, {frame_shape[1]}): set up the "
            "detector for the frames it gets"
        )
    if stack.dtype.kind not in "uif":
        raise FrameError(f"frames have dtype {stack.dtype}; expected integers or floating-point numbers")
    dtype = stack.dtype.newbyteorder("=")
    if dtype.kind == "f" and dtype.itemsize not in (4, 8):
        dtype = np.dtype(np.float64 if dtype.itemsize > 8 else np.float32)
    return np.ascontiguousarray(stack, dtype)
