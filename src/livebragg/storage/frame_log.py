"""The frame log: received payloads in memory-mapped segment files.

One writer (the receiver) appends; any number of readers (workers, the analyst) map the segments read-only, so
frames pass between processes without being copied. A segment is dropped when room is needed, oldest first,
and only when all its payloads were released; until then it also serves look-ups of raw frames.
"""

from __future__ import annotations

import mmap
import os
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from livebragg.errors import FrameLogFullError, PipelineError

ALIGNMENT = 64
"""Payloads start on a cache line, so that arrays on them are aligned for any pixel type."""

MAX_VECTOR = 1000
"""Parts in one system call; Linux takes 1024."""

MAPPED_SEGMENTS = 64
"""Segments a reader keeps mapped."""


@dataclass(frozen=True, slots=True)
class LogEntry:
    """Where a payload lies."""

    segment: int
    offset: int
    nbytes: int


@dataclass(slots=True)
class _Segment:
    path: Path
    descriptor: int
    size: int
    used: int = 0
    unreleased: int = 0


def _segment_path(directory: Path, number: int) -> Path:
    return directory / f"segment-{number:08d}.frames"


class FrameLogWriter:
    """Appends payloads; owns the segment files.

    Parameters
    ----------
    directory : Path
        Existing folder for the segments.
    segment_bytes, capacity_bytes : int
        Size of a segment, and most bytes of all segments together.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with FrameLogWriter(Path(folder), 1 << 16, 1 << 18) as log, FrameLogReader(Path(folder)) as reader:
    ...         entry = log.append(b"frames")
    ...         bytes(reader.read(entry.segment, entry.offset, entry.nbytes))
    b'frames'
    """

    def __init__(self, directory: Path, segment_bytes: int, capacity_bytes: int) -> None:
        self._directory = directory
        self._segment_bytes = segment_bytes
        self._capacity = capacity_bytes
        self._segments: OrderedDict[int, _Segment] = OrderedDict()
        self._next_number = 0

    def __enter__(self) -> FrameLogWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def allocated_bytes(self) -> int:
        """Bytes of all segment files."""
        return sum(s.size for s in self._segments.values())

    @property
    def capacity_bytes(self) -> int:
        """Most bytes the segment files may have together."""
        return self._capacity

    def append(self, *parts: Any) -> LogEntry:
        """Copy a payload into the log; several parts are one payload, one after the other.

        Raises
        ------
        FrameLogFullError
            The log holds all it may and its oldest segment still has payloads that were not released.
        """
        nbytes = sum(map(_nbytes, parts))
        number, segment = self._segment_with_room(nbytes)
        offset = segment.used
        _write(segment.descriptor, parts, offset)
        segment.used = -(-(offset + nbytes) // ALIGNMENT) * ALIGNMENT
        segment.unreleased += 1
        return LogEntry(number, offset, nbytes)

    def release(self, segment_number: int) -> None:
        """One payload of this segment is not needed any more."""
        segment = self._segments.get(segment_number)
        if segment is not None and segment.unreleased > 0:
            segment.unreleased -= 1

    def close(self) -> None:
        """Unmap and delete every segment."""
        for number in list(self._segments):
            self._drop(number)

    def _segment_with_room(self, nbytes: int) -> tuple[int, _Segment]:
        if self._segments:
            number = next(reversed(self._segments))
            segment = self._segments[number]
            if segment.used + nbytes <= segment.size:
                return number, segment
        size = max(self._segment_bytes, nbytes)
        while True:
            self._make_room(size)
            try:
                return self._new_segment(size)
            except OSError as error:
                self._disk_full(size, error)

    def _make_room(self, size: int) -> None:
        while self.allocated_bytes + size > self._capacity:
            oldest = next(iter(self._segments), None)
            if oldest is None or self._segments[oldest].unreleased:
                raise FrameLogFullError(
                    f"the frame log holds {self.allocated_bytes >> 20} MiB of at most {self._capacity >> 20} MiB "
                    "and its oldest frames were not analysed yet; raise frame_log.capacity_mb or use more workers"
                )
            self._drop(oldest)

    def _new_segment(self, size: int) -> tuple[int, _Segment]:
        number = self._next_number
        path = _segment_path(self._directory, number)
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            try:
                # Reserve the pages now: a full disk must be an error here, not at some later write.
                os.posix_fallocate(descriptor, 0, size)
            except OSError:
                os.close(descriptor)
                raise
        except OSError:
            path.unlink(missing_ok=True)
            raise
        self._next_number += 1
        segment = _Segment(path, descriptor, size)
        self._segments[number] = segment
        return number, segment

    def _disk_full(self, size: int, error: OSError) -> None:
        """Give back the oldest segment, as if the capacity were used up: somebody else fills the disk."""
        text = (
            f"cannot reserve {size >> 20} MiB for the frame log in {self._directory}: {error.strerror}; lower "
            "frame_log.capacity_mb or set frame_log.directory to a disk with room"
        )
        oldest = next(iter(self._segments), None)
        if oldest is None:
            raise PipelineError(text) from None
        if self._segments[oldest].unreleased:
            raise FrameLogFullError(text) from None
        self._drop(oldest)

    def _drop(self, number: int) -> None:
        segment = self._segments.pop(number)
        os.close(segment.descriptor)
        segment.path.unlink(missing_ok=True)


def _nbytes(part: Any) -> int:
    return len(part) if type(part) is bytes else memoryview(part).nbytes


def _write(descriptor: int, parts: Sequence[Any], offset: int) -> None:
    """Write parts one after the other. The writer maps nothing: making the page tables costs more than copying."""
    for start in range(0, len(parts), MAX_VECTOR):
        waiting = list(parts[start : start + MAX_VECTOR])
        while waiting:
            written = os.pwritev(descriptor, waiting, offset)
            offset += written
            while waiting and written >= (nbytes := _nbytes(waiting[0])):
                written -= nbytes
                waiting.pop(0)
            if waiting:
                waiting[0] = memoryview(waiting[0]).cast("B")[written:]


class FrameLogReader:
    """Maps segments read-only and hands out views of payloads."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._maps: OrderedDict[int, memoryview] = OrderedDict()

    def __enter__(self) -> FrameLogReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def read(self, segment: int, offset: int, nbytes: int) -> memoryview:
        """View of a payload; stays valid after the segment file is gone.

        Raises
        ------
        LookupError
            The segment was dropped from the log.
        """
        view = self._maps.get(segment)
        if view is None:
            view = self._map(segment)
        return view[offset : offset + nbytes]

    def forget_dropped(self) -> None:
        """Unmap segments whose files are gone, so that their memory is freed."""
        for number in [n for n in self._maps if not _segment_path(self._directory, n).exists()]:
            del self._maps[number]

    def close(self) -> None:
        """Forget all maps; views that were handed out stay valid."""
        self._maps.clear()

    def _map(self, segment: int) -> memoryview:
        try:
            descriptor = os.open(_segment_path(self._directory, segment), os.O_RDONLY)
        except FileNotFoundError:
            raise LookupError(f"segment {segment} is no longer in the frame log") from None
        try:
            view = memoryview(mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ))
        finally:
            os.close(descriptor)
        self._maps[segment] = view
        if len(self._maps) > MAPPED_SEGMENTS:
            self._maps.popitem(last=False)
        return view
