"""DECTRIS STREAM V1 (format ``legacy``): multipart messages with parts in JSON.

A header is ``dheader`` with the configuration as its second part (some senders make that a message of its own),
and with detail ``all`` flat field, pixel mask and count-rate table behind it. An image is four parts, of which the
second (shape, type, encoding), the third (the pixels) and the fourth (times) are kept.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from livebragg.detectors import compression
from livebragg.detectors.compression import Packed
from livebragg.detectors.facts import (
    beam_energy_kev,
    metadata_of,
    pixel_mask,
    positive_float,
    positive_int,
    scan_hints,
    whole_number,
)
from livebragg.detectors.series import SeriesEnd, SeriesImage, SeriesStart
from livebragg.errors import MalformedMessageError
from livebragg.wire.messages import PieceEncoding
from livebragg.wire.schema import shown

MAX_JSON_BYTES = 1 << 20

_ENCODING = re.compile(r"(?:bs(8|16|32|64)-?)?(lz4)?([<>])")
_IMAGE = re.compile(
    rb'\{\s*"htype"\s*:\s*"dimage-[\w.]+"\s*,\s*"series"\s*:\s*(0|[1-9]\d{0,17})\s*,'
    rb'\s*"frame"\s*:\s*(0|[1-9]\d{0,17})\s*(?:,\s*"hash"\s*:\s*"\w*"\s*)?\}\s*'
)
"""The first part of an image as every known sender makes it: JSON that need not be parsed."""

_PIXEL_TYPES = ("uint8", "uint16", "uint32", "int8", "int16", "int32", "float32")
_PARTS_OF_HEADER = {"none": 1, "basic": 2, "all": 8}
"""Parts of a header before its appendix."""

Message = SeriesStart | SeriesImage | SeriesEnd


class JsonParser:
    """Parses messages; remembers a header whose second part is still to come."""

    def __init__(self) -> None:
        self._header: dict[str, Any] | None = None

    def image_number(self, parts: Sequence[Any]) -> tuple[int, int] | None:
        """Series and number of an image in the usual words; ``None`` for every message that has to be parsed."""
        usual = _IMAGE.fullmatch(parts[0]) if self._header is None and len(parts) > 2 else None
        return None if usual is None else (int(usual[1]), int(usual[2]))

    def parse(self, parts: Sequence[Any]) -> Message | None:
        """Start, image or end; ``None`` for the first half of a header.

        Raises
        ------
        MalformedMessageError
            The message is none of these, or lacks what is needed.
        """
        first, header = _json(parts[0]), self._header
        self._header = None
        kind = first.get("htype")
        if kind is None and header is not None:
            return _start(header, first, [], parts[1:])
        series = whole_number(first, "series")
        if not isinstance(kind, str):
            kind = shown(kind)
        if kind.startswith("dimage-"):
            return _image(first, series, parts)
        if kind.startswith("dheader-"):
            if len(parts) == 1 and first.get("header_detail") != "none":
                self._header = first
                return None
            n_parts = _PARTS_OF_HEADER.get(str(first.get("header_detail")), 2)
            config = _json(parts[1]) if n_parts > 1 and len(parts) > 1 else {}
            return _start(first, config, parts[2:n_parts], parts[n_parts:])
        if kind.startswith(("dseries_end-", "deseries_end-")):
            return SeriesEnd(series=series)
        raise MalformedMessageError(
            f"a STREAM V1 message is a dheader, dimage or dseries_end, not {shown(first.get('htype'))}"
        )


def kept_of(parts: Sequence[Any]) -> tuple[Any, Any, Any]:
    """What is kept of an image: what it is, its pixels, and its times, if there are any."""
    return parts[1], parts[2], parts[3] if len(parts) > 3 else b""


def fill_frame(parts: Sequence[Any], out_frame: NDArray[Any]) -> None:
    """Decode the pixels of one image from its second and third part; see `dectris_cbor.fill_frame`."""
    compression.fill_frame(out_frame, _packed(_json(parts[0]), parts[1]))


def start_time(parts: Sequence[Any]) -> float:
    """When an image began, by the third part that is kept; see `dectris_cbor.start_time`."""
    value = positive_float(_json(parts[2]).get("start_time")) if len(parts[2]) else None
    return math.nan if value is None else value / 1e9


def _packed(image: dict[str, Any], payload: Any) -> Packed:
    """Pixels of an image, by its second part."""
    name, encoding = image.get("type"), image.get("encoding")
    if name not in _PIXEL_TYPES:
        raise MalformedMessageError(f"pixels of type {shown(name)}; use one of {', '.join(_PIXEL_TYPES)}")
    match = _ENCODING.fullmatch(encoding) if isinstance(encoding, str) else None
    if match is None or (match[1] and not match[2]):
        raise MalformedMessageError(f"encoding {shown(encoding)} is not known; bs16-lz4<, lz4< and < are examples")
    algorithm = "bslz4" if match[1] else "lz4-bare" if match[2] else "none"
    dtype = np.dtype(name).newbyteorder("<" if match[3] == "<" else ">")
    return Packed(_shape(image.get("shape")), dtype, payload, algorithm, int(match[1] or 8) // 8)


def _shape(value: Any) -> tuple[int, int]:
    """Rows and columns of a shape that is given the other way round."""
    match value:
        case [int(cols), int(rows)] | [int(cols), int(rows), 1]:
            return rows, cols
    raise MalformedMessageError(f"an image's shape must be [columns, rows], not {shown(value)}")


def _image(first: dict[str, Any], series: int, parts: Sequence[Any]) -> SeriesImage:
    if len(parts) < 3:
        raise MalformedMessageError(f"an image of STREAM V1 has four parts, not {len(parts)}")

    def look() -> SeriesStart:
        packed = _packed(_json(parts[1]), parts[2])
        return SeriesStart(series=series, frame_shape=packed.shape, dtype=packed.dtype.newbyteorder("=").name)

    return SeriesImage(
        series=series,
        number=whole_number(first, "frame"),
        parts=kept_of(parts),
        encoding=PieceEncoding.DECTRIS_V1,
        look=look,
    )


def _start(
    header: dict[str, Any], config: dict[str, Any], tables: Sequence[Any], appendix: Sequence[Any]
) -> SeriesStart:
    rows, cols = (positive_int(config.get(f"{axis}_pixels_in_detector")) for axis in "yx")
    bits = config.get("bit_depth_image")
    return SeriesStart(
        series=whole_number(header, "series"),
        frame_shape=None if rows is None or cols is None else (rows, cols),
        dtype=f"uint{bits}" if bits in (8, 16, 32) else None,
        n_images=_n_images(config),
        highest_count=positive_int(config.get("countrate_correction_count_cutoff")),
        mask=pixel_mask(lambda: _mask(tables)),
        hints=scan_hints(bytes(appendix[-1][:MAX_JSON_BYTES])) if appendix else scan_hints(None),
        metadata=metadata_of(
            energy_kev=beam_energy_kev(config.get("photon_energy")),
            frame_time_s=config.get("frame_time"),
            name=config.get("description"),
        ),
    )


def _n_images(config: dict[str, Any]) -> int | None:
    triggers, images = positive_int(config.get("ntrigger")), positive_int(config.get("nimages"))
    if triggers is None or images is None:
        return None
    return triggers if config.get("trigger_mode") in ("exte", "inte") else positive_int(triggers * images)


def _mask(tables: Sequence[Any]) -> NDArray[np.uint32] | None:
    for about, data in zip(tables[::2], tables[1::2], strict=False):
        facts = _json(about)
        if str(facts.get("htype")).startswith("dpixelmask-"):
            shape = _shape(facts.get("shape"))
            mask = np.frombuffer(data, np.uint8)
            if min(shape) < 1 or mask.size != 4 * shape[0] * shape[1]:
                raise MalformedMessageError(f"a pixel mask of {shape} pixels has {mask.size} bytes")
            return mask.view("<u4").reshape(shape)
    return None


def _json(part: Any) -> dict[str, Any]:
    if len(part) > MAX_JSON_BYTES:
        raise MalformedMessageError(f"a JSON part of {len(part)} bytes; at most {MAX_JSON_BYTES} are allowed")
    try:
        value = json.loads(bytes(part))
    except (ValueError, RecursionError) as error:
        raise MalformedMessageError(f"a part of {len(part)} bytes is not JSON ({type(error).__name__})") from None
    if not isinstance(value, dict):
        raise MalformedMessageError(f"a part of STREAM V1 must be a JSON object, not {shown(value)}")
    return value
