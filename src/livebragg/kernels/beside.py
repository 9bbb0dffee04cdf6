"""Disks that stand so close to a stronger one that the sums show no maximum of their own.

Sums over a disk are twice as wide as the disk: a weak neighbour is a shoulder on the flank of a strong one. It is
seen once the strong one is taken away.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from livebragg.kernels.compiled import kernel, part
from livebragg.kernels.fit import aperture_sums, gather, subtract
from livebragg.kernels.modelled import corner_of, renew
from livebragg.kernels.near import DEPENDENT, OVERLAPPED, list_candidate, nearest_disk
from livebragg.kernels.patch import tile_of
from livebragg.kernels.plan import COL, OWNER, ROW, SIGNIFICANCE, THRESHOLD, Plan, Scratch

_GLOWING = 5.0
"""Light around a disk, in standard deviations, that asks for a look beside it."""

_BRIGHT = 10.0
"""Significance of a disk beside which others may hide."""

_ANGLES = 12
_RINGS = 3
"""Places looked at around a disk: so many directions, at so many distances."""

_WRONG = 0.3
"""What the strong disk's template may be wrong by: a disk larger than the probe must not get a ring of others."""


@kernel()
def look_beside(
    plan: Plan, scratch: Scratch, count: int, found: int, out_fit: NDArray[np.float64]
) -> int:  # pragma: no cover - compiled
    """Add the places beside the `found` disks where one may hide to the `count` candidates; their number then."""
    for i in range(found):
        fit = out_fit[i]
        owner = int(fit[OWNER])
        if fit[SIGNIFICANCE] < _BRIGHT or scratch.glow[owner] < _GLOWING or count == scratch.state.size:
            continue
        scratch.crowded[owner] = OVERLAPPED
        renew(plan, scratch, owner, fit)
        if _shoulder(plan, scratch, fit, count):
            list_candidate(plan, scratch, count)
            scratch.order[count] = count
            count += 1
    return count


@part()
def _shoulder(
    plan: Plan, scratch: Scratch, fit: NDArray[np.float64], k: int
) -> bool:  # pragma: no cover - compiled
    """Make the place beside a disk where most light is left candidate `k`, if it is enough."""
    least = best = scratch.least[THRESHOLD]
    rows, cols = plan.clean.shape
    i, j = tile_of(plan, scratch, fit[ROW], fit[COL])
    level = scratch.level[i, j]
    for ring in range(_RINGS):
        distance = plan.spacing + (2.0 * plan.edge - plan.spacing) * (ring + 0.5) / _RINGS
        for step in range(_ANGLES):
            angle = 2.0 * math.pi * (step + 0.5 * (ring & 1)) / _ANGLES
            row = math.floor(fit[ROW] + distance * math.sin(angle) + 0.5)
            col = math.floor(fit[COL] + distance * math.cos(angle) + 0.5)
            if not (0 <= row < rows and 0 <= col < cols):
                continue
            if nearest_disk(plan, scratch, row, col, -1) < plan.spacing**2:
                continue
            on, known, area = _light(plan, scratch, row, col)
            ground = level * area
            sure = (on - ground) / math.sqrt(max(on, 0.0) + known + ground + 1.0 + (_WRONG * known) ** 2)
            if sure > best:
                best = sure
                scratch.place[k, 0], scratch.place[k, 1] = row, col
                scratch.height[k], scratch.ground[k] = on - ground, ground
    if best <= least:
        return False
    scratch.amount[k] = max(scratch.height[k] / plan.captured, 1.0)
    scratch.bin_row[k] = int(scratch.place[k, 0]) // plan.binning[0]
    scratch.bin_col[k] = int(scratch.place[k, 1]) // plan.binning[1]
    scratch.crowded[k], scratch.modelled[k] = DEPENDENT, False
    return True


@part()
def _light(plan: Plan, scratch: Scratch, row: int, col: int) -> tuple[float, float, float]:  # pragma: no cover
    """Counts without the known disks in the aperture about a pixel, counts of those, and usable pixels."""
    corner = corner_of(plan, scratch, row, col)
    pixels, known, use = scratch.patch[0], scratch.patch[1], scratch.patch[2]
    gather(scratch.image.reshape(-1), corner, plan.patch, pixels)
    gather(scratch.model.reshape(-1), corner, plan.patch, known)
    gather(plan.weight.reshape(-1), corner, plan.patch, use)
    subtract(known, pixels)
    sums = aperture_sums(pixels, known, use, plan.templates[0, 3], plan.templates[0, 3])
    return sums[0], sums[2], sums[4]
