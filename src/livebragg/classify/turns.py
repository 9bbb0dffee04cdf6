"""Work on a few of many in turn, so that its cost does not grow with the scan."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def next_in_turn(rows: NDArray[np.int64], cursor: int, budget: int) -> tuple[NDArray[np.int64], int]:
    """The next `budget` of some rising rows from `cursor` on, beginning again at the end, and the new cursor.

    Examples
    --------
    >>> import numpy as np
    >>> next_in_turn(np.array([2, 3, 5, 8]), 5, 3)
    (array([2, 5, 8]), 3)
    """
    if rows.size == 0:
        return rows, cursor
    take = min(budget, rows.size)
    first = int(np.searchsorted(rows, cursor)) % rows.size
    chosen = np.sort(np.take(rows, np.arange(first, first + take), mode="wrap"))
    return chosen, int(rows[(first + take) % rows.size])
