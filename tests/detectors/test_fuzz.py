"""A short run of the fuzzer; the long one is `make soak`."""

from __future__ import annotations

from pathlib import Path

import pytest

import detector_fuzz


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("protocol", detector_fuzz.PROTOCOLS)
def test_mutated_messages_are_read_or_refused_and_every_frame_is_accounted_for(
    protocol: str, seed: int, tmp_path: Path
) -> None:
    report = detector_fuzz.run(protocol, 1500, seed, tmp_path)
    assert report.messages == 1500
    assert report.received == report.analysed + report.failed
    assert report.analysed > 100
    assert sum(report.refused.values()) > 100
