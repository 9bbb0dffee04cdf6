"""What the receiver asks of every detector protocol."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from livebragg.detectors.kept import KeptFrames
from livebragg.wire.messages import StreamMessage

Notice = Callable[[str], None]
"""Takes a sentence for the operator."""


Decoded = StreamMessage | KeptFrames


class StreamDecoder(Protocol):
    """Turns the messages of a detector into those of the native stream, without touching pixels.

    It may hold frames back so that those that follow each other are filed together; `flush` hands them out. The
    receiver calls it before a job would be given out with fewer frames, so that holding back costs no time.
    """

    @property
    def waiting(self) -> bool:
        """Whether frames are held back."""
        ...

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
