"""What detection needs to know beforehand, and the memory it works in, each in one immutable group of arrays."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from livebragg.kernels.maxima import CHUNK
from livebragg.kernels.noise import SEGMENTS
from livebragg.kernels.sums import BLOCK

FIT_COLUMNS = (
    "row",
    "col",
    "intensity",
    "background",
    "intensity_variance",
    "position_variance",
    "significance",
    "owner",
)
"""Columns of a table of fitted disks, in electrons and pixels; the background is per pixel, the owner is the
candidate it came from."""

ROW, COL, INTENSITY, BACKGROUND, INTENSITY_VARIANCE, POSITION_VARIANCE, SIGNIFICANCE, OWNER = range(8)

_TILE = 6
"""Cells along the side of a tile of the coarse background."""


THRESHOLD, LIKELY, SURE = 0, 1, 2
"""Places in ``Scratch.least``."""


class Plan(NamedTuple):
    """Everything that depends on probe, frame shape and settings, but not on a frame."""

    pad: int
    """Width of the padding around image, model and weight, in pixels."""
    binning: tuple[int, int]
    """Rows and columns of pixels in a bin of the grid on which disks are looked for."""
    margin: int
    """Width of the padding of that grid, in bins."""
    disk: tuple[NDArray[np.int64], NDArray[np.int64]]
    """Spans of the disk the counts are summed over, in bins."""
    box: tuple[int, int, int]
    """The box about it, in bins, as in `box_sums`."""
    cell: tuple[int, int]
    """Rows and columns of bins in a cell of the coarse background."""
    cell_area: NDArray[np.float32]
    """(cell rows, cell cols): usable pixels of each cell."""
    disk_area: NDArray[np.float32]
    """(bin rows, bin cols): usable pixels of the disk."""
    ratio: NDArray[np.float32]
    """(bin rows, bin cols): those over the usable pixels of the rest of the box; huge where no disk is seen."""
    whole_disk: float
    """Pixels of a whole disk."""
    whole_ring: float
    """Pixels of the rest of a whole box."""
    slope: tuple[float, float]
    """Bins a disk is off along rows and columns, per difference of the two neighbours' sums over the excess."""
    captured: float
    """Part of a disk's light in the summed disk."""
    templates: NDArray[np.float32]
    """(PHASES**2, 4, n): template of unit sum, its derivatives along row and column, and which pixels belong to
    the aperture, on the pixels of the patch at each sub-pixel phase."""
    soft: NDArray[np.float32]
    """(4, n): the same of a blurred disk in the middle of a pixel, for first steps from farther away."""
    patch: NDArray[np.uint32]
    """(n,): the pixels of the round patch, as steps in the flat padded image from the corner of its square."""
    lit: int
    """Pixels of the patch, the first ones, on which light of a disk in the middle falls."""
    inside_patch: NDArray[np.float32]
    """(n,): 1, and 0 for what only fills up the vectors."""
    outside: NDArray[np.float32]
    """(n,): 1 where no light of a disk in the middle falls."""
    waves: NDArray[np.float32]
    """(2, n): cosine and sine of twice the angle from the middle, where no light falls, else 0."""
    steps: NDArray[np.float32]
    """(2, n): rows and columns from the middle of the patch to each of its pixels."""
    reach: int
    """Half the side of the patch's square."""
    weight: NDArray[np.float32]
    """(padded rows, padded cols): 1 for pixels to be used, 0 for bad pixels and padding."""
    clean: NDArray[np.bool_]
    """(rows, cols): whether all pixels of the patch about a pixel can be used."""
    bad: NDArray[np.int64]
    """Bad pixels, as flat positions in the padded image, rising."""
    places: float
    """Independent places of the frame, from which follows how many disks noise makes up."""
    sure: float
    """Significance from which a disk is kept in any case."""
    threshold: float
    """Significance a disk needs. When it is below `sure`, the frame decides what is kept in between."""
    likely: float
    """Significance of disks that are looked for in any frame; weaker ones only where some just above this show
    that there are weak disks."""
    loose: float
    """Standard deviations worth a closer look."""
    spacing: float
    """Smallest distance of two disks, in pixels."""
    leash: float
    """Farthest a fit may go from where the disk was found, in pixels."""
    overlap: float
    """Distance within which two disks share pixels, in pixels."""
    touch: float
    """Distance within which a disk reaches into another's patch, in pixels."""
    per_square: float
    """Squares per pixel, of the lists by which neighbours are found."""
    edge: float
    """Distance from a disk's centre beyond which it sheds no light to speak of, in pixels."""
    plateau: float
    """Brightest pixel of the template of unit sum."""
    peakedness: float
    """Largest ratio of a pixel to the third brightest of its neighbours that a disk can show."""


class Scratch(NamedTuple):
    """Memory for one frame at a time; allocated once, by `allocate_scratch`."""

    image: NDArray[np.float32]
    """Padded frame, in electrons."""
    model: NDArray[np.float32]
    """Padded sum of disks that have neighbours; zero between frames."""
    prefix: NDArray[np.int32]
    """Column prefix sums of the binned image."""
    disk: NDArray[np.int32]
    """Sum over the disk about every bin."""
    box: NDArray[np.int32]
    """Sum over the box about every bin."""
    lines: NDArray[np.int32]
    """Sums over parts of boxes."""
    excess: NDArray[np.float32]
    """Excess in the disk about every bin where it is significant, with a border of zeros."""
    marks: NDArray[np.uint32]
    """Which of some bins are maxima."""
    cells: NDArray[np.float32]
    """Electrons of each cell of the coarse background."""
    cell_lines: NDArray[np.float32]
    """(3, cell cols): limit, counts and area of columns of cells."""
    free_area: NDArray[np.float32]
    """(cell rows, cell cols): usable pixels of the cells that hold no disk."""
    level: NDArray[np.float64]
    """Background of each tile, electrons per pixel."""
    old_level: NDArray[np.float64]
    """What it was before."""
    trust: NDArray[np.float64]
    """What that is worth, in pseudo-counts."""
    tile_lines: NDArray[np.float32]
    """The same along a row."""
    bin_row: NDArray[np.int32]
    """Rows of the candidates' bins."""
    bin_col: NDArray[np.int32]
    """Columns of the candidates' bins."""
    height: NDArray[np.float32]
    """Their excess."""
    order: NDArray[np.int32]
    """Candidates, highest first."""
    head: NDArray[np.int32]
    """(square rows, square cols): first candidate of each square of the frame, -1 for none."""
    link: NDArray[np.int32]
    """Next candidate of the same square."""
    place: NDArray[np.float64]
    """(candidates, 2): where each candidate is, in pixels."""
    amount: NDArray[np.float64]
    """(candidates,): its electrons."""
    ground: NDArray[np.float64]
    """(candidates,): electrons of the background in its disk of bins."""
    modelled: NDArray[np.bool_]
    """Whether the model holds a disk at that place with those electrons."""
    crowded: NDArray[np.int8]
    """What is near each candidate: `ALONE`, `TOUCHED`, `OVERLAPPED` or `DEPENDENT`."""
    where: NDArray[np.int64]
    """(3,): candidate whose surroundings are in `patch`, and the pixel about which they were taken."""
    least: NDArray[np.float64]
    """(3,): `threshold`, `likely` and `sure` of the plan for this frame, at `THRESHOLD`, `LIKELY` and `SURE`."""
    rating: NDArray[np.float64]
    """(candidates,): significance of each."""
    glow: NDArray[np.float64]
    """(candidates,): light around each that is not accounted for, in standard deviations."""
    state: NDArray[np.int8]
    """What became of each candidate: `WAITS`, `DISK` or `NONE`."""
    segments: NDArray[np.float32]
    """Brightness and noise of parts of the frame."""
    noise: NDArray[np.float64]
    """Gain in counts per electron, and read-noise variance of a pixel in electrons squared, of this frame."""
    patch: NDArray[np.float32]
    """(5, n): pixels, known disks, usability, and two lines to work in."""
    nothing: NDArray[np.float32]
    """(n,) zeros."""
    matrix: NDArray[np.float64]
    """(4, 4): normal equations, then what `solve` makes of them."""
    vector: NDArray[np.float64]
    """(4,): their right-hand side, then the solution."""


def allocate_scratch(plan: Plan, max_candidates: int) -> Scratch:
    """Allocate the memory of one worker.

    Parameters
    ----------
    plan : Plan
    max_candidates : int
        Maxima of the excess that are looked at in a frame.
    """
    bins = plan.ratio.shape
    padded = (bins[0] + 2 * plan.margin, bins[1] + 2 * plan.margin)
    tiles = (max(plan.cell_area.shape[0] // _TILE, 1), max(plan.cell_area.shape[1] // _TILE, 1))
    squares = [int(size * plan.per_square) + 1 for size in plan.clean.shape]
    n = plan.patch.size
    return Scratch(
        image=np.zeros(plan.weight.shape, np.float32),
        model=np.zeros(plan.weight.shape, np.float32),
        prefix=np.zeros((padded[0] + 1, padded[1]), np.int32),
        disk=np.zeros(padded, np.int32),
        box=np.zeros(padded, np.int32),
        lines=np.zeros((2, BLOCK + 4 * padded[1]), np.int32),
        excess=np.zeros((bins[0] + 2, bins[1] + 2), np.float32),
        marks=np.zeros(CHUNK, np.uint32),
        cells=np.zeros(plan.cell_area.shape, np.float32),
        cell_lines=np.zeros((3, plan.cell_area.shape[1]), np.float32),
        free_area=np.zeros(plan.cell_area.shape, np.float32),
        level=np.zeros(tiles),
        old_level=np.zeros(tiles),
        trust=np.zeros(tiles),
        tile_lines=np.zeros((2, bins[1]), np.float32),
        bin_row=np.zeros(max_candidates, np.int32),
        bin_col=np.zeros(max_candidates, np.int32),
        height=np.zeros(max_candidates, np.float32),
        order=np.zeros(max(max_candidates, SEGMENTS), np.int32),
        head=np.full(squares, -1, np.int32),
        link=np.zeros(max_candidates, np.int32),
        place=np.zeros((max_candidates, 2)),
        amount=np.zeros(max_candidates),
        ground=np.zeros(max_candidates),
        modelled=np.zeros(max_candidates, bool),
        crowded=np.zeros(max_candidates, np.int8),
        least=np.zeros(3),
        rating=np.zeros(max_candidates),
        glow=np.zeros(max_candidates),
        where=np.full(3, -1, np.int64),
        state=np.zeros(max_candidates, np.int8),
        segments=np.zeros((3, SEGMENTS), np.float32),
        noise=np.array([1.0, 0.0]),
        patch=np.zeros((5, n), np.float32),
        nothing=np.zeros(n, np.float32),
        matrix=np.zeros((4, 4)),
        vector=np.zeros(4),
    )
