"""One candidate: its fit among the disks known already, its significance, and whether it is just a hot pixel."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from livebragg.kernels.compiled import part
from livebragg.kernels.fit import (
    PHASES,
    add_disk,
    aperture_sums,
    brightest,
    gather,
    level_out,
    multiply,
    normal_equations,
    phase_of,
    solve,
    subtract,
    take_out,
    variance_of,
)
from livebragg.kernels.hot import replace_hot_pixel
from livebragg.kernels.near import ALONE, DEPENDENT, DISK, NONE, OVERLAPPED, TOUCHED, nearest_disk, surroundings
from livebragg.kernels.plan import (
    BACKGROUND,
    COL,
    INTENSITY,
    INTENSITY_VARIANCE,
    OWNER,
    POSITION_VARIANCE,
    ROW,
    SIGNIFICANCE,
    Plan,
    Scratch,
)
from livebragg.kernels.score import root_deviance

REFUSED, TAKEN, HOT = 0, 1, 2

_SURE = 6.0
"""Excess, in standard deviations of the background, from which a candidate is taken for a disk before its fit. A
weaker one may be noise, and if not is too weak to matter to its neighbours."""

_HOPELESS = 0.75
"""Part of the significance needed below which the best place nearby will not do either."""

_GLOW = 0.2
"""Relative error of what light is expected around a disk."""

_PLAIN = 8.0
"""Significance above which it need not be known exactly."""

_STRONG = 9.0
"""Excess in standard deviations from which the sums tell well enough where a disk is: the likelihood of a weaker
one has side maxima, which a blurred template does not see."""

_STEPS = 3
"""Fisher-scoring steps of a disk's fit; the first usually lands within a hundredth of a pixel."""

_SOFT_CONVERGED = 0.5
_CONVERGED = 0.25
"""Move, in pixels, after which another step would change nothing that matters."""

SYSTEMATIC = 0.1
"""What a found disk's template may be wrong by where it overlaps another place: inner structure and tails of
strong disks must not turn into weak disks beside them."""

UNEVEN = 0.01
"""What the background may be wrong by inside the disk: halos curve, real backgrounds have texture."""


@part()
def expect_candidate(plan: Plan, scratch: Scratch, k: int) -> None:  # pragma: no cover - compiled
    """Note what is near candidate `k`, and put it into the model as far as it is known.

    So every disk is fitted once, beside its neighbours as they roughly are. A candidate that overlaps with a
    higher one may be nothing but the higher one's flank: it waits until that one is fitted.
    """
    other, higher = surroundings(plan, scratch, k)
    scratch.modelled[k] = False
    if other > plan.touch**2:
        scratch.crowded[k] = ALONE
    elif higher <= plan.overlap**2:
        scratch.crowded[k] = DEPENDENT
    else:
        scratch.crowded[k] = OVERLAPPED if other <= plan.overlap**2 else TOUCHED
        if scratch.height[k] > _SURE * math.sqrt(scratch.ground[k] + 1.0):
            put(plan, scratch, k, True)


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
def fit_candidate(
    plan: Plan, scratch: Scratch, k: int, mend: bool, fit: NDArray[np.float64]
) -> int:  # pragma: no cover - compiled
    """Fit and test candidate `k`, and write it into `fit` when it holds.

    Returns
    -------
    int
        `REFUSED`, `TAKEN`, or `HOT` when a hot pixel was mended in its place.
    """
    scratch.where[0] = -1
    scratch.rating[k] = 0.0
    verdict = _try(plan, scratch, k, mend, fit)
    if verdict != TAKEN:
        dismiss(plan, scratch, k)
        return verdict
    scratch.state[k] = DISK
    fit[OWNER] = k
    lost = scratch.crowded[k] == TOUCHED and not scratch.modelled[k] and fit[SIGNIFICANCE] > _SURE
    if lost or scratch.crowded[k] >= OVERLAPPED:
        renew(plan, scratch, k, fit)
    return TAKEN


@part()
def dismiss(plan: Plan, scratch: Scratch, k: int) -> None:  # pragma: no cover - compiled
    """Candidate `k` is none."""
    scratch.state[k] = NONE
    put(plan, scratch, k, False)


@part()
def renew(plan: Plan, scratch: Scratch, k: int, fit: NDArray[np.float64]) -> None:  # pragma: no cover - compiled
    """Bring the model up to date with a fit."""
    put(plan, scratch, k, False)
    scratch.place[k, 0], scratch.place[k, 1], scratch.amount[k] = fit[ROW], fit[COL], fit[INTENSITY]
    put(plan, scratch, k, True)


@part()
def _try(
    plan: Plan, scratch: Scratch, k: int, mend: bool, fit: NDArray[np.float64]
) -> int:  # pragma: no cover - compiled
    place, crowd = scratch.place[k], scratch.crowded[k]
    square = plan.spacing**2
    if crowd == DEPENDENT and nearest_disk(plan, scratch, place[0], place[1], k) < square:
        return REFUSED
    fit[ROW], fit[COL], fit[INTENSITY] = place[0], place[1], scratch.amount[k]
    r, c = scratch.bin_row[k], scratch.bin_col[k]
    fit[BACKGROUND] = max(scratch.ground[k] / plan.disk_area[r, c], 1e-6)
    weak = scratch.height[k] ** 2 < _STRONG**2 * (scratch.ground[k] + scratch.height[k])
    if weak:  # a look before the climb
        scratch.rating[k] = _significance(plan, scratch, k, fit)
        if scratch.rating[k] < _HOPELESS * plan.threshold:
            return REFUSED
    if not _climb(plan, scratch, k, weak, fit):
        return REFUSED
    if crowd >= OVERLAPPED and nearest_disk(plan, scratch, fit[ROW], fit[COL], k) < square:
        return REFUSED
    fit[SIGNIFICANCE] = _significance(plan, scratch, k, fit)
    scratch.rating[k] = fit[SIGNIFICANCE]
    if fit[SIGNIFICANCE] < plan.threshold:
        return REFUSED
    return HOT if mend and _mended(plan, scratch, fit) else TAKEN


@part()
def _climb(
    plan: Plan, scratch: Scratch, k: int, weak: bool, fit: NDArray[np.float64]
) -> bool:  # pragma: no cover - compiled
    """Steps until one is short, for a `weak` disk first with the soft template; False when the disk runs away."""
    soft, left = weak, _STEPS
    while left > 0:
        old_row, old_col = fit[ROW], fit[COL]
        if not _step(plan, scratch, k, soft, fit):
            return False
        move = max(abs(fit[ROW] - old_row), abs(fit[COL] - old_col))
        left -= 1
        if soft and (move < _SOFT_CONVERGED or left == 0):
            soft, left = False, _STEPS
        elif move < _CONVERGED and not soft:
            left = 0
    return True


@part()
def corner_of(plan: Plan, scratch: Scratch, pixel_row: int, pixel_col: int) -> int:  # pragma: no cover - compiled
    """Flat position of the corner of the patch's square about a pixel."""
    width = scratch.image.shape[1]
    return int((pixel_row + plan.pad - plan.reach) * width + pixel_col + plan.pad - plan.reach)


@part()
def tile_of(
    plan: Plan, scratch: Scratch, row: float, col: float
) -> tuple[int, int]:  # pragma: no cover - compiled
    rows, cols = plan.clean.shape
    tile_rows, tile_cols = scratch.level.shape
    i = min(max(int(row * tile_rows / rows), 0), tile_rows - 1)
    return i, min(max(int(col * tile_cols / cols), 0), tile_cols - 1)


@part()
def _gather(
    plan: Plan, scratch: Scratch, k: int, pixel_row: int, pixel_col: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:  # pragma: no cover - compiled
    """Lines of the patch about a pixel: other disks, and usability; image without them in ``scratch.patch[0]``."""
    pixels, known, use = scratch.patch[0], scratch.nothing, plan.inside_patch
    where = scratch.where
    fresh = where[0] != k or where[1] != pixel_row or where[2] != pixel_col
    where[0], where[1], where[2] = k, pixel_row, pixel_col
    corner = corner_of(plan, scratch, pixel_row, pixel_col)
    if fresh:
        gather(scratch.image.reshape(-1), corner, plan.patch, pixels)
    if scratch.crowded[k] != ALONE:
        known = scratch.patch[1]
        if fresh:
            _gather_others(plan, scratch, k, pixel_row, pixel_col, known)
            subtract(known, pixels)
    if fresh:
        _level_out(plan, scratch, pixel_row, pixel_col, pixels)
    rows, cols = plan.clean.shape
    if not (0 <= pixel_row < rows and 0 <= pixel_col < cols) or not plan.clean[pixel_row, pixel_col]:
        use = scratch.patch[2]
        if fresh:
            gather(plan.weight.reshape(-1), corner, plan.patch, use)
            multiply(plan.inside_patch, use)
    return known, use


@part()
def _level_out(
    plan: Plan, scratch: Scratch, row: int, col: int, pixels: NDArray[np.float32]
) -> None:  # pragma: no cover - compiled
    """Take the slope between the background tiles out of a patch: it would move the disk to the bright side."""
    i, j = tile_of(plan, scratch, row, col)
    rows, cols = plan.clean.shape
    tall, wide = rows / scratch.level.shape[0], cols / scratch.level.shape[1]
    noise = scratch.level[i, j] / (tall * wide)
    above, below = max(i - 1, 0), min(i + 1, scratch.level.shape[0] - 1)
    left, right = max(j - 1, 0), min(j + 1, scratch.level.shape[1] - 1)
    by_row = _slope(scratch.level[above, j], scratch.level[below, j], (below - above) * tall, noise)
    by_col = _slope(scratch.level[i, left], scratch.level[i, right], (right - left) * wide, noise)
    if by_row != 0.0 or by_col != 0.0:
        level_out(plan.steps, by_row, by_col, pixels)


@part()
def _slope(first: float, last: float, distance: float, noise: float) -> float:  # pragma: no cover - compiled
    """Slope between two tiles of variance `noise`, the smaller the less certain it is."""
    rise = last - first
    if rise * rise <= 2.0 * noise or distance <= 0.0:
        return 0.0
    return rise * (1.0 - 2.0 * noise / (rise * rise)) / distance


@part()
def _gather_others(
    plan: Plan, scratch: Scratch, k: int, pixel_row: int, pixel_col: int, out_line: NDArray[np.float32]
) -> None:  # pragma: no cover - compiled
    """Patch of the model without candidate `k` itself."""
    own_row, phase_row, rest_row = phase_of(scratch.place[k, 0])
    own_col, phase_col, rest_col = phase_of(scratch.place[k, 1])
    here = own_row == pixel_row and own_col == pixel_col
    if not here:  # its template does not fit the line
        put(plan, scratch, k, False)
    gather(scratch.model.reshape(-1), corner_of(plan, scratch, pixel_row, pixel_col), plan.patch, out_line)
    if scratch.modelled[k]:
        template = plan.templates[phase_row * PHASES + phase_col]
        take_out(template, scratch.amount[k], rest_row, rest_col, out_line)


@part()
def _step(
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
    known, use = _gather(plan, scratch, k, pixel_row, pixel_col)
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


@part()
def _significance(
    plan: Plan, scratch: Scratch, k: int, fit: NDArray[np.float64]
) -> float:  # pragma: no cover - compiled
    """Significance of a fitted disk beside the other disks."""
    pixel_row, phase_row, _ = phase_of(fit[ROW])
    pixel_col, phase_col, _ = phase_of(fit[COL])
    known, use = _gather(plan, scratch, k, pixel_row, pixel_col)
    inside = plan.templates[phase_row * PHASES + phase_col, 3]
    on, off, known_on, known_off, area_on, area_off = aperture_sums(
        scratch.patch[0], known, use, inside, plan.outside
    )
    i, j = tile_of(plan, scratch, fit[ROW], fit[COL])
    trust = scratch.trust[i, j]
    expected = scratch.level[i, j] * area_off
    glow = off - expected
    scratch.glow[k] = glow / math.sqrt(expected + 1.0 + known_off + (_GLOW * (expected + known_off)) ** 2)
    area_off += trust / scratch.level[i, j]
    off += trust
    if not (area_on > 0.0 and area_off > 0.0):
        return 0.0
    noise_on, noise_off, ratio = scratch.noise[1] * area_on, scratch.noise[1] * area_off, area_on / area_off
    counts = on + known_on
    variance = max(counts, 1.0) + noise_on
    wrong = (SYSTEMATIC * known_on) ** 2 + (UNEVEN * max(off, 0.0) * ratio) ** 2
    simple = (on - ratio * off) / math.sqrt(variance + wrong)
    if simple > _PLAIN:
        return float(simple)
    root = root_deviance(counts + noise_on, off + known_off + noise_off, ratio, known_on, known_off)
    return root / math.sqrt(1.0 + wrong / variance)


@part()
def _mended(plan: Plan, scratch: Scratch, fit: NDArray[np.float64]) -> bool:  # pragma: no cover - compiled
    """Whether the disk was one hot pixel, which is then replaced. `_significance` has left the disk's patch."""
    pixel_row, phase_row, _ = phase_of(fit[ROW])
    pixel_col, phase_col, _ = phase_of(fit[COL])
    inside = plan.templates[phase_row * PHASES + phase_col, 3]
    top = brightest(scratch.patch[0], inside, scratch.patch[3])
    expected = plan.plateau * fit[INTENSITY] + fit[BACKGROUND]
    if top <= 1.5 * expected + 4.0 * math.sqrt(expected + 1.0):
        return False
    rows, cols = plan.clean.shape
    row, col = min(max(pixel_row, 0), rows - 1), min(max(pixel_col, 0), cols - 1)
    return bool(
        replace_hot_pixel(scratch.image, plan.weight, plan.pad, row, col, int(plan.spacing), plan.peakedness)
    )


@part()
def refit(plan: Plan, scratch: Scratch, k: int, fit: NDArray[np.float64]) -> float:  # pragma: no cover - compiled
    """One step of a disk among its neighbours; returns how far it moved, in pixels."""
    scratch.where[0] = -1
    old_row, old_col, old_amount = fit[ROW], fit[COL], fit[INTENSITY]
    never = plan.pad < 0  # for a plain False the step would be compiled anew
    if not _step(plan, scratch, k, never, fit):
        fit[ROW], fit[COL], fit[INTENSITY] = old_row, old_col, old_amount
    renew(plan, scratch, k, fit)
    return float(max(abs(fit[ROW] - old_row), abs(fit[COL] - old_col)))


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
