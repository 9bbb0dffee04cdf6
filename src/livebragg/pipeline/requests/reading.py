"""Requests as they come: what they are, and whether the scan that they speak of is there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from livebragg.wire.codec import decode
from livebragg.wire.messages import AcquisitionOpened, Refused


def read_request(parts: Sequence[Any]) -> object:
    """A request from its parts, after an empty delimiter if REQ sent one.

    Raises
    ------
    livebragg.errors.WireError
        The parts are no message.
    """
    return decode(parts[1:] if parts and len(parts[0]) == 0 else parts)


def speaks_of(serial: int, opened: AcquisitionOpened) -> bool:
    """Whether a request with this `serial` means this acquisition; 0 means the one that is there."""
    return serial in (0, opened.serial)


def outside(scan_index: int, scan_shape: tuple[int, int]) -> Refused | None:
    """The reply to a request about a position that the scan does not have."""
    rows, cols = scan_shape
    if 0 <= scan_index < rows * cols:
        return None
    return Refused(reason=f"scan index {scan_index} is outside of the {rows}x{cols} scan")


NOT_THERE = Refused(reason="that acquisition is no longer in memory, or none of its frames was analysed yet")
"""The reply to a request that means another acquisition."""
