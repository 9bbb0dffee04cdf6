"""Maximum-likelihood position, intensity and background of one disk, by Fisher scoring.

The disk is ``I * T(r - r0)``; its template and the derivatives along both axes are tabulated on a grid of
sub-pixel phases, so one step is one pass over a small round patch: weighted normal equations of the four
unknowns ``(I, I * d_row, I * d_col, background)`` with the inverse of the modelled variance as weight. That is
the maximum-likelihood step for Poisson counts, and the inverse of the matrix is the Cramer-Rao bound itself.
Disks nearby are part of the modelled image, so going round all disks once or twice is a joint fit.

The patch is a list of steps in the flat image, whatever its shape; everything after `gather` runs through
contiguous lines.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from livebragg.kernels.compiled import fast_sums, kernel

_PHASE_BITS = 3

PHASES = 1 << _PHASE_BITS
"""Sub-pixel phases of the template along each axis."""

ROUGHNESS = 0.05
"""Standard deviation of the inner structure of real disks, relative to the model at a pixel. It keeps the
weights of strong disks sane: without it a disk of a million electrons is fitted to its faintest tail."""

MISFIT = 0.01
"""Standard deviation of the template's error anywhere in the patch, relative to the disk's plateau."""


@kernel()
def phase_of(position: float) -> tuple[int, int, float]:  # pragma: no cover - compiled
    """Pixel, phase and the remaining distance of a position: ``pixel + phase / PHASES + rest``."""
    steps = math.floor(position * PHASES + 0.5)
    pixel = int(steps) >> _PHASE_BITS
    phase = int(steps) & (PHASES - 1)
    return pixel, phase, position - steps * (1.0 / PHASES)


@kernel()
def gather(
    image: NDArray[np.float32], corner: int, patch: NDArray[np.uint32], out_line: NDArray[np.float32]
) -> None:  # pragma: no cover - compiled
    """Copy the pixels of a patch into one line.

    Parameters
    ----------
    image : NDArray[np.float32]
        Flat padded image.
    corner : int
        Flat position of the corner of the patch's square.
    patch : NDArray[np.uint32], shape (n,)
        Steps from there. Unsigned, because negative indices would count from the end, and testing for them
        keeps the loop from vectorising.
    """
    start = np.uint64(corner)
    for k in range(patch.size):
        out_line[k] = image[start + np.uint64(patch[k])]


@fast_sums()
def add_disk(
    template: NDArray[np.float32],
    patch: NDArray[np.uint32],
    corner: int,
    intensity: float,
    rest_row: float,
    rest_col: float,
    out_model: NDArray[np.float32],
) -> None:  # pragma: no cover - compiled
    """Add a disk to the flat modelled image; a negative intensity takes it out again.

    Parameters
    ----------
    template : NDArray[np.float32], shape (4, n)
        Of the phase of the disk's position.
    rest_row, rest_col : float
        Distance of the position from that phase, in pixels.
    """
    start = np.uint64(corner)
    shape, d_row, d_col = template[0], template[1], template[2]
    amount, by_row = np.float32(intensity), np.float32(intensity * rest_row)
    by_col = np.float32(intensity * rest_col)
    for k in range(patch.size):
        out_model[start + np.uint64(patch[k])] += amount * shape[k] + by_row * d_row[k] + by_col * d_col[k]


@fast_sums()
def take_out(
    template: NDArray[np.float32],
    intensity: float,
    rest_row: float,
    rest_col: float,
    out_line: NDArray[np.float32],
) -> None:  # pragma: no cover - compiled
    """Take a disk out of a line of the modelled image that was gathered about the disk's own pixel."""
    shape, d_row, d_col = template[0], template[1], template[2]
    amount, by_row = np.float32(intensity), np.float32(intensity * rest_row)
    by_col = np.float32(intensity * rest_col)
    for k in range(out_line.size):
        out_line[k] -= amount * shape[k] + by_row * d_row[k] + by_col * d_col[k]


@kernel()
def subtract(known: NDArray[np.float32], out_pixels: NDArray[np.float32]) -> None:  # pragma: no cover - compiled
    """Take known disks out of the pixels; what of them is below 0 becomes 0, it is rounding."""
    for i in range(known.size):
        known[i] = max(known[i], np.float32(0.0))
        out_pixels[i] -= known[i]


@fast_sums()
def level_out(
    steps: NDArray[np.float32], by_row: float, by_col: float, out_pixels: NDArray[np.float32]
) -> None:  # pragma: no cover - compiled
    """Take a slope, electrons per pixel and pixel, out of the pixels of a patch."""
    a, b = np.float32(by_row), np.float32(by_col)
    down, right = steps[0], steps[1]
    for i in range(out_pixels.size):
        out_pixels[i] -= a * down[i] + b * right[i]


@kernel()
def multiply(factor: NDArray[np.float32], out_line: NDArray[np.float32]) -> None:  # pragma: no cover - compiled
    """Multiply one line by another."""
    for i in range(factor.size):
        out_line[i] *= factor[i]


@fast_sums()
def normal_equations(
    pixels: NDArray[np.float32],
    known: NDArray[np.float32],
    use: NDArray[np.float32],
    template: NDArray[np.float32],
    intensity: float,
    background: float,
    read_variance: float,
    plateau: float,
    out_matrix: NDArray[np.float64],
    out_vector: NDArray[np.float64],
) -> None:  # pragma: no cover - compiled
    """Weighted normal equations of ``(I, I * d_row, I * d_col, background)`` about a tabulated phase.

    Parameters
    ----------
    pixels, known, use : NDArray[np.float32], shape (n,)
        Image without the known disks, those disks (electrons), and 1 for pixels to be used.
    template : NDArray[np.float32], shape (4, n)
        Of the phase.
    intensity, background : float
        Present estimate, which sets the weights.
    plateau : float
        Brightest pixel of the template of unit sum.
    out_matrix, out_vector : NDArray[np.float64], shapes (4, 4) and (4,)
        Only the lower triangle of the matrix is written.
    """
    shape, d_row, d_col = template[0], template[1], template[2]
    amount, base = np.float32(max(intensity, 0.0)), np.float32(background)
    floor = np.float32(read_variance + (MISFIT * plateau * max(intensity, 0.0)) ** 2)
    rough = np.float32(ROUGHNESS**2)
    zero = np.float32(0.0)
    m00 = m01 = m02 = m03 = m11 = m12 = m13 = m22 = m23 = m33 = zero
    v0 = v1 = v2 = v3 = zero
    for i in range(shape.size):
        t, tr, tc, y = shape[i], d_row[i], d_col[i], pixels[i]
        expected = known[i] + amount * t + base
        w = use[i] / (expected + rough * expected * expected + floor)
        wt, wr, wc = w * t, w * tr, w * tc
        m00 += wt * t
        m01 += wt * tr
        m02 += wt * tc
        m03 += wt
        m11 += wr * tr
        m12 += wr * tc
        m13 += wr
        m22 += wc * tc
        m23 += wc
        m33 += w
        v0 += wt * y
        v1 += wr * y
        v2 += wc * y
        v3 += w * y
    out_matrix[0, 0], out_matrix[1, 0], out_matrix[2, 0], out_matrix[3, 0] = m00, m01, m02, m03
    out_matrix[1, 1], out_matrix[2, 1], out_matrix[3, 1] = m11, m12, m13
    out_matrix[2, 2], out_matrix[3, 2], out_matrix[3, 3] = m22, m23, m33
    out_vector[0], out_vector[1], out_vector[2], out_vector[3] = v0, v1, v2, v3


@kernel()
def solve(matrix: NDArray[np.float64], vector: NDArray[np.float64], n: int) -> bool:  # pragma: no cover - compiled
    """Solve a small positive system by Cholesky's method.

    Parameters
    ----------
    matrix : NDArray[np.float64]
        Lower triangle; the first `n` rows become the inverse of the Cholesky factor.
    vector : NDArray[np.float64]
        Becomes the solution.

    Returns
    -------
    bool
        False when the matrix is singular; the results are then meaningless.
    """
    for j in range(n):
        pivot = matrix[j, j]
        for k in range(j):
            pivot -= matrix[j, k] * matrix[j, k]
        if not pivot > 1e-30:
            return False
        inverse = 1.0 / math.sqrt(pivot)
        matrix[j, j] = inverse
        for i in range(j + 1, n):
            total = matrix[i, j]
            for k in range(j):
                total -= matrix[i, k] * matrix[j, k]
            matrix[i, j] = total * inverse
    _invert_factor(matrix, n)
    _apply_inverse(matrix, vector, n)
    return True


@kernel()
def _invert_factor(matrix: NDArray[np.float64], n: int) -> None:  # pragma: no cover - compiled
    """Invert a lower triangle whose diagonal is inverted already."""
    for j in range(n):
        for i in range(j + 1, n):
            total = matrix[i, j] * matrix[j, j]
            for k in range(j + 1, i):
                total += matrix[i, k] * matrix[k, j]
            matrix[i, j] = -total * matrix[i, i]


@kernel()
def _apply_inverse(
    factor: NDArray[np.float64], vector: NDArray[np.float64], n: int
) -> None:  # pragma: no cover - compiled
    """Multiply by the transposed inverse factor times the inverse factor."""
    for i in range(n - 1, -1, -1):
        total = 0.0
        for k in range(i + 1):
            total += factor[i, k] * vector[k]
        vector[i] = total
    for i in range(n):
        total = 0.0
        for k in range(i, n):
            total += factor[k, i] * vector[k]
        vector[i] = total


@kernel()
def variance_of(factor: NDArray[np.float64], unknown: int, n: int) -> float:  # pragma: no cover - compiled
    """Variance of one unknown after `solve`: a diagonal element of the inverse matrix."""
    total = 0.0
    for k in range(unknown, n):
        total += factor[k, unknown] * factor[k, unknown]
    return total


@fast_sums()
def aperture_sums(
    pixels: NDArray[np.float32],
    known: NDArray[np.float32],
    use: NDArray[np.float32],
    inside: NDArray[np.float32],
    outside: NDArray[np.float32],
) -> tuple[float, float, float, float, float, float]:  # pragma: no cover - compiled
    """Counts without the known disks, counts of those, and usable pixels, of the aperture and around the disk."""
    on = off = known_on = known_off = area_on = area_off = np.float32(0.0)
    for i in range(pixels.size):
        a, b = use[i] * inside[i], use[i] * outside[i]
        on += a * pixels[i]
        off += b * pixels[i]
        known_on += a * known[i]
        known_off += b * known[i]
        area_on += a
        area_off += b
    return float(on), float(off), float(known_on), float(known_off), float(area_on), float(area_off)


@fast_sums()
def swing(
    pixels: NDArray[np.float32], use: NDArray[np.float32], waves: NDArray[np.float32], mean: float
) -> float:  # pragma: no cover - compiled
    """Squares of the sums of what the pixels differ from `mean`, times each of two `waves`, added."""
    first, second = waves[0], waves[1]
    a = b = np.float32(0.0)
    level = np.float32(mean)
    for i in range(pixels.size):
        more = use[i] * (pixels[i] - level)
        a += more * first[i]
        b += more * second[i]
    return float(a) ** 2 + float(b) ** 2


@kernel()
def brightest(
    pixels: NDArray[np.float32], inside: NDArray[np.float32], out_line: NDArray[np.float32]
) -> float:  # pragma: no cover - compiled
    """Largest pixel of the aperture, or 0. `out_line` is scratch."""
    for i in range(pixels.size):
        out_line[i] = pixels[i] * inside[i]
    bits = out_line.view(np.int32)  # of positive numbers the larger has the larger bit pattern
    top = np.int32(0)
    for i in range(bits.size):
        top = max(top, bits[i])
    if out_line.size > 0:
        bits[0] = top
    return float(out_line[0]) if top > 0 else 0.0
