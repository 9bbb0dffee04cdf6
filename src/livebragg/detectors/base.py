"""What the receiver asks of every detector protocol."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from livebragg.wire.messages import StreamMessage


class StreamDecoder(Protocol):
    """Turns one multipart message of a detector into a message of the native stream."""

    def decode(self, parts: Sequence[Any]) -> StreamMessage:
        """Decode without touching pixels; the payload stays a view of the received part.

        Raises
        ------
        livebragg.errors.WireError
            The message cannot be accepted.
        """
        ...
