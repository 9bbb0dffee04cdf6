"""One candidate: its fit among the disks known already, its significance, and whether it is just a hot pixel."""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from livebragg.kernels.fit import (
    PHASES,
    add_disk,
    aperture_sums,
    brightest,
    gather,
    normal_equations,
    phase_of,
    solve,
    variance_of,
)
from livebragg.kernels.hot import replace_hot_pixel
from livebragg.kernels.near import DISK, MODELLED, NONE, nearest
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

_STEPS = 3
"""Fisher-scoring steps of a disk's fit; the first usually lands within a hundredth of a pixel."""

_CONVERGED = 0.15
"""Move, in pixels, after which another step would change nothing that matters."""

SYSTEMATIC = 0.1
"""What a found disk's template may be wrong by where it overlaps another place: inner structure and tails of
strong disks must not turn into weak disks beside them."""

UNEVEN = 0.01
"""What the background may be wrong by inside the disk: halos curve, real backgrounds have texture."""


@njit(cache=True, nogil=True, error_model="numpy")
def fit_candidate(
    plan: Plan, scratch: Scratch, k: int, unit: float, mend: bool, fit: NDArray[np.float64]
) -> int:  # pragma: no cover - compiled
    """Fit and test candidate `k`, and write it into `fit` when it holds.

    Returns
    -------
    int
        `REFUSED`, `TAKEN`, or `HOT` when a hot pixel was mended in its place.
    """
    place = scratch.place[k]
    alone = nearest(plan, scratch, place[0], place[1], k)[0]
    scratch.taken[k] = NONE
    if alone < plan.spacing:
        return REFUSED
    _begin(plan, scratch, k, unit, fit)
    for _ in range(_STEPS):
        old_row, old_col = fit[ROW], fit[COL]
        if not _step(plan, scratch, place, alone > plan.touch, fit):
            return REFUSED
        if max(abs(fit[ROW] - old_row), abs(fit[COL] - old_col)) < _CONVERGED:
            break
    disk, other = nearest(plan, scratch, fit[ROW], fit[COL], k)
    if disk < plan.spacing:
        return REFUSED
    fit[SIGNIFICANCE] = _significance(plan, scratch, disk > plan.touch, fit)
    if fit[SIGNIFICANCE] < plan.threshold:
        return REFUSED
    if mend and _mended(plan, scratch, fit):
        return HOT
    fit[OWNER] = k
    place[0], place[1] = fit[ROW], fit[COL]
    scratch.taken[k] = DISK
    if other <= plan.touch:
        scratch.taken[k] = MODELLED
        _put(plan, scratch, fit, 1.0)
    return TAKEN


@njit(cache=True, nogil=True, error_model="numpy")
def _begin(
    plan: Plan, scratch: Scratch, k: int, unit: float, fit: NDArray[np.float64]
) -> None:  # pragma: no cover - compiled
    """First guess from the sums about the candidate's bin."""
    r, c = scratch.bin_row[k], scratch.bin_col[k]
    counts = scratch.disk[r + plan.margin, c + plan.margin] * unit
    fit[ROW], fit[COL] = scratch.place[k, 0], scratch.place[k, 1]
    fit[INTENSITY] = max(scratch.height[k] / plan.captured, 1.0)
    fit[BACKGROUND] = max((counts - scratch.height[k]) / plan.disk_area[r, c], 1e-6)


@njit(cache=True, nogil=True)
def _corner(plan: Plan, scratch: Scratch, pixel_row: int, pixel_col: int) -> int:  # pragma: no cover - compiled
    """Flat position of the corner of the patch's square about a pixel."""
    width = scratch.image.shape[1]
    return (pixel_row + plan.pad - plan.reach) * width + pixel_col + plan.pad - plan.reach


@njit(cache=True, nogil=True)
def _tile(plan: Plan, scratch: Scratch, row: float, col: float) -> tuple[int, int]:  # pragma: no cover - compiled
    rows, cols = plan.clean.shape
    tile_rows, tile_cols = scratch.level.shape
    i = min(max(int(row * tile_rows / rows), 0), tile_rows - 1)
    return i, min(max(int(col * tile_cols / cols), 0), tile_cols - 1)


@njit(cache=True, nogil=True)
def _gather(
    plan: Plan, scratch: Scratch, pixel_row: int, pixel_col: int, alone: bool
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:  # pragma: no cover - compiled
    """Lines of the patch about a pixel: image without the known disks, known disks, usability."""
    corner = _corner(plan, scratch, pixel_row, pixel_col)
    pixels, known, use = scratch.patch[0], scratch.nothing, plan.inside_patch
    gather(scratch.image.reshape(-1), corner, plan.patch, pixels)
    if not alone:
        known = scratch.patch[1]
        gather(scratch.model.reshape(-1), corner, plan.patch, known)
        for i in range(pixels.size):
            pixels[i] -= known[i]
            known[i] = max(known[i], np.float32(0.0))
    rows, cols = plan.clean.shape
    inside = 0 <= pixel_row < rows and 0 <= pixel_col < cols
    if not inside or not plan.clean[pixel_row, pixel_col]:
        use = scratch.patch[2]
        gather(plan.weight.reshape(-1), corner, plan.patch, use)
        for i in range(use.size):
            use[i] *= plan.inside_patch[i]
    return pixels, known, use


@njit(cache=True, nogil=True, error_model="numpy")
def _step(
    plan: Plan, scratch: Scratch, found_at: NDArray[np.float64], alone: bool, fit: NDArray[np.float64]
) -> bool:  # pragma: no cover - compiled
    """One Fisher-scoring step; the disk itself must not be in the model."""
    pixel_row, phase_row, rest_row = phase_of(fit[ROW])
    pixel_col, phase_col, rest_col = phase_of(fit[COL])
    pixels, known, use = _gather(plan, scratch, pixel_row, pixel_col, alone)
    matrix, vector = scratch.matrix, scratch.vector
    template = plan.templates[phase_row * PHASES + phase_col]
    noise = scratch.noise[1]
    normal_equations(
        pixels, known, use, template, fit[INTENSITY], fit[BACKGROUND], noise, plan.plateau, matrix, vector
    )
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
    return _is_tied(plan, found_at, fit)


@njit(cache=True, nogil=True)
def _is_tied(plan: Plan, found_at: NDArray[np.float64], fit: NDArray[np.float64]) -> bool:  # pragma: no cover
    """Whether the disk lies in the frame and near where it was found."""
    rows, cols = plan.clean.shape
    inside = -0.5 <= fit[ROW] <= rows - 0.5 and -0.5 <= fit[COL] <= cols - 0.5
    square = (fit[ROW] - found_at[0]) ** 2 + (fit[COL] - found_at[1]) ** 2
    return bool(inside and square <= plan.leash**2)


@njit(cache=True, nogil=True, error_model="numpy")
def _add_tile(plan: Plan, scratch: Scratch, fit: NDArray[np.float64]) -> None:  # pragma: no cover - compiled
    """The tile's background is one more measurement of the disk's."""
    i, j = _tile(plan, scratch, fit[ROW], fit[COL])
    area = scratch.trust[i, j] / scratch.level[i, j]
    variance = (max(fit[BACKGROUND], scratch.level[i, j]) + scratch.noise[1]) * area
    scratch.matrix[3, 3] += area * area / variance
    scratch.vector[3] += area * scratch.trust[i, j] / variance


@njit(cache=True, nogil=True, error_model="numpy")
def _significance(
    plan: Plan, scratch: Scratch, alone: bool, fit: NDArray[np.float64]
) -> float:  # pragma: no cover - compiled
    """Significance of a fitted disk beside the disks modelled already."""
    pixel_row, phase_row, _ = phase_of(fit[ROW])
    pixel_col, phase_col, _ = phase_of(fit[COL])
    pixels, known, use = _gather(plan, scratch, pixel_row, pixel_col, alone)
    inside = plan.templates[phase_row * PHASES + phase_col, 3]
    on, off, known_on, known_off, area_on, area_off = aperture_sums(pixels, known, use, inside, plan.outside)
    i, j = _tile(plan, scratch, fit[ROW], fit[COL])
    trust = scratch.trust[i, j]
    area_off += trust / scratch.level[i, j]
    off += trust
    if not (area_on > 0.0 and area_off > 0.0):
        return 0.0
    noise_on, noise_off, ratio = scratch.noise[1] * area_on, scratch.noise[1] * area_off, area_on / area_off
    root = root_deviance(on + known_on + noise_on, off + known_off + noise_off, ratio, known_on, known_off)
    variance = max(on + known_on, 1.0) + noise_on
    wrong = (SYSTEMATIC * known_on) ** 2 + (UNEVEN * max(off, 0.0) * ratio) ** 2
    return root / math.sqrt(1.0 + wrong / variance)


@njit(cache=True, nogil=True, error_model="numpy")
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
    return bool(replace_hot_pixel(scratch.image, plan.weight, plan.pad, row, col, plan.reach, plan.peakedness))


@njit(cache=True, nogil=True, error_model="numpy")
def _put(
    plan: Plan, scratch: Scratch, fit: NDArray[np.float64], sign: float
) -> None:  # pragma: no cover - compiled
    """Put a disk into the model, or (`sign` -1) take it out."""
    pixel_row, phase_row, rest_row = phase_of(fit[ROW])
    pixel_col, phase_col, rest_col = phase_of(fit[COL])
    template = plan.templates[phase_row * PHASES + phase_col]
    corner = _corner(plan, scratch, pixel_row, pixel_col)
    model = scratch.model.reshape(-1)
    add_disk(template, plan.patch, corner, sign * fit[INTENSITY], rest_row, rest_col, model)


@njit(cache=True, nogil=True, error_model="numpy")
def refit(plan: Plan, scratch: Scratch, k: int, fit: NDArray[np.float64]) -> None:  # pragma: no cover - compiled
    """One step of a disk of the model among its neighbours."""
    _put(plan, scratch, fit, -1.0)
    place = scratch.place[k]
    old_row, old_col = fit[ROW], fit[COL]
    if not _step(plan, scratch, place, False, fit):
        fit[ROW], fit[COL] = old_row, old_col
    place[0], place[1] = fit[ROW], fit[COL]
    _put(plan, scratch, fit, 1.0)


@njit(cache=True, nogil=True)
def remove_from_model(plan: Plan, scratch: Scratch, k: int) -> None:  # pragma: no cover - compiled
    """Zero the model where candidate `k` is, and as far around as it may have wandered."""
    margin = plan.reach + int(plan.leash) + 2
    row, col = int(scratch.place[k, 0]) + plan.pad, int(scratch.place[k, 1]) + plan.pad
    top, left = max(row - margin, 0), max(col - margin, 0)
    scratch.model[top : row + margin + 2, left : col + margin + 2] = 0.0
