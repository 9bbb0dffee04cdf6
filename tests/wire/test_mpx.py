"""Prefixes and addresses of Merlin's TCP streams."""

from __future__ import annotations

import pytest

from livebragg.errors import ConfigError
from livebragg.wire.mpx import parse_address, payload_bytes


@pytest.mark.parametrize(
    ("prefix", "size"),
    [
        (b"MPX,0000000005,", 4),
        (b"MPX,0000000001,", None),
        (b"MPX,0000000000,", None),
        (b"MPX,9999999999,", None),
        (b"MPX,-000000005,", None),
        (b"MPX,00000 0005,", None),
        (b"MPX,00000000055", None),
        (b"mpx,0000000005,", None),
        (b"MPX,", None),
    ],
)
def test_a_prefix_says_how_long_a_unit_is(prefix: bytes, size: int | None) -> None:
    assert payload_bytes(prefix) == size


def test_addresses() -> None:
    assert parse_address("tcp://merlin-pc:6342", "stream.endpoint") == ("merlin-pc", 6342)
    for wrong in ("merlin-pc:6342", "ipc:///tmp/a", "tcp://:6342", "tcp://a:b", "tcp://a:0", "tcp://a:99999"):
        with pytest.raises(ConfigError, match=r"stream.endpoint .* write tcp://HOST:6342"):
            parse_address(wrong, "stream.endpoint")
