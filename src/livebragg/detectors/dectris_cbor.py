"""DECTRIS STREAM V2 (format ``cbor``): one CBOR map in one ZeroMQ part.

A message is parsed here only as far as a series has to be followed; the images' pixels are decoded by
`fill_frame`, in the workers. Everything optional may be absent, floats may come as integers and messages without
the tag for self-described CBOR: there are simulators and firmwares that send all of that.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import cbor2
import numpy as np
from numpy.typing import NDArray

from livebragg.detectors import compression
from livebragg.detectors.compression import Packed
from livebragg.detectors.facts import (
    beam_energy_kev,
    metadata_of,
    pixel_mask,
    positive_int,
    scan_hints,
    whole_number,
)
from livebragg.detectors.series import SeriesEnd, SeriesImage, SeriesStart
from livebragg.errors import MalformedMessageError
from livebragg.model.scan import MAX_FRAME_SIDE
from livebragg.wire.messages import PieceEncoding
from livebragg.wire.schema import shown

MULTI_DIM_ARRAY, DECTRIS_COMPRESSION, SELF_DESCRIBED = 40, 56500, 55799

PIXEL_TAGS = {
    64: "<u1", 68: "<u1", 69: "<u2", 70: "<u4", 65: ">u2", 66: ">u4",
    72: "<i1", 77: "<i2", 78: "<i4", 73: ">i2", 74: ">i4",
    85: "<f4", 86: "<f8", 81: ">f4", 82: ">f8",
}  # fmt: skip
"""Tags of typed arrays (RFC 8746) with pixel types the pipeline has."""

Message = SeriesStart | SeriesImage | SeriesEnd


def load(message: Any) -> Mapping[str, Any]:
    """The map of a message.

    Raises
    ------
    MalformedMessageError
        It is not CBOR, or not a map.
    """
    try:
        value = cbor2.loads(message)
    except (cbor2.CBORError, ValueError, TypeError, OverflowError, RecursionError) as error:
        raise MalformedMessageError(
            f"a message of {len(message)} bytes is not CBOR ({type(error).__name__}: {shown(str(error))}); is "
            "this another program's stream?"
        ) from None
    if isinstance(value, cbor2.CBORTag) and value.tag == SELF_DESCRIBED:
        value = value.value
    if not isinstance(value, Mapping):
        raise MalformedMessageError(f"a STREAM V2 message must be a map, not {shown(value)}")
    return value


def parse(message: Any, channel: str) -> Message:
    """Start, image or end; `channel` is the configured one, empty for the first.

    Raises
    ------
    MalformedMessageError
        The message is none of these, or lacks what is needed.
    """
    fields = load(message)
    kind, series = fields.get("type"), whole_number(fields, "series_id")
    unique = _text(fields.get("series_unique_id"))
    if kind == "image":
        number = whole_number(fields, "image_id")

        def look() -> SeriesStart:
            return _from_image(fields, series, unique, channel)

        return SeriesImage(
            series=series,
            unique=unique,
            number=number,
            parts=(message,),
            encoding=PieceEncoding.DECTRIS_V2,
            look=look,
        )
    if kind == "start":
        return _start(fields, series, unique, channel)
    if kind == "end":
        return SeriesEnd(series=series, unique=unique)
    raise MalformedMessageError(f"a STREAM V2 message is a start, an image or an end, not {shown(kind)}")


def fill_frame(fields: Mapping[str, Any], number: int, channel: str, out_frame: NDArray[Any]) -> None:
    """Decode the pixels of one image.

    Parameters
    ----------
    fields : mapping
        The whole message, as `load` made it.
    number : int
        Which image it must be.
    channel : str
        Which channel; empty for the first.
    out_frame : NDArray, shape (frame_rows, frame_cols)
        Little-endian and contiguous; filled.

    Raises
    ------
    MalformedMessageError
        It is another image, or its pixels are not such a frame.
    """
    if fields.get("image_id") != number:
        raise MalformedMessageError(f"image {shown(fields.get('image_id'))} came in the place of image {number}")
    compression.fill_frame(out_frame, _packed(_channel(fields, channel)[1]))


def start_time(fields: Mapping[str, Any]) -> float:
    """When an image began, in seconds since its series did; NaN where it does not say."""
    match fields.get("start_time"):
        case [int(ticks), int(per_second)] if 0 <= ticks < 1 << 63 and 0 < per_second < 1 << 63:
            return ticks / per_second
    return math.nan


# -------------------------------------------------------------------------------------------- arrays
def _packed(array: Any) -> Packed:
    shape, dtype, data = _array(array)
    if isinstance(data, bytes):
        return Packed(shape, dtype, data, "none")
    value = data.value if isinstance(data, cbor2.CBORTag) and data.tag == DECTRIS_COMPRESSION else None
    match value:
        case [str(algorithm), int(element_bytes), bytes(payload)]:
            return Packed(shape, dtype, payload, algorithm, element_bytes)
    raise MalformedMessageError(
        f"an array's bytes must be a byte string, or tag 56500 of three, not {shown(data)}"
    )


def _array(value: Any) -> tuple[tuple[int, int], np.dtype[Any], Any]:
    """Shape, type and (compressed) bytes of a two-dimensional array."""
    match value:
        case cbor2.CBORTag(tag=40, value=[[int(rows), int(cols)], cbor2.CBORTag(tag=int(tag), value=data)]):
            dtype = PIXEL_TAGS.get(tag)
            if dtype is None:
                raise MalformedMessageError(f"pixels of CBOR tag {tag}; use one of {sorted(PIXEL_TAGS)}")
            return (rows, cols), np.dtype(dtype), data
    raise MalformedMessageError(f"a channel must be an array of tag 40 with two sides, not {shown(value)}")


def _channel(fields: Mapping[str, Any], wanted: str) -> tuple[str, Any]:
    data = fields.get("data")
    if not isinstance(data, Mapping) or not data:
        raise MalformedMessageError(f"an image must have a map of channels as data, not {shown(data)}")
    if not wanted:
        name, value = next(iter(data.items()))
        return _text(name), value
    if wanted not in data:
        raise MalformedMessageError(
            f"there is no channel {wanted!r} in the image, only {shown(list(data))}; set stream.channel to one of "
            "them"
        )
    return wanted, data[wanted]


# ---------------------------------------------------------------------------------------- the header
def _from_image(fields: Mapping[str, Any], series: int, unique: str, channel: str) -> SeriesStart:
    name, value = _channel(fields, channel)
    shape, dtype, _ = _array(value)
    return SeriesStart(
        series=series,
        unique=unique,
        frame_shape=shape,
        dtype=dtype.name,
        channel=name,
        hints=scan_hints(fields.get("user_data")),
    )


def _start(fields: Mapping[str, Any], series: int, unique: str, channel: str) -> SeriesStart:
    rows, cols = positive_int(fields.get("image_size_y")), positive_int(fields.get("image_size_x"))
    dtype = fields.get("image_dtype")
    known = dtype if isinstance(dtype, str) and dtype in ("uint8", "uint16", "uint32") else None
    channels = fields.get("channels")
    names = [_text(name) for name in channels] if isinstance(channels, list | tuple) else []
    return SeriesStart(
        series=series,
        unique=unique,
        frame_shape=None if rows is None or cols is None else (rows, cols),
        # Its name is taken from the images unless there is only one: there are senders whose list of channels has
        # other names than their images.
        dtype=known if channel or len(names) == 1 else None,
        n_images=positive_int(fields.get("number_of_images")),
        channel=channel,
        highest_count=positive_int(fields.get("saturation_value")),
        mask=pixel_mask(lambda: _mask(fields, channel)),
        hints=scan_hints(fields.get("user_data")),
        metadata=metadata_of(
            energy_kev=beam_energy_kev(fields.get("incident_energy")),
            frame_time_s=fields.get("frame_time"),
            name=fields.get("detector_description"),
        ),
    )


def _mask(fields: Mapping[str, Any], channel: str) -> NDArray[Any] | None:
    masks = fields.get("pixel_mask")
    if not isinstance(masks, Mapping) or not masks:
        return None
    packed = _packed(masks.get(channel, next(iter(masks.values()))))
    if not all(0 < side <= MAX_FRAME_SIDE for side in packed.shape):
        raise MalformedMessageError(f"an array of {packed.shape} pixels is larger than a detector")
    mask = np.empty(packed.shape, packed.dtype.newbyteorder("<"))
    compression.fill_frame(mask, packed)
    return mask


# ------------------------------------------------------------------------------------------- scalars
def _text(value: Any) -> str:
    return value[:200] if isinstance(value, str) else ""
