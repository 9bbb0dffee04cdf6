"""Messages to multipart bytes and back: pure functions, the only users of msgpack.

Decoding trusts nothing: sizes are bounded before they are used, every field is checked against the annotation
of its message class, and whatever does not fit raises a `livebragg.errors.WireError` that names it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgpack

from livebragg.errors import MalformedMessageError, VersionError
from livebragg.wire import messages
from livebragg.wire.schema import codec_of, shown

PROTOCOL = "livebragg"
VERSION = 1
MAX_HEADER_BYTES = 1 << 20
MAX_PARTS = 64


def _type_name(kind: type[Any]) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", kind.__name__).lower()


_CLASSES: dict[str, type[Any]] = {
    _type_name(getattr(messages, name)): getattr(messages, name)
    for name in messages.__all__
    if hasattr(getattr(messages, name), "__dataclass_fields__") and name != "Piece"
}
_NAMES = {kind: name for name, kind in _CLASSES.items()}


def topic_of(kind: type[Any]) -> bytes:
    """Feed topic of a message class: its type name."""
    return _NAMES[kind].encode()


def encode(message: Any) -> list[Any]:
    """Header and raw parts of a message, ready for ``send_multipart``.

    Parameters
    ----------
    message : one of the classes in `livebragg.wire.messages`

    Returns
    -------
    list of bytes-like
        Arrays are not copied: do not change them before the message is sent.
    """
    parts: list[Any] = []
    body = codec_of(type(message))[1](message, parts)
    header = {"protocol": PROTOCOL, "version": VERSION, "type": _NAMES[type(message)], **body}
    return [msgpack.packb(header), *parts]


def decode(parts: Sequence[Any]) -> Any:
    """Message from its multipart bytes.

    Parameters
    ----------
    parts : sequence of bytes-like
        As received; arrays and payloads of the message are read-only views of them.

    Raises
    ------
    VersionError
        Another protocol, or another version of ours.
    MalformedMessageError
        Anything else that does not fit; the text names the field, its value and what it should be.
    """
    if not 1 <= len(parts) <= MAX_PARTS + 1:
        raise MalformedMessageError(f"a message has 1 to {MAX_PARTS + 1} parts, not {len(parts)}")
    header = _unpack(parts[0])
    if header.get("protocol") != PROTOCOL:
        raise VersionError(
            f"this is not a {PROTOCOL} message (protocol {shown(header.get('protocol'))}); "
            "is another program's stream at this endpoint?"
        )
    if header.get("version") != VERSION:
        raise VersionError(
            f"protocol version {shown(header.get('version'))} is not supported, this program speaks version "
            f"{VERSION}; use the same release of livebragg on both sides"
        )
    kind = _CLASSES.get(header["type"]) if isinstance(header.get("type"), str) else None
    if kind is None:
        raise MalformedMessageError(f"unknown message type {shown(header.get('type'))}")
    raw = list(parts[1:])
    if kind is messages.FrameBatch:
        header.setdefault("payload", {"part": 0})
    return codec_of(kind)[0](header, "", raw)


def _unpack(part: Any) -> dict[str, Any]:
    size = memoryview(part).nbytes
    if size > MAX_HEADER_BYTES:
        raise MalformedMessageError(f"header of {size} bytes; at most {MAX_HEADER_BYTES} are allowed")
    try:
        header = msgpack.unpackb(part, strict_map_key=True)
    except (ValueError, msgpack.exceptions.UnpackException, RecursionError) as error:
        raise MalformedMessageError(
            f"the header is not msgpack ({type(error).__name__}); is another program's stream at this endpoint?"
        ) from None
    if not isinstance(header, dict):
        raise MalformedMessageError(f"the header must be a msgpack map, not {type(header).__name__}")
    return header
