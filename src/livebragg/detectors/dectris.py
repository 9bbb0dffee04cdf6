"""DECTRIS detectors (SIMPLON), both streams: V1 (JSON) and V2 (CBOR), told apart by their first byte."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from livebragg.detectors import dectris_cbor
from livebragg.detectors.base import Decoded, Notice
from livebragg.detectors.dectris_json import JsonParser
from livebragg.detectors.series import SeriesEnd, SeriesImage, SeriesStart, SeriesTracker
from livebragg.errors import MalformedMessageError

_IMAGE_ID = b"\x68image_id"
_PREFIX_BYTES = 256
"""The image's number is looked for in this many first bytes: after the type and the ids of the series."""

_LENGTHS = {24: 1, 25: 2, 26: 4}


class DectrisDecoder:
    """Follows the series of one detector.

    Parameters
    ----------
    channel : str
        Channel (threshold) to analyse; empty for the first of the images.
    batch_frames : int
        Frames filed together at most.
    notice : callable
        Takes sentences for the operator.

    Notes
    -----
    Consecutive images begin with the same bytes up to the image's number, so that most messages need not be
    parsed: the worker does that, and finds what is wrong with them.
    """

    def __init__(self, channel: str, batch_frames: int, notice: Notice) -> None:
        self._channel = channel
        self._json = JsonParser()
        self._tracker = SeriesTracker(batch_frames, notice)
        self._prefix = b""
        self._series, self._unique = 0, ""

    def decode(self, parts: Sequence[Any]) -> list[Decoded]:
        """Take one message; see `StreamDecoder.decode`."""
        message = parts[0] if parts else b""
        if message[:1] == b"{":
            parsed = self._json.parse(parts)
            return [] if parsed is None else self._take(parsed)
        if len(parts) != 1:
            raise MalformedMessageError(f"a STREAM V2 message has one part, not {len(parts)}")
        number = self._peek(message)
        if number is not None and self._tracker.follows(self._series, self._unique, number):
            return self._tracker.put(number, (message,))
        parsed = dectris_cbor.parse(message, self._channel)
        out = self._take(parsed)
        if isinstance(parsed, SeriesImage):
            self._remember(message, parsed)
        return out

    def flush(self) -> list[Decoded]:
        """Hand out images that are held back; see `StreamDecoder.flush`."""
        return self._tracker.flush()

    def _take(self, parsed: SeriesStart | SeriesImage | SeriesEnd) -> list[Decoded]:
        if isinstance(parsed, SeriesStart):
            return self._tracker.start(parsed)
        if isinstance(parsed, SeriesImage):
            return self._tracker.image(parsed)
        return self._tracker.end(parsed)

    def _peek(self, message: Any) -> int | None:
        """Number of an image that begins like the one before."""
        at = len(self._prefix)
        if not at or message[:at] != self._prefix:
            return None
        return _small_int(bytes(message[at : at + 5]))

    def _remember(self, message: Any, image: SeriesImage) -> None:
        head = bytes(message[:_PREFIX_BYTES])
        at = head.find(_IMAGE_ID) + len(_IMAGE_ID)
        known = at >= len(_IMAGE_ID) and _small_int(head[at : at + 5]) == image.number
        self._prefix = head[:at] if known else b""
        self._series, self._unique = image.series, image.unique


def _small_int(head: bytes) -> int | None:
    """A CBOR unsigned integer of at most 4 bytes."""
    if not head:
        return None
    first = head[0]
    if first < 24:
        return first
    length = _LENGTHS.get(first)
    return None if length is None or len(head) <= length else int.from_bytes(head[1 : 1 + length], "big")
