"""The picture of the disks that have neighbours: put them in, take them out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from livebragg.kernels.compiled import part
from livebragg.kernels.fit import PHASES, add_disk, phase_of
from livebragg.kernels.plan import COL, INTENSITY, ROW, Plan, Scratch


@part()
def put(plan: Plan, scratch: Scratch, k: int, present: bool) -> None:  # pragma: no cover - compiled
    """Put candidate `k` into the model, at its place and with its amount, or take it out."""
    if scratch.modelled[k] == present:
        return
    pixel_row, phase_row, rest_row = phase_of(scratch.place[k, 0])
    pixel_col, phase_col, rest_col = phase_of(scratch.place[k, 1])
    template = plan.templates[phase_row * PHASES + phase_col]
    corner = corner_of(plan, scratch, pixel_row, pixel_col)
    amount = scratch.amount[k] if present else -scratch.amount[k]
    patch = plan.patch[: plan.lit]
    add_disk(template, patch, corner, amount, rest_row, rest_col, scratch.model.reshape(-1))
    scratch.modelled[k] = present


@part()
def renew(plan: Plan, scratch: Scratch, k: int, fit: NDArray[np.float64]) -> None:  # pragma: no cover - compiled
    """Bring the model up to date with a fit."""
    put(plan, scratch, k, False)
    scratch.place[k, 0], scratch.place[k, 1], scratch.amount[k] = fit[ROW], fit[COL], fit[INTENSITY]
    put(plan, scratch, k, True)


@part()
def wipe_model(plan: Plan, scratch: Scratch, k: int) -> None:  # pragma: no cover - compiled
    """Zero the model where candidate `k` is, and as far around as it may have wandered."""
    margin = plan.reach + int(plan.leash) + 2
    row, col = int(scratch.place[k, 0]) + plan.pad, int(scratch.place[k, 1]) + plan.pad
    rows, cols = scratch.model.shape
    for r in range(max(row - margin, 0), min(row + margin + 2, rows)):
        line = scratch.model[r, max(col - margin, 0) : min(col + margin + 2, cols)]
        for c in range(line.size):
            line[c] = 0.0


@part()
def corner_of(plan: Plan, scratch: Scratch, pixel_row: int, pixel_col: int) -> int:  # pragma: no cover - compiled
    """Flat position of the corner of the patch's square about a pixel."""
    width = scratch.image.shape[1]
    return int((pixel_row + plan.pad - plan.reach) * width + pixel_col + plan.pad - plan.reach)
