"""Where the beam is when a stop hides it: the point about which the disks of a frame lie in pairs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

_TOLERANCE = 0.75
"""Middles of pairs nearer than this, in pixels, agree."""
_FEWEST = 4
"""Pairs that must agree: two or three do so by chance."""
_PAIRED = 0.4
"""Part of the disks that must be in these pairs: tiny crystals have pairs by chance, too."""
_ROUNDS = 3
_MOST = 128
"""Disks that are looked at: more would hardly place it better, and pairs grow with their square."""


def friedel_center(disks: NDArray[np.floating], near: tuple[float, float], reach: float) -> NDArray[np.float32]:
    """Point about which most disks have an opposite one.

    Between two reflections of a crystal lie others, or the middle between two: all are centres of some pairs, and
    the undiffracted beam that of most.

    Parameters
    ----------
    disks : NDArray, shape (n, 2)
        Places of the disks of one frame, in pixels, the brightest first: more than 128 are not looked at.
    near : tuple of float
        About where the beam is.
    reach : float
        How far from there it may be, in pixels.

    Returns
    -------
    NDArray[np.float32], shape (3,)
        The point and its standard error along one axis; NaN where too few pairs agree.

    Examples
    --------
    >>> half = np.array([[10.0, 0.0], [0.0, 11.0], [9.0, 9.0], [12.0, -7.0]])
    >>> friedel_center(np.concatenate([half, -half]) + 30.0, (28.0, 31.0), 8.0)[:2].tolist()
    [30.0, 30.0]
    """
    places = np.asarray(disks, np.float64)[:_MOST]
    first, second = np.triu_indices(len(places), 1)
    middle = (places[first] + places[second]) / 2
    far = np.hypot(*(middle - near).T)
    middle, far = middle[far <= reach], far[far <= reach]
    least = max(_FEWEST, _PAIRED * len(places) / 2)
    if len(middle) < least:
        return np.full(3, np.nan, np.float32)
    agree = cKDTree(middle).query_ball_point(middle, _TOLERANCE, return_length=True)
    likely = np.exp(-0.5 * (far / reach) ** 2)  # of two points with about as many pairs it is the nearer one
    center = middle[(likely * agree).argmax()]
    for _ in range(_ROUNDS):
        pairs = middle[np.hypot(*(middle - center).T) <= _TOLERANCE]
        center = pairs.mean(axis=0)
    if len(pairs) < least:
        return np.full(3, np.nan, np.float32)
    error = np.sqrt(pairs.var(axis=0).mean() / (len(pairs) - 1))
    return np.array([*center, error], np.float32)
