"""The native protocol; specified in `livebragg.wire.messages.stream`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from livebragg.errors import MalformedMessageError
from livebragg.wire.codec import decode
from livebragg.wire.messages import AcquisitionEnd, AcquisitionStart, FrameBatch, Heartbeat, StreamMessage


class NativeDecoder:
    """Accepts the four message types of the native stream and nothing else."""

    def decode(self, parts: Sequence[Any]) -> StreamMessage:
        """Decode one message; see `StreamDecoder.decode`."""
        message = decode(parts)
        if not isinstance(message, AcquisitionStart | FrameBatch | AcquisitionEnd | Heartbeat):
            raise MalformedMessageError(f"a {type(message).__name__} does not belong into a detector's stream")
        return message
