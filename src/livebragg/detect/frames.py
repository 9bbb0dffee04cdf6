"""Only arrays that can be frames get to the kernels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from livebragg.errors import FrameError
from livebragg.kernels.load import PIXEL_TYPES


def as_frames(frames: NDArray[np.generic], frame_shape: tuple[int, int]) -> NDArray[np.float32]:
    """Check a stack of frames and turn it into contiguous single precision, the one type kernels are compiled for.

    Counts above 2**24 lose their last bits, far below their noise.

    Raises
    ------
    FrameError
        Wrong shape, or a dtype that holds no counts.
    """
    stack = np.asarray(frames)
    _check(stack, frame_shape)
    with np.errstate(over="ignore"):  # a number beyond single precision is infinite, and counted as odd
        return np.ascontiguousarray(stack, np.float32)


def _check(stack: NDArray[np.generic], frame_shape: tuple[int, int]) -> None:
    if stack.ndim != 3 or stack.shape[1:] != tuple(frame_shape):
        raise FrameError(
            f"frames have shape {stack.shape}; expected (n, {frame_shape[0]}, {frame_shape[1]}): set up the "
            "detector for the frames it gets"
        )
    if stack.dtype.kind not in "uif":
        raise FrameError(f"frames have dtype {stack.dtype}; expected integers or floating-point numbers")


def as_pixels(frames: NDArray[np.generic], frame_shape: tuple[int, int]) -> tuple[NDArray[np.uint8], int]:
    """Check a stack of frames; its bytes, shape (n, frame_rows, bytes of a row), and its number in `PIXEL_TYPES`.

    Frames of these types in this machine's byte order are not copied.

    Raises
    ------
    FrameError
        As in `as_frames`.
    """
    stack = np.asarray(frames)
    if stack.dtype.kind + str(stack.dtype.itemsize) not in PIXEL_TYPES or not stack.dtype.isnative:
        stack = as_frames(stack, frame_shape)
    _check(stack, frame_shape)
    kind = PIXEL_TYPES.index(stack.dtype.kind + str(stack.dtype.itemsize))
    if not (stack.flags.c_contiguous and stack.flags.aligned):
        stack = np.require(stack, requirements=("C", "A"))
    pixels = stack.view(np.uint8)
    pixels.flags.writeable = False  # kernels are compiled for what is read-only, and for that alone
    return pixels, kind
