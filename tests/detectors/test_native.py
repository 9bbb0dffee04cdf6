"""The native stream: its four messages and nothing else."""

from __future__ import annotations

import pytest

from hostile_messages import EVERYTHING, RAW, Hostile, batch, end, header, start
from livebragg.detectors import NativeDecoder, StreamDecoder
from livebragg.errors import MalformedMessageError, WireError
from livebragg.wire.codec import encode
from livebragg.wire.messages import (
    Accepted,
    AcquisitionEnd,
    AcquisitionStart,
    FrameBatch,
    FrameRequest,
    Heartbeat,
    ResultAccepted,
    StopAll,
    StopRequest,
)


@pytest.mark.parametrize(
    ("parts", "kind"),
    [
        (start(), AcquisitionStart),
        (batch(), FrameBatch),
        (end(), AcquisitionEnd),
        ([header("heartbeat")], Heartbeat),
    ],
    ids=["start", "batch", "end", "heartbeat"],
)
def test_the_four_messages_of_the_stream_are_decoded(parts: list[bytes], kind: type[object]) -> None:
    assert [type(message) for message in NativeDecoder().decode(parts)] == [kind]


def test_the_payload_is_the_part_that_came() -> None:
    payload = bytearray(RAW)
    (message,) = NativeDecoder().decode(batch(payload))
    assert isinstance(message, FrameBatch)
    assert message.payload is payload


@pytest.mark.parametrize("bad", [h for h in EVERYTHING if h.level == "codec"], ids=lambda bad: bad.name)
def test_bad_messages_are_refused(bad: Hostile) -> None:
    with pytest.raises(bad.error):
        NativeDecoder().decode(bad.parts)


@pytest.mark.parametrize(
    "message",
    [
        Accepted(),
        StopAll(),
        StopRequest(),
        FrameRequest(serial=0, scan_index=0),
        ResultAccepted(job_id=1, serial=1),
    ],
    ids=lambda m: type(m).__name__,
)
def test_a_detector_cannot_send_the_pipelines_own_messages(message: object) -> None:
    with pytest.raises(
        MalformedMessageError, match=f"a {type(message).__name__} does not belong into a detector's"
    ):
        NativeDecoder().decode(encode(message))


def test_it_is_a_stream_decoder() -> None:
    decoder: StreamDecoder = NativeDecoder()
    assert decoder.decode(end()) == [AcquisitionEnd(acquisition_id="scan-1", frames_sent=12)]
    assert decoder.flush() == []


@pytest.mark.parametrize("first", [b'{"htype":"dheader-1.0","series":1}', b"\xd9\xd9\xf7\xa2dtypeestart"])
def test_a_dectris_stream_is_recognised_and_the_remedy_told(first: bytes) -> None:
    with pytest.raises(WireError, match="attach with --detector dectris"):
        NativeDecoder().decode([first])
