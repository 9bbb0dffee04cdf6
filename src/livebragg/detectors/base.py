"""What the receiver asks of every detector protocol."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from livebragg.wire.messages import PieceEncoding, StreamMessage

Notice = Callable[[str], None]
"""Takes a sentence for the operator."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptFrames:
    """Consecutive frames that are kept in the detector's own format until a worker decodes them."""

    acquisition_id: str
    first_frame: int
    n_frames: int
    encoding: PieceEncoding
    parts: list[Any]
    """Bytes-likes, to be written one after the other: what `livebragg.detectors.kept.keep` made."""

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


Decoded = StreamMessage | KeptFrames


class StreamDecoder(Protocol):
    """Turns the messages of a detector into those of the native stream, without touching pixels.

    It may hold frames back so that those that come together are filed together; `flush` hands them out. The
    receiver calls it whenever no further message waits, so that holding back costs no time.
    """

    def decode(self, parts: Sequence[Any]) -> list[Decoded]:
        """Take one multipart message; payloads stay views of the received parts.

        Raises
        ------
        livebragg.errors.WireError
            The message cannot be accepted; frames that are held back are not lost.
        """
        ...

    def flush(self) -> list[Decoded]:
        """Hand out what is held back."""
        ...
