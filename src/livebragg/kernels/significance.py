"""Whether a fitted disk is one: its likelihood against that of no disk, and against that of one hot pixel."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from livebragg.kernels.compiled import part
from livebragg.kernels.fit import PHASES, aperture_sums, brightest, phase_of, swing
from livebragg.kernels.hot import replace_hot_pixel
from livebragg.kernels.patch import gather_patch, tile_of
from livebragg.kernels.plan import BACKGROUND, COL, INTENSITY, ROW, Plan, Scratch
from livebragg.kernels.score import root_deviance

_GLOW = 0.2
"""Relative error of what light is expected around a disk."""

_PLAIN = 8.0
"""Significance above which it need not be known exactly."""

SYSTEMATIC = 0.1
"""What a found disk's template may be wrong by where it overlaps another place: inner structure and tails of
strong disks must not turn into weak disks beside them."""

_STRUCTURED = 40.0
"""Counts around a disk from which it can be told whether they are evenly spread."""

_CHANCE = 3.0
"""Squared swing of the surroundings that noise makes up, in its variance: exceeded by 5 % of even backgrounds."""

_STRIPED = 0.45
"""Part of the swing of the surroundings that the background in the middle may be wrong by. On a ring as wide as
the disk it is wrong by 0.9 of it, beside a shadow by 1."""

UNEVEN = 0.01
"""What the background may be wrong by inside the disk: halos curve, real backgrounds have texture."""


@part()
def significance(
    plan: Plan, scratch: Scratch, k: int, fit: NDArray[np.float64]
) -> float:  # pragma: no cover - compiled
    """Significance of a fitted disk beside the other disks."""
    pixel_row, phase_row, _ = phase_of(fit[ROW])
    pixel_col, phase_col, _ = phase_of(fit[COL])
    known, use = gather_patch(plan, scratch, k, pixel_row, pixel_col)
    inside = plan.templates[phase_row * PHASES + phase_col, 3]
    on, off, known_on, known_off, area_on, area_off = aperture_sums(
        scratch.patch[0], known, use, inside, plan.outside
    )
    i, j = tile_of(plan, scratch, fit[ROW], fit[COL])
    trust = scratch.trust[i, j]
    expected = scratch.level[i, j] * area_off
    glow = off - expected
    scratch.glow[k] = glow / math.sqrt(expected + 1.0 + known_off + (_GLOW * (expected + known_off)) ** 2)
    texture = 0.0
    if off > _STRUCTURED:
        texture = _texture(plan, scratch.patch[0], use, off, known_off, area_off) * area_on / area_off
    area_off += trust / scratch.level[i, j]
    off += trust
    if not (area_on > 0.0 and area_off > 0.0):
        return 0.0
    noise_on, noise_off, ratio = scratch.noise[1] * area_on, scratch.noise[1] * area_off, area_on / area_off
    counts = on + known_on
    variance = max(counts, 1.0) + noise_on
    wrong = (SYSTEMATIC * known_on) ** 2 + (UNEVEN * max(off, 0.0) * ratio) ** 2 + texture**2
    simple = (on - ratio * off) / math.sqrt(variance + wrong)
    if simple > _PLAIN:
        return float(simple)
    root = root_deviance(counts + noise_on, off + known_off + noise_off, ratio, known_on, known_off)
    return root / math.sqrt(1.0 + wrong / variance)


@part()
def _texture(
    plan: Plan,
    pixels: NDArray[np.float32],
    use: NDArray[np.float32],
    counts: float,
    known: float,
    area: float,
) -> float:  # pragma: no cover - compiled
    """What the background may be wrong by because it is not even, in counts of the surroundings.

    Where a ring runs through the patch, or the rim of a shadow, the surroundings are brighter in two directions
    than in the two across, and so may the middle be; on a plain slope they are not. What noise and the errors of
    `known` disks make of that is left out.
    """
    square = swing(pixels, use, plan.waves, counts / area)
    noise = _CHANCE * (counts + known) + (SYSTEMATIC * known) ** 2
    return 2.0 * _STRIPED * math.sqrt(max(square - noise, 0.0))


@part()
def was_hot_pixel(plan: Plan, scratch: Scratch, fit: NDArray[np.float64]) -> bool:  # pragma: no cover - compiled
    """Whether the disk was one hot pixel, which is then replaced. `significance` has left the disk's patch."""
    pixel_row, phase_row, _ = phase_of(fit[ROW])
    pixel_col, phase_col, _ = phase_of(fit[COL])
    inside = plan.templates[phase_row * PHASES + phase_col, 3, : plan.lit]
    top = brightest(scratch.patch[0, : plan.lit], inside, scratch.patch[3, : plan.lit])
    expected = plan.plateau * fit[INTENSITY] + fit[BACKGROUND]
    if top <= 1.5 * expected + 4.0 * math.sqrt(expected + 1.0):
        return False
    rows, cols = plan.clean.shape
    row, col = min(max(pixel_row, 0), rows - 1), min(max(pixel_col, 0), cols - 1)
    return bool(
        replace_hot_pixel(scratch.image, plan.weight, plan.pad, row, col, int(plan.spacing), plan.peakedness)
    )
