"""The status in a terminal, narrow or wide."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from livebragg.cli.display import render
from livebragg.model import Acquisition
from livebragg.wire.messages import PipelineStatus

STATUS = PipelineStatus(
    revision=1, published_at=0.0, phase="running", light="yellow", reasons=["64 frames wait"], serial=1,
    acquisition=Acquisition(acquisition_id="oxide", scan_shape=(256, 256), frame_shape=(96, 96), dtype="uint16"),
    scan_shape=(256, 256), probe=None, positions_seen=16384, newest_sent_at=0.0, notices=["hot pixels"],
    counters={"rate_received_hz": 12345.0, "rate_analysed_hz": 12001.0, "backlog_frames": 64.0, "n_peaks": 234.0},
    workers=[{}] * 4, results_path="",
)  # fmt: skip


@pytest.mark.parametrize("width", [60, 80, 100, 200])
def test_no_fact_is_broken_or_cut_and_the_bar_has_a_line_of_its_own(width: int) -> None:
    text = io.StringIO()
    Console(file=text, width=width).print(render(STATUS))
    lines = [line.rstrip() for line in text.getvalue().splitlines()]
    assert max(map(len, lines)) <= width
    for fact in ("16384/65536 positions", "12345 in, 12001 analysed /s", "backlog 64", "234 tracked peaks",
                 "4 workers, 0 restarts", "64 frames wait", "! hot pixels"):  # fmt: skip
        assert any(fact in line for line in lines), fact
    (bar,) = [line for line in lines if "━" in line]
    assert set(bar) == {"━"}
