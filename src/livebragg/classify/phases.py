"""How many kinds of smooth patterns there are: groups of positions that differ by more than they vary.

Patterns of one phase vary with thickness, dose and neighbours, evenly; those of two phases have nothing between
them, once the positions at the boundaries are left out. So a group is cut into many cells, and cells are joined
again while the distance of two of them is small against their spread along the line between them. Halves of an
even distribution, however wide, are 2.9 spreads apart (half of the middle 68 %), halves of a normal one 2.6.
"""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

_MOST_CELLS = 16
_PER_CELL = 24
"""Positions a cell should have: neighbours share noise, so that a dozen are worth about one."""
_SAMPLE = 3000
_DIRECTIONS = 8
"""Principal directions in which groups are looked for; the rest is noise."""
_ROUNDS = 20
_TOGETHER = 4
_LEAST_JUDGES = 3
_UNEVEN = 2.0
"""Variation in the neighbourhood, relative to what is typical, up to which a position is inside a domain."""


def unit_roots(profiles: NDArray[np.float32], area: NDArray[np.float32]) -> NDArray[np.float32]:
    """Square roots of the counts of each profile, of unit length: free of dose, and of even noise.

    The root of a Poisson count has the standard deviation 1/2 whatever the count; the cosine of two such rows
    is the Bhattacharyya coefficient of the profiles.

    Parameters
    ----------
    profiles : NDArray[np.float32], shape (n, bins)
        Counts per pixel.
    area : NDArray[np.float32], shape (bins,)
        Typical pixels in each bin.
    """
    roots = np.sqrt(np.maximum(profiles, 0.0) * area)
    return np.asarray(roots / np.maximum(np.linalg.norm(roots, axis=1, keepdims=True), 1e-12), np.float32)


def coarser(profiles: NDArray[np.float32], area: NDArray[np.float32]) -> NDArray[np.float32]:
    """Counts of a few neighbouring bins together, enough to see a boundary, for a fraction of the time."""
    starts = np.arange(0, profiles.shape[1], _TOGETHER)
    return np.add.reduceat(profiles * area, starts, axis=1)


def inside_domains(
    rows: NDArray[np.float32], where: NDArray[np.bool_], counts: NDArray[np.float32], reach: int = 1
) -> NDArray[np.int64]:
    """Positions away from boundaries: all neighbours are of the kind, and the neighbourhood varies little.

    Parameters
    ----------
    rows : NDArray[np.float32], shape (scan_rows, scan_cols, bins)
        Unit rows; anything where `where` is False.
    where : NDArray[np.bool_], shape (scan_rows, scan_cols)
        Positions of the kind.
    counts : NDArray[np.float32], shape (scan_rows, scan_cols)
        Counts behind each row: what few counts vary by chance is no boundary.
    reach : int
        Neighbours on each side that must be of the kind, as far as any position has so many.

    Returns
    -------
    NDArray[np.int64], shape (n,)
        Flat positions, at most a few thousand, evenly chosen.
    """
    inside = where
    for _ in range(reach):
        deeper = ndimage.binary_erosion(inside, np.ones((3, 3), bool), border_value=1)
        if not deeper.any():
            break
        inside = deeper
    number = ndimage.uniform_filter(where.astype(np.float32), 3, mode="constant")
    near = ndimage.uniform_filter(np.where(where[..., None], rows, 0), (3, 3, 0), mode="constant")
    # The mean of unit rows is shorter the more they differ.
    short = 1.0 - (near**2).sum(axis=-1) / np.maximum(number, 1e-6) ** 2
    candidates = np.flatnonzero(inside)
    if candidates.size:
        flat = (short * counts).reshape(-1)[candidates]
        candidates = candidates[flat <= _UNEVEN * np.median(flat)]
    return candidates[:: max(1, -(-candidates.size // _SAMPLE))]


def find_groups(
    rows: NDArray[np.float32],
    judge: NDArray[np.bool_],
    *,
    separation: float,
    cosine: float,
    members: int,
    noise: float = 0.0,
    together: float = 1.0,
    near: NDArray[np.int64] | None = None,
) -> list[NDArray[np.int64]]:
    """Groups of rows that are further apart than they are wide.

    Parameters
    ----------
    rows : NDArray[np.float32], shape (n, bins)
        Unit rows.
    judge : NDArray[np.bool_], shape (n,)
        Rows that judge the groups which the others propose; their noise should not be that of the others.
    separation : float
        Least distance of two groups in standard deviations along the line between them.
    cosine : float
        Groups whose means have a larger cosine are one all the same.
    members : int
        Least number of rows in a group; smaller ones are left out.
    noise : float
        Standard error of a row along any line. No group is narrower: neighbours that share their noise look alike.
    together : float
        Rows that share their noise.
    near : NDArray[np.int64], shape (n, k), optional
        Rows of neighbouring positions, the row itself where there is none. What lies beside another group is a
        mixture with it, and does not judge whether the two are apart.

    Returns
    -------
    list of NDArray[np.int64]
        Indices of the rows of each group, the largest group first.
    """
    cells = min(_MOST_CELLS, len(rows) // _PER_CELL)
    if cells < 2:
        return [np.arange(len(rows))] if len(rows) >= members else []
    near = np.arange(len(rows))[:, None] if near is None else near
    cell = _cells(_main_directions(rows), judge, cells)
    groups = [np.flatnonzero(cell == k) for k in range(cells)]
    groups = _joined([g for g in groups if g.size], rows, judge, near, separation, cosine, noise, together)
    if len(groups) > 1:  # what differs within a group shows only when the others are out of sight
        again = partial(
            find_groups,
            separation=separation,
            cosine=cosine,
            members=members,
            noise=noise,
            together=together,
        )
        groups = [g[part] for g in groups for part in again(rows[g], judge[g], near=_among(near, g))]
    groups = [g for g in groups if g.size >= members]
    return sorted(groups, key=lambda group: -group.size)


def _main_directions(rows: NDArray[np.float32]) -> NDArray[np.float64]:
    centred = rows.astype(np.float64) - rows.mean(axis=0)
    _, axes = np.linalg.eigh(centred.T @ centred)
    return np.asarray(centred @ axes[:, -_DIRECTIONS:])


def _cells(everything: NDArray[np.float64], judge: NDArray[np.bool_], count: int) -> NDArray[np.int64]:
    """Number of the cell of each point: k-means on those that propose, from points far from one another."""
    points = everything[~judge] if 2 * count <= np.count_nonzero(~judge) else everything
    centres = points[[int((points**2).sum(axis=1).argmin())]]
    nearest = ((points - centres[0]) ** 2).sum(axis=1)
    for _ in range(count - 1):
        centres = np.vstack([centres, points[int(nearest.argmax())]])
        nearest = np.minimum(nearest, ((points - centres[-1]) ** 2).sum(axis=1))
    cell = np.zeros(len(points), np.int64)
    for _ in range(_ROUNDS):
        distance = (centres**2).sum(axis=1) - 2 * points @ centres.T
        before, cell = cell, distance.argmin(axis=1)
        if np.array_equal(before, cell):
            break
        sums = np.stack([np.bincount(cell, column, count) for column in points.T], axis=1)
        number = np.bincount(cell, minlength=count)[:, None]
        centres = np.where(number > 0, sums / np.maximum(number, 1), centres)
    distance = (centres**2).sum(axis=1) - 2 * everything @ centres.T
    return np.asarray(distance.argmin(axis=1))


def _joined(
    groups: list[NDArray[np.int64]],
    rows: NDArray[np.float32],
    judge: NDArray[np.bool_],
    near: NDArray[np.int64],
    separation: float,
    cosine: float,
    noise: float,
    together: float,
) -> list[NDArray[np.int64]]:
    """Join the two least separate groups until all are separate."""
    sums = np.array([rows[group].sum(axis=0) for group in groups], np.float64)
    number = np.zeros(len(rows), np.int64)
    for k, group in enumerate(groups):
        number[group] = k

    def judges(own: int, other: int) -> NDArray[np.int64]:
        """Rows of one group that judge: those that are not beside the other group, if these are worth a few
        independent ones; all, if they are fewer; none, if the group is nowhere wider than a boundary."""
        all_of_them = groups[own][judge[groups[own]]]
        apart = all_of_them[~(number[near[all_of_them]] == other).any(axis=1)]
        return all_of_them if _LEAST_JUDGES <= apart.size < _LEAST_JUDGES * together else apart

    def distance(i: int, j: int) -> float:
        """Between the medians, in spreads on the line between the means; below 0 if alike, or too small to say,
        and the lower the more alike."""
        one, other = sums[i], sums[j]
        alike = float(one @ other / np.sqrt((one @ one) * (other @ other)))
        # Noise alone keeps two means apart, the more the fewer independent rows are in them.
        by_chance = rows.shape[1] * noise**2 / 2 * sum(min(1.0, together / groups[k].size) for k in (i, j))
        if alike + by_chance > cosine:
            return -alike
        line = (other / groups[j].size - one / groups[i].size).astype(np.float32)
        line /= np.sqrt((line**2).sum())
        low, high = rows[judges(i, j)] @ line, rows[judges(j, i)] @ line
        if min(low.size, high.size) < _LEAST_JUDGES:
            return -alike
        return float(np.median(high) - np.median(low)) / max(0.5 * (_spread(low) + _spread(high)), noise, 1e-12)

    n = len(groups)
    apart = np.full((n, n), np.inf)
    for i in range(n):
        for j in range(i):
            apart[i, j] = distance(i, j)
    while apart.min(initial=np.inf) < separation:
        i, j = (int(k) for k in np.unravel_index(apart.argmin(), apart.shape))
        groups[j] = np.concatenate([groups[j], groups[i]])
        number[groups[i]] = j
        sums[j] += sums[i]
        groups[i] = groups[i][:0]
        apart[i], apart[:, i] = np.inf, np.inf
        for k in range(n):
            if k != j and groups[k].size:
                apart[max(j, k), min(j, k)] = distance(max(j, k), min(j, k))
    return [group for group in groups if group.size]


def _among(near: NDArray[np.int64], part: NDArray[np.int64]) -> NDArray[np.int64]:
    """The neighbours of some rows among themselves."""
    own = np.arange(part.size)
    place = np.full(len(near), -1)
    place[part] = own
    there = place[near[part]]
    return np.where(there >= 0, there, own[:, None])


def _spread(values: NDArray[np.float32]) -> float:
    """Half of the middle 68 %, a standard deviation that a few strangers do not change."""
    low, high = np.quantile(values, [0.16, 0.84])
    return 0.5 * float(high - low)
