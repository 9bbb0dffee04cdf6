"""Raw frames of scan positions: from the frame log while a scan runs, from the recording afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from livebragg.errors import WireError
from livebragg.model import Acquisition, ScanGeometry
from livebragg.model.arrays import with_room
from livebragg.pipeline.payloads import read_piece
from livebragg.storage.frame_log import FrameLogReader
from livebragg.storage.recordings import Recording
from livebragg.wire.messages import Piece


class FrameLookup(Protocol):
    """Where class patterns and clicks get their frames from."""

    def frame(self, scan_index: int) -> NDArray[np.float32] | None:
        """Frame of a position (frames of one position added), or ``None`` when it is gone."""
        ...

    def blocks(self) -> Iterator[tuple[NDArray[np.int64], NDArray[Any]]]:
        """All frames that are left, in blocks ``(scan_index (n,), frames (n, rows, cols))``."""
        ...

    def some(self, scan_index: NDArray[np.int64]) -> Iterator[tuple[NDArray[np.int64], NDArray[Any]]]:
        """Frames of some positions, one each (frames of one position added), in blocks as above; positions
        whose frames are gone are left out.

        `scan_index` rises.
        """
        ...


class LogLookup:
    """Looks frames up in the frame log by the pieces that results came from."""

    def __init__(self, log: FrameLogReader, acquisition: Acquisition, geometry: ScanGeometry) -> None:
        self._log = log
        self._acquisition = acquisition
        self._geometry = geometry
        self._pieces: list[Piece] = []
        self._known: set[tuple[int, int, tuple[int, ...]]] = set()
        self._first = np.full(geometry.n_positions, -1, np.int32)
        self._last = np.full(geometry.n_positions, -1, np.int32)

    def moved(self, geometry: ScanGeometry) -> LogLookup:
        """The same frames where another geometry has them."""
        lookup = LogLookup(self._log, self._acquisition, geometry)
        lookup.add(self._pieces)
        return lookup

    def add(self, pieces: list[Piece]) -> None:
        """Remember where some frames lie; pieces that are known already are ignored."""
        for piece in pieces:
            key = (piece.segment, piece.offset, piece.skip)  # a payload may come in parts
            if key in self._known:
                continue
            self._known.add(key)
            index = self._index(piece)
            index = index[index >= 0]
            if index.size == 0:
                continue
            self._grow(int(index.max()) + 1)
            number = len(self._pieces)
            self._pieces.append(piece)
            new = index[self._first[index] < 0]
            self._first[new] = number
            self._last[index] = number

    def frame(self, scan_index: int) -> NDArray[np.float32] | None:
        """See `FrameLookup.frame`."""
        if not 0 <= scan_index < self._first.size or self._first[scan_index] < 0:
            return None
        total: NDArray[np.float32] | None = None
        for number in range(self._first[scan_index], self._last[scan_index] + 1):
            block = self._block(self._pieces[number], only=scan_index)
            if block is not None:
                added = block[1].sum(axis=0, dtype=np.float32)
                total = added if total is None else total + added
        return total

    def blocks(self) -> Iterator[tuple[NDArray[np.int64], NDArray[Any]]]:
        """See `FrameLookup.blocks`."""
        for piece in self._pieces:
            block = self._block(piece)
            if block is not None:
                yield block

    def some(self, scan_index: NDArray[np.int64]) -> Iterator[tuple[NDArray[np.int64], NDArray[Any]]]:
        """See `FrameLookup.some`."""
        known = scan_index[scan_index < self._first.size]
        known = known[self._first[known] >= 0]
        whole = self._first[known] == self._last[known]
        for number in np.unique(self._first[known[whole]]):
            block = self._block(self._pieces[number])
            if block is not None:
                index, first = np.unique(block[0], return_index=True)
                if index.size < block[0].size:  # several frames of a position in one piece
                    yield from self._singly(np.intersect1d(index, known[whole]))
                    continue
                asked = np.isin(index, known[whole])
                yield index[asked], block[1][first[asked]]
        yield from self._singly(known[~whole])

    def _singly(self, scan_index: NDArray[np.int64]) -> Iterator[tuple[NDArray[np.int64], NDArray[Any]]]:
        for position in scan_index:
            frame = self.frame(int(position))
            if frame is not None:
                yield np.array([position], np.int64), frame[np.newaxis]

    def _index(self, piece: Piece) -> NDArray[np.int64]:
        index = self._geometry.scan_index(np.arange(piece.first_frame, piece.first_frame + piece.n_frames))
        index[list(piece.skip)] = -1
        return index

    def _grow(self, size: int) -> None:
        self._first = with_room(self._first, size, fill=-1)
        self._last = with_room(self._last, size, fill=-1)

    def _block(self, piece: Piece, only: int | None = None) -> tuple[NDArray[np.int64], NDArray[Any]] | None:
        index = self._index(piece)
        keep = index >= 0 if only is None else index == only
        if not keep.any():  # known before anything is read: pieces in between may be many
            return None
        try:
            frames, failed = read_piece(self._log, piece, self._acquisition)
        except (LookupError, WireError):
            return None
        keep[list(failed)] = False
        return (index, frames) if keep.all() else (index[keep], frames[keep])


class RecordingLookup:
    """Looks frames up in a recorded file."""

    def __init__(self, recording: Recording, block_frames: int = 64) -> None:
        self._recording = recording
        self._block_frames = block_frames

    def frame(self, scan_index: int) -> NDArray[np.float32] | None:
        """See `FrameLookup.frame`."""
        if not 0 <= scan_index < self._recording.n_frames:
            return None
        return np.asarray(self._recording.read(scan_index, scan_index + 1)[0], np.float32)

    def blocks(self) -> Iterator[tuple[NDArray[np.int64], NDArray[Any]]]:
        """See `FrameLookup.blocks`."""
        for start in range(0, self._recording.n_frames, self._block_frames):
            stop = min(start + self._block_frames, self._recording.n_frames)
            yield np.arange(start, stop, dtype=np.int64), self._recording.read(start, stop)

    def some(self, scan_index: NDArray[np.int64]) -> Iterator[tuple[NDArray[np.int64], NDArray[Any]]]:
        """See `FrameLookup.some`."""
        there = scan_index[(scan_index >= 0) & (scan_index < self._recording.n_frames)]
        for start in np.unique(there // self._block_frames) * self._block_frames:
            index = there[(there >= start) & (there < start + self._block_frames)]
            stop = int(index[-1]) + 1
            yield index, self._recording.read(int(index[0]), stop)[index - index[0]]
