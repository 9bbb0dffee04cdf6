"""What speaks for a disk at a pixel: counts in the disk and in the ring, and whose they are known to be."""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from livebragg.kernels.plan import Plan, Scratch
from livebragg.kernels.score import root_deviance
from livebragg.kernels.spans import disk_sum

SYSTEMATIC = 0.1
"""What a found disk's template may be wrong by where it overlaps another place: inner structure and tails of
strong disks must not turn into weak disks beside them."""

_UNEVEN = 0.01
"""What the ring's background may be wrong by inside the disk: halos curve, real backgrounds have texture."""


@njit(cache=True, nogil=True, error_model="numpy")
def model_sum(
    model: NDArray[np.float32],
    weight: NDArray[np.float32],
    spans: tuple[NDArray[np.int64], NDArray[np.int64]],
    pad: int,
    row: int,
    col: int,
) -> float:  # pragma: no cover - compiled
    """Electrons of the modelled disks on usable pixels of the spans about a pixel."""
    total = 0.0
    for k in range(spans[0].size):
        c = col + pad + spans[0][k]
        for r in range(row + pad - spans[1][k], row + pad + spans[1][k] + 1):
            total += model[r, c] * weight[r, c]
    return total


@njit(cache=True, nogil=True, error_model="numpy")
def ring_counts(
    plan: Plan, scratch: Scratch, unit: float, row: int, col: int, alone: bool
) -> tuple[float, float]:  # pragma: no cover - compiled
    """Electrons in the ring about a pixel, and those of them that come from the modelled disks."""
    pad, p = plan.pad, scratch.prefix
    whole = disk_sum(p, plan.outer[0], plan.outer[1], row, col, pad)
    patch = disk_sum(p, plan.patch[0], plan.patch[1], row, col, pad)
    known = 0.0
    if not alone:
        known = model_sum(scratch.model, plan.weight, plan.outer, pad, row, col)
        known -= model_sum(scratch.model, plan.weight, plan.patch, pad, row, col)
    return (whole - patch) * unit, known


@njit(cache=True, nogil=True, error_model="numpy")
def disk_counts(
    plan: Plan, scratch: Scratch, unit: float, row: int, col: int, alone: bool
) -> tuple[float, float]:  # pragma: no cover - compiled
    """Electrons in the disk about a pixel, and those of them that come from the modelled disks."""
    counts = disk_sum(scratch.prefix, plan.disk[0], plan.disk[1], row, col, plan.pad) * unit
    if alone:
        return counts, 0.0
    return counts, model_sum(scratch.model, plan.weight, plan.disk, plan.pad, row, col)


@njit(cache=True, nogil=True, error_model="numpy")
def significance_of(
    plan: Plan, scratch: Scratch, row: int, col: int, on: tuple[float, float], off: tuple[float, float]
) -> float:  # pragma: no cover - compiled
    """Significance of a disk at a pixel beside the disks modelled already."""
    disk_area, ring_area = plan.disk_area[row, col], plan.ring_area[row, col]
    noise_on, noise_off = scratch.noise[1] * disk_area, scratch.noise[1] * ring_area
    root = root_deviance(on[0] + noise_on, off[0] + noise_off, disk_area / ring_area, on[1], off[1])
    variance = max(on[0], 1.0) + noise_on
    background = max(off[0] - off[1], 0.0) * disk_area / ring_area
    wrong = (SYSTEMATIC * on[1]) ** 2 + (_UNEVEN * background) ** 2
    return root / math.sqrt(1.0 + wrong / variance)
