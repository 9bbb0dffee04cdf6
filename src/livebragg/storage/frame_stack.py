"""A stack of frames addressed by flat scan position, over an array that is not in memory."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from livebragg.errors import RecordingError


class ArrayOnDisk(Protocol):
    """What a memory map and an HDF5 dataset have in common."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each axis."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the numbers."""

    def __getitem__(self, selection: Any, /) -> Any:
        """Read a part."""


@dataclass(frozen=True, slots=True)
class FrameStack:
    """Frames ``(n, frame_rows, frame_cols)`` taken from an array of three or more axes.

    Parameters
    ----------
    array : ArrayOnDisk
        Axes: one or two of the scan, any number of length 1, two of the frame.
    n_scan_axes : int
        1 or 2.
    scan_shape : tuple of int
        ``(scan_rows, scan_cols)``.
    """

    array: ArrayOnDisk
    n_scan_axes: int
    scan_shape: tuple[int, int]

    @property
    def frame_shape(self) -> tuple[int, int]:
        """``(frame_rows, frame_cols)``."""
        rows, cols = self.array.shape[-2:]
        return rows, cols

    @property
    def dtype(self) -> np.dtype[Any]:
        """Pixel type in this machine's byte order."""
        return self.array.dtype.newbyteorder("=")

    @property
    def n_frames(self) -> int:
        """Number of scan positions."""
        return math.prod(self.scan_shape)

    def read_into(self, start: int, out_frames: NDArray[np.generic]) -> None:
        """Fill `out_frames` with the frames from flat position `start` on."""
        stop = start + out_frames.shape[0]
        if self.n_scan_axes == 1:
            self._fill((slice(start, stop),), out_frames)
            return
        n_cols = self.array.shape[1]
        position = start
        while position < stop:
            row, col = divmod(position, n_cols)
            n_rows = (stop - position) // n_cols
            if col == 0 and n_rows > 0:
                selection: tuple[int | slice, ...] = (slice(row, row + n_rows),)
                n = n_rows * n_cols
            else:
                n = min(n_cols - col, stop - position)
                selection = (row, slice(col, col + n))
            self._fill(selection, out_frames[position - start : position - start + n])
            position += n

    def _fill(self, selection: tuple[int | slice, ...], out_frames: NDArray[np.generic]) -> None:
        out_frames[...] = self.array[selection].reshape(out_frames.shape)


def scan_axes(shape: tuple[int, ...]) -> int:
    """Number of scan axes of an array of this shape: 2, 1, or 0 when it holds no scan.

    Some files keep axes of length 1 (colour, energy) between scan and frame; they do not count.
    """
    if len(shape) < 3 or math.prod(shape) == 0:
        return 0
    if len(shape) == 3:
        return 1
    return 2 if all(n == 1 for n in shape[2:-2]) else 0


def stack_of(array: ArrayOnDisk, scan_shape: tuple[int, int] | None, where: str) -> FrameStack:
    """Frames of `array`, checked.

    Parameters
    ----------
    array : ArrayOnDisk
        4-D ``(scan_rows, scan_cols, frame_rows, frame_cols)`` or 3-D ``(n, frame_rows, frame_cols)``.
    scan_shape : tuple of int or None
        ``(scan_rows, scan_cols)``; required for 3-D.
    where : str
        File and dataset, for messages.

    Raises
    ------
    RecordingError
        For anything but real numbers in a shape that fits.
    """
    n_scan_axes = scan_axes(array.shape)
    if n_scan_axes == 0:
        raise RecordingError(
            f"{where} has shape {array.shape}; a scan is 4-D (scan_rows, scan_cols, frame_rows, frame_cols), "
            "or 3-D (n, frame_rows, frame_cols) with a scan shape, and not empty"
        )
    if array.dtype.kind not in "uif":
        raise RecordingError(
            f"{where} holds {array.dtype}, not integers or real numbers; convert it (for complex data: store "
            "its squared modulus)"
        )
    return FrameStack(array, n_scan_axes, _fitting_scan_shape(array.shape, n_scan_axes, scan_shape, where))


def _fitting_scan_shape(
    shape: tuple[int, ...], n_scan_axes: int, scan_shape: tuple[int, int] | None, where: str
) -> tuple[int, int]:
    n_frames = math.prod(shape[:n_scan_axes])
    if scan_shape is None:
        if n_scan_axes == 1:
            raise RecordingError(
                f"{where} is a 3-D stack of {n_frames} frames; give its scan shape (scan_rows, scan_cols)"
            )
        return shape[0], shape[1]
    if len(scan_shape) != 2 or min(scan_shape) < 1 or math.prod(scan_shape) != n_frames:
        raise RecordingError(
            f"scan shape {tuple(scan_shape)} does not fit {where}, which holds {n_frames} frames; "
            "scan_rows x scan_cols must equal that number"
        )
    return scan_shape[0], scan_shape[1]
