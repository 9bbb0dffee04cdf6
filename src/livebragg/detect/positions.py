"""Only arrays that can be positions get to the kernels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from livebragg.errors import FrameError

MOST_POSITIONS = 8192
"""Positions of a frame that are measured together."""


def as_positions(positions: NDArray[np.generic], n_frames: int) -> NDArray[np.float64]:
    """Check positions, and make them (1, k, 2), the same for all frames, or (n, k, 2).

    Raises
    ------
    FrameError
        Wrong shape, too many, or a dtype that holds no positions.
    """
    places = _numbers(positions, "positions")
    if places.ndim == 2:
        places = places[np.newaxis]
    if places.ndim != 3 or places.shape[2] != 2 or (np.ndim(positions) == 3 and places.shape[0] != n_frames):
        raise FrameError(
            f"positions have shape {np.shape(positions)}; expected (k, 2) for all frames or ({n_frames}, k, 2), "
            "rows and columns in pixels"
        )
    if places.shape[1] > MOST_POSITIONS:
        raise FrameError(
            f"{places.shape[1]} positions are more than the {MOST_POSITIONS} that are measured together; "
            "measure them in parts that do not overlap"
        )
    return places


def as_origins(origins: NDArray[np.generic] | None, n_frames: int) -> NDArray[np.float64]:
    """Check the origins of frames; (1, 2) zeros when there are none.

    Raises
    ------
    FrameError
        Wrong shape, or a dtype that holds no positions.
    """
    if origins is None:
        return np.zeros((1, 2))
    places = _numbers(origins, "origins")
    if places.shape != (n_frames, 2):
        raise FrameError(f"origins have shape {places.shape}; expected ({n_frames}, 2): one for each frame")
    return places


def _numbers(values: NDArray[np.generic], name: str) -> NDArray[np.float64]:
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise FrameError(f"{name} are no array ({error}); expected rows and columns in pixels") from error
    if array.dtype.kind not in "uif":
        raise FrameError(f"{name} have dtype {array.dtype}; expected integers or floating-point numbers")
    return np.ascontiguousarray(array, np.float64)
