"""How each kind of detector words an acquisition: messages as lists of raw parts."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Protocol

from numpy.typing import NDArray

from livebragg.model import Acquisition
from livebragg.wire.codec import encode
from livebragg.wire.messages import (
    AcquisitionEnd,
    AcquisitionStart,
    ChecksumKind,
    Encoding,
    EndReason,
    FrameBatch,
    Heartbeat,
)
from livebragg.wire.packing import checksum, pack

Parts = list[Any]
"""One multipart message."""


class StreamWriter(Protocol):
    """Words the messages of one acquisition after the other; knows no sockets and keeps no clock of its own."""

    @property
    def linger_frames(self) -> int:
        """Frames that may wait for others before their messages are made."""

    def start(self, acquisition: Acquisition, n_frames: int) -> list[Parts]:
        """An acquisition begins."""

    def frames(self, first: int, frames: NDArray[Any]) -> list[Parts]:
        """Consecutive frames, shape (n, frame_rows, frame_cols)."""

    def end(self, frames_sent: int, reason: EndReason) -> list[Parts]:
        """It ends."""

    def alive(self, frames_sent: int) -> list[Parts]:
        """What is said while there are no frames; nothing by many detectors."""


@dataclass(slots=True)
class NativeWriter:
    """The native stream; see `livebragg.wire.messages.stream`."""

    encoding: Encoding = Encoding.RAW
    checksum_kind: ChecksumKind = ChecksumKind.XXH3_64
    linger_frames: int = 32
    _acquisition_id: str = ""

    def start(self, acquisition: Acquisition, n_frames: int) -> list[Parts]:
        """See `StreamWriter.start`."""
        self._acquisition_id = acquisition.acquisition_id
        return [encode(AcquisitionStart(acquisition=acquisition, n_frames=n_frames, sent_at=time.time()))]

    def frames(self, first: int, frames: NDArray[Any]) -> list[Parts]:
        """See `StreamWriter.frames`: one message for all."""
        payload = pack(frames, self.encoding)
        batch = FrameBatch(
            acquisition_id=self._acquisition_id,
            first_frame=first,
            n_frames=len(frames),
            encoding=self.encoding,
            checksum_kind=self.checksum_kind,
            checksum=checksum(payload, self.checksum_kind),
            sent_at=time.time(),
            payload=payload,
        )
        return [encode(batch)]

    def end(self, frames_sent: int, reason: EndReason) -> list[Parts]:
        """See `StreamWriter.end`."""
        end = AcquisitionEnd(acquisition_id=self._acquisition_id, frames_sent=frames_sent, reason=reason)
        return [encode(end)]

    def alive(self, frames_sent: int) -> list[Parts]:
        """See `StreamWriter.alive`."""
        return [encode(Heartbeat(frames_sent=frames_sent, sent_at=time.time()))]
