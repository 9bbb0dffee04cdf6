"""Maximum-likelihood position, intensity and background of one disk, by Fisher scoring.

The disk is ``I * T(r - r0)``; its template and the derivatives along both axes are tabulated on a grid of
sub-pixel phases, so one step is one pass over a small patch: weighted normal equations of the four unknowns
``(I, I * d_row, I * d_col, background)`` with the inverse of the modelled variance as weight. That is the
maximum-likelihood step for Poisson counts, and the inverse of the matrix is the Cramer-Rao bound itself.
Disks nearby are part of the modelled image, so going round all disks once or twice is a joint fit.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

PHASES = 8
"""Sub-pixel phases of the template along each axis."""

ROUGHNESS = 0.05
"""Standard deviation of the inner structure of real disks, relative to the model at a pixel. It keeps the
weights of strong disks sane: without it a disk of a million electrons is fitted to its faintest tail."""

MISFIT = 0.01
"""Standard deviation of the template's error anywhere in the patch, relative to the disk's plateau."""


@njit(cache=True, nogil=True)
def phase_of(position: float) -> tuple[int, int, float]:  # pragma: no cover - compiled
    """Pixel, phase and the remaining distance of a position: ``pixel + phase / PHASES + rest``."""
    steps = math.floor(position * PHASES + 0.5)
    pixel = steps // PHASES
    phase = steps - pixel * PHASES
    return int(pixel), int(phase), position - steps / PHASES


@njit(cache=True, nogil=True, fastmath={"contract", "reassoc", "nsz"})
def add_disk(
    templates: NDArray[np.float32],
    pad: int,
    row: float,
    col: float,
    intensity: float,
    out_model: NDArray[np.float32],
) -> None:  # pragma: no cover - compiled
    """Add a disk to the modelled image (padded by `pad`); a negative intensity takes it out again."""
    n = templates.shape[-1]
    pixel_r, phase_r, rest_r = phase_of(row)
    pixel_c, phase_c, rest_c = phase_of(col)
    top, left = pixel_r + pad - n // 2, pixel_c + pad - n // 2
    shape, d_row, d_col = templates[phase_r, phase_c]
    amount = np.float32(intensity)
    shift_r, shift_c = np.float32(intensity * rest_r), np.float32(intensity * rest_c)
    for i in range(n):
        target = out_model[top + i, left : left + n]
        t, tr, tc = shape[i], d_row[i], d_col[i]
        for j in range(n):
            target[j] += amount * t[j] + shift_r * tr[j] + shift_c * tc[j]


@njit(cache=True, nogil=True)
def gather_patch(
    image: NDArray[np.float32],
    model: NDArray[np.float32],
    weight: NDArray[np.float32],
    pad: int,
    row: float,
    col: float,
    out_patch: NDArray[np.float32],
) -> None:  # pragma: no cover - compiled
    """Copy the round patch about a disk into one line, which later passes run through without interruption.

    Parameters
    ----------
    image, model, weight : NDArray[np.float32]
        Padded image, what all *other* disks contribute to it (electrons), and validity (1 or 0).
    out_patch : NDArray[np.float32], shape (3, n, n)
        Image without the other disks, the other disks, and validity, 0 outside the round patch.
    """
    n = out_patch.shape[-1]
    pixel_r, _, _ = phase_of(row)
    pixel_c, _, _ = phase_of(col)
    top, left = pixel_r + pad - n // 2, pixel_c + pad - n // 2
    for i in range(n):
        rise = abs(i - n // 2)
        cut = n // 2 - int(math.sqrt((n / 2.0) ** 2 - rise * rise))
        pixels, others = image[top + i, left : left + n], model[top + i, left : left + n]
        valid = weight[top + i, left : left + n]
        rest, known, use = out_patch[0, i], out_patch[1, i], out_patch[2, i]
        for j in range(n):
            rest[j] = pixels[j] - others[j]
            known[j] = max(others[j], np.float32(0.0))
            use[j] = valid[j]
        use[:cut] = 0.0
        use[n - cut :] = 0.0


@njit(cache=True, nogil=True, fastmath={"contract", "reassoc", "nsz"}, error_model="numpy")
def normal_equations(
    patch: NDArray[np.float32],
    templates: NDArray[np.float32],
    row: float,
    col: float,
    intensity: float,
    background: float,
    read_variance: float,
    out_matrix: NDArray[np.float64],
    out_vector: NDArray[np.float64],
) -> None:  # pragma: no cover - compiled
    """Weighted normal equations of ``(I, I * d_row, I * d_col, background)`` about a tabulated phase.

    Parameters
    ----------
    patch : NDArray[np.float32], shape (3, n, n)
        From `gather_patch`.
    row, col, intensity, background : float
        Present estimate, which sets the weights and the phase.
    out_matrix, out_vector : NDArray[np.float64], shapes (4, 4) and (4,)
        Only the upper triangle of the matrix is written.
    """
    _, phase_r, _ = phase_of(row)
    _, phase_c, _ = phase_of(col)
    n = templates.shape[-1]
    flat = templates[phase_r, phase_c].reshape(3, n * n)
    shape, d_row, d_col = flat[0], flat[1], flat[2]
    lines = patch.reshape(3, n * n)
    rest, others, use = lines[0], lines[1], lines[2]
    amount, base = np.float32(max(intensity, 0.0)), np.float32(background)
    plateau = amount * shape[n * n // 2]
    floor = np.float32(read_variance + (MISFIT * plateau) ** 2)
    rough = np.float32(ROUGHNESS**2)
    zero = np.float32(0.0)
    m00 = m01 = m02 = m03 = m11 = m12 = m13 = m22 = m23 = m33 = zero
    v0 = v1 = v2 = v3 = zero
    for i in range(n * n):
        t, tr, tc, y = shape[i], d_row[i], d_col[i], rest[i]
        expected = others[i] + amount * t + base
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
    out_matrix[0, 0], out_matrix[0, 1], out_matrix[0, 2], out_matrix[0, 3] = m00, m01, m02, m03
    out_matrix[1, 1], out_matrix[1, 2], out_matrix[1, 3] = m11, m12, m13
    out_matrix[2, 2], out_matrix[2, 3], out_matrix[3, 3] = m22, m23, m33
    out_vector[0], out_vector[1], out_vector[2], out_vector[3] = v0, v1, v2, v3


@njit(cache=True, nogil=True, error_model="numpy")
def solve_symmetric(
    matrix: NDArray[np.float64], vector: NDArray[np.float64], out_inverse: NDArray[np.float64]
) -> bool:  # pragma: no cover - compiled
    """Invert a small positive matrix given by its upper triangle; `vector` becomes the solution.

    Returns
    -------
    bool
        False when the matrix is singular; the results are then meaningless.
    """
    n = vector.size
    for i in range(n):
        for j in range(n):
            out_inverse[i, j] = 1.0 if i == j else 0.0
        for j in range(i):
            matrix[i, j] = matrix[j, i]
    for k in range(n):
        pivot = matrix[k, k]
        if not pivot > 1e-30:
            return False
        for i in range(n):
            if i == k:
                continue
            factor = matrix[i, k] / pivot
            for j in range(n):
                matrix[i, j] -= factor * matrix[k, j]
                out_inverse[i, j] -= factor * out_inverse[k, j]
            vector[i] -= factor * vector[k]
    for k in range(n):
        pivot = matrix[k, k]
        vector[k] /= pivot
        for j in range(n):
            out_inverse[k, j] /= pivot
    return True
