"""What detection needs to know beforehand, and the memory it works in, each in one immutable group of arrays."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from livebragg.kernels.noise import SEGMENTS

FIT_COLUMNS = ("row", "col", "intensity", "background", "intensity_variance", "position_variance", "significance")
"""Columns of a table of fitted disks, in electrons and pixels; the background is per pixel."""

ROW, COL, INTENSITY, BACKGROUND, INTENSITY_VARIANCE, POSITION_VARIANCE, SIGNIFICANCE = range(7)


class Plan(NamedTuple):
    """Everything that depends on probe, frame shape and settings, but not on a frame."""

    disk: tuple[NDArray[np.int64], NDArray[np.int64]]
    """Spans of the disk the counts are summed over."""
    patch: tuple[NDArray[np.int64], NDArray[np.int64]]
    """Spans of the round patch the template lives on."""
    outer: tuple[NDArray[np.int64], NDArray[np.int64]]
    """Spans of the disk that holds the background ring; the ring is what the patch leaves of it."""
    templates: NDArray[np.float32]
    """(PHASES, PHASES, 3, n, n): template of unit sum, and its derivatives along the disk's row and column."""
    weight: NDArray[np.float32]
    """(padded rows, padded cols): 1 for pixels to be used, 0 for bad pixels and padding."""
    ratio: NDArray[np.float32]
    """(rows, cols): usable pixels of the disk over those between disk and outer disk."""
    norm: NDArray[np.float32]
    """(rows, cols): scale of the score, 0 where a disk cannot be seen."""
    disk_area: NDArray[np.float32]
    """(rows, cols): usable pixels of the disk."""
    largest_area: float
    """Pixels of a whole disk."""
    outer_area: float
    """Pixels of the whole outer disk."""
    ring_area: NDArray[np.float32]
    """(rows, cols): usable pixels of the ring."""
    pad: int
    """Width of the padding around image, model and weight."""
    threshold: float
    """Significance a disk needs."""
    loose: float
    """Score worth a closer look."""
    spacing: float
    """Smallest distance of two disks, in pixels."""
    overlap: float
    """Distance within which two disks share pixels, in pixels."""
    reach: float
    """Distance at which two disks begin to matter to each other, in pixels."""
    peakedness: float
    """Largest ratio of a pixel to the third brightest of its neighbours that a disk can show."""


class Scratch(NamedTuple):
    """Memory for one frame at a time; allocated once, by `allocate_scratch`."""

    image: NDArray[np.float32]
    """Padded frame, in electrons."""
    model: NDArray[np.float32]
    """Padded sum of the disks found so far; zero between frames."""
    prefix: NDArray[np.int32]
    """Column prefix sums of the image."""
    score: NDArray[np.float32]
    """Score of every pixel."""
    row: NDArray[np.int32]
    """Two rows of sums."""
    candidate_row: NDArray[np.int32]
    """Rows of the score's maxima."""
    candidate_col: NDArray[np.int32]
    """Columns of the score's maxima."""
    candidate_score: NDArray[np.float32]
    """Heights of the score's maxima."""
    order: NDArray[np.int32]
    """Maxima, highest first."""
    segments: NDArray[np.float32]
    """Brightness and noise of parts of the frame."""
    noise: NDArray[np.float64]
    """Gain in counts per electron, and read-noise variance of a pixel in electrons squared, of this frame."""
    patch: NDArray[np.float32]
    """(3, n, n): surroundings of the disk that is being fitted."""
    matrix: NDArray[np.float64]
    """Normal equations."""
    inverse: NDArray[np.float64]
    """Their inverse."""
    vector: NDArray[np.float64]
    """Their right-hand side and solution."""


def allocate_scratch(frame_shape: tuple[int, int], pad: int, patch_size: int, max_candidates: int) -> Scratch:
    """Allocate the memory of one worker.

    Parameters
    ----------
    frame_shape : tuple of int
    pad : int
        Padding on each side, in pixels.
    patch_size : int
        Size of the template, in pixels.
    max_candidates : int
        Maxima of the score that are looked at in a frame.
    """
    rows, cols = frame_shape
    padded = (rows + 2 * pad, cols + 2 * pad)
    return Scratch(
        image=np.zeros(padded, np.float32),
        model=np.zeros(padded, np.float32),
        prefix=np.zeros((padded[0] + 1, padded[1]), np.int32),
        score=np.zeros(frame_shape, np.float32),
        row=np.zeros((2, cols), np.int32),
        candidate_row=np.zeros(max_candidates, np.int32),
        candidate_col=np.zeros(max_candidates, np.int32),
        candidate_score=np.zeros(max_candidates, np.float32),
        order=np.zeros(max_candidates, np.int32),
        segments=np.zeros((3, SEGMENTS), np.float32),
        noise=np.array([1.0, 0.0]),
        patch=np.zeros((3, patch_size, patch_size), np.float32),
        matrix=np.zeros((4, 4), np.float64),
        inverse=np.zeros((4, 4), np.float64),
        vector=np.zeros(4, np.float64),
    )
