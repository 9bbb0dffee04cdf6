"""The native protocol; specified in `livebragg.wire.messages.stream`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from livebragg.detectors.base import Decoded
from livebragg.errors import MalformedMessageError
from livebragg.wire.codec import decode
from livebragg.wire.messages import AcquisitionEnd, AcquisitionStart, FrameBatch, Heartbeat


class NativeDecoder:
    """Accepts the four message types of the native stream and nothing else."""

    def decode(self, parts: Sequence[Any]) -> list[Decoded]:
        """Decode one message; see `StreamDecoder.decode`."""
        message = decode(parts)
        if not isinstance(message, AcquisitionStart | FrameBatch | AcquisitionEnd | Heartbeat):
            raise MalformedMessageError(f"a {type(message).__name__} does not belong into a detector's stream")
        return [message]

    def flush(self) -> list[Decoded]:
        """Nothing is held back; see `StreamDecoder.flush`."""
        return []
