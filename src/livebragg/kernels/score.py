"""How much more lies in the disk about a pixel than in the ring around it, in standard deviations."""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from livebragg.kernels.spans import row_of_disk_sums

_QUARTER = 0.375
"""Anscombe's constant: ``2 * sqrt(n + 3/8)`` of a Poisson number has a standard deviation near 1."""


@njit(cache=True, nogil=True, error_model="numpy")
def score_frame(
    prefix: NDArray[np.int32],
    disk: tuple[NDArray[np.int64], NDArray[np.int64]],
    outer: tuple[NDArray[np.int64], NDArray[np.int64]],
    pad: int,
    unit: float,
    ratio: NDArray[np.float32],
    norm: NDArray[np.float32],
    floor_variance: float,
    row_scratch: NDArray[np.int32],
    out_score: NDArray[np.float32],
) -> None:  # pragma: no cover - compiled
    """Score every pixel as the centre of a disk.

    The score is the difference of the variance-stabilised counts in the disk and of the background expected
    there from the ring, over its standard deviation: close to the signed root of the likelihood ratio even at
    a few counts, where ``(D - c A) / sqrt(D + c^2 A)`` is far from normal.

    Parameters
    ----------
    prefix : NDArray[np.int32]
        From `column_prefix`, of the padded image.
    disk, outer : tuple of NDArray[np.int64]
        Spans of the disk, and of the larger disk whose remainder is the ring.
    unit : float
        Electrons per unit of `prefix`.
    ratio : NDArray[np.float32], shape (frame_rows, frame_cols)
        Usable pixels of the disk over those of the ring.
    norm : NDArray[np.float32], shape (frame_rows, frame_cols)
        ``2 / sqrt(1 + ratio)``, or 0 where a disk cannot be seen.
    floor_variance : float
        Read-noise variance of a whole disk, in electrons squared.
    row_scratch : NDArray[np.int32], shape (2, frame_cols)
    out_score : NDArray[np.float32], shape (frame_rows, frame_cols)
    """
    rows, cols = out_score.shape
    inside, whole = row_scratch[0], row_scratch[1]
    scale = np.float32(unit)
    floor = np.float32(_QUARTER + floor_variance)
    zero = np.float32(0.0)
    for r in range(rows):
        row_of_disk_sums(prefix, disk[0], disk[1], r, pad, inside)
        row_of_disk_sums(prefix, outer[0], outer[1], r, pad, whole)
        c_row, n_row, target = ratio[r], norm[r], out_score[r]
        for c in range(cols):
            d = np.float32(inside[c]) * scale
            b = (np.float32(whole[c]) * scale - d) * c_row[c]
            target[c] = n_row[c] * (math.sqrt(max(d + floor, zero)) - math.sqrt(max(b + floor, zero)))


@njit(cache=True, nogil=True, error_model="numpy")
def root_deviance(
    n_on: float, n_off: float, ratio: float, known_on: float, known_off: float
) -> float:  # pragma: no cover - compiled
    """Signed root of the Poisson likelihood ratio of "a source is there" against "it is not".

    Without known contributions this is the significance of Li and Ma, ApJ 272 (1983) 317, eq. 17.

    Parameters
    ----------
    n_on, n_off : float
        Counts in the disk and in the ring.
    ratio : float
        Area of the disk over that of the ring.
    known_on, known_off : float
        Counts expected there from disks already found.
    """
    n_on, n_off = max(n_on, 0.0), max(n_off, 0.0)
    expected_off = max(n_off - known_off, 0.0)
    if n_on <= ratio * expected_off + known_on:
        return 0.0
    background = _common_background(n_on, n_off, ratio, known_on, known_off)
    null_on = ratio * background + known_on
    null_off = background + known_off
    best_off = expected_off + known_off
    deviance = _term(n_on, null_on, n_on) + _term(n_off, null_off, best_off)
    return math.sqrt(2.0 * max(deviance, 0.0))


@njit(cache=True, nogil=True, error_model="numpy")
def _term(count: float, null: float, best: float) -> float:  # pragma: no cover - compiled
    if count <= 0.0:
        return null - best
    if null <= 0.0 or best <= 0.0:
        return 0.0
    return null - best + count * math.log(best / null)


@njit(cache=True, nogil=True, error_model="numpy")
def _common_background(
    n_on: float, n_off: float, ratio: float, known_on: float, known_off: float
) -> float:  # pragma: no cover - compiled
    """Most likely background of the ring when disk and ring hold the same background density."""
    a = (1.0 + ratio) * ratio
    b = (1.0 + ratio) * (known_on + ratio * known_off) - ratio * (n_on + n_off)
    c = (1.0 + ratio) * known_on * known_off - ratio * n_on * known_off - n_off * known_on
    root = math.sqrt(max(b * b - 4.0 * a * c, 0.0))
    return max((root - b) / (2.0 * a), 0.0)
