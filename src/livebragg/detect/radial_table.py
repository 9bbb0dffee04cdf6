"""From centre, ellipse and radii to the lists of where circles leave the columns of a folded frame."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from livebragg.errors import ConfigError
from livebragg.kernels.radial_table import PHASES, RadialTable

_MOST_BINS = 4096
"""More bins than any detector has pixels along a radius; guards against a bin width in other units."""

_MOST_SHIFT = 128
"""Largest shift, in pixels: the table of pixel counts grows with its square."""

_FLATTEST = 1e-3
"""Smallest ratio of the axes of an ellipse."""


def ellipse_matrix(ratio: float, angle: float) -> NDArray[np.float64]:
    """Matrix that turns elliptical rings into circles.

    Parameters
    ----------
    ratio : float
        Long axis of the rings over the short one.
    angle : float
        Direction of the long axis, in radians from the row axis towards the column axis.

    Returns
    -------
    NDArray[np.float64], shape (2, 2)
        Symmetric, of unit determinant. A ring of half axes ``a, b`` gets the radius ``sqrt(a * b)``.

    Raises
    ------
    ConfigError
        `ratio` is not above 0, or not finite.
    """
    if not (0.0 < ratio < math.inf and math.isfinite(angle)):
        raise ConfigError(
            f"the ellipse's axis ratio is {ratio} and its angle {angle}; the ratio must be above 0 and both finite"
        )
    cosine, sine = math.cos(angle), math.sin(angle)
    axes = np.array([[cosine, sine], [-sine, cosine]])
    return np.asarray(axes.T @ np.diag([ratio**-0.5, ratio**0.5]) @ axes)


def build_radial_table(
    frame_shape: tuple[int, int],
    center: tuple[float, float],
    ellipse: NDArray[np.float64] | None,
    edges: NDArray[np.float64],
    max_shift: int,
) -> RadialTable:
    """Find where the circles of the bins leave the columns of the half plane, for every phase of the centre.

    Parameters
    ----------
    edges : NDArray[np.float64], shape (bins + 1,)
        Evenly spaced, in pixels; a pixel on an edge belongs to the outer bin.
    """
    matrix = unit_matrix(ellipse)
    # Pixels of the largest circle along each axis; no more than any pixel of the frame can be from the centre.
    extent = edges[-1] * np.linalg.norm(np.linalg.inv(matrix), axis=1)
    rows, reach = (
        min(math.ceil(float(far)), size + max_shift) + 1 for far, size in zip(extent, frame_shape, strict=True)
    )
    halves = [(i / PHASES, j / PHASES) for i in range(PHASES) for j in range(PHASES)]
    rings = [_ring_numbers(rows, reach, half, matrix, edges) for half in halves]
    lists = [_crossings(ring, edges.size) for ring in rings]
    begins = np.cumsum([0] + [column.size for column, _, _ in lists])
    return RadialTable(
        column=np.concatenate([column for column, _, _ in lists]).astype(np.uint32),
        within=np.concatenate([within for _, within, _ in lists]).astype(np.uint32),
        starts=np.stack([starts + begin for (_, _, starts), begin in zip(lists, begins[:-1], strict=True)]),
        spans=np.stack([_spans(ring < edges.size) for ring in rings]),
        reach=reach,
        center=np.array(center, np.float64),
        max_shift=float(max_shift),
    )


def unit_matrix(ellipse: NDArray[np.float64] | None) -> NDArray[np.float64]:
    """Check a 2 x 2 matrix and scale it to unit determinant; ``None`` is a circle.

    Raises
    ------
    ConfigError
        Another shape, a number that is not finite, or a matrix that (nearly) has no inverse.
    """
    matrix = np.eye(2) if ellipse is None else np.array(ellipse, np.float64)
    if matrix.shape != (2, 2) or not np.isfinite(matrix).all():
        raise ConfigError(
            f"the ellipse is {matrix.tolist()}; it must be a 2 x 2 matrix of finite numbers, see ellipse_matrix"
        )
    large, small = np.linalg.svd(matrix, compute_uv=False)
    if not small > _FLATTEST * large:
        raise ConfigError(
            f"the ellipse's matrix {matrix.tolist()} has axes {large} and {small}; their ratio must be above "
            f"{_FLATTEST}: use ellipse_matrix(ratio, angle)"
        )
    return np.asarray(matrix / math.sqrt(large * small))


def bin_edges(
    frame_shape: tuple[int, int], center: tuple[float, float], bin_width: float, inner: float, outer: float | None
) -> NDArray[np.float64]:
    """Edges of the bins; the last bin may reach beyond `outer`, by default the farthest edge of the frame.

    Raises
    ------
    ConfigError
        Width or radii that make no bins, or too many.
    """
    far = max(max(c, size - 1 - c) for c, size in zip(center, frame_shape, strict=True)) + 0.5
    end = far if outer is None else float(outer)
    if not (0.0 < bin_width < math.inf and 0.0 <= inner < end < math.inf):
        raise ConfigError(
            f"bin_width is {bin_width}, inner_radius {inner} and outer_radius {end}; the width must be above 0 "
            "and 0 <= inner_radius < outer_radius, all finite numbers of pixels"
        )
    if end - inner > _MOST_BINS * bin_width:
        raise ConfigError(
            f"bin_width {bin_width} makes {(end - inner) / bin_width:.4g} bins between radii {inner} and {end}; "
            f"at most {_MOST_BINS} are kept: give it in pixels, or choose a smaller outer_radius"
        )
    bins = max(math.ceil((end - inner) / bin_width - 1e-9), 1)
    return np.asarray(inner + bin_width * np.arange(bins + 1))


def check_shift(max_shift: int) -> int:
    """Whole number of pixels the centre may wander.

    Raises
    ------
    ConfigError
        Negative, not whole, or more than the tables are made for.
    """
    if not (0 <= max_shift <= _MOST_SHIFT and int(max_shift) == max_shift):
        raise ConfigError(f"max_shift is {max_shift}; it must be a whole number of pixels from 0 to {_MOST_SHIFT}")
    return int(max_shift)


def _ring_numbers(
    rows: int,
    reach: int,
    half: tuple[float, float],
    matrix: NDArray[np.float64],
    edges: NDArray[np.float64],
) -> NDArray[np.int64]:
    """Circles that each pixel of the half plane lies outside of, or on: 0 within all, ``edges.size`` beyond."""
    down, right = np.arange(rows)[:, np.newaxis] + half[0], np.arange(-reach, reach + 1) - half[1]
    radius = np.hypot(matrix[0, 0] * down + matrix[0, 1] * right, matrix[1, 0] * down + matrix[1, 1] * right)
    return np.asarray(np.searchsorted(edges, radius, side="right"))


def _crossings(
    rings: NDArray[np.int64], n_circles: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Columns and circles of the lists of `RadialTable`, and where each row begins in them."""
    below = np.concatenate([rings[1:], np.full_like(rings[:1], n_circles)])
    row, column = np.nonzero(rings != below)
    inner, outer = np.minimum(rings, below)[row, column], np.maximum(rings, below)[row, column]
    entered = (rings > below)[row, column]
    number = outer - inner
    each = np.repeat(np.arange(number.size), number)  # a step may cross several circles
    within = (inner - np.cumsum(number) + number)[each] + np.arange(each.size) + n_circles * entered[each]
    row, column = row[each], column[each]
    order = np.lexsort((within, _turn(row, within), row))
    return column[order], within[order], np.searchsorted(row, np.arange(len(rings) + 1))


def _turn(row: NDArray[np.int64], within: NDArray[np.int64]) -> NDArray[np.int64]:
    """How often the same circle has come before in the same row.

    With all first ones first, additions to one sum lie apart and need not wait for each other.
    """
    order = np.lexsort((within, row))
    new = np.ones(order.size, np.bool_)
    new[1:] = (np.diff(row[order]) != 0) | (np.diff(within[order]) != 0)
    place = np.arange(order.size)
    turn = np.empty_like(place)
    turn[order] = place - np.maximum.accumulate(np.where(new, place, 0))
    return turn


def _spans(inside: NDArray[np.bool_]) -> NDArray[np.int64]:
    """First and end of the columns of each row in which something is inside, shape (rows, 2)."""
    first, behind = inside.argmax(axis=1), inside[:, ::-1].argmax(axis=1)
    return np.stack([first, np.where(inside.any(axis=1), inside.shape[1] - behind, first)], axis=1)
