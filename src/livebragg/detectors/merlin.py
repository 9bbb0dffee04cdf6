"""Quantum Detectors Merlin (Medipix3): units of its TCP data stream, cut out of it by `livebragg.wire.mpx`.

A unit is the acquisition's header (text beginning with ``HDR,``, lines of ``key:<TAB>value``) or a frame: an
ASCII header beginning with ``MQ1,`` and the pixels, big endian. There is no end, no series number, no sign of an
abort: an acquisition ends with the next header, or by silence.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from livebragg.detectors.base import Decoded, Notice
from livebragg.detectors.compression import check_frame
from livebragg.detectors.facts import ScanHints, positive_float, positive_int
from livebragg.detectors.series import SeriesImage, SeriesStart, SeriesTracker
from livebragg.errors import FrameError, MalformedMessageError
from livebragg.model import ScanMetadata
from livebragg.model.scan import MAX_FRAME_SIDE, check_scan_shape
from livebragg.wire.messages import PieceEncoding
from livebragg.wire.schema import shown

MAX_HEADER_BYTES = 1 << 16
GAP_PIXELS = 2
"""Rows and columns between chips whose header says that there is a gap."""

CHIP = 256
"""Side of a chip, in pixels."""

_PIXEL_TYPES = {"U01": ">u1", "U08": ">u1", "U16": ">u2", "U32": ">u4", "U64": ">u8"}
_RAW_BITS_TO_TYPE = {1: "uint8", 8: "uint8", 16: "uint16", 32: "uint32"}
"""Bits in which a raw pixel travels: counters of 1, 6, 12 and (in two halves) 24 bits."""


@dataclass(frozen=True, slots=True)
class FrameHeader:
    """What the header of a frame says about its pixels."""

    number: int
    """From 0."""
    offset: int
    """Where the pixels begin, in bytes."""
    rows: int
    cols: int
    pixel_type: str
    """``U01``, ``U08``, ``U16``, ``U32``, ``U64``, or ``R64`` for raw counters."""
    layout: str
    """Of the chips: ``1x1``, ``2x2``, ``Nx1``; with a G at the end there is a gap between them."""


class MerlinDecoder:
    """Follows the acquisitions of one detector.

    Parameters
    ----------
    batch_frames : int
        Frames filed together at most.
    notice : callable
        Takes sentences for the operator.
    """

    def __init__(self, batch_frames: int, notice: Notice) -> None:
        self._tracker = SeriesTracker(batch_frames, notice, word="merlin")
        self._header = SeriesStart(series=0)
        self._number = -1

    def decode(self, parts: Sequence[Any]) -> list[Decoded]:
        """Take one unit; see `StreamDecoder.decode`."""
        unit = parts[0]
        kind = bytes(unit[:4])
        if kind == b"MQ1,":
            return self._frame(unit)
        if kind == b"HDR,":
            self._header = _start(bytes(unit[:MAX_HEADER_BYTES]), self._header.series + 1)
            self._number = -1
            return self._tracker.start(self._header)
        raise MalformedMessageError(f"a Merlin unit begins with HDR, or MQ1, not with {shown(kind)}")

    @property
    def waiting(self) -> bool:
        """Whether frames are held back; see `StreamDecoder.waiting`."""
        return self._tracker.waiting

    def flush(self) -> list[Decoded]:
        """Hand out frames that are held back; see `StreamDecoder.flush`."""
        return self._tracker.flush()

    def _frame(self, unit: Any) -> list[Decoded]:
        number = _sequence(bytes(unit[4:24]))
        series, out = self._header.series, []

        def look() -> SeriesStart:
            shape, dtype = frame_layout(parse_header(unit), len(unit))
            return SeriesStart(series=series, frame_shape=shape, dtype=dtype)

        if number == 0 and self._number > 0:  # it counts from 1 again, and the header is lost
            series += 1
            header = look()  # before anything changes: a frame that is none begins nothing
            out = self._tracker.start(header)
            self._header, self._number = header, 0
        self._number = max(self._number, number)
        if self._tracker.follows(series, "", number, PieceEncoding.MERLIN):
            return out + self._tracker.put(number, (unit,))
        image = SeriesImage(series=series, number=number, parts=(unit,), encoding=PieceEncoding.MERLIN, look=look)
        return out + self._tracker.image(image)


# -------------------------------------------------------------------------------------------- headers
def _start(text: bytes, series: int) -> SeriesStart:
    facts: dict[str, str] = {}
    for line in text.decode("latin-1").splitlines():
        key, _, value = line.partition(":\t")
        facts[key.strip()] = value.strip()
    shape = _whole(facts.get("ScanY")), _whole(facts.get("ScanX"))
    try:
        scan_shape = None if shape[0] is None or shape[1] is None else (shape[0], shape[1])
        if scan_shape is not None:
            check_scan_shape(scan_shape)
    except FrameError:
        scan_shape = None
    exposure = facts.get("Frame Time (ms)") or facts.get("Acquisition Time (ms)")
    return SeriesStart(
        series=series,
        n_images=_whole(facts.get("Frames in Acquisition (Number)")),
        hints=ScanHints(scan_shape=scan_shape),
        metadata=ScanMetadata(dwell_time_s=_seconds(exposure), detector_name="Merlin"),
    )


def _whole(text: str | None) -> int | None:
    return positive_int(int(text)) if text and text.isascii() and text.isdigit() and len(text) < 13 else None


def _seconds(milliseconds: str | None) -> float | None:
    try:
        value = positive_float(float(milliseconds or ""))
    except ValueError:
        return None
    return None if value is None else value / 1e3


def _sequence(head: bytes) -> int:
    """Number of a frame, from 0."""
    text = head.partition(b",")[0]
    if not text.isdigit() or int(text) < 1:
        raise MalformedMessageError(
            f"the sequence number of a Merlin frame must be a number from 1, not {shown(text)}"
        )
    return int(text) - 1


def parse_header(unit: Any) -> FrameHeader:
    """Header of a frame.

    Raises
    ------
    MalformedMessageError
        A field is not what it should be.
    """
    fields = bytes(unit[:128]).split(b",")
    numbers = [text.strip() for text in fields[1:6]]
    if len(fields) < 9 or not all(text.isdigit() and len(text) < 10 for text in numbers):
        raise MalformedMessageError(f"the header of a Merlin frame begins with {shown(bytes(unit[:60]))}")
    sequence, offset, _, cols, rows = map(int, numbers)
    return FrameHeader(
        number=sequence - 1,
        offset=offset,
        rows=rows,
        cols=cols,
        pixel_type=fields[6].strip().decode("latin-1"),
        layout=fields[7].strip().decode("latin-1"),
    )


def unit_sizes(head: bytes) -> set[int]:
    """Bytes that a frame's unit may have by the first bytes of its header; none where that is no header."""
    try:
        header = parse_header(head)
    except MalformedMessageError:
        return set()
    code, n_pixels = _PIXEL_TYPES.get(header.pixel_type), header.rows * header.cols
    bits = (
        _RAW_BITS_TO_TYPE if header.pixel_type == "R64" else [] if code is None else [8 * np.dtype(code).itemsize]
    )
    return {header.offset + n_pixels * b // 8 for b in bits}


def frame_layout(header: FrameHeader, unit_bytes: int) -> tuple[tuple[int, int], str]:
    """Shape and pixel type of a decoded frame.

    Raises
    ------
    MalformedMessageError
        The unit does not hold such a frame.
    """
    n_bytes, n_pixels = unit_bytes - header.offset, header.rows * header.cols
    if not (1 <= header.rows <= MAX_FRAME_SIDE and 1 <= header.cols <= MAX_FRAME_SIDE):
        raise MalformedMessageError(
            f"a Merlin frame of {header.rows} x {header.cols} pixels; sides must be within 1 and {MAX_FRAME_SIDE}"
        )
    if header.pixel_type != "R64":
        return (header.rows, header.cols), _plain_type(header, n_bytes)
    bits = _raw_bits(n_bytes, n_pixels)
    if not header.layout.startswith("2x2"):
        return (header.rows, header.cols), _RAW_BITS_TO_TYPE[bits]
    if n_pixels != 4 * CHIP * CHIP:
        raise MalformedMessageError(f"four raw chips have {4 * CHIP * CHIP} pixels, not {n_pixels}")
    side = 2 * CHIP + (GAP_PIXELS if header.layout.endswith("G") else 0)
    return (side, side), _RAW_BITS_TO_TYPE[bits]


def _plain_type(header: FrameHeader, n_bytes: int) -> str:
    code = _PIXEL_TYPES.get(header.pixel_type)
    if code is None:
        raise MalformedMessageError(
            f"Merlin pixels of type {shown(header.pixel_type)}; {', '.join(_PIXEL_TYPES)} and R64 are known"
        )
    wanted = header.rows * header.cols * np.dtype(code).itemsize
    if n_bytes != wanted:
        raise MalformedMessageError(
            f"a Merlin frame has {n_bytes} bytes of pixels where {header.rows} x {header.cols} pixels of "
            f"{header.pixel_type} are {wanted}"
        )
    return {">u1": "uint8", ">u2": "uint16", ">u4": "uint32", ">u8": "uint32"}[code]


def _raw_bits(n_bytes: int, n_pixels: int) -> int:
    bits, rest = divmod(8 * n_bytes, n_pixels) if n_bytes > 0 else (0, 0)
    if rest or bits not in _RAW_BITS_TO_TYPE or n_pixels % 64:
        raise MalformedMessageError(
            f"{n_bytes} bytes of raw counters for {n_pixels} pixels; 1, 8, 16 or 32 bits a pixel are possible"
        )
    return bits


# --------------------------------------------------------------------------------------------- pixels
def fill_frame(unit: Any, number: int, out_frame: NDArray[Any]) -> None:
    """Decode the pixels of a frame; see `dectris_cbor.fill_frame`."""
    header = parse_header(unit)
    if header.number != number:
        raise MalformedMessageError(f"frame {header.number} came in the place of frame {number}")
    shape, dtype = frame_layout(header, len(unit))
    check_frame(shape, np.dtype(dtype), out_frame)
    pixels = np.frombuffer(unit, np.uint8, offset=header.offset)
    if header.pixel_type == "R64":
        _fill_raw(header, pixels, out_frame)
        return
    counts = pixels.view(_PIXEL_TYPES[header.pixel_type]).reshape(shape)
    out_frame[...] = counts if counts.dtype.itemsize < 8 else np.minimum(counts, np.uint64(0xFFFFFFFF))


def start_time(unit: Any) -> float:
    """When a frame began, by the detector's clock, in seconds; NaN where it does not say."""
    fields = bytes(unit[:160]).split(b",")
    try:
        return datetime.fromisoformat(fields[9].strip().decode("ascii")).timestamp()
    except (IndexError, ValueError, OverflowError, OSError):
        return math.nan


def _fill_raw(header: FrameHeader, pixels: NDArray[np.uint8], out: NDArray[Any]) -> None:
    bits = _raw_bits(pixels.size, header.rows * header.cols)
    if bits == 32:  # two images of 12 bits, the higher ones first
        high, low = (_raw_counts(half, 16) for half in np.split(pixels, 2))
        counts: NDArray[Any] = (high.astype(np.uint32) << 12) + low
    else:
        counts = _raw_counts(pixels, bits)
    image = counts.reshape(header.rows, header.cols)
    if not header.layout.startswith("2x2"):
        out[...] = image
        return
    # The chips of a row of 4 x 256 pixels are the fourth to the first; the lower two stand upside down.
    fourth, third, second, first = np.split(counts.reshape(CHIP, 4 * CHIP), 4, axis=1)
    out[...] = 0
    out[:CHIP, :CHIP], out[:CHIP, -CHIP:] = first, second
    out[-CHIP:, :CHIP], out[-CHIP:, -CHIP:] = third[::-1, ::-1], fourth[::-1, ::-1]


def _raw_counts(pixels: NDArray[np.uint8], bits: int) -> NDArray[Any]:
    """Counters in order: they travel in big-endian words of 64 bits, the first pixel in the lowest bits."""
    words = pixels.view(">u8").astype("<u8").view(np.uint8)
    return np.unpackbits(words, bitorder="little") if bits == 1 else words.view(f"<u{bits // 8}")
