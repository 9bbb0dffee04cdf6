"""The native protocol; specified in `livebragg.wire.messages.stream`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from livebragg.detectors.base import Decoded
from livebragg.errors import MalformedMessageError, WireError
from livebragg.wire.codec import decode
from livebragg.wire.messages import AcquisitionEnd, AcquisitionStart, FrameBatch, Heartbeat

_DECTRIS = (b"{", b"\xd9")
"""First byte of JSON (STREAM V1) and of tagged CBOR (STREAM V2); no message of ours begins with either."""


class NativeDecoder:
    """Accepts the four message types of the native stream and nothing else."""

    def decode(self, parts: Sequence[Any]) -> list[Decoded]:
        """Decode one message; see `StreamDecoder.decode`."""
        try:
            message = decode(parts)
        except WireError as error:
            if parts and bytes(memoryview(parts[0])[:1]) in _DECTRIS:
                raise type(error)(
                    f"{error}. It looks like a DECTRIS stream: attach with --detector dectris"
                ) from None
            raise
        if not isinstance(message, AcquisitionStart | FrameBatch | AcquisitionEnd | Heartbeat):
            raise MalformedMessageError(f"a {type(message).__name__} does not belong into a detector's stream")
        return [message]

    @property
    def waiting(self) -> bool:
        """Nothing is held back; see `StreamDecoder.waiting`."""
        return False

    def flush(self) -> list[Decoded]:
        """Nothing is held back; see `StreamDecoder.flush`."""
        return []
