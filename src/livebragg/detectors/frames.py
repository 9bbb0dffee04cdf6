"""Kept messages of detectors to frames; what workers (and look-ups of raw frames) do."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from livebragg.detectors import dectris_cbor, dectris_json, merlin
from livebragg.detectors.kept import kept_parts
from livebragg.errors import WireError
from livebragg.model import Acquisition
from livebragg.wire.messages import Piece, PieceEncoding


def decode_kept(payload: Any, piece: Piece, acquisition: Acquisition) -> tuple[NDArray[Any], dict[int, str]]:
    """Frames of a payload, and what was wrong with those that could not be decoded.

    Returns
    -------
    frames : NDArray, shape (n_frames, frame_rows, frame_cols)
    failed : dict
        Frame within the payload (from 0) to the reason; these frames hold nothing of use.

    Raises
    ------
    livebragg.errors.WireError
        The payload is no payload of a detector at all.
    """
    dtype = np.dtype(acquisition.dtype).newbyteorder("<")
    frames = np.empty((piece.n_frames, *acquisition.frame_shape), dtype)
    failed: dict[int, str] = {}
    first = acquisition.first_image + piece.first_frame
    for at, parts in enumerate(kept_parts(payload, piece.n_frames, _PARTS[piece.encoding])):
        if at in piece.skip:
            continue
        try:
            if piece.encoding is PieceEncoding.DECTRIS_V1:
                dectris_json.fill_frame(parts, frames[at])
            elif piece.encoding is PieceEncoding.MERLIN:
                merlin.fill_frame(parts[0], first + at, frames[at])
            else:
                dectris_cbor.fill_frame(parts[0], first + at, acquisition.channel, frames[at])
        except WireError as error:
            failed[at] = str(error)
    return frames, failed


def start_times(payload: Any, piece: Piece) -> NDArray[np.float64]:
    """When each frame of a payload began, in seconds from somewhere, shape (n_frames,); NaN where it is not known.

    Raises
    ------
    livebragg.errors.WireError
        The payload is no payload of a detector at all.
    """
    times = np.full(piece.n_frames, np.nan)
    for at, parts in enumerate(kept_parts(payload, piece.n_frames, _PARTS[piece.encoding])):
        with contextlib.suppress(WireError):
            if piece.encoding is PieceEncoding.DECTRIS_V1:
                times[at] = dectris_json.start_time(parts)
            elif piece.encoding is PieceEncoding.MERLIN:
                times[at] = merlin.start_time(parts[0])
            else:
                times[at] = dectris_cbor.start_time(parts[0])
    return times


_PARTS = {PieceEncoding.DECTRIS_V1: 3, PieceEncoding.DECTRIS_V2: 1, PieceEncoding.MERLIN: 1}
"""Parts that are kept of each message."""
