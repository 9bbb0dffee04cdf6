"""How many kinds of smooth patterns there are: groups of positions that differ by more than they vary.

Patterns of one phase vary with thickness, dose and neighbours, evenly; those of two phases have nothing between
them, once the positions at the boundaries are left out. So a group is cut into many cells, and cells are joined
again while the distance of two of them is small against their spread along the line between them. Halves of an
even distribution, however wide, are 3.5 standard deviations apart, halves of a normal distribution 2.6.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from sklearn.cluster import KMeans

_MOST_CELLS = 16
_PER_CELL = 24
"""Positions a cell should have: neighbours share noise, so that a dozen are worth about one."""
_SAMPLE = 4000
_EVEN = 0.6
"""Part of the positions that count as inside a domain: those whose neighbourhood varies least."""


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


def inside_domains(rows: NDArray[np.float32], where: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Positions away from boundaries: all neighbours are of the kind, and the neighbourhood varies little.

    Parameters
    ----------
    rows : NDArray[np.float32], shape (scan_rows, scan_cols, bins)
        Unit rows; anything where `where` is False.
    where : NDArray[np.bool_], shape (scan_rows, scan_cols)
        Positions of the kind.

    Returns
    -------
    NDArray[np.int64], shape (n,)
        Flat positions, at most a few thousand, evenly chosen.
    """
    inside = ndimage.binary_erosion(where, np.ones((3, 3), bool), border_value=1)
    if not inside.any():
        inside = where
    number = ndimage.uniform_filter(where.astype(np.float32), 3, mode="constant")
    near = ndimage.uniform_filter(np.where(where[..., None], rows, 0), (3, 3, 0), mode="constant")
    # The mean of unit rows is shorter the more they differ.
    short = 1.0 - (near**2).sum(axis=-1) / np.maximum(number, 1e-6) ** 2
    candidates = np.flatnonzero(inside)
    if candidates.size:
        flat = short.reshape(-1)[candidates]
        candidates = candidates[flat <= np.quantile(flat, _EVEN)]
    return candidates[:: max(1, -(-candidates.size // _SAMPLE))]


def find_groups(
    rows: NDArray[np.float32], *, separation: float, cosine: float, members: int
) -> list[NDArray[np.int64]]:
    """Groups of rows that are further apart than they are wide.

    Parameters
    ----------
    rows : NDArray[np.float32], shape (n, bins)
        Unit rows.
    separation : float
        Least distance of two groups in standard deviations along the line between them.
    cosine : float
        Groups whose means have a larger cosine are one all the same.
    members : int
        Least number of rows in a group; smaller ones are left out.

    Returns
    -------
    list of NDArray[np.int64]
        Indices of the rows of each group, the largest group first.
    """
    cells = min(_MOST_CELLS, len(rows) // _PER_CELL)
    if cells < 2:
        return [np.arange(len(rows))] if len(rows) >= members else []
    centred = rows - rows.mean(axis=0)
    cell = KMeans(cells, n_init=2, random_state=0).fit(centred).labels_
    groups = [np.flatnonzero(cell == k) for k in range(cells)]
    groups = _joined([g for g in groups if g.size], rows, separation, cosine)
    groups = [g for g in groups if g.size >= members]
    return sorted(groups, key=lambda group: -group.size)


def _joined(
    groups: list[NDArray[np.int64]], rows: NDArray[np.float32], separation: float, cosine: float
) -> list[NDArray[np.int64]]:
    """Join the two least separate groups until all are separate."""
    while len(groups) > 1:
        pairs = [(_distance(rows[a], rows[b], cosine), i, j) for i, a in enumerate(groups) for j, b in
                 enumerate(groups[:i])]  # fmt: skip
        least, i, j = min(pairs)
        if least >= separation:
            break
        groups[j] = np.concatenate([groups[j], groups[i]])
        del groups[i]
    return groups


def _distance(first: NDArray[np.float32], second: NDArray[np.float32], cosine: float) -> float:
    """Distance of the means of two groups in their standard deviations on the line between them; 0 if alike."""
    a, b = first.mean(axis=0), second.mean(axis=0)
    if a @ b > cosine * np.sqrt((a @ a) * (b @ b)):
        return 0.0
    line = (b - a) / np.sqrt(((b - a) ** 2).sum())
    spread = 0.5 * ((first @ line).std() + (second @ line).std())
    return float((b - a) @ line / max(float(spread), 1e-9))
