"""Loops over the pixels of one position's patch."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from livebragg.kernels.compiled import fast_sums, kernel
from livebragg.kernels.fit import MISFIT, ROUGHNESS


@fast_sums()
def write_template(
    template: NDArray[np.float32], rest_row: float, rest_col: float, out_line: NDArray[np.float32]
) -> None:  # pragma: no cover - compiled
    """Disk of one electron at its position: the tabulated phase and the linear rest."""
    shape, d_row, d_col = template[0], template[1], template[2]
    by_row, by_col = np.float32(rest_row), np.float32(rest_col)
    for i in range(out_line.size):
        out_line[i] = shape[i] + by_row * d_row[i] + by_col * d_col[i]


@kernel()
def take_out_line(
    shape: NDArray[np.float32], intensity: float, known: NDArray[np.float32]
) -> None:  # pragma: no cover - compiled
    """Take a position's own disk out of the known ones; what is below 0 then is rounding."""
    amount = np.float32(intensity)
    for i in range(known.size):
        known[i] = max(known[i] - amount * shape[i], np.float32(0.0))


@fast_sums()
def ring_sums(
    pixels: NDArray[np.float32],
    known: NDArray[np.float32],
    use: NDArray[np.float32],
    outside: NDArray[np.float32],
) -> tuple[float, float]:  # pragma: no cover - compiled
    """Counts without the known disks around the disk, and usable pixels there."""
    counts = area = np.float32(0.0)
    for i in range(pixels.size):
        w = use[i] * outside[i]
        counts += w * (pixels[i] - known[i])
        area += w
    return float(counts), float(area)


@fast_sums()
def weighted_sums(
    pixels: NDArray[np.float32],
    known: NDArray[np.float32],
    use: NDArray[np.float32],
    shape: NDArray[np.float32],
    intensity: float,
    background: float,
    read_variance: float,
    plateau: float,
    out_weights: NDArray[np.float32],
) -> tuple[float, float, float, float, float]:  # pragma: no cover - compiled
    """Normal equations of intensity and background, with the inverse of the modelled variance as weight.

    Parameters
    ----------
    pixels, known, use, shape : NDArray[np.float32], shape (n,)
        Image and the other disks in it (electrons), usability, and disk of one electron.
    intensity, background : float
        What the weights assume, in electrons and electrons per pixel.
    out_weights : NDArray[np.float32], shape (n,)

    Returns
    -------
    tuple of float
        Sums of ``w t t``, ``w t``, ``w``, ``w t y`` and ``w y``.
    """
    amount, base = np.float32(intensity), np.float32(background)
    floor = np.float32(read_variance + (MISFIT * plateau * intensity) ** 2)
    rough, zero = np.float32(ROUGHNESS**2), np.float32(0.0)
    tt = t1 = ww = ty = wy = zero
    for i in range(shape.size):
        t, y = shape[i], pixels[i]
        expected = known[i] + amount * max(t, zero) + base
        w = use[i] / (expected + rough * expected * expected + floor)
        out_weights[i] = w
        wt = w * t
        tt += wt * t
        t1 += wt
        ww += w
        ty += wt * y
        wy += w * y
    return float(tt), float(t1), float(ww), float(ty), float(wy)


@fast_sums()
def write_filter(
    weights: NDArray[np.float32], shape: NDArray[np.float32], by_shape: float, flat: float
) -> None:  # pragma: no cover - compiled
    """Turn weights into the filter whose sum with the pixels is the intensity."""
    a, b = np.float32(by_shape), np.float32(flat)
    for i in range(weights.size):
        weights[i] *= a * shape[i] + b


@kernel()
def scatter(
    line: NDArray[np.float32], corner: int, patch: NDArray[np.uint32], out_image: NDArray[np.float32]
) -> None:  # pragma: no cover - compiled
    """Write a line to the pixels of a patch in a flat image."""
    start = np.uint64(corner)
    for i in range(patch.size):
        out_image[start + np.uint64(patch[i])] = line[i]


@kernel()
def add_line(
    line: NDArray[np.float32],
    amount: float,
    corner: int,
    patch: NDArray[np.uint32],
    out_image: NDArray[np.float32],
) -> None:  # pragma: no cover - compiled
    """Add `amount` of a line to the pixels of a patch, no pixel of which is named twice."""
    start, factor = np.uint64(corner), np.float32(amount)
    for i in range(patch.size):
        out_image[start + np.uint64(patch[i])] += factor * line[i]


@fast_sums()
def dot(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:  # pragma: no cover - compiled
    """Sum of the products of two lines."""
    total = np.float32(0.0)
    for i in range(one.size):
        total += one[i] * other[i]
    return float(total)


@fast_sums()
def filtered(
    line: NDArray[np.float32], corner: int, patch: NDArray[np.uint32], image: NDArray[np.float32]
) -> float:  # pragma: no cover - compiled
    """Sum of the pixels of a patch in a flat image times a line."""
    start, total = np.uint64(corner), np.float32(0.0)
    for i in range(patch.size):
        total += image[start + np.uint64(patch[i])] * line[i]
    return float(total)
