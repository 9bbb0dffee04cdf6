"""The results file of one scan: vectors as they come, everything else at the end.

While a scan runs, the file holds what was announced and the vectors found so far, and says ``running``. At the
end a new file is written beside it and takes its place in one step: whoever opens the path sees either the
running file or the finished one, never something between. ``docs/results_file.md`` describes the layout.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import h5py
import numpy as np
from numpy.typing import NDArray

from livebragg.errors import ResultsError
from livebragg.model import Acquisition, AnalysisSnapshot, Calibration, DetectedBatch, ProbeShape
from livebragg.storage.hdf5_output import check_room, check_room_beside, discard, new_file
from livebragg.storage.results_content import (
    FORMAT,
    FORMAT_VERSION,
    FinalResults,
    SparseRows,
    array_bytes,
    finished_bytes,
    plain,
    write_acquisition,
    write_final,
    write_parameters,
)
from livebragg.storage.results_emd import write_emd
from livebragg.storage.stored_vectors import StoredVectors
from livebragg.storage.vector_log import VectorLog, read_vectors, write_vectors

FinalStatus = Literal["complete", "stopped", "aborted"]
"""Every position was analysed; the scan was ended early on purpose; something failed."""

FINAL_STATUSES = ("complete", "stopped", "aborted")

SPARE_BYTES = 3 << 20
"""Room beside the vectors without which none are written: for begun chunks, and to close and mark the file."""
MARK_BYTES = 1 << 16

MAX_BUFFERED_DISKS = 1_000_000
"""Disks kept in memory between two flushes at most."""


def unique_path(path: str | Path) -> Path:
    """`path`, or the first of ``name_2.h5``, ``name_3.h5``, ... that does not exist yet."""
    path = Path(path)
    candidate, number = path, 1
    while candidate.exists():
        number += 1
        candidate = path.with_name(f"{path.stem}_{number}{path.suffix}")
    return candidate


class ResultsWriter:
    """Writes the results of one scan.

    Parameters
    ----------
    path : str or Path
        File to create; folders on the way are made, an existing file is never touched (see `unique_path`).
    acquisition : Acquisition
        What was announced.
    scan_shape : tuple of int or None
        ``(scan_rows, scan_cols)`` as far as known; the snapshot at the end decides.
    frame_shape : tuple of int
        ``(frame_rows, frame_cols)``.
    parameters : mapping
        Nested plain configuration.
    profile_radii : NDArray[np.float32], shape (bins,), optional
        Bins of the radial profiles in the batches; without it they are not kept.

    Raises
    ------
    ResultsError
        If the file exists or cannot be created.
    """

    def __init__(
        self,
        path: str | Path,
        acquisition: Acquisition,
        scan_shape: tuple[int, int] | None,
        frame_shape: tuple[int, int],
        parameters: Mapping[str, object],
        profile_radii: NDArray[np.float32] | None = None,
    ) -> None:
        self.path = Path(path)
        self._acquisition = acquisition
        self._announced = {"scan_shape": scan_shape, "frame_shape": frame_shape}
        self._parameters = dict(parameters)
        self._profile_radii = profile_radii
        self._created_at = _now()
        self._buffer: list[DetectedBatch | StoredVectors] = []
        self._buffered_disks = 0
        self._file: h5py.File | None = None
        with _as_results_error(self.path, "created"):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file, self._log = self._create()

    @property
    def is_open(self) -> bool:
        """Whether more can be written; after an error too, when only room was missing."""
        return self._file is not None

    def append(self, batch: DetectedBatch) -> None:
        """Take the vectors of some positions; they are on disk after the next `flush`.

        Raises
        ------
        ResultsError
            If the file is closed, or cannot be written.
        """
        self._require_open()
        self._buffer.append(batch)
        self._buffered_disks += len(batch.peaks)
        if self._buffered_disks > MAX_BUFFERED_DISKS:
            self.flush()

    def flush(self) -> None:
        """Write everything appended so far; when this returns, it survives the death of this process.

        Raises
        ------
        ResultsError
            If the file is closed, or cannot be written. When only room is missing the file stays open and keeps
            what was appended for the next time; else it is given up as it is on disk.
        """
        self._require_open()
        if not self._buffer:
            return
        vectors = StoredVectors.concatenate(self._buffer)
        self._buffer, self._buffered_disks = [vectors], 0
        with _as_results_error(self.path, "written"):
            check_room_beside(self.path, array_bytes(vectors) + SPARE_BYTES)
        self._buffer = []
        try:
            with _as_results_error(self.path, "written"):
                self._log.append(vectors)
        except ResultsError:
            self._discard_file()
            raise

    def finalize(
        self,
        snapshot: AnalysisSnapshot,
        *,
        probe: ProbeShape | None = None,
        patterns: NDArray[np.float32] | None = None,
        pattern_frames: NDArray[np.int64] | None = None,
        class_names: Sequence[str] = (),
        features: SparseRows | None = None,
        health: Mapping[str, object] | None = None,
        notices: Sequence[str] = (),
        calibration: Calibration | None = None,
        calibrated_map: NDArray[np.float32] | None = None,
        status: str = "complete",
        reason: str = "",
    ) -> None:
        """Write everything known at the end of the scan and close the file.

        Parameters
        ----------
        snapshot : AnalysisSnapshot
            Maps, classes, peaks, events; its scan shape is the final one.
        probe, patterns, pattern_frames, class_names, features, health, notices, calibration, calibrated_map
            See `FinalResults`.
        status : FinalStatus
            How the scan ended.
        reason : str
            Why, in words.

        Raises
        ------
        ResultsError
            If the finished file cannot be written; the vectors stay in the file, marked ``aborted``.
        """
        if status not in FINAL_STATUSES:
            raise ResultsError(f"a results file ends as one of {FINAL_STATUSES}, not as {status!r}")
        results = FinalResults(
            snapshot=snapshot,
            probe=probe,
            patterns=patterns,
            pattern_frames=pattern_frames,
            class_names=class_names,
            features=features,
            health=health,
            notices=notices,
            calibration=calibration,
            calibrated_map=calibrated_map,
        )
        try:
            self.flush()
            with _as_results_error(self.path, "finished"):
                self._replace(results, status, reason)
        except Exception as error:
            with suppress(ResultsError):
                self.close(str(error))
            raise
        self._close_file()

    def close(self, reason: str = "closed before the scan was finished") -> None:
        """Close a file that is not finalised, with the vectors it has, marked ``aborted``.

        Does nothing on a closed file.
        """
        if self._file is None:
            return
        with _as_results_error(self.path, "closed"), ExitStack() as ending:
            ending.callback(self._mark_aborted, reason)
            ending.callback(self._close_file)
            self.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close(f"closed by an error: {error}" if error else "closed before the scan was finished")

    def _create(self) -> tuple[h5py.File, VectorLog]:
        file = h5py.File(self.path, "x", libver=("v110", "v110"), locking="best-effort")
        try:
            top = self._write_top(file, "running", "")
            log = VectorLog(top.create_group("vectors"), self._profile_radii)
            file.swmr_mode = True
        except BaseException:
            discard(file)
            self.path.unlink(missing_ok=True)  # nothing is in it, and its name would be taken
            raise
        return file, log

    def _write_top(self, file: h5py.File, status: str, reason: str) -> h5py.Group:
        top = file.create_group("livebragg")
        top.attrs.update(
            format=FORMAT,
            format_version=FORMAT_VERSION,
            status=status,
            reason=plain(reason),
            created_at=self._created_at,
        )
        acquisition = top.create_group("acquisition")
        write_acquisition(acquisition, self._acquisition)
        acquisition.attrs.update({name: shape for name, shape in self._announced.items() if shape is not None})
        write_parameters(top.create_group("parameters"), self._parameters)
        return top

    def _replace(self, results: FinalResults, status: str, reason: str) -> None:
        """Write the finished file and put it in the place of the running one."""
        assert self._file is not None
        vectors = read_vectors(self._file["livebragg/vectors"]).in_scan_order()
        self._announced["scan_shape"] = results.snapshot.scan_shape
        unfinished = self.path.with_name(f".{self.path.name}.unfinished")
        try:
            check_room(unfinished, finished_bytes(vectors, results))
            with new_file(unfinished, "w") as file:
                write_emd(file, self._acquisition, vectors, results)
                top = self._write_top(file, status, reason)
                top.attrs["finished_at"] = _now()
                write_vectors(top.create_group("vectors"), vectors)
                write_final(top, results)
            _sync(unfinished)
            unfinished.replace(self.path)
        finally:
            unfinished.unlink(missing_ok=True)

    def _mark_aborted(self, reason: str) -> None:
        check_room_beside(self.path, MARK_BYTES)
        with h5py.File(self.path, "r+") as file:
            file["livebragg"].attrs.update(status="aborted", reason=plain(reason), finished_at=_now())

    def _close_file(self) -> None:
        if self._file is not None:
            file, self._file = self._file, None
            file.close()

    def _discard_file(self) -> None:
        if self._file is not None:
            file, self._file = self._file, None
            discard(file)

    def _require_open(self) -> None:
        if self._file is None:
            raise ResultsError(f"{self.path} is closed already; write to a new file")


@contextmanager
def _as_results_error(path: Path, verb: str) -> Iterator[None]:
    try:
        yield
    except ResultsError:
        raise
    except (OSError, RuntimeError) as error:  # h5py raises either when HDF5 cannot write
        # The path comes last: it may be long, and be cut off where there is little room.
        raise ResultsError(f"{_cause(error)}; {_remedy(error)}: {path} cannot be {verb}") from error


def _cause(error: Exception) -> str:
    """The system's words, which HDF5 buries in several lines of its own."""
    number = getattr(error, "errno", None)
    if number:
        return os.strerror(number)
    buried = re.search("error message = '([^']+)'", str(error))
    return buried[1] if buried else str(error)


def _remedy(error: Exception) -> str:
    number = getattr(error, "errno", None)
    if isinstance(error, FileExistsError) or number == errno.EEXIST or "file exists" in str(error).lower():
        return "results are never overwritten: give another name"
    if number in (errno.EACCES, errno.EPERM, errno.EROFS):
        return "give a folder in which you may write (results.directory)"
    return "free space on its disk, or give another folder (results.directory)"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
