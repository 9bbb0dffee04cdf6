"""The pauses after scan lines, as every simulated detector tells them and as our own readers understand them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from livebragg.detectors import dectris_cbor, dectris_json, merlin
from livebragg.errors import ConfigError
from livebragg.model import Acquisition
from livebragg.pipeline.scan.line_finder import Clock, find_lines
from livebragg.wire.mpx import PREFIX_BYTES
from livebragg_simulators.dectris.series import SeriesFacts
from livebragg_simulators.dectris.v1 import DectrisV1Writer
from livebragg_simulators.dectris.v2 import DectrisV2Writer
from livebragg_simulators.merlin.writer import MerlinWriter
from livebragg_simulators.pauses import Pauses
from livebragg_simulators.sender import SendOptions, _seconds
from livebragg_simulators.sources import ScanPath
from livebragg_simulators.writers import StreamWriter

PAUSES = Pauses(7e-4, 12)
FACTS = SeriesFacts(frame_time_s=1e-3, pauses=PAUSES)
FRAMES = np.ones((150, 8, 8), np.uint16)


@pytest.mark.parametrize(
    ("writer", "read", "clock"),
    [
        (DectrisV1Writer(FACTS), lambda parts: dectris_json.start_time(parts[1:]), Clock.COUNTER),
        (
            DectrisV2Writer(FACTS),
            lambda parts: dectris_cbor.start_time(dectris_cbor.load(parts[0])),
            Clock.COUNTER,
        ),
        (MerlinWriter(pauses=PAUSES), lambda parts: merlin.start_time(parts[0][PREFIX_BYTES:]), Clock.STAMP),
    ],
)
def test_lines_are_found_in_what_a_detector_tells(
    writer: StreamWriter, read: Callable[[Any], float], clock: Clock
) -> None:
    acquisition = Acquisition(acquisition_id="a", scan_shape=None, frame_shape=(8, 8), dtype="uint16")
    writer.start(acquisition, len(FRAMES))
    times = np.array([read(parts) for parts in writer.frames(0, FRAMES)])
    told = np.isfinite(times)
    found = find_lines(np.flatnonzero(told), times[told], clock, exposure_s=1e-3)
    assert found is not None
    assert (found.frames, found.first) == (12, 0)
    assert found.pause_s == pytest.approx(1.7e-3, rel=1e-3)


class Source:
    def acquisition(self, acquisition_id: str) -> Acquisition:
        return Acquisition(acquisition_id=acquisition_id, scan_shape=(3, 4), frame_shape=(8, 8), dtype="uint16")

    def frames(self, start: int, stop: int) -> np.ndarray:
        return FRAMES[start:stop]


def test_a_scan_lasts_longer_by_its_pauses_and_no_message_spans_one() -> None:
    path = ScanPath(Source(), flyback_frames=1, flyback_pause_s=0.5)
    assert path.pauses == Pauses(0.5, 5)
    assert _seconds(path, SendOptions(rate_hz=10.0), 0, 15) == pytest.approx(1.5 + 2 * 0.5)
    assert _seconds(path, SendOptions(rate_hz=10.0), 5, 10) == pytest.approx(0.5)
    assert [path.pauses.within(first, 15) for first in (0, 4, 5, 13)] == [5, 5, 10, 15]
    assert ScanPath(Source()).pauses.within(1, 15) == 15


def test_a_detector_may_not_know_the_shape() -> None:
    assert ScanPath(Source(), tells_shape=False).acquisition("a").scan_shape is None
    with pytest.raises(ConfigError, match="flyback-pause"):
        ScanPath(Source(), flyback_pause_s=-1.0)
