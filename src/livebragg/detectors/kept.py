"""Payloads in the frame log that are messages of a detector, kept as they were received.

A payload is a table of lengths (little-endian uint32, `n_frames` rows of `parts_per_frame`) and the parts one
after the other. The receiver does not look into them; workers cut them out and decode them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from livebragg.errors import MalformedMessageError
from livebragg.wire.messages import PieceEncoding


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptFrames:
    """Consecutive frames that are kept in the detector's own format until a worker decodes them."""

    acquisition_id: str
    first_frame: int
    n_frames: int
    encoding: PieceEncoding
    parts: list[Any]
    """Bytes-likes, to be written one after the other: what `keep` made."""

    @property
    def nbytes(self) -> int:
        """Bytes of all parts together."""
        return sum(map(len, self.parts))

    def part(self, start: int, stop: int, acquisition_id: str, first_frame: int) -> KeptFrames:
        """Some of the frames, as frames of another acquisition."""
        each = (len(self.parts) - 1) // self.n_frames
        lengths = memoryview(self.parts[0])[4 * each * start : 4 * each * stop]
        return KeptFrames(
            acquisition_id=acquisition_id,
            first_frame=first_frame,
            n_frames=stop - start,
            encoding=self.encoding,
            parts=[lengths, *self.parts[1 + each * start : 1 + each * stop]],
        )


def keep(frames: Sequence[Sequence[Any]]) -> list[Any]:
    """Table and parts of some frames, all with the same number of parts."""
    parts = [part for frame in frames for part in frame]
    return [np.array([len(part) for part in parts], "<u4").tobytes(), *parts]


def kept_parts(payload: Any, n_frames: int, parts_per_frame: int) -> list[list[memoryview]]:
    """Parts of each frame, as views.

    Raises
    ------
    MalformedMessageError
        The payload was not made by `keep`.
    """
    buffer = memoryview(payload)
    n_parts = n_frames * parts_per_frame
    if buffer.nbytes < 4 * n_parts:
        raise MalformedMessageError(f"{buffer.nbytes} bytes cannot hold {n_parts} parts of detector messages")
    lengths = np.frombuffer(buffer, "<u4", n_parts)
    ends = (4 * n_parts + np.cumsum(lengths, dtype=np.int64)).tolist()
    if ends[-1] != buffer.nbytes:
        raise MalformedMessageError(f"detector messages of {ends[-1]} bytes lie in a payload of {buffer.nbytes}")
    starts = [4 * n_parts, *ends[:-1]]
    views = [buffer[start:end] for start, end in zip(starts, ends, strict=True)]
    return [views[at : at + parts_per_frame] for at in range(0, n_parts, parts_per_frame)]
