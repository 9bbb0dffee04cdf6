"""Frames of a file that need not be a scan: one frame, a stack of them, or a recorded scan."""

from __future__ import annotations

import math
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from livebragg.errors import RecordingError
from livebragg.storage.frame_stack import ArrayOnDisk
from livebragg.storage.hdf5_frames import open_hdf5
from livebragg.storage.recordings import check_file, memory_map


def read_frames(path: str | Path, most: int = 64) -> NDArray[np.generic]:
    """Read some frames, evenly spread over all that a file has.

    Parameters
    ----------
    path : str or Path
        ``.npy``, or HDF5, of which the dataset with the most numbers is read: 2-D one frame, 3-D a stack
        ``(n, frame_rows, frame_cols)``, 4-D a scan.
    most : int
        Frames read at most.

    Returns
    -------
    NDArray, shape (n, frame_rows, frame_cols)
        In the byte order of this machine.

    Raises
    ------
    RecordingError
        For a file that is missing, unreadable, damaged, or holds no frames of numbers.
    """
    path = Path(path)
    check_file(path)
    if path.suffix.lower() == ".npy":
        return _spread(memory_map(path), most, path)
    with open_hdf5(path) as file:
        found: list[h5py.Dataset] = []

        def look(_: str, item: h5py.Group | h5py.Dataset) -> None:
            if isinstance(item, h5py.Dataset) and item.shape and _holds_frames(item):
                found.append(item)

        file.visititems(look)
        if not found:
            raise RecordingError(f"{path} has no dataset of frames: 2, 3 or 4 axes of real numbers, not empty")
        return _spread(max(found, key=lambda item: math.prod(item.shape)), most, path)


def _holds_frames(array: ArrayOnDisk) -> bool:
    return len(array.shape) in (2, 3, 4) and math.prod(array.shape) > 0 and array.dtype.kind in "uif"


def _spread(array: ArrayOnDisk, most: int, path: Path) -> NDArray[np.generic]:
    if not _holds_frames(array):
        raise RecordingError(
            f"{path} holds an array of {array.dtype} of shape {array.shape}; frames have 2 axes, a stack 3, "
            "a scan 4, of real numbers, not empty"
        )
    scan = array.shape[:-2]
    n = math.prod(scan)
    chosen = np.unique(np.linspace(0, n - 1, most).astype(int))
    try:
        frames = np.stack([_frame(array, int(k)) for k in chosen])
    except OSError as error:
        raise RecordingError(
            f"{path} cannot be read ({error}); the file is damaged or was copied incompletely: copy it again"
        ) from error
    return frames.astype(array.dtype.newbyteorder("="), copy=False)


def _frame(array: ArrayOnDisk, number: int) -> NDArray[np.generic]:
    scan = array.shape[:-2]
    return np.asarray(array[tuple(map(int, np.unravel_index(number, scan)))] if scan else array[()])
