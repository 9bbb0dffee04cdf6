"""Masked elliptical radial profile of a loaded frame: mean and variance of the pixels at each distance.

Pixels that do not count are NaN. The frame is folded about its centre, row upon row, and summed down the columns,
which vectorises; a circle's pixels are the sums at the places where it leaves the columns, and a bin is what lies
between two circles: the cost is that of reading the frame, and of the circles' outlines. Sums are in double
precision: those of whole counts are exact, and the variance, a difference of sums, is good to about 1e-15 of the
mean square within the circle.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from livebragg.kernels.compiled import kernel
from livebragg.kernels.load import load_frame
from livebragg.kernels.radial_fold import blank_disk, sum_circles
from livebragg.kernels.radial_table import PHASES, RadialScratch, RadialTable


@kernel()
def radial_profile(
    image: NDArray[np.float32],
    pad: int,
    table: RadialTable,
    scratch: RadialScratch,
    center_row: float,
    center_col: float,
    qx: NDArray[np.float32],
    qy: NDArray[np.float32],
    mask_radius: float,
    out_mean: NDArray[np.float32],
    out_variance: NDArray[np.float32],
    out_pixels: NDArray[np.int32],
) -> bool:  # pragma: no cover - compiled
    """Measure one frame.

    Parameters
    ----------
    image : NDArray[np.float32], shape (frame_rows + 2 * pad, frame_cols + 2 * pad)
        Loaded frame, NaN at bad pixels; those of the disks become NaN too. Any `pad`; the padding is not read.
    center_row, center_col : float
        Centre of the rings on this frame, in pixels; rounded to half pixels.
    qx, qy : NDArray[np.float32], shape (n_disks,)
        Disks to leave out: rows and columns in pixels. Those that are NaN or off the frame cover nothing.
    mask_radius : float
        A pixel is left out when its centre lies no farther than this from a disk's, in pixels.
    out_mean, out_variance : NDArray[np.float32], shape (bins,)
        Of the pixel values in the image's unit; the variance is that of the population (divided by the number
        of pixels). NaN where a bin has no pixel.
    out_pixels : NDArray[np.int32], shape (bins,)
        Usable pixels that no disk covers.

    Returns
    -------
    bool
        False, and a profile of NaN without pixels, when the centre is NaN or too far from the nominal one.
    """
    shift_row, shift_col = center_row - table.center[0], center_col - table.center[1]
    if not (abs(shift_row) <= table.max_shift and abs(shift_col) <= table.max_shift):
        out_mean[:] = np.nan
        out_variance[:] = np.nan
        out_pixels[:] = 0
        return False
    for i in range(qx.size):
        blank_disk(qx[i], qy[i], mask_radius, pad, image)
    sum_circles(image, pad, (center_step(center_row), center_step(center_col)), table, scratch)
    for k in range(out_pixels.size):
        total, squares = _of_bin(scratch.circles[0], k), _of_bin(scratch.circles[1], k)
        n = int(_of_bin(scratch.circles[2], k))
        mean = total / n if n > 0 else np.nan
        out_pixels[k], out_mean[k] = n, mean
        out_variance[k] = max(squares / n - mean * mean, 0.0) if n > 0 else np.nan
    return True


@kernel()
def profile_batch(
    frames: NDArray[np.uint8],
    pixel_type: int,
    bad: NDArray[np.int64],
    table: RadialTable,
    scratch: RadialScratch,
    centers: NDArray[np.float64],
    qx: NDArray[np.float32],
    qy: NDArray[np.float32],
    offsets: NDArray[np.int64],
    mask_radius: float,
    out_image: NDArray[np.float32],
    out_health: NDArray[np.int64],
    out_mean: NDArray[np.float32],
    out_variance: NDArray[np.float32],
    out_pixels: NDArray[np.int32],
) -> int:  # pragma: no cover - compiled
    """Load and measure several frames; returns how many had no usable centre.

    Parameters
    ----------
    frames : NDArray[np.uint8], shape (n, frame_rows, bytes of a row)
    pixel_type : int
        As in `load_frame`.
    bad : NDArray[np.int64]
        Pixels that do not count, as flat positions in the frame, rising.
    centers : NDArray[np.float64], shape (n, 2)
    qx, qy : NDArray[np.float32], shape (n_disks,)
        Disks of frame ``i`` are ``offsets[i]:offsets[i + 1]``.
    out_image : NDArray[np.float32], shape (frame_rows, frame_cols)
        Scratch.
    out_health : NDArray[np.int64], shape (5,)
        As in `load_frame`.
    out_mean, out_variance, out_pixels : shape (n, bins)
    """
    missing = 0
    for i in range(frames.shape[0]):
        load_frame(frames[i], pixel_type, 0.0, True, 0, bad, out_image, out_health)
        for k in range(bad.size):
            out_image.reshape(-1)[bad[k]] = np.nan
        first, end = offsets[i], offsets[i + 1]
        missing += not radial_profile(
            out_image,
            0,
            table,
            scratch,
            centers[i, 0],
            centers[i, 1],
            qx[first:end],
            qy[first:end],
            mask_radius,
            out_mean[i],
            out_variance[i],
            out_pixels[i],
        )
    return missing


@kernel()
def center_step(center: float) -> int:  # pragma: no cover - compiled
    """A centre along one axis, in whole 1 / PHASES pixels."""
    return math.floor(PHASES * center + 0.5)


@kernel()
def _of_bin(within: NDArray[np.generic], k: int) -> float:  # pragma: no cover - compiled
    """What lies between two circles."""
    half = within.size // 2
    return float((within[k + 1] - within[half + k + 1]) - (within[k] - within[half + k]))
