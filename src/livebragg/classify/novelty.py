"""Which of the unexplained positions agree with one another."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_PAIR_FACTOR = 0.75
_ROUNDS = 5


def coherent_group(residual: NDArray[np.float32], cosine: float, members: int) -> NDArray[np.int64] | None:
    """Find the largest group of rows that resemble their own mean.

    Two positions of one grain share only the disks that were found at both, so single pairs resemble each other
    less than each resembles the mean of many: pairs nominate a seed with a lower limit, the mean decides.

    Parameters
    ----------
    residual : NDArray[np.float32], shape (n, n_columns)
        What the known classes leave unexplained, >= 0.
    cosine : float
        Least cosine of a member with the mean of the group.
    members : int
        Least size of a group.

    Returns
    -------
    NDArray[np.int64] or None
        Rows of the group.
    """
    norm = np.sqrt((residual.astype(np.float64) ** 2).sum(axis=1))
    unit = residual / np.maximum(norm, 1e-12)[:, None].astype(np.float32)
    pairs = unit @ unit.T
    pairs[pairs < _PAIR_FACTOR * cosine] = 0.0
    seed = int(pairs.sum(axis=1).argmax())
    group = np.flatnonzero(pairs[seed])
    for _ in range(_ROUNDS):
        mean = unit[group].mean(axis=0)
        similar = unit @ mean / max(float(np.sqrt((mean**2).sum())), 1e-12)
        new = np.flatnonzero(similar >= cosine)
        if np.array_equal(new, group) or new.size == 0:
            break
        group = new
    return group if group.size >= members else None
