"""One Fisher-scoring step of a disk among the disks known already."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from livebragg.kernels.compiled import part
from livebragg.kernels.fit import PHASES, normal_equations, phase_of, solve, variance_of
from livebragg.kernels.patch import gather_patch, tile_of
from livebragg.kernels.plan import (
    BACKGROUND,
    COL,
    INTENSITY,
    INTENSITY_VARIANCE,
    POSITION_VARIANCE,
    ROW,
    Plan,
    Scratch,
)


@part()
def step(
    plan: Plan, scratch: Scratch, k: int, soft: bool, fit: NDArray[np.float64]
) -> bool:  # pragma: no cover - compiled
    """One Fisher-scoring step, with a `soft` template where the disk may be off by more than its edge is wide."""
    pixel_row, phase_row, rest_row = phase_of(fit[ROW])
    pixel_col, phase_col, rest_col = phase_of(fit[COL])
    template = plan.templates[phase_row * PHASES + phase_col]
    if soft:
        pixel_row, pixel_col = math.floor(fit[ROW] + 0.5), math.floor(fit[COL] + 0.5)
        rest_row, rest_col = fit[ROW] - pixel_row, fit[COL] - pixel_col
        template = plan.soft
    known, use = gather_patch(plan, scratch, k, pixel_row, pixel_col)
    matrix, vector, noise = scratch.matrix, scratch.vector, scratch.noise[1]
    amount, base = fit[INTENSITY], fit[BACKGROUND]
    normal_equations(scratch.patch[0], known, use, template, amount, base, noise, plan.plateau, matrix, vector)
    _add_tile(plan, scratch, fit)
    if not solve(matrix, vector, 4):
        return False
    intensity = vector[0]
    if not intensity > 0.0:
        return False
    fit[ROW] += min(max(vector[1] / intensity, -1.0), 1.0) - rest_row
    fit[COL] += min(max(vector[2] / intensity, -1.0), 1.0) - rest_col
    fit[INTENSITY] = intensity
    fit[BACKGROUND] = max(vector[3], 1e-6)
    fit[INTENSITY_VARIANCE] = variance_of(matrix, 0, 4)
    fit[POSITION_VARIANCE] = 0.5 * (variance_of(matrix, 1, 4) + variance_of(matrix, 2, 4)) / intensity**2
    return _is_tied(plan, scratch.place[k], fit)


@part()
def _is_tied(plan: Plan, found_at: NDArray[np.float64], fit: NDArray[np.float64]) -> bool:  # pragma: no cover
    """Whether the disk lies in the frame and near where it was found."""
    rows, cols = plan.clean.shape
    inside = -0.5 <= fit[ROW] <= rows - 0.5 and -0.5 <= fit[COL] <= cols - 0.5
    square = (fit[ROW] - found_at[0]) ** 2 + (fit[COL] - found_at[1]) ** 2
    return bool(inside and square <= plan.leash**2)


@part()
def _add_tile(plan: Plan, scratch: Scratch, fit: NDArray[np.float64]) -> None:  # pragma: no cover - compiled
    """The tile's background is one more measurement of the disk's."""
    i, j = tile_of(plan, scratch, fit[ROW], fit[COL])
    area = scratch.trust[i, j] / scratch.level[i, j]
    variance = (max(fit[BACKGROUND], scratch.level[i, j]) + scratch.noise[1]) * area
    scratch.matrix[3, 3] += area * area / variance
    scratch.vector[3] += area * scratch.trust[i, j] / variance
