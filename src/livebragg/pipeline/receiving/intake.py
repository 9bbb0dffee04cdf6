"""Intake: judges every message of the detector's stream and puts its frames into the frame log.

No sockets and no clocks: `handle(message, now)` returns what happened. It never looks at pixels.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from livebragg.config.pipeline import ScanConfig
from livebragg.detectors import Decoded, KeptFrames
from livebragg.errors import FrameError, FrameLogFullError, MalformedMessageError, SequenceError
from livebragg.model import Acquisition, ScanGeometry, unpack_mask
from livebragg.model.scan import MAX_POSITIONS
from livebragg.pipeline.health import Notices
from livebragg.pipeline.receiving.frame_set import FrameSet
from livebragg.pipeline.receiving.scan_path import scan_geometry
from livebragg.storage.frame_log import FrameLogWriter, LogEntry
from livebragg.wire.messages import (
    AcquisitionEnd,
    AcquisitionStart,
    ChecksumKind,
    Encoding,
    EndReason,
    FrameBatch,
    Piece,
    PieceEncoding,
)
from livebragg.wire.messages.stream import MAX_BATCH_BYTES
from livebragg.wire.packing import check_raw_size

BSLZ4_OVERHEAD = 1.2
"""A bitshuffle-LZ4 payload larger than this times its frames is not one."""

MAX_JUMP_FRAMES = 1 << 20
"""In a scan of unknown length, frames this far beyond all others are a mistake of the sender, not a gap: the
maps would grow to hold them."""


END_COMPLETE_AFTER_S = 1.0
"""Seconds to wait for the end when all frames have come."""


@dataclass(slots=True)
class Stream:
    """One acquisition as it arrives."""

    acquisition: Acquisition
    serial: int
    geometry: ScanGeometry
    """May change while frames come."""
    n_frames_announced: int | None
    opened_at: float
    received: FrameSet = field(default_factory=FrameSet)
    """Frames in the frame log."""
    came: FrameSet = field(default_factory=FrameSet)
    """Frames that came, received or dropped."""
    counters: Counter[str] = field(default_factory=Counter)
    ended: bool = False
    ended_by_silence: bool = False
    newest_frame: int = -1

    @property
    def n_frames_expected(self) -> int | None:
        """Frames of the whole scan, ``None`` while nobody knows."""
        return self.n_frames_announced or (None if self.geometry.open_ended else self.geometry.frame_limit)

    @property
    def frame_limit(self) -> int:
        """First frame number that does not belong to the scan."""
        geometry = self.geometry
        if not geometry.open_ended:
            return geometry.frame_limit
        most = MAX_POSITIONS // geometry.scan_shape[1] * geometry.frames_per_line
        return min(most, self.n_frames_announced or most)

    @property
    def complete(self) -> bool:
        """Whether every frame that is expected has come."""
        if self.n_frames_expected is None:
            return False
        expected = min(self.n_frames_expected, self.frame_limit)
        return self.newest_frame + 1 >= expected and self.missing_below(expected) == 0

    def missing_below(self, stop: int) -> int:
        """How many frames below `stop` never came."""
        return self.came.missing_below(min(stop, self.frame_limit))


@dataclass(frozen=True, slots=True)
class Opened:
    """A scan began."""

    stream: Stream


@dataclass(frozen=True, slots=True)
class Stored:
    """Frames are in the frame log."""

    stream: Stream
    piece: Piece


@dataclass(frozen=True, slots=True)
class Ended:
    """No more frames of this scan will come."""

    stream: Stream
    reason: EndReason
    note: str


IntakeEvent = Opened | Stored | Ended


class Intake:
    """State of the stream: which acquisition is under way and which of its frames were received."""

    def __init__(self, scan: ScanConfig, log: FrameLogWriter, *, drop_when_full: bool, notices: Notices) -> None:
        self._scan = scan
        self._log = log
        self.drop_when_full = drop_when_full
        """Whether frames are dropped (and counted) when the log is full; else the sender has to wait."""
        self._notices = notices
        self._serial = 0
        self.stream: Stream | None = None
        self.counters: Counter[str] = Counter()
        """What belongs to no acquisition."""

    @property
    def serial(self) -> int:
        """Running number of the newest acquisition; 0 before the first."""
        return self._serial

    def handle(self, message: Decoded, now: float) -> list[IntakeEvent]:
        """Take one message.

        Raises
        ------
        livebragg.errors.WireError
            The message cannot be accepted; nothing has changed but counters.
        FrameLogFullError
            There is no room and the policy is to hold the sender back; nothing has changed: try again later.
        """
        if isinstance(message, AcquisitionStart):
            return self._start(message, now)
        if isinstance(message, FrameBatch | KeptFrames):
            return self._batch(message, now)
        if isinstance(message, AcquisitionEnd):
            return self._end(message)
        return []

    def stop(self, note: str) -> list[IntakeEvent]:
        """The operator wants no more frames."""
        if self.stream is None or self.stream.ended:
            return []
        self._close(self.stream, 0)
        return [Ended(self.stream, EndReason.STOPPED, f"{note} {_how_far(self.stream)}")]

    def silent(self, silent_s: float, end_after_s: float) -> list[IntakeEvent]:
        """Nothing came for some time: end an acquisition whose end is lost, or that has none.

        Parameters
        ----------
        silent_s : float
            Seconds without any message.
        end_after_s : float
            Seconds after which it is ended although frames are missing; 0: never.
        """
        stream = self.stream
        if stream is None or stream.ended or silent_s < END_COMPLETE_AFTER_S:
            return []
        if stream.complete:
            return self._end_silent(stream, EndReason.FINISHED, "all frames came, but no end")
        if not 0 < end_after_s <= silent_s:
            return []
        return self._end_silent(stream, EndReason.STOPPED, f"nothing came for {silent_s:.0f} s, and no end")

    def _end_silent(self, stream: Stream, reason: EndReason, note: str) -> list[IntakeEvent]:
        self._close(stream, 0)
        stream.ended_by_silence = True
        self.counters["ends_missing"] += 1
        return [Ended(stream, reason, f"{note} {_how_far(stream)}")]

    def _start(self, message: AcquisitionStart, now: float) -> list[IntakeEvent]:
        try:
            unpack_mask(message.acquisition.bad_pixels, message.acquisition.frame_shape)
        except FrameError as error:
            raise MalformedMessageError(str(error)) from None
        events: list[IntakeEvent] = []
        old = self.stream
        if old is not None and not old.ended:
            self._close(old, 0)
            self.counters["starts_without_end"] += 1
            note = f"a new acquisition started before the end of {old.acquisition.acquisition_id!r}"
            self._notices.add(note)
            events.append(Ended(old, EndReason.ABORTED, f"{note} {_how_far(old)}"))
        self._serial += 1
        geometry = scan_geometry(self._scan, message.acquisition)
        if geometry.open_ended:
            self._notices.add(
                f"the sender does not know the scan shape; lines of {self._scan.fallback_cols} positions are "
                "assumed (say it with `livebragg scan-shape ROWS,COLS`, or set scan.shape or scan.fallback_cols)"
            )
        self.stream = Stream(message.acquisition, self._serial, geometry, message.n_frames, now)
        return [*events, Opened(self.stream)]

    def _batch(self, message: FrameBatch | KeptFrames, now: float) -> list[IntakeEvent]:
        stream = self._stream_of(message)
        if isinstance(message, FrameBatch):
            self._check_size(message, stream.acquisition)
        self._check_room(message)
        self._check_range(message, stream)
        first, end = message.first_frame, message.first_frame + message.n_frames
        stop = min(end, stream.frame_limit)
        known = [n for n in range(first, stop) if n in stream.received]
        new = stop - first - len(known)
        # Counted only now that nothing can fail any more: a message that has to wait is handled again.
        entry = self._append(message, stream, new) if new else None
        stream.counters["frames_duplicate"] += len(known)
        if stop < end:
            stream.counters["frames_out_of_range"] += end - stop
            self._notices.add(_beyond(stream))
        stream.came.add(first, stop)
        if first < stream.newest_frame:
            stream.counters["batches_reordered"] += 1
        stream.newest_frame = max(stream.newest_frame, stop - 1)
        if entry is None:
            return []
        stream.received.add(first, stop)
        stream.counters["frames_received"] += new
        skip = (*(n - first for n in known), *range(stop - first, end - first))
        return [Stored(stream, self._piece(message, entry, skip, now))]

    def _append(self, message: FrameBatch | KeptFrames, stream: Stream, new: int) -> LogEntry | None:
        try:
            return self._log.append(*_parts(message))
        except FrameLogFullError as error:
            if not self.drop_when_full:
                raise
            stream.counters["frames_dropped"] += new
            self._notices.add(f"frames dropped: {error}")
            return None

    @staticmethod
    def _piece(message: FrameBatch | KeptFrames, entry: LogEntry, skip: tuple[int, ...], now: float) -> Piece:
        native = message if isinstance(message, FrameBatch) else None
        return Piece(
            first_frame=message.first_frame,
            n_frames=message.n_frames,
            segment=entry.segment,
            offset=entry.offset,
            nbytes=entry.nbytes,
            encoding=PieceEncoding(message.encoding),
            checksum_kind=native.checksum_kind if native else ChecksumKind.NONE,
            checksum=native.checksum if native else 0,
            sent_at=now if native is None or native.sent_at is None else native.sent_at,
            skip=skip,
        )

    def _stream_of(self, message: FrameBatch | KeptFrames | AcquisitionEnd) -> Stream:
        stream, name = self.stream, message.acquisition_id
        what = "an end" if isinstance(message, AcquisitionEnd) else "frames"
        if stream is None or stream.acquisition.acquisition_id != name:
            self.counters["messages_without_start"] += 1
            raise SequenceError(
                f"{what} of acquisition {name[:80]!r} came without its start; attach before the acquisition "
                "starts, or start it again"
            )
        if stream.ended:
            self.counters["messages_after_end"] += 1
            raise SequenceError(f"{what} of acquisition {name[:80]!r} came after its end and were not used")
        return stream

    def _check_size(self, message: FrameBatch, acquisition: Acquisition) -> None:
        nbytes = memoryview(message.payload).nbytes
        wanted = message.n_frames * acquisition.frame_bytes
        if wanted > MAX_BATCH_BYTES and message.encoding is not Encoding.RAW:
            raise MalformedMessageError(
                f"{message.n_frames} frames of {acquisition.frame_bytes} bytes in one batch; at most "
                f"{MAX_BATCH_BYTES} bytes are allowed: send smaller batches"
            )
        if message.encoding is Encoding.RAW:
            check_raw_size(nbytes, wanted, (message.n_frames, *acquisition.frame_shape), acquisition.dtype)
        elif nbytes > wanted * BSLZ4_OVERHEAD + 4096:
            raise MalformedMessageError(
                f"a compressed payload of {nbytes} bytes cannot hold {message.n_frames} frames of {wanted} bytes"
            )

    def _check_room(self, message: FrameBatch | KeptFrames) -> None:
        nbytes = message.nbytes if isinstance(message, KeptFrames) else memoryview(message.payload).nbytes
        if nbytes > self._log.capacity_bytes:
            raise MalformedMessageError(
                f"a payload of {nbytes} bytes never fits the frame log of {self._log.capacity_bytes} bytes; send "
                "smaller batches or raise frame_log.capacity_mb"
            )

    def _check_range(self, message: FrameBatch | KeptFrames, stream: Stream) -> None:
        jump = message.first_frame - stream.newest_frame
        if message.first_frame >= stream.frame_limit:
            text = _beyond(stream)
        elif stream.geometry.open_ended and jump > MAX_JUMP_FRAMES:
            text = (
                f"frame {message.first_frame} lies {jump} frames beyond all others, more than {MAX_JUMP_FRAMES}, "
                "in a scan of unknown shape, and is not used; set scan.shape, or let the sender tell it"
            )
        else:
            return
        stream.counters["frames_out_of_range"] += message.n_frames
        raise SequenceError(text)

    def _end(self, message: AcquisitionEnd) -> list[IntakeEvent]:
        old = self.stream
        if old is not None and old.ended_by_silence and old.acquisition.acquisition_id == message.acquisition_id:
            return []  # it came late
        stream = self._stream_of(message)
        stream.counters["frames_sent"] = message.frames_sent
        self._close(stream, message.frames_sent)
        words = {EndReason.FINISHED: "the sender finished", EndReason.STOPPED: "the sender was stopped"}
        note = words.get(message.reason, "the sender aborted")
        return [Ended(stream, message.reason, f"{note} after {message.frames_sent} frames")]

    def _close(self, stream: Stream, frames_sent: int) -> None:
        stream.ended = True
        expected = max(frames_sent, stream.newest_frame + 1)
        missing = stream.missing_below(expected)
        if missing:
            stream.counters["frames_missing"] = missing
            self._notices.add(
                f"{missing} of {expected} frames of {stream.acquisition.acquisition_id!r} never came"
            )


def _parts(message: FrameBatch | KeptFrames) -> list[Any]:
    return message.parts if isinstance(message, KeptFrames) else [message.payload]


def _how_far(stream: Stream) -> str:
    expected = "" if stream.n_frames_expected is None else f" of {stream.n_frames_expected}"
    return f"after {stream.counters['frames_received']}{expected} frames"


def _beyond(stream: Stream) -> str:
    return f"frames beyond the end of the scan of {stream.frame_limit} frames are not used"
