"""When frames began, as a detector says it: in any order, some twice."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class StartTimes:
    """Collects times of frames.

    Examples
    --------
    >>> times = StartTimes()
    >>> times.add(np.array([3, 1]), np.array([0.3, 0.1]))
    >>> times.add(np.array([1]), np.array([0.1]))
    >>> times.rising()[0].tolist(), len(times)
    ([1, 3], 2)
    """

    def __init__(self) -> None:
        self._parts: list[tuple[NDArray[np.int64], NDArray[np.float64]]] = []

    def __len__(self) -> int:
        return sum(numbers.size for numbers, _ in self._parts)

    def add(self, numbers: NDArray[np.int64], times_s: NDArray[np.float64]) -> None:
        """Take the start times of some frames."""
        if numbers.size:
            self._parts.append((numbers, times_s))

    def rising(self) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Frame numbers, each once and rising, and their times; there must be some."""
        numbers, times = (np.concatenate(parts) for parts in zip(*self._parts, strict=True))
        numbers, first = np.unique(numbers, return_index=True)
        self._parts = [(numbers, times[first])]
        return self._parts[0]
