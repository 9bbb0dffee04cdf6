"""Every request gets a reply, and none can harm the pipeline."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hostile_messages import EVERYTHING, Hostile, header
from livebragg.accumulate import ProfileStore
from livebragg.model import BraggPeaks, ProbeShape, RadialBatch
from livebragg.pipeline.requests.router import answer
from livebragg.wire.codec import decode, encode
from livebragg.wire.messages import (
    Accepted,
    FrameReply,
    FrameRequest,
    Heartbeat,
    PipelineStatus,
    Refused,
    RegionProfileReply,
    RegionProfileRequest,
    StatusRequest,
    StopAll,
    StopRequest,
)

STATUS = PipelineStatus(
    revision=1, published_at=1.0, phase="running", light="green", reasons=[], serial=5, acquisition=None,
    scan_shape=None, probe=None, positions_seen=0, newest_sent_at=0.0, counters={}, workers=[], notices=[],
    results_path="",
)  # fmt: skip


PROFILES = RadialBatch(
    radii=np.array([0.5, 1.5], np.float32), mean=np.arange(8, dtype=np.float32).reshape(4, 2),
    variance=np.ones((4, 2), np.float32), pixels=np.full((4, 2), 3, np.int32),
)  # fmt: skip


def run(snapshot: bool = True) -> Any:
    """A scan of 2x3 positions, of which the first four were seen."""
    one = np.array([1.5], np.float32)
    peaks = BraggPeaks(
        qx=one, qy=one, intensity=one, intensity_error=one, position_error=one, offsets=np.array([0, 1])
    )
    profiles = ProfileStore(6)
    profiles.update(np.arange(4), PROFILES)
    origin = np.arange(12, dtype=np.float32).reshape(2, 3, 2)
    return SimpleNamespace(
        opened=SimpleNamespace(serial=5),
        analysis=SimpleNamespace(scan_shape=(2, 3), peaks_at=lambda index: peaks, region_profile=profiles.region),
        lookup=SimpleNamespace(frame=lambda index: np.full((4, 5), index, np.float32) if index < 4 else None),
        probe=ProbeShape(radius=2, edge_width=1, center=(7.0, 8.0)),
        snapshot=SimpleNamespace(labels=np.arange(6, dtype=np.int16).reshape(2, 3), origin=origin)
        if snapshot
        else None,
    )


def ask(message: Any, scan: Any = None, *, delimiter: bool = True) -> tuple[Any, StopAll | None]:
    """The reply as the client gets it, and the order to stop."""
    parts = [bytes(p) for p in encode(message)]
    reply, stop = answer([b"", *parts] if delimiter else parts, scan, lambda: STATUS)
    return decode([bytes(p) for p in encode(reply)]), stop


@pytest.mark.parametrize("delimiter", [True, False], ids=["REQ", "DEALER"])
def test_the_status_is_told(delimiter: bool) -> None:
    assert ask(StatusRequest(), delimiter=delimiter) == (STATUS, None)


def test_a_click_gets_the_frame_with_its_disks_class_and_origin() -> None:
    for serial in (0, 5):
        reply, stop = ask(FrameRequest(serial=serial, scan_index=3), run())
        assert stop is None
        assert isinstance(reply, FrameReply)
        assert (reply.serial, reply.scan_index, reply.label) == (5, 3, 3)
        assert reply.frame.tolist() == np.full((4, 5), 3.0).tolist()
        assert reply.origin.tolist() == [6, 7]
        assert reply.qx.tolist() == [1.5]


def test_before_the_first_maps_a_frame_has_no_class_and_the_probes_origin() -> None:
    reply, _ = ask(FrameRequest(serial=0, scan_index=3), run(snapshot=False))
    assert reply.label == -1
    assert reply.origin.tolist() == [7, 8]


@pytest.mark.parametrize(
    ("request_", "scan", "reason"),
    [
        (FrameRequest(serial=0, scan_index=0), None, "no longer in memory"),
        (FrameRequest(serial=4, scan_index=0), run(), "no longer in memory"),
        (FrameRequest(serial=0, scan_index=6), run(), "scan index 6 is outside of the 2x3 scan"),
        (FrameRequest(serial=0, scan_index=-1), run(), "scan index -1 is outside"),
        (FrameRequest(serial=0, scan_index=1 << 62), run(), "is outside of the 2x3 scan"),
        (FrameRequest(serial=0, scan_index=5), run(), "not scanned yet, or its frame has left the frame log"),
        (Heartbeat(), run(), "a Heartbeat is not a request"),
        (StopAll(), run(), "a StopAll is not a request"),
    ],
)
def test_a_request_that_cannot_be_met_is_refused_with_the_reason(request_: Any, scan: Any, reason: str) -> None:
    reply, stop = ask(request_, scan)
    assert isinstance(reply, Refused)
    assert reason in reply.reason
    assert stop is None


@pytest.mark.parametrize("immediately", [True, False])
def test_a_stop_is_accepted_and_passed_on(immediately: bool) -> None:
    reply, stop = ask(StopRequest(immediately=immediately))
    assert isinstance(reply, Accepted)
    assert stop == StopAll(immediately=immediately)


@pytest.mark.parametrize("bad", EVERYTHING, ids=lambda bad: bad.name)
@pytest.mark.parametrize("delimiter", [True, False], ids=["REQ", "DEALER"])
def test_a_hostile_request_is_refused_in_words_that_can_be_sent(bad: Hostile, delimiter: bool) -> None:
    reply, stop = answer([b"", *bad.parts] if delimiter else bad.parts, run(), lambda: STATUS)
    assert isinstance(reply, Refused)
    if bad.level == "codec" and (delimiter or bad.name != "an empty header"):
        assert bad.text in reply.reason
    assert decode([bytes(p) for p in encode(reply)]) == reply
    assert stop is None


@settings(deadline=None, max_examples=200)
@given(index=st.integers(-(1 << 63), (1 << 64) - 1), serial=st.integers(-(1 << 63), (1 << 64) - 1))
def test_no_number_in_a_request_is_too_much(index: int, serial: int) -> None:
    parts = [header("frame_request", serial=serial, scan_index=index)]
    assert isinstance(answer(parts, run(), lambda: STATUS)[0], FrameReply | Refused)


def test_the_radial_profile_of_a_box_or_a_mask_is_that_of_its_seen_positions() -> None:
    box = RegionProfileRequest(serial=0, top=0, left=1, mask=np.ones((2, 2), np.bool_))
    reply, _ = ask(box, run())
    assert isinstance(reply, RegionProfileReply)
    assert (reply.n_positions, reply.pixels.tolist()) == (2, [6, 6])
    np.testing.assert_allclose(reply.mean, PROFILES.mean[[1, 2]].mean(axis=0), rtol=1e-3)
    one, _ = ask(RegionProfileRequest(serial=5, top=1, left=0, mask=np.array([[True, False]])), run())
    np.testing.assert_allclose(one.mean, PROFILES.mean[3], rtol=1e-3)


@pytest.mark.parametrize(("top", "left", "shape"), [(1, 0, (2, 1)), (0, -1, (1, 1)), (0, 0, (1, 4))])
def test_a_region_outside_of_the_scan_is_refused(top: int, left: int, shape: tuple[int, int]) -> None:
    reply, _ = ask(RegionProfileRequest(serial=0, top=top, left=left, mask=np.ones(shape, np.bool_)), run())
    assert isinstance(reply, Refused) and "2x3 scan" in reply.reason


def test_a_region_of_another_acquisition_is_refused() -> None:
    reply, _ = ask(RegionProfileRequest(serial=4, top=0, left=0, mask=np.ones((1, 1), np.bool_)), run())
    assert isinstance(reply, Refused)
