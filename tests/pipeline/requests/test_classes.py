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
from livebragg.pipeline.requests.router import answer
from livebragg.pipeline.scan.analysis import ScanAnalysis
from livebragg.pipeline.scan.run import ScanRun
from livebragg.storage.recordings import open_recording
from livebragg.storage.results_reader import read_results
from livebragg.wire.codec import decode, encode
from livebragg.wire.messages import (
    Accepted,
    AcquisitionOpened,
    ClassLockRequest,
    ClassMaps,
    ClassMergeRequest,
    ClassNumberRequest,
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
        lines = frames.reshape(12, 20, 48, 48)
        made.batches = [analyzer.analyze(line, 20 * k + np.arange(20)) for k, line in enumerate(lines)]
        for batch in made.batches:
            made.add_batch(batch)
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


def test_a_class_that_was_not_joined_is_divided_in_two_and_stays_so(run: Any) -> None:
    first, second = maps(run).class_ids
    reply = ask(ClassSplitRequest(serial=0, class_id=first), run)
    assert isinstance(reply, Accepted) and "is new" in reply.note
    assert run.has_news
    shown = maps(run)
    assert len(shown.class_ids) == 3 and {first, second} < set(shown.class_ids)
    assert min(shown.class_counts) >= 8 and sum(shown.class_counts) == 240
    run.finish(3, "complete", "", {})
    final = read_results(run.results_path).final
    assert final.snapshot.class_ids.tolist() == shown.class_ids
    event = next(e for e in final.snapshot.events if e.kind == "class_divided_by_user")
    assert (event.subject, event.positions_seen) == (first, 240) and event.at is not None
    assert event.detail == f"class {shown.class_ids[-1]} is new"


def test_a_locked_class_is_left_alone_until_it_is_unlocked(run: Any) -> None:
    first, _ = maps(run).class_ids
    assert isinstance(ask(ClassLockRequest(serial=0, class_id=first), run), Accepted)
    assert maps(run).locked == [first]
    pattern = run.snapshot.class_patterns[0]
    for request in (ClassSplitRequest(serial=0, class_id=first), ClassMergeRequest(serial=0, class_ids=[0, 1])):
        assert f"class {first} is locked" in ask(request, run).reason
    assert "locked already" in ask(ClassLockRequest(serial=0, class_id=first), run).reason
    run.finish(3, "complete", "", {})
    final = read_results(run.results_path).final
    kinds = [event.kind for event in final.snapshot.events]
    assert "class_locked_by_user" in kinds
    np.testing.assert_allclose(final.snapshot.class_patterns[0], pattern, atol=1e-6)


def test_a_class_is_unlocked_with_all_that_was_joined_with_it(run: Any) -> None:
    ids = maps(run).class_ids
    ask(ClassMergeRequest(serial=0, class_ids=ids), run)
    assert isinstance(ask(ClassLockRequest(serial=0, class_id=ids[0]), run), Accepted)
    assert run.user_classes.locked == set(ids) and len(run.analysis._nmf.locked) == 2
    assert "is locked" in ask(ClassSplitRequest(serial=0, class_id=ids[0]), run).reason
    assert isinstance(ask(ClassLockRequest(serial=0, class_id=ids[0], locked=False), run), Accepted)
    assert run.user_classes.locked == set() and not run.analysis._nmf.locked
    assert "not locked" in ask(ClassLockRequest(serial=0, class_id=ids[0], locked=False), run).reason


def test_the_scan_ends_with_the_number_of_classes_that_was_asked_for(run: Any) -> None:
    assert "0 (as many" in ask(ClassNumberRequest(serial=0, n_classes=-1), run).reason
    assert "to 100" in ask(ClassNumberRequest(serial=0, n_classes=101), run).reason
    assert isinstance(ask(ClassNumberRequest(serial=0, n_classes=1), run), Accepted)
    run.finish(3, "complete", "", {})
    final = read_results(run.results_path).final
    assert final.snapshot.class_ids.size == 1
    event = next(e for e in final.snapshot.events if e.kind == "class_number_by_user")
    assert event.subject == 1


def test_more_classes_than_can_be_told_apart_are_not_made_and_that_is_told(run: Any) -> None:
    assert isinstance(ask(ClassNumberRequest(serial=0, n_classes=3), run), Accepted)
    run.finish(3, "complete", "", {})
    final = read_results(run.results_path).final
    assert final.snapshot.class_ids.size == 2
    [event] = [e for e in final.snapshot.events if e.kind == "class_number_missed"]
    assert (event.subject, event.detail) == (3, "only 2 can be told apart")


def test_classes_without_bragg_peaks_are_neither_locked_nor_divided(run: Any) -> None:
    run.analysis._classes.labeler._component_ids.clear()
    for request in (ClassLockRequest(serial=0, class_id=0), ClassSplitRequest(serial=0, class_id=0)):
        assert "only crystals" in ask(request, run).reason


def test_the_same_requests_after_the_same_positions_give_the_same_classes(run: Any) -> None:
    labels = []
    for _ in range(2):
        analysis = ScanAnalysis(SCAN, FRAME, PROBE)
        for number, batch in enumerate(run.batches):
            analysis.add(batch)
            analysis.refresh()
            if number == 6:
                analysis.divide_class(int(analysis.snapshot().class_ids[0]))
        analysis.finish()
        labels.append(analysis.snapshot().labels)
    np.testing.assert_array_equal(*labels)
    assert np.unique(labels[0]).size == 3
