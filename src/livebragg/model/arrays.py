"""Arrays that grow, and ragged ones: shared by everything that keeps a scan of unknown length."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T", bound=np.generic)

_GROWTH = 1.5


def with_room(values: NDArray[T], needed: int, fill: float = 0, axis: int = 0) -> NDArray[T]:
    """The array itself if it has so many entries along an axis, else a copy with half as many again as it had.

    So the cost of growing by a line at a time stays proportional to the length.

    Examples
    --------
    >>> import numpy as np
    >>> with_room(np.array([1, 2]), 3, fill=-1).tolist(), with_room(np.ones((2, 1)), 9).shape
    ([1, 2, -1], (9, 1))
    """
    have = values.shape[axis]
    if needed <= have:
        return values
    shape = list(values.shape)
    shape[axis] = max(needed, int(_GROWTH * have))
    # Room of zeros takes no memory until it is used.
    grown = np.full(shape, fill, values.dtype) if fill else np.zeros(shape, values.dtype)
    kept = [slice(None)] * values.ndim
    kept[axis] = slice(have)
    grown[tuple(kept)] = values
    return grown


def ragged(start: NDArray[np.int64], count: NDArray[np.integer]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Row and place of every entry of ragged rows that lie at ``start[i]:start[i] + count[i]``.

    Examples
    --------
    >>> import numpy as np
    >>> row, place = ragged(np.array([5, 0]), np.array([2, 1]))
    >>> row.tolist(), place.tolist()
    ([0, 0, 1], [5, 6, 0])
    """
    ends = np.cumsum(count, dtype=np.int64)
    row = np.repeat(np.arange(start.size), count)
    return row, np.arange(row.size) + (start - ends + count)[row]
