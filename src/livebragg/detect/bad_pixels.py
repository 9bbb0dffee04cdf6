"""Pixels that are never looked at."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from livebragg.errors import ConfigError


def bad_pixel_mask(pixels: tuple[tuple[int, int], ...], frame_shape: tuple[int, int]) -> NDArray[np.bool_] | None:
    """Mask that is True at the listed pixels, ``None`` for an empty list.

    Raises
    ------
    ConfigError
        A pixel lies outside the frame.
    """
    if not pixels:
        return None
    mask = np.zeros(frame_shape, bool)
    for row, col in pixels:
        if not (0 <= row < frame_shape[0] and 0 <= col < frame_shape[1]):
            raise ConfigError(
                f"detection.bad_pixels holds ({row}, {col}), outside frames of {frame_shape} pixels; remove it"
            )
        mask[row, col] = True
    return mask
