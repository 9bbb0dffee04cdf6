"""Which positions of a scan lie beside each other."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray


def beside(
    positions: NDArray[np.int64], size: int, cols: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """The eight neighbours of some positions, one direction after the other: which of `positions` have one, and
    where it is, among `size` positions in lines of `cols`.

    Examples
    --------
    >>> sorted(int(n) for _, there in beside(np.array([3]), 6, 3) for n in there)
    [0, 1, 4]
    """
    column = positions % cols
    for down in (-1, 0, 1):
        for right in (-1, 0, 1):
            if down == right == 0:
                continue
            there = positions + down * cols + right
            known = (there >= 0) & (there < size) & (column + right >= 0) & (column + right < cols)
            where = np.flatnonzero(known)
            yield where, there[where]
