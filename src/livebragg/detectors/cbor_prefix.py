"""The first bytes of STREAM V2 images: which of them two images of a series share, and the number behind them.

Two messages that begin with the same bytes up to the value of ``image_id`` say the same in everything before it.
When that is the type, the series and its unique id, nothing behind the number can make them differ (a map that has
a key twice is no CBOR); in any other order every message has to be parsed.
"""

from __future__ import annotations

from typing import Any

SELF_DESCRIBED = b"\xd9\xd9\xf7"
MAX_BYTES = 256
"""The number is looked for in this many first bytes."""

_UNSIGNED, _TEXT, _MAP = 0, 3, 5
_LENGTHS = {24: 1, 25: 2, 26: 4, 27: 8}
_BEFORE = {b"type", b"series_id", b"series_unique_id"}


def before_number(message: Any) -> bytes:
    """Bytes of an image before its number; empty when what identifies the image's series comes behind it."""
    head = bytes(message[:MAX_BYTES])
    at = len(SELF_DESCRIBED) if head.startswith(SELF_DESCRIBED) else 0
    opened = _head(head, at)
    if opened is None and head[at : at + 1] == b"\xbf":  # a map that does not say how many keys it has
        at += 1
    elif opened is not None and opened[0] == _MAP:
        at = opened[2]
    else:
        return b""
    seen: set[bytes] = set()
    while True:
        key, at = _plain(head, at)
        if key == b"image_id":
            return head[:at] if seen >= _BEFORE and unsigned(head[at:]) is not None else b""
        if not isinstance(key, bytes) or key in seen:
            return b""
        seen.add(key)
        value, at = _plain(head, at)
        if value is None:
            return b""


def unsigned(head: bytes) -> int | None:
    """The unsigned integer that some bytes begin with."""
    found = _head(head, 0)
    return found[1] if found is not None and found[0] == _UNSIGNED else None


def _plain(head: bytes, at: int) -> tuple[bytes | int | None, int]:
    """A text or an unsigned integer, and what comes behind it; ``None`` for anything else."""
    found = _head(head, at)
    if found is None or found[0] not in (_UNSIGNED, _TEXT):
        return None, at
    kind, number, at = found
    if kind == _UNSIGNED:
        return number, at
    text = head[at : at + number]
    return (text, at + number) if len(text) == number else (None, at)


def _head(head: bytes, at: int) -> tuple[int, int, int] | None:
    """Major type and number of an item, and where what follows begins; ``None`` for one without a number."""
    if at >= len(head):
        return None
    kind, info = head[at] >> 5, head[at] & 31
    if info < 24:
        return kind, info, at + 1
    length = _LENGTHS.get(info)
    end = at + 1 + (length or 0)
    return None if length is None or end > len(head) else (kind, int.from_bytes(head[at + 1 : end], "big"), end)
