"""A DECTRIS decoder for tests, and everything that came out of it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from livebragg.detectors import Decoded, DectrisDecoder, KeptFrames, decode_kept
from livebragg.model import Acquisition
from livebragg.wire.messages import AcquisitionStart, ChecksumKind, Piece


class Stream:
    """A decoder, and everything that came out of it."""

    def __init__(self, channel: str = "", batch_frames: int = 32) -> None:
        self.notices: list[str] = []
        self.decoder = DectrisDecoder(channel, batch_frames, self.notices.append)
        self.out: list[Decoded] = []

    def take(self, *messages: bytes | list[bytes]) -> Stream:
        for message in messages:
            parts = message if isinstance(message, list) else [message]
            self.out += self.decoder.decode([memoryview(part) for part in parts])
        return self

    def flush(self) -> Stream:
        self.out += self.decoder.flush()
        return self

    def of(self, kind: type[Any]) -> list[Any]:
        return [m for m in self.out if isinstance(m, kind)]

    @property
    def acquisition(self) -> Acquisition:
        return self.of(AcquisitionStart)[-1].acquisition

    def times(self) -> NDArray[np.float64]:
        """Start of each frame of the only payload."""
        (kept,) = self.of(KeptFrames)
        times = np.zeros(kept.n_frames)
        decode_kept(b"".join(kept.parts), piece_of(kept), self.acquisition, times)
        return times

    def frames(self) -> tuple[dict[int, NDArray[Any]], dict[int, str]]:
        """Decoded frames and problems, by frame number."""
        frames, problems = {}, {}
        for kept in self.of(KeptFrames):
            decoded, failed = decode_kept(b"".join(kept.parts), piece_of(kept), self.acquisition)
            for at in range(kept.n_frames):
                if at in failed:
                    problems[kept.first_frame + at] = failed[at]
                else:
                    frames[kept.first_frame + at] = decoded[at]
        return frames, problems


def piece_of(kept: KeptFrames) -> Piece:
    return Piece(
        first_frame=kept.first_frame,
        n_frames=kept.n_frames,
        segment=0,
        offset=0,
        nbytes=kept.nbytes,
        encoding=kept.encoding,
        checksum_kind=ChecksumKind.NONE,
        checksum=0,
        sent_at=0.0,
    )
