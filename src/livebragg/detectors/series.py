"""Series of a detector to acquisitions: what starts, what goes on, what is stale, which frames come together.

Detectors with series numbers share this, whatever their messages look like.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from livebragg.detectors.base import Decoded, Notice
from livebragg.detectors.facts import ScanHints, mask_bytes
from livebragg.detectors.kept import KeptFrames, keep
from livebragg.errors import FrameError, MalformedMessageError, SequenceError
from livebragg.model import Acquisition, ScanMetadata
from livebragg.wire.messages import AcquisitionEnd, AcquisitionStart, EndReason, PieceEncoding
from livebragg.wire.messages.stream import MAX_FRAMES

MAX_BATCH_BYTES = 1 << 26
"""Of frames that are filed together: unpacked, and as messages (which may hold more than is unpacked)."""

LOST_AT_END = 0.01
"""Part of a series' images (one at least) that may lack at its end: they were sent, and lost. The end of a series
does not tell how many were; one that lacks more was stopped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesStart:
    """A series begins, or is found to be under way."""

    series: int
    unique: str = ""
    frame_shape: tuple[int, int] | None = None
    dtype: str | None = None
    """``None``: the first image tells."""
    n_images: int | None = None
    channel: str = ""
    highest_count: int | None = None
    """Largest valid pixel value."""
    mask: NDArray[np.bool_] | str | None = None
    """Pixels that are never to be used; in words what is wrong with the mask, if there is one."""
    hints: ScanHints = field(default_factory=ScanHints)
    metadata: ScanMetadata = field(default_factory=ScanMetadata)


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesImage:
    """One image, not decoded."""

    series: int
    unique: str = ""
    number: int
    """From 0, over the whole series."""
    parts: tuple[Any, ...]
    """What is kept of its message."""
    encoding: PieceEncoding
    """How workers have to read that."""
    look: Callable[[], SeriesStart]
    """Decodes as much of the image as is needed to know the frames' shape and pixel type."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesEnd:
    """A series ended."""

    series: int
    unique: str = ""


@dataclass(slots=True)
class SeriesTracker:
    """Which series is under way. A state machine without sockets or clocks.

    Parameters
    ----------
    batch_frames : int
        Frames filed together at most.
    notice : callable
        Takes sentences for the operator.
    """

    batch_frames: int
    notice: Notice
    word: str = "series"
    """What acquisitions are called, before their number."""
    _start: SeriesStart | None = None
    """Of the newest series."""
    _opened: bool = False
    """Whether its acquisition was announced: its frames' shape and type must be known."""
    _ended: bool = False
    _newest: int = -1
    _limit: int = 1
    _first: int = 0
    _encoding: PieceEncoding = PieceEncoding.DECTRIS_V2
    """Of the newest image."""
    _candidate: int = -1
    """A later series of which one image came: a single damaged number must not end the series under way."""
    _held: list[tuple[Any, ...]] = field(default_factory=list)
    _held_bytes: int = 0

    def follows(self, series: int, unique: str, number: int, encoding: PieceEncoding) -> bool:
        """Whether an image of the series under way can be filed without looking at it."""
        start = self._start
        return (
            self._opened
            and not self._ended
            and start is not None
            and start.series == series
            and start.unique == unique
            and self._encoding is encoding
            and number <= MAX_FRAMES
        )

    def start(self, start: SeriesStart) -> list[Decoded]:
        """A header came. A series that has not ended is closed by what comes after it."""
        if start.frame_shape is not None and start.dtype is not None:
            return self._adopt(start)
        out = self.flush()
        self._start, self._opened, self._ended, self._newest = start, False, False, -1
        self._candidate = -1
        return out

    def image(self, image: SeriesImage) -> list[Decoded]:
        """An image came; it is held back until `flush`, or until enough have come."""
        if image.number > MAX_FRAMES:
            raise MalformedMessageError(f"image number {image.number} is beyond {MAX_FRAMES}")
        out = self._find_start(image)
        if image.encoding is not self._encoding:
            out += self.flush()
            self._encoding = image.encoding
        return out + self.put(image.number, image.parts)

    def put(self, number: int, parts: tuple[Any, ...]) -> list[Decoded]:
        """File an image of the series under way."""
        out, nbytes = [], sum(map(len, parts))
        if self._held and not self._joins(number, nbytes):
            out = self.flush()
        if not self._held:
            self._first = number
        self._held.append(parts)
        self._held_bytes += nbytes
        self._newest = max(self._newest, number)
        return out + self.flush() if len(self._held) >= self._limit else out

    def end(self, end: SeriesEnd) -> list[Decoded]:
        """The end of a series came."""
        start = self._start
        if start is None or start.series != end.series:
            raise SequenceError(f"the end of series {end.series} came, which is not under way: stale data")
        if self._ended:
            return []
        out, self._ended = self.flush(), True
        if not self._opened:
            self.notice(f"series {end.series} ended without an image")
            return out
        n_images = min(self._newest + 1, start.n_images or MAX_FRAMES)  # one number may have been damaged
        lacking = 0 if start.n_images is None else start.n_images - n_images
        if start.n_images is not None and lacking <= max(1, int(LOST_AT_END * start.n_images)):
            n_images, lacking = (
                start.n_images,
                0,
            )  # the last ones were lost on their way: they are counted as missing
        reason = EndReason.STOPPED if lacking else EndReason.FINISHED
        return [*out, AcquisitionEnd(acquisition_id=self._name(), frames_sent=n_images, reason=reason)]

    @property
    def waiting(self) -> bool:
        """Whether frames are held back."""
        return bool(self._held)

    def flush(self) -> list[Decoded]:
        """Frames that are held back."""
        if not self._held:
            return []
        kept = KeptFrames(
            acquisition_id=self._name(),
            first_frame=self._first,
            n_frames=len(self._held),
            encoding=self._encoding,
            parts=keep(self._held),
        )
        self._held, self._held_bytes = [], 0
        return [kept]

    # ------------------------------------------------------------------------------------------- internals
    def _joins(self, number: int, nbytes: int) -> bool:
        """Whether an image may be filed together with those that are held."""
        follows = number == self._first + len(self._held)
        return follows and len(self._held) < self._limit and self._held_bytes + nbytes <= MAX_BATCH_BYTES

    def _find_start(self, image: SeriesImage) -> list[Decoded]:
        """Make sure that the image's series is the one under way and announced."""
        start = self._start
        if start is not None and start.series == image.series and start.unique in (image.unique, ""):
            if self._ended:
                raise SequenceError(f"image {image.number} of series {image.series} came after its end")
            return [] if self._opened else self._complete(start, image)
        if start is not None and image.series <= start.series:
            raise SequenceError(
                f"image {image.number} belongs to series {image.series}, which is over: series {start.series} is "
                "under way (stale data of a detector whose images nobody took)"
            )
        if start is not None and not self._ended and image.series != self._candidate:
            self._candidate = image.series
            raise SequenceError(
                f"an image of series {image.series} came without its start while series {start.series} is under "
                "way; it is taken up when another one follows"
            )
        self.notice(
            f"the start of series {image.series} was not seen: shape and pixel type are those of image "
            f"{image.number}, masks and energies are not known"
        )
        return self._adopt(image.look())

    def _complete(self, start: SeriesStart, image: SeriesImage) -> list[Decoded]:
        """The header did not say everything: ask the image."""
        seen = image.look()
        return self._adopt(
            replace(
                start,
                unique=start.unique or seen.unique,
                frame_shape=start.frame_shape or seen.frame_shape,
                dtype=start.dtype or seen.dtype,
                channel=start.channel or seen.channel,
            )
        )

    def _adopt(self, start: SeriesStart) -> list[Decoded]:
        """Announce a series; nothing changes when its header cannot be used."""
        assert start.frame_shape is not None and start.dtype is not None
        try:
            acquisition = Acquisition(
                acquisition_id=f"{self.word}-{start.series}",
                scan_shape=start.hints.scan_shape,
                frame_shape=start.frame_shape,
                dtype=start.dtype,
                frames_per_position=start.hints.frames_per_position,
                flyback_frames=start.hints.flyback_frames,
                scan_order=start.hints.scan_order,
                channel=start.channel,
                highest_count=start.highest_count or _below_top(start.dtype),
                bad_pixels=self._bad_pixels(start),
                metadata=start.metadata,
            )
        except FrameError as error:
            raise MalformedMessageError(str(error)) from None
        message = AcquisitionStart(acquisition=acquisition, n_frames=start.n_images)
        out = self.flush()
        self._start, self._opened, self._ended, self._newest, self._candidate = start, True, False, -1, -1
        self._limit = max(1, min(self.batch_frames, MAX_BATCH_BYTES // acquisition.frame_bytes))
        return [*out, message]

    def _bad_pixels(self, start: SeriesStart) -> bytes:
        assert start.frame_shape is not None
        try:
            return mask_bytes(start.mask, start.frame_shape)
        except MalformedMessageError as error:
            self.notice(
                f"the pixel mask of {self.word} {start.series} cannot be used: {error}; the frames are used "
                "without it (detection.bad_pixels can name pixels that are not to be used)"
            )
            return b""

    def _name(self) -> str:
        assert self._start is not None
        return f"{self.word}-{self._start.series}"


def _below_top(dtype: str) -> int | None:
    """Pixels without data hold the largest number of their type."""
    kind = np.dtype(dtype)
    return int(np.iinfo(kind).max) - 1 if kind.kind == "u" else None
