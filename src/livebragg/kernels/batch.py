"""Whole batches of frames without Python per frame: load, find, virtual detectors, sum pattern."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from livebragg.kernels.compiled import kernel
from livebragg.kernels.find import find_disks
from livebragg.kernels.load import drop_negative, load_frame, scale_image
from livebragg.kernels.noise import measure_noise
from livebragg.kernels.plan import COL, INTENSITY, INTENSITY_VARIANCE, POSITION_VARIANCE, ROW, Plan, Scratch
from livebragg.kernels.virtual import VirtualMasks, collect


@kernel()
def prepare_frame(
    frame: NDArray[np.uint8],
    counting: tuple[int, float, float, float],
    plan: Plan,
    scratch: Scratch,
    out_health: NDArray[np.int64],
) -> float:  # pragma: no cover - compiled
    """Load a frame into the scratch image in electrons, and return its largest pixel.

    Parameters
    ----------
    frame : NDArray[np.uint8], shape (frame_rows, bytes of a row)
    counting : tuple
        Number of the pixel type, counts per electron (0: measured from the frame, and the read noise too),
        counts of a pixel without electrons, and read-noise variance in electrons squared.
    out_health : NDArray[np.int64], shape (5,)
        As in `load_frame`; ``[4]``: frames with pixels that became 0.
    """
    pixel_type, gain, offset, variance = counting
    measured = gain <= 0.0
    keep_negative = measured or variance > 0.0
    pad, image = plan.pad, scratch.image
    before = out_health[0] + out_health[1]
    top = load_frame(frame, pixel_type, offset, keep_negative, pad, plan.bad, image, out_health)
    scratch.noise[0], scratch.noise[1] = gain, variance
    if measured:
        inner = image[pad : image.shape[0] - pad, pad : image.shape[1] - pad]
        measure_noise(inner, scratch.segments, scratch.order, scratch.noise)
        if scratch.noise[1] <= 0.0:
            drop_negative(pad, image, out_health)
    out_health[4] += out_health[0] + out_health[1] > before
    if scratch.noise[0] != 1.0:
        scale_image(1.0 / scratch.noise[0], pad, image)
    return float(top / scratch.noise[0])


@kernel()
def detect_batch(
    frames: NDArray[np.uint8],
    counting: tuple[int, float, float, float],
    plan: Plan,
    scratch: Scratch,
    fit_scratch: NDArray[np.float64],
    out_columns: NDArray[np.float32],
    out_counts: NDArray[np.int64],
    out_health: NDArray[np.int64],
) -> int:  # pragma: no cover - compiled
    """Find the disks of several frames, until the output is full.

    Parameters
    ----------
    frames : NDArray[np.uint8], shape (n, frame_rows, bytes of a row)
    counting : tuple
        Pixel type, gain, offset and read-noise variance, as in `prepare_frame`.
    fit_scratch : NDArray[np.float64], shape (max_disks + 1, 8)
    out_columns : NDArray[np.float32], shape (5, capacity)
        ``qx, qy, intensity, intensity_error, position_error``, in pixels and detector counts.
    out_counts : NDArray[np.int64], shape (n,)
        Disks of each frame.
    out_health : NDArray[np.int64], shape (5,)

    Returns
    -------
    int
        Number of disks written. The output must have room for `max_disks` disks per frame.
    """
    written = 0
    for i in range(frames.shape[0]):
        top = prepare_frame(frames[i], counting, plan, scratch, out_health)
        gain = scratch.noise[0]
        found = find_disks(plan, scratch, top, fit_scratch, out_health)
        write_peaks(fit_scratch, found, gain, out_columns[:, written : written + found])
        out_counts[i] = found
        written += found
    return written


@kernel()
def analyze_batch(
    frames: NDArray[np.uint8],
    counting: tuple[int, float, float, float],
    plan: Plan,
    scratch: Scratch,
    fit_scratch: NDArray[np.float64],
    masks: VirtualMasks,
    center: tuple[float, float],
    search_radius: float,
    out_columns: NDArray[np.float32],
    out_counts: NDArray[np.int64],
    out_health: NDArray[np.int64],
    out_beam: NDArray[np.float32],
    out_virtual: NDArray[np.float32],
    out_sum: NDArray[np.float32],
) -> int:  # pragma: no cover - compiled
    """`detect_batch`, and everything else a frame tells while it is in the cache.

    Parameters
    ----------
    masks : VirtualMasks
        ``k`` virtual detectors.
    center : tuple of float
        Where the direct beam is expected, in pixels.
    search_radius : float
        How far from there it may be, in pixels.
    out_beam : NDArray[np.float32], shape (n, 3)
        Direct beam ``(qx, qy)`` and its standard error; NaN where it was not found.
    out_virtual : NDArray[np.float32], shape (n, k + 3)
    out_sum : NDArray[np.float32], shape (frame_rows, frame_cols)
        The frames are added.
    """
    written = 0
    for i in range(frames.shape[0]):
        top = prepare_frame(frames[i], counting, plan, scratch, out_health)
        gain = scratch.noise[0]
        found = find_disks(plan, scratch, top, fit_scratch, out_health)
        write_peaks(fit_scratch, found, gain, out_columns[:, written : written + found])
        find_beam(out_columns[:, written : written + found], center, search_radius, out_beam[i])
        collect(scratch.image, plan.pad, gain, masks, out_virtual[i], out_sum)
        out_counts[i] = found
        written += found
    return written


@kernel()
def find_beam(
    columns: NDArray[np.float32],
    center: tuple[float, float],
    search_radius: float,
    out_beam: NDArray[np.float32],
) -> None:  # pragma: no cover - compiled
    """Direct beam: the peak that is bright and near for its brightness, within the search radius; or NaN.

    Brightness counts less with distance (a Gaussian of half the search radius), because a diffracted disk may
    well outshine the direct beam but does not come near it.
    """
    out_beam[:] = np.nan
    best = 0.0
    for i in range(columns.shape[1]):
        distance = math.hypot(columns[0, i] - center[0], columns[1, i] - center[1])
        rating = columns[2, i] * math.exp(-2.0 * (distance / search_radius) ** 2)
        if distance <= search_radius and rating > best:
            best = rating
            out_beam[0], out_beam[1], out_beam[2] = columns[0, i], columns[1, i], columns[4, i]


@kernel()
def write_peaks(
    fit: NDArray[np.float64], found: int, gain: float, out_columns: NDArray[np.float32]
) -> None:  # pragma: no cover - compiled
    """Turn fitted disks in electrons into columns of peaks in detector counts."""
    for i in range(found):
        out_columns[0, i] = fit[i, ROW]
        out_columns[1, i] = fit[i, COL]
        out_columns[2, i] = fit[i, INTENSITY] * gain
        out_columns[3, i] = math.sqrt(fit[i, INTENSITY_VARIANCE]) * gain
        out_columns[4, i] = math.sqrt(fit[i, POSITION_VARIANCE])
