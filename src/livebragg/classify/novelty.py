"""Which of the unexplained positions agree with one another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_PAIR_FACTOR = 0.75
_ROUNDS = 5
_FEW_COLUMNS = 2.5
"""One faint disk that is found or not makes two kinds of positions, but not two grains."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Division:
    """Rows of one class as two kinds.

    Parameters
    ----------
    second : NDArray[np.bool_], shape (n,)
        Which rows belong to the second kind.
    separation : float
        Distance of the two means in standard deviations of either, as the rows see it that did not propose them.
    cosine : float
        Between the two means.
    columns : float
        How many columns carry the difference.
    """

    second: NDArray[np.bool_]
    separation: float
    cosine: float
    columns: float


def divided(rows: NDArray[np.float32], members: int) -> Division | None:
    """Divide rows in two, as far apart as they lie; ``None`` where one kind would have fewer than `members`.

    One half of the rows proposes two means, the other half judges them, so that noise in many dimensions cannot
    look like two kinds. Projected on the line between the means, a normal distribution cut in its middle has
    its halves 2.6, a uniform one (a crystal that bends evenly) 3.5 standard deviations apart; two grains more.

    Parameters
    ----------
    rows : NDArray[np.float32], shape (n, n_columns)
        Feature rows of unit norm.
    members : int
        Least size of either kind.
    """
    if len(rows) < max(2 * members, 2):
        return None
    means = _two_means(rows[::2])
    direction = means[1] - means[0]
    length = float(np.sqrt((direction**2).sum()))
    if length == 0:
        return None
    middle = float((means.mean(axis=0) @ direction) / length)
    second = rows @ direction / length > middle
    judges = rows[1::2] @ direction / length
    low, high = judges[judges <= middle], judges[judges > middle]
    if min(low.size, high.size) < max(members // 2, 2) or min(second.sum(), (~second).sum()) < members:
        return None
    spread = np.sqrt((low.var() * low.size + high.var() * high.size) / judges.size)
    return Division(
        second=second,
        separation=float((high.mean() - low.mean()) / max(float(spread), 1e-6)),
        cosine=_cosine(means[0], means[1]),
        columns=_columns_involved(direction),
    )


def two_groups(
    rows: NDArray[np.float32], separation: float, cosine: float, members: int
) -> NDArray[np.bool_] | None:
    """Tell whether rows of one class are really two kinds; returns which belong to the second.

    Parameters
    ----------
    rows, members
        As for `divided`.
    separation : float
        Least distance of the two means in standard deviations of either.
    cosine : float
        Largest cosine between the means.
    """
    found = divided(rows, members)
    if found is None or found.cosine > cosine or found.columns < _FEW_COLUMNS:
        return None
    return found.second if found.separation > separation else None


def separation_of(first: NDArray[np.float32], second: NDArray[np.float32]) -> float:
    """Distance of two groups of rows on the line between their means, in standard deviations of either.

    Every other row of each group proposes the line, the rest judge.
    """
    direction = second[::2].mean(axis=0) - first[::2].mean(axis=0)
    low, high = first[1::2] @ direction, second[1::2] @ direction
    spread = np.sqrt((low.var() * low.size + high.var() * high.size) / (low.size + high.size))
    return float((high.mean() - low.mean()) / max(float(spread), 1e-9))


def joining_cost(
    first: NDArray[np.integer], second: NDArray[np.integer], cosine: NDArray[np.floating]
) -> NDArray[np.float64]:
    """What two kinds of positions lose when they become one (Ward's criterion): the sum of squared distances from
    their means grows by this.

    Parameters
    ----------
    first, second : NDArray[np.integer]
        Positions of each kind.
    cosine : NDArray[np.floating]
        Between their mean patterns, of unit length.
    """
    both = np.maximum(first + second, 1)
    return np.asarray(2.0 * (1.0 - cosine) * (first * second / both), np.float64)


def coherence(first: NDArray[np.int64], second: NDArray[np.int64]) -> float:
    """How much neighbours along the scan line go to the same of two groups: 0 by chance, 1 always (Cohen's kappa).

    Domains of a specimen are coherent; which disks happen to be found is not.
    """
    both = np.concatenate([first, second])
    group = np.repeat([0, 1], [first.size, second.size])
    order = np.argsort(both)
    adjacent = np.diff(both[order]) == 1
    here, following = group[order][:-1][adjacent], group[order][1:][adjacent]
    if here.size == 0:
        return 0.0
    p, q = here.mean(), following.mean()
    chance = p * q + (1 - p) * (1 - q)
    return float(((here == following).mean() - chance) / max(1 - chance, 1e-9))


def _two_means(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Means of two groups, started along the direction of largest variance."""
    centred = rows - rows.mean(axis=0)
    axis = centred[int((centred**2).sum(axis=1).argmax())]
    for _ in range(_ROUNDS * 3):
        axis = centred.T @ (centred @ axis)
        axis = axis / max(float(np.sqrt((axis**2).sum())), 1e-12)
    second = centred @ axis > 0
    for _ in range(_ROUNDS):
        if second.all() or not second.any():
            break
        means = np.stack([rows[~second].mean(axis=0), rows[second].mean(axis=0)])
        direction = means[1] - means[0]
        second = rows @ direction > means.mean(axis=0) @ direction
    if second.all() or not second.any():
        return np.stack([rows.mean(axis=0)] * 2)
    return np.stack([rows[~second].mean(axis=0), rows[second].mean(axis=0)])


def _columns_involved(direction: NDArray[np.float32]) -> float:
    """How many columns carry a direction (its participation ratio)."""
    square = direction.astype(np.float64) ** 2
    return float(square.sum() ** 2 / (square**2).sum())


def _cosine(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    return float(a @ b / max(float(np.sqrt((a @ a) * (b @ b))), 1e-12))
