"""Forced photometry: intensity and error at given positions, whether there is a disk or not.

Each intensity is a weighted sum of the pixels of its patch: least squares of disk and background, the coarse
background being one more measurement of the latter. The first pass weighs the pixels as for a disk of a few
electrons, the same everywhere, so that it has no bias at all; the second as for the intensity found by the first,
and where that was far off, because a much stronger disk is near, a third as for that found by the second. That is
the maximum-likelihood step of a model linear in its unknowns, whose bias vanishes to second order.

Disks that share light are solved together: what an electron of one adds to another is the filter of the one summed
over the template of the other, which gives one equation per position.

The variance is the modelled one of the pixels, with **one electron more than measured**: after n counts, the
variance of a Poisson mean of which nothing was known is n + 1, so that a place without a count is not "0 without
error". To that come the neighbours (`joint_variance`), their templates (`template_variance`), and the curvature
of the background under the disk (`UNEVEN`).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from livebragg.kernels.batch import prepare_frame
from livebragg.kernels.compiled import kernel, part
from livebragg.kernels.forced import NEIGHBOURS, Forced
from livebragg.kernels.forced_background import measure_tiles
from livebragg.kernels.forced_equation import put_into_model, wipe_from_model, write_equation
from livebragg.kernels.forced_place import place_positions
from livebragg.kernels.forced_solve import UNSETTLED, joint_variance, settle, template_variance
from livebragg.kernels.plan import Plan, Scratch
from livebragg.kernels.significance import UNEVEN

_PASSES = 3
"""Passes over the positions, the last one over those beside much stronger ones."""

_MOVED = 0.25
"""Change in the second pass, in standard errors, that is worth a third."""


@kernel()
def measure_batch(
    frames: NDArray[np.uint8],
    counting: tuple[int, float, float, float],
    plan: Plan,
    scratch: Scratch,
    forced: Forced,
    positions: NDArray[np.float64],
    origins: NDArray[np.float64],
    out_values: NDArray[np.float32],
    out_health: NDArray[np.int64],
) -> None:  # pragma: no cover - compiled
    """Intensities at given positions of several frames.

    Parameters
    ----------
    frames : NDArray[np.uint8], shape (n, frame_rows, bytes of a row)
    counting : tuple
        Pixel type, gain, offset and read-noise variance, as in `prepare_frame`.
    positions : NDArray[np.float64], shape (n, k, 2) or (1, k, 2)
        Of each frame, or of all; rows and columns, in pixels.
    origins : NDArray[np.float64], shape (n, 2) or (1, 2)
        Added to the positions.
    out_values : NDArray[np.float32], shape (3, n, k)
        Intensity and standard error in detector counts, and usable part of the disk.
    out_health : NDArray[np.int64], shape (5,)
    """
    moves = positions.shape[0] > 1 or origins.shape[0] > 1
    count = positions.shape[1]
    for i in range(frames.shape[0]):
        top = prepare_frame(frames[i], counting, plan, scratch, out_health)
        if i == 0 or moves:
            a, b = min(i, positions.shape[0] - 1), min(i, origins.shape[0] - 1)
            place_positions(plan, forced, positions[a], origins[b, 0], origins[b, 1])
        measure_tiles(plan, scratch, forced, top)
        measure_frame(plan, scratch, forced, count)
        for k in range(count):
            _write(forced, k, scratch.noise[0], out_values[:, i])


@part()
def measure_frame(plan: Plan, scratch: Scratch, forced: Forced, count: int) -> None:  # pragma: no cover - compiled
    """Intensities of the listed positions; ``scratch.model`` is zero before and after."""
    for turn in range(_PASSES):
        for k in range(count):
            if not forced.active[k]:
                forced.alone[k] = forced.amount[k] = 0.0
                forced.variance[k] = forced.deviation[k] = 1.0
            elif turn < 2 or _is_beside_strong(forced, k):
                write_equation(plan, scratch, forced, k, turn > 0)
        for k in range(count):
            if turn > 0 and forced.active[k]:
                wipe_from_model(plan, scratch, forced, k)
        for k in range(count):
            forced.before[k] = forced.amount[k]
        settle(forced, count, turn > 0)
        for k in range(count):
            if turn < _PASSES - 1 and forced.active[k]:
                put_into_model(plan, scratch, forced, k)


@part()
def _is_beside_strong(forced: Forced, k: int) -> bool:  # pragma: no cover - compiled
    """Whether the second pass has changed an intensity so much that its weights were wrong."""
    change = forced.amount[k] - forced.before[k]
    return bool(forced.near[k] > 0 and change * change > _MOVED**2 * forced.variance[k])


@part()
def _write(forced: Forced, k: int, gain: float, out: NDArray[np.float32]) -> None:  # pragma: no cover - compiled
    """Intensity, error and usable part of position `k`, in detector counts; NaN where they are not known."""
    out[0, k] = out[1, k] = np.nan
    out[2, k] = forced.usable[k]
    if not forced.wanted[k] or forced.near[k] > NEIGHBOURS or not forced.drift[k] < UNSETTLED:
        return
    variance = joint_variance(forced, k) + template_variance(forced, k) + (UNEVEN * forced.ground[k]) ** 2
    if variance < np.inf:
        out[0, k], out[1, k] = forced.amount[k] * gain, math.sqrt(variance) * gain
