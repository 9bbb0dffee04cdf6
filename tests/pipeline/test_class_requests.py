"""The user joins and names classes of a running scan; the results file holds what was done."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from livebragg.config.loader import from_table
from livebragg.config.schema import Config
from livebragg.detect import FrameAnalyzer
from livebragg.model import Acquisition, ProbeShape, ScanGeometry
from livebragg.pipeline.frame_lookup import RecordingLookup
from livebragg.pipeline.health import Notices
from livebragg.pipeline.requests import answer
from livebragg.pipeline.scan_run import ScanRun
from livebragg.storage.recordings import open_recording
from livebragg.storage.results_reader import read_results
from livebragg.wire.codec import decode, encode
from livebragg.wire.messages import (
    Accepted,
    AcquisitionOpened,
    ClassMaps,
    ClassMergeRequest,
    ClassRenameRequest,
    ClassSplitRequest,
    Refused,
)

SCAN, FRAME = (12, 20), (48, 48)
PROBE = ProbeShape(radius=3.0, edge_width=0.5, center=(24.0, 24.0))


@pytest.fixture
def run(tmp_path: Path) -> Any:
    """Two crystals side by side, all of their frames analysed."""
    y, x = np.mgrid[:48, :48]
    means = np.full((2, 48, 48), 0.05)
    for grain, angle in enumerate((0.0, 0.6)):
        for k in range(6):
            for radius in (10, 19):
                row, col = radius * np.cos(angle + k * np.pi / 3), radius * np.sin(angle + k * np.pi / 3)
                means[grain][np.hypot(y - 24 - row, x - 24 - col) <= 3] = 12
        means[grain][np.hypot(y - 24, x - 24) <= 3] = 60
    grain = (np.arange(20) >= 10).astype(int)
    frames = np.random.default_rng(2).poisson(np.broadcast_to(means[grain], (12, 20, 48, 48))).astype(np.float32)
    np.save(tmp_path / "scan.npy", frames)
    config = from_table(
        Config, {"analysis": {"classify": {"forced_photometry": False}}, "dispatch": {"workers": 1}}
    )
    opened = AcquisitionOpened(
        acquisition=Acquisition(acquisition_id="a", scan_shape=SCAN, frame_shape=FRAME, dtype="float32"),
        serial=1, geometry=ScanGeometry(scan_shape=SCAN), n_frames_expected=240, opened_at=0.0,
    )  # fmt: skip
    with open_recording(tmp_path / "scan.npy") as recording:
        made = ScanRun(
            opened, PROBE, config, RecordingLookup(recording), Notices(), results_path=tmp_path / "results.h5"
        )
        analyzer = FrameAnalyzer(PROBE, FRAME, config.detection, config.virtual, profile=config.profile)
        for first in range(0, 240, 20):
            made.add_batch(
                analyzer.analyze(frames.reshape(-1, 48, 48)[first : first + 20], np.arange(first, first + 20))
            )
            made.publish(1, 0.0)
        yield made
        made.close()


def ask(message: Any, run: Any) -> Any:
    reply, _ = answer([bytes(p) for p in encode(message)], run, lambda: None)  # type: ignore[arg-type,return-value]
    return decode([bytes(p) for p in encode(reply)])


def maps(run: ScanRun) -> ClassMaps:
    return next(m for m in run.publish(2, 0.0) if isinstance(m, ClassMaps))


def test_a_join_and_a_name_show_in_the_next_maps_and_in_the_results(run: Any) -> None:
    ids = maps(run).class_ids
    assert len(ids) == 2 and not run.has_news
    assert isinstance(ask(ClassMergeRequest(serial=0, class_ids=ids), run), Accepted)
    assert isinstance(ask(ClassRenameRequest(serial=1, class_id=ids[0], name="gold"), run), Accepted)
    assert run.has_news
    shown = maps(run)
    assert (shown.class_ids, shown.class_names, shown.class_counts) == ([ids[0]], ["gold"], [240])
    assert not run.has_news

    run.finish(3, "complete", "", {})
    final = read_results(run.results_path).final
    assert final.class_names == ("gold",)
    assert final.snapshot.class_positions.tolist() == [240]
    assert final.patterns.shape == (1, *FRAME)
    kinds = [event.kind for event in final.snapshot.events]
    assert "class_joined_by_user" in kinds and "class_renamed_by_user" in kinds
    late = ask(ClassSplitRequest(serial=1, class_id=ids[0]), run)
    assert isinstance(late, Refused) and "finished" in late.reason


def test_a_join_that_is_taken_back_leaves_no_trace_but_the_log(run: Any) -> None:
    before = maps(run)
    ask(ClassMergeRequest(serial=0, class_ids=before.class_ids), run)
    assert isinstance(ask(ClassSplitRequest(serial=0, class_id=before.class_ids[0]), run), Accepted)
    after = maps(run)
    np.testing.assert_array_equal(after.labels, before.labels)
    assert after.class_names == before.class_names


def test_what_cannot_be_done_is_refused_with_the_reason(run: Any) -> None:
    assert "no class 77" in ask(ClassRenameRequest(serial=0, class_id=77, name="x"), run).reason
    assert "no longer in memory" in ask(ClassSplitRequest(serial=9, class_id=0), run).reason
    assert "no longer in memory" in ask(ClassSplitRequest(serial=0, class_id=0), None).reason
