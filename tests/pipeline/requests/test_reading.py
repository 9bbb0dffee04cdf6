"""A request is read the same whoever sends it, and means the scan that it names."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from livebragg.errors import WireError
from livebragg.pipeline.requests.reading import outside, read_request, speaks_of
from livebragg.wire.codec import encode
from livebragg.wire.messages import FrameRequest, Refused

REQUEST = FrameRequest(serial=3, scan_index=7)


@pytest.mark.parametrize("delimiter", [[], [b""]])
def test_a_delimiter_makes_no_difference(delimiter: list[bytes]) -> None:
    assert read_request([*delimiter, *encode(REQUEST)]) == REQUEST


@pytest.mark.parametrize("parts", [[], [b""], [b"\xc1"], [b"", b"", *encode(REQUEST)]])
def test_what_is_no_message_cannot_be_read(parts: Any) -> None:
    with pytest.raises(WireError):
        read_request(parts)


def test_a_serial_of_0_means_the_scan_that_is_there() -> None:
    opened: Any = SimpleNamespace(serial=3)
    assert [speaks_of(serial, opened) for serial in (0, 2, 3, 4, -3)] == [True, False, True, False, False]


def test_positions_beyond_the_scan_are_named_with_its_size() -> None:
    assert outside(0, (3, 5)) is None and outside(14, (3, 5)) is None
    for index in (-1, 15, 1 << 62):
        refused = outside(index, (3, 5))
        assert isinstance(refused, Refused) and f"{index} is outside of the 3x5 scan" in refused.reason
