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


def decode_kept(
    payload: Any, piece: Piece, acquisition: Acquisition, out_times: NDArray[np.float64] | None = None
) -> tuple[NDArray[Any], dict[int, str]]:
    """Frames of a payload, and what was wrong with those that could not be decoded.

    Parameters
    ----------
    payload : bytes-like
        What `livebragg.detectors.kept.keep` made.
    out_times : NDArray[np.float64], shape (n_frames,), optional
        Filled with when each frame began, in seconds from somewhere; NaN where that is not known.

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
        if out_times is not None:
            out_times[at] = np.nan
        if at in piece.skip:
            continue
        time = None if out_times is None else out_times[at : at + 1]
        try:
            if piece.encoding is PieceEncoding.DECTRIS_V1:
                _decode_v1(parts, frames[at], time)
            elif piece.encoding is PieceEncoding.MERLIN:
                _decode_merlin(parts[0], first + at, frames[at], time)
            else:
                _decode_v2(parts[0], first + at, acquisition.channel, frames[at], time)
        except WireError as error:
            failed[at] = str(error)
    return frames, failed


Time = NDArray[np.float64] | None
"""Where the start of one frame goes."""


def _decode_v1(parts: list[memoryview], out_frame: NDArray[Any], out_time: Time) -> None:
    if out_time is not None:
        with contextlib.suppress(WireError):  # the times are a part by themselves
            out_time[0] = dectris_json.start_time(parts)
    dectris_json.fill_frame(parts, out_frame)


def _decode_v2(message: memoryview, number: int, channel: str, out_frame: NDArray[Any], out_time: Time) -> None:
    fields = dectris_cbor.load(message)  # once for pixels and time: most of it is pixels
    if out_time is not None:
        out_time[0] = dectris_cbor.start_time(fields)
    dectris_cbor.fill_frame(fields, number, channel, out_frame)


def _decode_merlin(unit: memoryview, number: int, out_frame: NDArray[Any], out_time: Time) -> None:
    if out_time is not None:
        out_time[0] = merlin.start_time(unit)
    merlin.fill_frame(unit, number, out_frame)


_PARTS = {PieceEncoding.DECTRIS_V1: 3, PieceEncoding.DECTRIS_V2: 1, PieceEncoding.MERLIN: 1}
"""Parts that are kept of each message."""
