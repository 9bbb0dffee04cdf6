"""Payloads of the frame log to frames of scan positions, and results to batches."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from livebragg.detectors import decode_kept
from livebragg.model import VIRTUAL_IMAGES, Acquisition, BraggPeaks, DetectedBatch, RadialBatch, ScanGeometry
from livebragg.storage.frame_log import FrameLogReader
from livebragg.wire.messages import DetectResult, Encoding, Piece, PieceEncoding
from livebragg.wire.packing import unpack, verify_checksum

_NATIVE = (PieceEncoding.RAW, PieceEncoding.BSLZ4)


def read_piece(
    log: FrameLogReader, piece: Piece, acquisition: Acquisition, out_times: NDArray[np.float64] | None = None
) -> tuple[NDArray[Any], dict[int, str]]:
    """Frames of one payload in the frame log, checksum verified.

    Parameters
    ----------
    out_times : NDArray[np.float64], shape (n_frames,), optional
        As for `livebragg.detectors.decode_kept`; left alone where the frames are not a detector's own messages.

    Returns
    -------
    frames : NDArray, shape (n_frames, frame_rows, frame_cols)
    failed : dict
        Frames (counted from 0) that could not be decoded by themselves, with the reason; they hold nothing of use.

    Raises
    ------
    WireError
        The payload is damaged.
    LookupError
        The payload is no longer in the log.
    """
    payload = log.read(piece.segment, piece.offset, piece.nbytes)
    if piece.encoding not in _NATIVE:
        return decode_kept(payload, piece, acquisition, out_times)
    verify_checksum(payload, piece.checksum_kind, piece.checksum)
    shape = (piece.n_frames, *acquisition.frame_shape)
    return unpack(payload, Encoding(piece.encoding), shape, acquisition.dtype), {}


def stack_frames(blocks: list[NDArray[Any]]) -> NDArray[Any]:
    """Blocks of frames in one array that is read-only, like a single block from the log.

    Compiled kernels are specialised for read-only input, and one specialisation is enough.
    """
    frames = blocks[0] if len(blocks) == 1 else np.concatenate(blocks)
    frames.flags.writeable = False
    return frames


def frames_to_positions(
    frames: NDArray[Any], numbers: NDArray[np.int64], geometry: ScanGeometry
) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Leave out frames that belong to no position, and add frames of one position.

    Returns
    -------
    frames : NDArray, shape (n, frame_rows, frame_cols)
    scan_index : NDArray[np.int64], shape (n,)
    """
    index = geometry.scan_index(numbers)
    if np.any(index < 0):
        frames, index = stack_frames([frames[index >= 0]]), index[index >= 0]
    if geometry.frames_per_position == 1 or index.size == 0:
        return frames, index
    if np.any(np.diff(index) < 0):  # batches that overtook each other, or a snake's way back
        order = np.argsort(index, kind="stable")
        frames, index = frames[order], index[order]
    starts = np.flatnonzero(np.concatenate([[True], np.diff(index) != 0]))
    kind = np.float64 if frames.dtype.kind == "f" else np.int64
    added = np.add.reduceat(frames, starts, axis=0, dtype=kind)
    if kind is np.int64:
        limits = np.iinfo(np.int32)
        added = added.clip(limits.min, limits.max).astype(np.int32)
    return stack_frames([added]), index[starts]


def empty_batch(frame_shape: tuple[int, int]) -> DetectedBatch:
    """A batch of no positions."""
    return DetectedBatch(
        scan_index=np.zeros(0, np.int64),
        peaks=BraggPeaks.empty(0),
        direct_beam=np.zeros((0, 3), np.float32),
        virtual=np.zeros((0, len(VIRTUAL_IMAGES)), np.float32),
        sum_pattern=np.zeros(frame_shape, np.float32),
    )


def no_profiles(n: int) -> RadialBatch:
    """Profiles without bins, as they travel when none are measured."""
    return RadialBatch.unknown(n, np.zeros(0, np.float32))


def moved(batch: DetectedBatch, old: ScanGeometry, new: ScanGeometry) -> DetectedBatch:
    """A batch that one geometry has placed, where another has its frames; what has no place there is left out."""
    return batch if old == new else batch.at(new.scan_index(old.first_frames(batch.scan_index)))


def batch_of(result: DetectResult) -> DetectedBatch:
    """The batch that travelled in a result."""
    peaks = BraggPeaks(
        qx=result.qx,
        qy=result.qy,
        intensity=result.intensity,
        intensity_error=result.intensity_error,
        position_error=result.position_error,
        offsets=result.offsets,
    )
    profiles = RadialBatch(
        radii=result.profile_radii,
        mean=result.profile_mean,
        variance=result.profile_variance,
        pixels=result.profile_pixels,
    )
    return DetectedBatch(
        scan_index=result.scan_index,
        peaks=peaks,
        direct_beam=result.direct_beam,
        virtual=result.virtual,
        sum_pattern=result.sum_pattern,
        profiles=profiles if profiles.radii.size else None,
    )
