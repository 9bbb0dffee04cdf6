"""How many more electrons lie in the disk about a bin than its surroundings let expect."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from livebragg.kernels.compiled import kernel

FEW = 0.5
"""Variance added to that of the background: a disk of three electrons on an empty background is worth a look,
one of two is not."""

_UNEVEN = 0.005
"""What the background of the surroundings may be wrong by inside the disk."""


@kernel()
def excess_map(
    disk: NDArray[np.int32],
    box: NDArray[np.int32],
    margin: int,
    unit: float,
    ratio: NDArray[np.float32],
    ring_area: float,
    level: NDArray[np.float64],
    trust: NDArray[np.float64],
    floor_variance: float,
    threshold: float,
    tile_lines: NDArray[np.float32],
    out_excess: NDArray[np.float32],
) -> None:  # pragma: no cover - compiled
    """Excess in the disk about every bin, 0 where it is not significant.

    Parameters
    ----------
    disk, box : NDArray[np.int32], shape (bin_rows + 2 * margin, bin_cols + 2 * margin)
        From `window_sums`.
    unit : float
        Electrons per unit of the sums.
    ratio : NDArray[np.float32], shape (bin_rows, bin_cols)
        Usable pixels of the disk over those of the rest of the box; huge where no disk can be seen.
    ring_area : float
        Pixels of the rest of a whole box.
    level, trust : NDArray[np.float64], shape (tile_rows, tile_cols)
        From `tile_background`.
    floor_variance : float
        Read-noise variance of a whole disk.
    threshold : float
        Standard deviations that are worth a closer look.
    tile_lines : NDArray[np.float32], shape (2, bin_cols)
        Scratch.
    out_excess : NDArray[np.float32], shape (bin_rows + 2, bin_cols + 2)
        With a border, which is not touched.
    """
    rows, cols = ratio.shape
    for i in range(level.shape[0]):
        _spread_tiles(level[i], trust[i], ring_area, tile_lines)
        top, bottom = i * rows // level.shape[0], (i + 1) * rows // level.shape[0]
        for r in range(top, bottom):
            _excess_row(
                disk[r + margin, margin:],
                box[r + margin, margin:],
                ratio[r],
                np.float32(unit),
                np.float32(FEW + floor_variance),
                np.float32(threshold**2),
                tile_lines,
                out_excess[r + 1, 1 : cols + 1],
            )


@kernel()
def _spread_tiles(
    level: NDArray[np.float64], trust: NDArray[np.float64], ring_area: float, out_lines: NDArray[np.float32]
) -> None:  # pragma: no cover - compiled
    """Pseudo-counts of each column, and the part of the area that is left to the ring beside theirs."""
    cols = out_lines.shape[1]
    for j in range(level.size):
        left, right = j * cols // level.size, (j + 1) * cols // level.size
        out_lines[0, left:right] = trust[j]
        out_lines[1, left:right] = ring_area / (ring_area + trust[j] / level[j])


@kernel()
def _excess_row(
    disk: NDArray[np.int32],
    box: NDArray[np.int32],
    ratio: NDArray[np.float32],
    unit: np.float32,
    floor: np.float32,
    square: np.float32,
    tile_lines: NDArray[np.float32],
    out: NDArray[np.float32],
) -> None:  # pragma: no cover - compiled
    trust, share = tile_lines[0], tile_lines[1]
    zero = np.float32(0.0)
    for c in range(out.size):
        inside = np.float32(disk[c]) * unit
        scale = ratio[c] * share[c]
        background = scale * (np.float32(box[c]) * unit - inside + trust[c])
        above = inside - background
        variance = excess_variance(background, scale, floor)
        out[c] = above if (above > zero and above * above > square * variance) else zero


@kernel()
def excess_variance(
    background: np.float32, scale: np.float32, floor: np.float32
) -> np.float32:  # pragma: no cover - compiled
    """Variance of the excess where there is no disk: of the disk's background, and of its estimate.

    `scale` is the area of the disk over that the estimate is from.
    """
    one, uneven = np.float32(1.0), np.float32(_UNEVEN**2)
    return max(background, np.float32(0.0)) * (one + scale + uneven * background) + floor


@kernel()
def root_deviance(
    n_on: float, n_off: float, ratio: float, known_on: float, known_off: float
) -> float:  # pragma: no cover - compiled
    """Signed root of the Poisson likelihood ratio of "a source is there" against "it is not".

    Without known contributions this is the significance of Li and Ma, ApJ 272 (1983) 317, eq. 17.

    Parameters
    ----------
    n_on, n_off : float
        Counts in the disk and in its surroundings.
    ratio : float
        Area of the disk over that of the surroundings.
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


@kernel()
def _term(count: float, null: float, best: float) -> float:  # pragma: no cover - compiled
    if count <= 0.0:
        return null - best
    if null <= 0.0 or best <= 0.0:
        return 0.0
    return null - best + count * math.log(best / null)


@kernel()
def _common_background(
    n_on: float, n_off: float, ratio: float, known_on: float, known_off: float
) -> float:  # pragma: no cover - compiled
    """Most likely background of the surroundings when they and the disk hold the same background density."""
    a = (1.0 + ratio) * ratio
    b = (1.0 + ratio) * (known_on + ratio * known_off) - ratio * (n_on + n_off)
    c = (1.0 + ratio) * known_on * known_off - ratio * n_on * known_off - n_off * known_on
    root = math.sqrt(max(b * b - 4.0 * a * c, 0.0))
    return max((root - b) / (2.0 * a), 0.0)
