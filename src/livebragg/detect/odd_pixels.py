"""Broken pixels of a mean frame, told from spots that may be as small as a pixel."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

_RING = np.array([[1, 1, 1], [1, 0, 1], [1, 1, 1]], bool)

_TIMES_NEIGHBOURS = 2.0
"""A pixel this much brighter than its brightest neighbour, while those are alike, is hot."""

_ALIKE = 0.5
"""Neighbours are alike when the third faintest has this part of the brightest one's counts."""

_ALONE = 0.04
"""A bright pixel whose third brightest neighbour has less than this part of its counts stands alone. The sharpest
recorded spot, 0.4 pixels wide and right in the middle of a pixel, has 0.05."""

_FAINT = 1e-3
"""Light in 3 x 3 pixels below this part of the brightest pixel is stray."""

_DEAD = 0.1
"""A pixel with less than this part of its faintest neighbour's counts is dead, where there is light."""

_LIT = 0.2
"""There is light where the neighbours have this part of the frame's brightness."""


def odd_pixels(mean: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Hot and dead pixels; a lone bright pixel is hot only when the frame has other light.

    Parameters
    ----------
    mean : NDArray[np.float64], shape (frame_rows, frame_cols)
        Counts, averaged over frames.

    Returns
    -------
    NDArray[np.bool_], shape (frame_rows, frame_cols)
    """
    above = mean - np.median(mean)
    dark = above[above <= np.quantile(above, 0.8)]
    noise = max(1.48 * float(np.median(np.abs(above))), float(np.std(dark)), 1e-9)
    faintest, third_faintest, third, brightest = (
        ndimage.rank_filter(above, rank=rank, footprint=_RING, mode="nearest") for rank in (0, 2, -3, -1)
    )
    stands_out = above > np.maximum(8.0 * noise, _TIMES_NEIGHBOURS * brightest)
    hot = stands_out & (third_faintest > _ALIKE * brightest) & (brightest > 8.0 * noise)
    alone = stands_out & (third < np.maximum(_ALONE * above, 3.0 * noise)) & ~hot
    rest = np.where(hot | alone, 0.0, above)
    peak = float(ndimage.uniform_filter(rest, 2).max())
    dead = (faintest > _LIT * peak) & (above < _DEAD * faintest) & (peak > 8.0 * noise)
    return np.asarray(
        hot | dead | (alone if _other_light(rest - float(dark.mean()), float(above.max()), noise) else False)
    )


def _other_light(rest: NDArray[np.float64], highest: float, noise: float) -> bool:
    """Whether something else stands out that is broader than a pixel, and no matter of single electrons."""
    around = 9.0 * float(ndimage.uniform_filter(rest, 3).max())
    return around > max(32.0 * noise, _FAINT * highest)
