"""Pick the frames of a part of a scan, say of its vacuum."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from livebragg.errors import FrameError

Region = NDArray[np.generic] | Sequence[int] | tuple[tuple[int, int], tuple[int, int]]
"""A mask over the scan, flat scan positions, or a box ``((first_row, end_row), (first_col, end_col))``."""


def region_positions(region: Region, scan_shape: tuple[int, int]) -> NDArray[np.int64]:
    """Flat scan positions of a region, ascending.

    Parameters
    ----------
    region : NDArray[np.bool_], sequence of int, or pair of pairs
        A mask of the scan's shape; flat positions; or a box ``((first_row, end_row), (first_col, end_col))``
        whose ends are not part of it.
    scan_shape : tuple of int
        ``(scan_rows, scan_cols)``.

    Raises
    ------
    FrameError
        The region is empty, lies outside the scan, or is none of the three.

    Examples
    --------
    >>> region_positions(((1, 3), (0, 2)), (4, 5)).tolist()
    [5, 6, 10, 11]
    """
    array = np.asarray(region)
    n = scan_shape[0] * scan_shape[1]
    if array.dtype == bool and array.shape in (scan_shape, (n,)):
        positions = np.flatnonzero(array)
    elif array.dtype.kind in "iu" and array.shape == (2, 2):
        (top, bottom), (left, right) = array.tolist()
        if not (0 <= top < bottom <= scan_shape[0] and 0 <= left < right <= scan_shape[1]):
            raise FrameError(
                f"the box {array.tolist()} is not within a scan of {scan_shape}; it is written "
                "((first_row, end_row), (first_col, end_col)), the ends not part of it"
            )
        positions = np.arange(n).reshape(scan_shape)[top:bottom, left:right].ravel()
    elif array.dtype.kind in "iu" and array.ndim == 1:
        positions = np.unique(array.astype(np.int64))
    else:
        raise FrameError(
            f"a region is a mask of the scan's shape {scan_shape}, a list of flat positions or a box "
            f"((first_row, end_row), (first_col, end_col)), not an array of {array.dtype} of shape {array.shape}"
        )
    if positions.size == 0 or positions[0] < 0 or positions[-1] >= n:
        raise FrameError(f"the region holds no positions, or some outside 0 to {n - 1}; choose others")
    return positions


def frames_of_region(
    frames: NDArray[np.generic], region: Region | None = None, most: int | None = None
) -> NDArray[np.generic]:
    """Frames of a region of a scan, or all of them.

    Parameters
    ----------
    frames : NDArray, shape (n, frame_rows, frame_cols) or (scan_rows, scan_cols, frame_rows, frame_cols)
        May be a memory map: only what is returned is read.
    region : optional
        As for `region_positions`; a 3-D stack counts as a scan of one row.
    most : int, optional
        Frames returned at most, evenly spread.

    Returns
    -------
    NDArray, shape (k, frame_rows, frame_cols)
    """
    if frames.ndim not in (3, 4) or min(frames.shape) == 0:
        raise FrameError(
            f"frames have shape {frames.shape}; a stack (n, frame_rows, frame_cols) or a scan (scan_rows, "
            "scan_cols, frame_rows, frame_cols) that is not empty is needed"
        )
    scan = (1, frames.shape[0]) if frames.ndim == 3 else (frames.shape[0], frames.shape[1])
    chosen = np.arange(scan[0] * scan[1]) if region is None else region_positions(region, scan)
    if most is not None:
        chosen = chosen[np.unique(np.linspace(0, chosen.size - 1, most).astype(int))]
    if frames.ndim == 3:
        return np.asarray(frames[chosen])
    return np.stack([frames[divmod(int(k), scan[1])] for k in chosen])
