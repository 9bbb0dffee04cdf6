"""From centre, ellipse and radii to the lists of pixels the radial profile is gathered with."""

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
    """Sort the pixels into bins, for every phase of the centre.

    Parameters
    ----------
    edges : NDArray[np.float64], shape (bins + 1,)
        Evenly spaced, in pixels; a pixel on an edge belongs to the outer bin.
    """
    matrix, margin = unit_matrix(ellipse), max_shift + 1
    canvas = (frame_shape[0] + 2 * margin, frame_shape[1] + 2 * margin)
    whole = [math.floor(x) + margin for x in center]
    phases = [(i / PHASES, j / PHASES) for i in range(PHASES) for j in range(PHASES)]
    bins = np.stack([_bin_image(canvas, (whole[0] + i, whole[1] + j), matrix, edges) for i, j in phases])
    lists = [_sorted_pixels(image.ravel(), edges.size - 1) for image in bins]
    begins = np.cumsum([0] + [pixels.size for pixels, _ in lists])
    return RadialTable(
        order=np.concatenate([pixels for pixels, _ in lists]),
        starts=np.stack([starts + begin for (_, starts), begin in zip(lists, begins[:-1], strict=True)]),
        bins=bins,
        center=np.array(center, np.float64),
        max_shift=float(max_shift),
        margin=margin,
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


def _bin_image(
    shape: tuple[int, int],
    center: tuple[float, float],
    matrix: NDArray[np.float64],
    edges: NDArray[np.float64],
) -> NDArray[np.int16]:
    rows, cols = np.arange(shape[0])[:, np.newaxis] - center[0], np.arange(shape[1]) - center[1]
    radius = np.hypot(matrix[0, 0] * rows + matrix[0, 1] * cols, matrix[1, 0] * rows + matrix[1, 1] * cols)
    image = np.searchsorted(edges, radius, side="right") - 1
    return np.where(image < edges.size - 1, image, -1).astype(np.int16)


def _sorted_pixels(bins: NDArray[np.int16], n_bins: int) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
    order = np.argsort(bins, kind="stable")
    starts = np.searchsorted(bins[order], np.arange(n_bins + 1))
    # `starts` counts from the first pixel that has a bin: those without come first, as -1.
    return order[starts[0] :].astype(np.uint32), starts - starts[0]
