"""Recorded 4-D scans, read a few frames at a time: HDF5 (any 4-D dataset in the file) and ``.npy``.

Nothing is read before it is asked for, and a compressed chunk is decompressed once when the scan is read in
order, however few frames are asked for at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from livebragg.errors import RecordingError
from livebragg.model import ScanMetadata
from livebragg.storage import hdf5_frames
from livebragg.storage.frame_stack import FrameStack, stack_of
from livebragg.storage.other_formats import open_other, reader_of


class Recording:
    """A recorded scan whose frames are read on demand; a context manager that closes its file.

    Use `open_recording` to make one.

    Attributes
    ----------
    path : Path
        The file.
    name : str
        Dataset inside the file; empty for ``.npy``.
    alternatives : tuple of str
        Other datasets of the file that hold a scan too, largest first; `name` was chosen over them.
    scan_shape : tuple of int
        ``(scan_rows, scan_cols)``.
    frame_shape : tuple of int
        ``(frame_rows, frame_cols)``.
    dtype : np.dtype
        Pixel type of what `read` returns, in the byte order of this machine.
    n_frames : int
        Number of scan positions.
    metadata : ScanMetadata
        What the file says about the microscope.
    """

    def __init__(
        self,
        path: Path,
        stack: FrameStack,
        *,
        name: str = "",
        alternatives: tuple[str, ...] = (),
        metadata: ScanMetadata | None = None,
        close: Callable[[], None] | None = None,
    ) -> None:
        self.path = path
        self.name = name
        self.alternatives = alternatives
        self.metadata = metadata or ScanMetadata()
        self.scan_shape = stack.scan_shape
        self.frame_shape = stack.frame_shape
        self.dtype = stack.dtype
        self.n_frames = stack.n_frames
        self._stack: FrameStack | None = stack
        self._close_file = close

    def read(self, start: int, stop: int) -> NDArray[np.generic]:
        """Frames of the flat, row-major scan positions ``start:stop``.

        Parameters
        ----------
        start, stop : int
            ``0 <= start <= stop <= n_frames``.

        Returns
        -------
        NDArray, shape (stop - start, frame_rows, frame_cols)
            A new array of type `dtype`.

        Raises
        ------
        RecordingError
            For positions outside the scan, a closed recording, or data that cannot be read.
        """
        if self._stack is None:
            raise RecordingError(f"{self.path} is closed; open it again with open_recording()")
        if not 0 <= start <= stop <= self.n_frames:
            raise RecordingError(
                f"positions {start}:{stop} are outside {self.path}, which holds positions 0:{self.n_frames}"
            )
        frames = np.empty((stop - start, *self.frame_shape), self.dtype)
        try:
            self._stack.read_into(start, frames)
        except OSError as error:
            raise RecordingError(
                f"positions {start}:{stop} of {self.path} cannot be read ({error}); the file is damaged or was "
                "copied incompletely: copy it again, or give a stop position before the damage"
            ) from error
        return frames

    def close(self) -> None:
        """Close the file; frames already read stay valid."""
        self._stack = None
        if self._close_file is not None:
            self._close_file()
            self._close_file = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_recording(
    path: str | Path, dataset: str | None = None, scan_shape: tuple[int, int] | None = None
) -> Recording:
    """Open a recorded scan without reading its frames.

    Parameters
    ----------
    path : str or Path
        HDF5 file, ``.npy``, or a format of another program or detector that rosettasciio reads: ``.mib``,
        ``.blo``, ``.tvips``, ``.dm4`` and others, and the master file of a DECTRIS file writer (``*_master.h5``).
    dataset : str, optional
        Dataset inside the HDF5 file; the largest 4-D one by default.
    scan_shape : tuple of int, optional
        ``(scan_rows, scan_cols)``, needed for a 3-D array ``(n, frame_rows, frame_cols)``; for a 4-D array it
        replaces the recorded scan shape (detectors like to save ``(1, n, frame_rows, frame_cols)``).

    Raises
    ------
    RecordingError
        For a file that is missing, unreadable, damaged, or holds no scan.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "scan.npy"
    >>> np.save(path, np.zeros((2, 3, 8, 9), np.uint16))
    >>> with open_recording(path) as recording:
    ...     recording.scan_shape, recording.frame_shape, recording.read(4, 6).shape
    ((2, 3), (8, 9), (2, 8, 9))
    """
    path = Path(path)
    check_file(path)
    if path.suffix.lower() == ".npy":
        if dataset is not None:
            raise RecordingError(f"{path} is one array without a name: leave out the dataset {dataset!r}")
        return Recording(path, stack_of(memory_map(path), scan_shape, str(path)))
    reader = reader_of(path)
    if reader is not None:
        if dataset is not None:
            raise RecordingError(f"the scan in {path} has no name: leave out the dataset {dataset!r}")
        return Recording(path, open_other(path, reader, scan_shape))
    found = hdf5_frames.open_scan(path, dataset, scan_shape)
    return Recording(
        path,
        found.stack,
        name=found.name,
        alternatives=found.alternatives,
        metadata=found.metadata,
        close=found.file.close,
    )


def check_file(path: Path) -> None:
    """Raise `RecordingError` unless `path` is a file."""
    if not path.exists():
        raise RecordingError(f"{path} does not exist; check the name, and that its disk is mounted")
    if not path.is_file():
        raise RecordingError(f"{path} is not a file; give an HDF5 or .npy file")


def memory_map(path: Path) -> NDArray[np.generic]:
    """Array of a ``.npy`` file, not yet read; raises `RecordingError` when it is none."""
    try:
        array: NDArray[np.generic] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise RecordingError(
            f"{path} cannot be read as a .npy array ({error}); it must be a complete array of numbers, saved "
            "by numpy.save"
        ) from error
    return array
