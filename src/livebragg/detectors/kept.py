"""Payloads in the frame log that are messages of a detector, kept as they were received.

A payload is a table of lengths (little-endian uint32, `n_frames` rows of `parts_per_frame`) and the parts one
after the other. The receiver does not look into them; workers cut them out and decode them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from livebragg.errors import MalformedMessageError


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
