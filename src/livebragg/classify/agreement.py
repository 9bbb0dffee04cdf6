"""The order parameter of a position as it and its neighbours show it.

Superlattice reflections are weak: at 20,000 electrons per frame those of a position hold some 300, and chance
moves its order by 0.06, more than the order changes from one position to the next. So half-ordered positions were
told by chance, and anew each time more peaks were found beside theirs.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from livebragg.classify.scattering import runs_of

_REACH = 1
"""Neighbours on each side that have a say."""
_WIDTH = 1.0
"""Standard deviation of what they have to say, in scan positions."""
_DEPARTS = 3.0
"""Standard deviations from its neighbourhood beyond which a position is what it shows itself."""
_FEWEST = 30
"""Half-ordered positions from which it is learned how much they scatter."""
_HALF_ORDERED = (0.1, 0.9)
_HALF = 0.5
_ERROR = 0.35
"""Standard error of the mean over a neighbourhood, relative to how much positions scatter."""


class OrderAgreement:
    """Order parameters from which positions are labelled, kept from one update to the next.

    A position that departs from its neighbourhood by more than chance keeps its own; one whose order is not known
    takes its neighbours'. While the scan runs a position changes sides only when it has come further than chance
    reaches; in the end each is on the side that everything known says.

    Parameters
    ----------
    scan_cols : int
        Positions in a scan line.
    """

    def __init__(self, scan_cols: int) -> None:
        self._cols = scan_cols
        self.reset()

    def reset(self) -> None:
        """Forget the scan."""
        self._agreed = np.zeros(0, np.float32)
        self._leader = np.zeros(0, np.int32)
        self._spread = np.inf  # a few lines alone do not tell how much positions scatter
        self._fades = False

    def update(
        self,
        order: NDArray[np.float32],
        leader: NDArray[np.int32],
        positions: NDArray[np.int64] | None = None,
        *,
        final: bool = False,
    ) -> NDArray[np.float32]:
        """Mean order parameter of each position and its neighbours of the same class, shape (n_positions,).

        Parameters
        ----------
        order : NDArray[np.float32], shape (n_positions,)
            0 (disordered) to 1 (ordered); NaN where it is not known, or the class does not fade.
        leader : NDArray[np.int32], shape (n_positions,)
            Component of each position, -1 for none.
        positions : NDArray[np.int64], shape (n,), optional
            Those that are asked for, by default all; others may stay what they were.
        final : bool
            Whatever positions were before.
        """
        more = order.size - self._agreed.size
        self._agreed = np.pad(self._agreed, (0, more), constant_values=np.nan)
        self._leader = np.pad(self._leader, (0, more), constant_values=-1)
        faded, self._fades = self._fades, bool(np.isfinite(order).any())
        if not (faded or self._fades):
            return self._agreed
        n_lines = -(-order.size // self._cols)
        lines = np.arange(n_lines) if positions is None else np.unique(positions // self._cols)
        for first, last in runs_of(lines, 2 * _REACH):
            above, below = max(first - _REACH, 0), min(last + _REACH, n_lines - 1) + 1
            part, here = (slice(a * self._cols, b * self._cols) for a, b in ((above, below), (first, last + 1)))
            before = self._agreed[here]
            if not (np.isfinite(order[part]).any() or np.isfinite(before).any()):
                continue
            own = _grid(order[part], self._cols, np.nan)
            mean = _over_neighbours(own, _grid(leader[part], self._cols, -1))
            scatter = self._spread_of(own, mean)
            agreed = np.where(np.abs(own - mean) > _DEPARTS * scatter, own, mean)[first - above : last + 1 - above]
            now = agreed.reshape(-1)[: before.size]
            if not final and np.isfinite(scatter):
                same = (self._leader[here] == leader[here]) & np.isfinite(before)
                crossed = same & ((before < _HALF) != (now < _HALF))
                now = np.where(crossed & (np.abs(now - _HALF) < _ERROR * scatter), before, now)
            self._agreed[here], self._leader[here] = now, leader[here]
        return self._agreed

    def _spread_of(self, own: NDArray[np.float32], mean: NDArray[np.float32]) -> float:
        """How much positions scatter, as these show it or as the last did that could."""
        scatter = _scatter(own, mean)
        if np.isfinite(scatter):
            self._spread = scatter
        return self._spread


def _grid(values: NDArray[np.float32] | NDArray[np.int32], cols: int, fill: float) -> NDArray[np.float32]:
    """Values by line and column; an unfinished last line is filled up."""
    lines = -(-values.size // cols)
    grid = np.full(lines * cols, fill, np.float32)
    grid[: values.size] = values
    return grid.reshape(lines, cols)


def _over_neighbours(own: NDArray[np.float32], kind: NDArray[np.float32]) -> NDArray[np.float32]:
    """Weighted mean of what is known at each position and beside it in the same class; NaN where nothing is."""
    total, weight = np.zeros(own.shape), np.zeros(own.shape)
    rows, cols = own.shape
    values = np.pad(own, _REACH, constant_values=np.nan)
    kinds = np.pad(kind, _REACH, constant_values=-1)
    for down in range(2 * _REACH + 1):
        for right in range(2 * _REACH + 1):
            there = (slice(down, down + rows), slice(right, right + cols))
            use = (kinds[there] == kind) & (kind >= 0) & np.isfinite(values[there])
            say = np.exp(-0.5 * ((down - _REACH) ** 2 + (right - _REACH) ** 2) / _WIDTH**2)
            total += np.where(use, say * values[there], 0.0)
            weight += say * use
    return np.where(weight > 0, total / np.maximum(weight, 1e-9), np.nan).astype(np.float32)


def _scatter(own: NDArray[np.float32], mean: NDArray[np.float32]) -> float:
    """Standard deviation of half-ordered positions about their neighbourhood; infinite where there are too few."""
    apart = np.abs(own - mean)[(mean > _HALF_ORDERED[0]) & (mean < _HALF_ORDERED[1])]
    apart = apart[np.isfinite(apart)]
    return float(np.median(apart)) / 0.6745 if apart.size >= _FEWEST else np.inf
