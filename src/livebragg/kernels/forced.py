"""The memory of forced photometry: positions, who is near whom, and the equations between them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from livebragg.kernels.plan import Plan, Scratch

NEIGHBOURS = 24
"""Positions near a position that can be told apart from it."""

COUPLED = 10
"""Positions, the one in question among them, whose errors are worked out together."""


class Forced(NamedTuple):
    """Memory for one frame at a time, besides `Scratch`; allocated once, by `allocate_forced`."""

    place: NDArray[np.float64]
    """(k, 2): rows and columns of the positions, in pixels."""
    usable: NDArray[np.float64]
    """(k,): part of the disk's light on usable pixels."""
    clear: NDArray[np.bool_]
    """(k,): whether all pixels of its patch can be used."""
    active: NDArray[np.bool_]
    """(k,): whether enough of the disk's light is seen to take part in the equations."""
    wanted: NDArray[np.bool_]
    """(k,): whether its intensity is reported."""
    head: NDArray[np.int32]
    """(square rows, square cols): first active position of each square of the frame, -1 for none."""
    link: NDArray[np.int32]
    """(k,): next position of the same square."""
    corner: NDArray[np.int64]
    """(k, 2): row and column, in the padded image, of the corner of the patch's square."""
    shape: NDArray[np.float32]
    """(k, n): disk of one electron at its position, on the pixels of its patch."""
    pixels: NDArray[np.float32]
    """(k, n): the pixels of its patch."""
    near: NDArray[np.int32]
    """(k,): number of neighbours; more than `NEIGHBOURS` when there are too many."""
    neighbour: NDArray[np.int32]
    """(k, NEIGHBOURS): the neighbours."""
    back: NDArray[np.int32]
    """(k, NEIGHBOURS): which of the neighbour's neighbours the position is; -1 where it has too many."""
    pull: NDArray[np.float64]
    """(k, NEIGHBOURS): what one electron of each neighbour adds to the position's electrons, were it alone."""
    alone: NDArray[np.float64]
    """(k,): electrons of each position, were it alone."""
    amount: NDArray[np.float64]
    """(k,): electrons of each position beside the others."""
    before: NDArray[np.float64]
    """(k,): the same after the pass before."""
    variance: NDArray[np.float64]
    """(k,): variance of `alone`; infinite where the position cannot be measured."""
    deviation: NDArray[np.float64]
    """(k,): its root."""
    ground: NDArray[np.float64]
    """(k,): electrons of the background in the disk."""
    drift: NDArray[np.float64]
    """(k,): last change of `amount`, in standard errors."""
    area: NDArray[np.float32]
    """(cell rows, cell cols): usable pixels of the cells of the coarse background without listed disks, else 0."""
    tile_area: NDArray[np.float64]
    """(tile rows, tile cols): pixels a tile's background is measured on."""
    tile_variance: NDArray[np.float64]
    """(tile rows, tile cols): variance of the background of a tile, per pixel."""
    pitch: int
    """Length of the rows of `wide` and `filter`: the square of a patch, and zeros as far as a neighbour may lie
    aside, so that a disk shifted out of the square meets zeros although row follows row."""
    wide: NDArray[np.float32]
    """(k, (2 * reach + 1) * pitch): the disks row by row, for sums without a list of pixels."""
    filter: NDArray[np.float32]
    """((2 * reach + 3) * pitch,): one position's filter in the same order, between two rows of zeros."""
    wide_patch: NDArray[np.uint32]
    """(pixels of the patch,): ``Plan.patch`` in `wide`, without what only fills up the vectors."""
    lines: NDArray[np.float32]
    """(3, n): other disks, usability and filter of a position's patch."""
    member: NDArray[np.int32]
    """(COUPLED,): positions whose errors are being worked out."""
    matrix: NDArray[np.float64]
    """(COUPLED, COUPLED): lower triangle of their normal equations, then its Cholesky factor."""


def allocate_forced(plan: Plan, scratch: Scratch, n_positions: int) -> Forced:
    """Allocate the memory for up to `n_positions` positions."""
    k, n = n_positions, plan.patch.size
    width, side = plan.weight.shape[1], 2 * plan.reach + 1
    pitch = side + int(plan.touch) + 2
    rows, cols = np.divmod(plan.patch[: int(plan.inside_patch.sum())].astype(np.int64), width)
    return Forced(
        place=np.zeros((k, 2)),
        usable=np.zeros(k),
        clear=np.zeros(k, bool),
        active=np.zeros(k, bool),
        wanted=np.zeros(k, bool),
        head=np.full(scratch.head.shape, -1, np.int32),
        link=np.zeros(k, np.int32),
        corner=np.zeros((k, 2), np.int64),
        shape=np.zeros((k, n), np.float32),
        pixels=np.zeros((k, n), np.float32),
        near=np.zeros(k, np.int32),
        neighbour=np.zeros((k, NEIGHBOURS), np.int32),
        back=np.zeros((k, NEIGHBOURS), np.int32),
        pull=np.zeros((k, NEIGHBOURS)),
        alone=np.zeros(k),
        amount=np.zeros(k),
        before=np.zeros(k),
        variance=np.zeros(k),
        deviation=np.zeros(k),
        ground=np.zeros(k),
        drift=np.zeros(k),
        area=np.zeros(plan.cell_area.shape, np.float32),
        tile_area=np.zeros(scratch.level.shape),
        tile_variance=np.zeros(scratch.level.shape),
        pitch=pitch,
        wide=np.zeros((k, side * pitch), np.float32),
        filter=np.zeros((side + 2) * pitch, np.float32),
        wide_patch=(rows * pitch + cols).astype(np.uint32),
        lines=np.zeros((3, n), np.float32),
        member=np.zeros(COUPLED, np.int32),
        matrix=np.zeros((COUPLED, COUPLED)),
    )
