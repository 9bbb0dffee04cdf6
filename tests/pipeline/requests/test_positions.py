"""What is known of a position is told without its frame."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from livebragg.model import BraggPeaks, DetectedBatch, ProbeShape
from livebragg.pipeline.requests.router import answer
from livebragg.pipeline.scan.analysis import ScanAnalysis
from livebragg.wire.codec import decode, encode
from livebragg.wire.messages import PositionReply, PositionRequest, Refused

SCAN, FRAME = (6, 40), (60, 64)
CENTER = (30.0, 32.0)
SEEN = 5 * SCAN[1]
ANGLES = np.arange(5) * 2 * np.pi / 5


@pytest.fixture(scope="module")
def run() -> Any:
    """Two crystals of five disks each, one at 12 px and one at 18 px; no lookup: every frame has left the log."""
    analysis = ScanAnalysis(SCAN, FRAME, ProbeShape(radius=2, edge_width=0.5, center=CENTER))
    left = np.arange(SEEN) % SCAN[1] < SCAN[1] // 2
    q = np.where(left, 12.0, 18.0)[:, None]
    rng = np.random.default_rng(1)
    qx, qy = (
        (c + q * np.stack([f(ANGLES)] * SEEN) + rng.normal(0, 0.05, (SEEN, 5))).astype(np.float32).reshape(-1)
        for c, f in zip(CENTER, (np.cos, np.sin), strict=True)
    )
    intensity = np.where(np.repeat(left, 5), 400, 900).astype(np.float32)
    one = np.ones(qx.size, np.float32)
    peaks = BraggPeaks(
        qx=qx, qy=qy, intensity=intensity, intensity_error=20 * one, position_error=0.1 * one,
        offsets=5 * np.arange(SEEN + 1),
    )  # fmt: skip
    beam = np.tile(np.array([*CENTER, 0.01], np.float32), (SEEN, 1))
    batch = DetectedBatch(
        scan_index=np.arange(SEEN), peaks=peaks, direct_beam=beam, virtual=np.zeros((SEEN, 5), np.float32),
        sum_pattern=np.zeros(FRAME),
    )  # fmt: skip
    analysis.add(batch)
    analysis.finish()
    return SimpleNamespace(
        opened=SimpleNamespace(serial=5), analysis=analysis, snapshot=analysis.snapshot(),
        probe=ProbeShape(radius=2, edge_width=0.5, center=CENTER),
    )  # fmt: skip


def ask(message: Any, run: Any) -> Any:
    reply, _ = answer([bytes(p) for p in encode(message)], run, lambda: None)  # type: ignore[arg-type,return-value]
    return decode([bytes(p) for p in encode(reply)])


@pytest.mark.parametrize(("index", "q", "counts"), [(3, 12.0, 400.0), (165, 12.0, 400.0), (199, 18.0, 900.0)])
def test_a_position_has_its_disks_features_weights_and_shares(
    run: Any, index: int, q: float, counts: float
) -> None:
    reply = ask(PositionRequest(serial=0, scan_index=index), run)
    assert isinstance(reply, PositionReply)
    assert (reply.serial, reply.scan_index) == (5, index)
    assert reply.qx.size == 5 and reply.label == run.snapshot.labels.reshape(-1)[index]
    np.testing.assert_allclose(reply.origin, CENTER, atol=0.1)
    peaks = run.analysis.peaks
    where = dict(zip(peaks.peak_id.tolist(), np.hypot(peaks.qx, peaks.qy), strict=True))
    assert sorted(reply.peak_ids) == sorted(p for p, r in where.items() if abs(r - q) < 1)
    np.testing.assert_allclose(reply.features, np.sqrt(counts), rtol=0.05)
    own = reply.class_ids.index(reply.label)
    assert reply.weights[own] == reply.weights.max() > 0.5
    assert reply.shares[own] > 0.9 and reply.shares.sum() == pytest.approx(1, abs=0.05)


def test_before_the_first_maps_there_are_disks_but_no_weights(run: Any) -> None:
    young = SimpleNamespace(**{**vars(run), "snapshot": None})
    reply = ask(PositionRequest(serial=0, scan_index=3), young)
    assert (reply.label, reply.class_ids, reply.weights.size, reply.qx.size) == (-1, [], 0, 5)
    np.testing.assert_allclose(reply.origin, CENTER)


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (PositionRequest(serial=4, scan_index=0), "no longer in memory"),
        (PositionRequest(serial=0, scan_index=SEEN), "not scanned yet"),
        (PositionRequest(serial=0, scan_index=-1), "outside of the 6x40 scan"),
        (PositionRequest(serial=0, scan_index=1 << 62), "outside of the 6x40 scan"),
    ],
)
def test_a_position_that_is_not_there_is_refused_with_the_reason(run: Any, request_: Any, reason: str) -> None:
    reply = ask(request_, run)
    assert isinstance(reply, Refused) and reason in reply.reason
