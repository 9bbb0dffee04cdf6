"""Units of Merlin's TCP streams: ``MPX,``, 10 digits, a comma, and the payload.

The number counts the comma behind it, so that a payload has one byte less.
"""

from __future__ import annotations

from livebragg.errors import ConfigError
from livebragg.wire.endpoints import host_port

PREFIX_BYTES = 15
MAX_UNIT_BYTES = 1 << 26


def unit(payload: bytes) -> bytes:
    """A payload with its prefix.

    Examples
    --------
    >>> unit(b"CMD,STARTACQUISITION")
    b'MPX,0000000021,CMD,STARTACQUISITION'
    """
    return b"MPX,%010d,%b" % (len(payload) + 1, payload)


def payload_bytes(prefix: bytes | bytearray) -> int | None:
    """Bytes of the payload behind a prefix, ``None`` when it is no prefix."""
    digits = prefix[4:14]
    if prefix[:4] != b"MPX," or prefix[14:15] != b"," or not digits.isdigit():
        return None
    size = int(digits) - 1
    return size if 0 < size <= MAX_UNIT_BYTES else None


def parse_address(endpoint: str, key: str) -> tuple[str, int]:
    """Host and port of ``tcp://HOST:PORT``; raises `ConfigError`."""
    scheme, _, rest = endpoint.partition("://")
    address = host_port(rest)
    if scheme == "tcp" and address is not None:
        return address
    raise ConfigError(f"{key} {endpoint!r} is no address of a Merlin; write tcp://HOST:6342")
