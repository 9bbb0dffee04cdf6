"""DECTRIS detectors (SIMPLON), both streams: V1 (JSON) and V2 (CBOR), told apart by their first byte."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from livebragg.detectors import cbor_prefix, dectris_cbor
from livebragg.detectors.base import Decoded, Notice
from livebragg.detectors.dectris_json import JsonParser, kept_of
from livebragg.detectors.series import SeriesEnd, SeriesImage, SeriesStart, SeriesTracker
from livebragg.errors import MalformedMessageError
from livebragg.wire.messages import PieceEncoding


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
    Consecutive images begin with the same bytes up to the image's number (V2, `cbor_prefix`) or in the same words
    (V1), so that most messages need not be parsed: the worker does that, and finds what is wrong with them.
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
            return self._decode_json(parts)
        if len(parts) != 1:
            raise MalformedMessageError(f"a STREAM V2 message has one part, not {len(parts)}")
        number = self._peek(message)
        known = self._series, self._unique
        if number is not None and self._tracker.follows(*known, number, PieceEncoding.DECTRIS_V2):
            return self._tracker.put(number, (message,))
        parsed = dectris_cbor.parse(message, self._channel)
        out = self._take(parsed)
        if isinstance(parsed, SeriesImage):
            self._remember(message, parsed)
        return out

    @property
    def waiting(self) -> bool:
        """Whether frames are held back; see `StreamDecoder.waiting`."""
        return self._tracker.waiting

    def flush(self) -> list[Decoded]:
        """Hand out images that are held back; see `StreamDecoder.flush`."""
        return self._tracker.flush()

    def _decode_json(self, parts: Sequence[Any]) -> list[Decoded]:
        usual = self._json.image_number(parts)
        if usual is not None:
            series, number = usual
            if self._tracker.follows(series, "", number, PieceEncoding.DECTRIS_V1):
                return self._tracker.put(number, kept_of(parts))
        parsed = self._json.parse(parts)
        return [] if parsed is None else self._take(parsed)

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
        return cbor_prefix.unsigned(bytes(message[at : at + 9]))

    def _remember(self, message: Any, image: SeriesImage) -> None:
        self._prefix = cbor_prefix.before_number(message)
        self._series, self._unique = image.series, image.unique
