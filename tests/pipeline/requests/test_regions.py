"""Maps, mean patterns and dark-field images of any part of a scan, asked for over the wire."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from livebragg.model import BraggPeaks, Calibration, DetectedBatch, EllipseEstimate, ProbeShape
from livebragg.pipeline.requests.regions import PATTERN_FRAMES
from livebragg.pipeline.requests.router import answer
from livebragg.pipeline.scan.analysis import ScanAnalysis
from livebragg.wire.codec import decode, encode
from livebragg.wire.messages import (
    DarkFieldReply,
    DarkFieldRequest,
    Refused,
    RegionMapReply,
    RegionMapRequest,
    RegionPatternReply,
    RegionPatternRequest,
)

SCAN, FRAME = (6, 120), (40, 48)
CENTER = (20.0, 24.0)
SEEN = 5 * SCAN[1]
BOX = np.ones((2, 3), np.bool_)


class Frames:
    """A frame of position i is full of i."""

    def __init__(self) -> None:
        self.asked = 0

    def some(self, index: Any) -> Any:
        self.asked += index.size
        yield index, np.broadcast_to(index[:, None, None].astype(np.float64), (index.size, *FRAME))


@pytest.fixture(scope="module")
def run() -> Any:
    """Five of six lines were seen; every position has a disk, 8 px down in the left half, else 10 px right."""
    analysis = ScanAnalysis(SCAN, FRAME, ProbeShape(radius=2, edge_width=0.5, center=CENTER))
    column = np.arange(SEEN) % SCAN[1]
    left = column < SCAN[1] // 2
    one = np.ones(SEEN, np.float32)
    peaks = BraggPeaks(
        qx=np.where(left, CENTER[0] + 8, CENTER[0]).astype(np.float32),
        qy=np.where(left, CENTER[1], CENTER[1] + 10).astype(np.float32),
        intensity=100 + column.astype(np.float32), intensity_error=one, position_error=0.1 * one,
        offsets=np.arange(SEEN + 1),
    )  # fmt: skip
    beam = np.tile(np.array([*CENTER, 0.01], np.float32), (SEEN, 1))
    batch = DetectedBatch(
        scan_index=np.arange(SEEN), peaks=peaks, direct_beam=beam, virtual=np.zeros((SEEN, 5), np.float32),
        sum_pattern=np.zeros(FRAME),
    )  # fmt: skip
    analysis.add(batch)
    analysis.refresh()
    ellipse = EllipseEstimate.from_axes(1.21, 0.0, "given")
    return SimpleNamespace(
        opened=SimpleNamespace(serial=5),
        analysis=analysis,
        lookup=Frames(),
        calibration=Calibration(ellipse=ellipse),
    )


def ask(message: Any, run: Any) -> Any:
    reply, stop = answer([bytes(p) for p in encode(message)], run, lambda: None)  # type: ignore[arg-type,return-value]
    assert stop is None
    return decode([bytes(p) for p in encode(reply)])


def place(reply: RegionMapReply) -> tuple[float, float]:
    """Where the only spot of the map is, in pixels about the beam."""
    row, col = np.unravel_index(reply.map.argmax(), reply.map.shape)
    return (row - reply.origin_row) / reply.bins_per_pixel, (col - reply.origin_col) / reply.bins_per_pixel


def test_the_map_of_a_box_holds_the_disks_of_its_seen_positions(run: Any) -> None:
    reply = ask(RegionMapRequest(serial=0, top=4, left=0, mask=BOX), run)
    assert isinstance(reply, RegionMapReply)
    assert reply.n_positions == 3  # the last line was not scanned
    assert reply.map.sum() == pytest.approx(3)
    assert place(reply) == (8.0, 0.0)
    right = ask(RegionMapRequest(serial=5, top=0, left=100, mask=BOX), run)
    assert place(right) == (0.0, 10.0)


def test_a_calibrated_map_takes_the_ellipse_back(run: Any) -> None:
    reply = ask(RegionMapRequest(serial=0, top=0, left=0, mask=BOX, calibrated=True), run)
    assert reply.map.sum() == pytest.approx(6)
    assert place(reply)[0] == pytest.approx(8 / 1.1, abs=0.26)


def test_the_pattern_of_a_mask_is_the_mean_of_its_frames(run: Any) -> None:
    mask = np.array([[True, False, True]])
    reply = ask(RegionPatternRequest(serial=0, top=1, left=10, mask=mask), run)
    assert isinstance(reply, RegionPatternReply)
    assert (reply.n_positions, reply.n_frames) == (2, 2)
    np.testing.assert_allclose(reply.pattern, np.full(FRAME, SCAN[1] + 11))


def test_the_pattern_of_a_large_region_is_that_of_a_part_of_it(run: Any) -> None:
    run.lookup.asked = 0
    reply = ask(RegionPatternRequest(serial=0, top=0, left=0, mask=np.ones(SCAN, np.bool_)), run)
    assert reply.n_positions == SEEN > PATTERN_FRAMES >= reply.n_frames == run.lookup.asked


def test_a_dark_field_image_of_a_place_shows_where_its_disks_are(run: Any) -> None:
    reply = ask(DarkFieldRequest(serial=0, qx=0.0, qy=10.0, radius=1.5), run)
    assert isinstance(reply, DarkFieldReply)
    assert reply.image.shape == SCAN
    assert np.isnan(reply.image[5]).all()
    np.testing.assert_array_equal(reply.image[0, :60], 0)
    np.testing.assert_allclose(reply.image[2, 60:], 100 + np.arange(60, 120))


def test_a_dark_field_image_of_a_tracked_peak_has_the_scans_shape(run: Any) -> None:
    peak = int(run.analysis.peaks.peak_id[0])
    reply = ask(DarkFieldRequest(serial=0, peak_id=peak), run)
    np.testing.assert_array_equal(reply.image, run.analysis.dark_field(peak))


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (RegionMapRequest(serial=4, top=0, left=0, mask=BOX), "no longer in memory"),
        (RegionMapRequest(serial=0, top=5, left=0, mask=BOX), "6x120 scan"),
        (RegionMapRequest(serial=0, top=0, left=-1, mask=BOX), "6x120 scan"),
        (RegionMapRequest(serial=0, top=0, left=0, mask=np.ones(3, np.bool_)), "region of shape"),
        (RegionPatternRequest(serial=0, top=5, left=0, mask=BOX[:1]), "no position of the region"),
        (RegionPatternRequest(serial=0, top=0, left=0, mask=~BOX), "no position of the region"),
        (DarkFieldRequest(serial=0, peak_id=999), "peak 999 is none of the"),
        (DarkFieldRequest(serial=0, qx=float("nan")), "must be finite"),
        (DarkFieldRequest(serial=0, radius=-1.0), "radius above 0"),
        (DarkFieldRequest(serial=0, radius=float("inf")), "radius above 0"),
    ],
)
def test_what_cannot_be_answered_is_refused_with_the_reason(request_: Any, reason: str, run: Any) -> None:
    reply = ask(request_, run)
    assert isinstance(reply, Refused)
    assert reason in reply.reason
