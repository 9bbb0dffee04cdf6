"""A virtual detector of any radii agrees with a sum over the frames, though no frame is read."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from livebragg.config.detection import ProfileConfig
from livebragg.detect import FrameAnalyzer
from livebragg.model import ProbeShape
from livebragg.pipeline.requests.router import answer
from livebragg.pipeline.scan.analysis import ScanAnalysis
from livebragg.wire.codec import decode, encode
from livebragg.wire.messages import Refused, VirtualImageReply, VirtualImageRequest

SCAN, FRAME = (4, 10), (72, 88)
PROBE = ProbeShape(radius=4.0, edge_width=0.6, center=(35.0, 43.5))
RINGS = [(0.0, 8.0), (8.0, 16.0), (10.0, 30.0), (15.0, 17.5), (12.0, 60.0), (0.0, 200.0)]


def frames() -> tuple[np.ndarray, np.ndarray]:
    """A beam that wanders, a halo that thickens to the right, eight disks of which each position has some."""
    rng = np.random.default_rng(3)
    row, col = np.indices(FRAME)
    stack, centers = [], []
    for i in range(SCAN[0] * SCAN[1]):
        center = np.array(PROBE.center) + 0.4 * np.sin([0.3 * i, 0.2 * i])
        r = np.hypot(row - center[0], col - center[1])
        mean = (1 + 0.1 * (i % SCAN[1])) * (4 * np.exp(-r / 20) + 1.5 * np.exp(-(((r - 22) / 10) ** 2)))
        for k in range(9):
            angle, q = 0.5 + 2 * np.pi * k / 8, 0 if k == 8 else 16
            strength = 90 if k == 8 else 20 * ((i + k) % 3)
            place = center + q * np.array([np.cos(angle), np.sin(angle)])
            distance = np.hypot(row - place[0], col - place[1])
            mean = mean + strength / (1 + np.exp((distance - PROBE.radius) / 0.35))
        stack.append(rng.poisson(mean))
        centers.append(center)
    return np.array(stack, np.uint16), np.array(centers)


def scanned(config: ProfileConfig, stack: np.ndarray, seen: int) -> Any:
    analyzer = FrameAnalyzer(PROBE, FRAME, profile=config)
    analysis = ScanAnalysis(SCAN, FRAME, PROBE)
    analysis.add(analyzer.analyze(stack[:seen], np.arange(seen)))
    analysis.refresh()
    return SimpleNamespace(
        opened=SimpleNamespace(serial=5), analysis=analysis, probe=PROBE, usable_pixels=np.ones(FRAME, np.bool_)
    )


@pytest.fixture(scope="module")
def given() -> tuple[np.ndarray, np.ndarray]:
    return frames()


@pytest.fixture(scope="module")
def run(given: Any) -> Any:
    """The last two positions were not scanned."""
    return scanned(ProfileConfig(), given[0], 38)


def ask(message: Any, run: Any) -> Any:
    reply, stop = answer([bytes(p) for p in encode(message)], run, lambda: None)  # type: ignore[arg-type,return-value]
    assert stop is None
    return decode([bytes(p) for p in encode(reply)])


@pytest.mark.parametrize(("inner", "outer"), RINGS)
def test_the_image_of_a_ring_is_the_sum_of_the_frames_within_it(
    inner: float, outer: float, run: Any, given: Any
) -> None:
    reply = ask(VirtualImageRequest(serial=0, inner=inner, outer=outer), run)
    assert isinstance(reply, VirtualImageReply) and reply.image.shape == SCAN
    row, col = np.indices(FRAME)
    true = np.array([
        frame[(r := np.hypot(row - c[0], col - c[1])) * (r >= inner) * (r < outer) > 0].sum()
        for frame, c in zip(*given, strict=True)
    ], float)  # fmt: skip
    found = reply.image.reshape(-1)
    assert np.isnan(found[38:]).all()
    error = found[:38] / true[:38] - 1
    # Speckles of the halo that were taken for disks stand on a background that the rest of their ring overrates.
    assert abs(error.mean()) < 0.1
    assert error.std() < 0.05
    if true[:38].std() > 3 * np.sqrt(true[:38].mean()):
        assert np.corrcoef(found[:38], true[:38])[0, 1] > 0.9


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (VirtualImageRequest(serial=4, inner=1, outer=2), "no longer in memory"),
        (VirtualImageRequest(serial=0, inner=2, outer=2), "outer one larger"),
        (VirtualImageRequest(serial=0, inner=-1, outer=2), "0 or more"),
        (VirtualImageRequest(serial=0, inner=float("nan"), outer=2), "ring from nan"),
        (VirtualImageRequest(serial=0, inner=0, outer=float("nan")), "ring from 0"),
        (VirtualImageRequest(serial=0, inner=0, outer=float("inf")), "finite"),
        (VirtualImageRequest(serial=0, inner=900, outer=901), "no pixel of the detector"),
    ],
)
def test_a_ring_that_cannot_be_is_refused_with_the_reason(request_: Any, reason: str, run: Any) -> None:
    reply = ask(request_, run)
    assert isinstance(reply, Refused) and reason in reply.reason


def test_without_profiles_it_is_refused_with_the_reason(given: Any) -> None:
    without = scanned(ProfileConfig(bins=0), given[0], 4)
    reply = ask(VirtualImageRequest(serial=0, inner=1, outer=9), without)
    assert isinstance(reply, Refused) and "profile.bins is 0" in reply.reason
