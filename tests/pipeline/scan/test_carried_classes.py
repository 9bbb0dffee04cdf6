"""A scan is mapped anew: what the user did to its classes is done to those that are found again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from livebragg.detect import FrameAnalyzer
from livebragg.model import Acquisition, ProbeShape, ScanGeometry
from livebragg.pipeline.frame_lookup import RecordingLookup
from livebragg.pipeline.health import Notices
from livebragg.pipeline.payloads import moved
from livebragg.pipeline.requests.router import answer
from livebragg.pipeline.scan.run import ScanRun
from livebragg.pipeline.settings import LiveSettings
from livebragg.storage.recordings import open_recording
from livebragg.wire.codec import encode
from livebragg.wire.messages import (
    Accepted,
    AcquisitionOpened,
    ClassLockRequest,
    ClassMergeRequest,
    ClassRenameRequest,
    GeometryChanged,
    Refused,
    RestartRequest,
)
from small_scan import CONFIG, SCAN, SIZE, record

PROBE = ProbeShape(radius=3.0, edge_width=0.5, center=(24.0, 24.0))
SAID = ScanGeometry(scan_shape=(12, 25))
TRUE = ScanGeometry(scan_shape=SCAN)
N = SCAN[0] * SCAN[1]


class Story:
    """A scan whose shape was said wrong, most of its frames analysed."""

    def __init__(self, folder: Path, recording: Any) -> None:
        self._frames = np.load(folder / "scan.npy").reshape(-1, SIZE, SIZE)
        self._analyzer = FrameAnalyzer(
            PROBE, (SIZE, SIZE), CONFIG.detection, CONFIG.virtual, profile=CONFIG.profile
        )
        self.lookup = RecordingLookup(recording)
        acquisition = Acquisition(acquisition_id="a", scan_shape=None, frame_shape=(SIZE, SIZE), dtype="float32")
        opened = AcquisitionOpened(
            acquisition=acquisition, serial=1, geometry=SAID, n_frames_expected=None, opened_at=0.0
        )
        self.run = ScanRun(opened, PROBE, CONFIG, self.lookup, Notices(), results_path=folder / "results.h5")
        self.feed(0, 280)

    def feed(self, first: int, stop: int) -> None:
        """Analyse frames in portions, as they are shown."""
        for at in range(first, stop, 20):
            numbers = np.arange(at, min(at + 20, stop))
            batch = self._analyzer.analyze(self._frames[numbers], numbers)
            self.run.add_batch(moved(batch, TRUE, self.run.opened.geometry))
            self.run.publish(1, 0.0)

    def move(self, geometry: ScanGeometry) -> None:
        """Map everything anew, and show it."""
        self.run = self.run.moved(geometry, self.lookup)
        self.run.publish(2, 0.0)

    def ask(self, message: Any) -> None:
        reply, _ = answer([bytes(p) for p in encode(message)], self.run, lambda: None)  # type: ignore[arg-type,return-value]
        assert isinstance(reply, Accepted), reply

    def asked(self, message: Any) -> tuple[Any, Any]:
        """Reply, and the order that follows."""
        parts = [bytes(p) for p in encode(message)]
        return answer(parts, self.run, lambda: None, LiveSettings(CONFIG))  # type: ignore[arg-type,return-value]

    def class_at(self, frame: int) -> int:
        """Class of a frame as the user sees it."""
        index = self.run.opened.geometry.scan_index(np.array([frame]))
        return int(self.run.shown.labels.reshape(-1)[index[0]])

    def name_at(self, frame: int) -> str:
        return self.run.user_classes.names.get(self.class_at(frame), "")


@pytest.fixture
def story(tmp_path: Path) -> Iterator[Story]:
    with open_recording(record(tmp_path / "scan.npy")) as recording:
        made = Story(tmp_path, recording)
        yield made
        made.run.close()


def frame(row: int, col: int) -> int:
    return row * SCAN[1] + col


LEFT, UPPER, LOWER, HOLE = frame(7, 3), frame(5, 14), frame(12, 14), frame(1, 10)


def test_names_joins_and_locks_are_carried_over(story: Story) -> None:
    story.ask(ClassMergeRequest(serial=1, class_ids=[story.class_at(LEFT), story.class_at(UPPER)]))
    story.ask(ClassRenameRequest(serial=1, class_id=story.class_at(LEFT), name="Gold"))
    story.ask(ClassRenameRequest(serial=1, class_id=story.class_at(HOLE), name="Hole"))
    story.ask(ClassLockRequest(serial=1, class_id=story.class_at(LOWER), locked=True))
    locked = story.class_at(LOWER)
    story.move(TRUE)
    assert story.class_at(LEFT) == story.class_at(UPPER)
    assert story.name_at(LEFT) == "Gold"
    assert story.name_at(HOLE) == "Hole"
    assert story.class_at(LOWER) == locked
    assert story.run.user_classes.locked == {locked}
    told = story.run._notices.snapshot()
    assert any("is class" in text and "'Gold'" in text for text in told), told
    kinds = [event.kind for event in story.run.shown.events]
    assert kinds.count("class_carried_over") == 3
    assert "class_joined_by_user" in kinds
    story.feed(280, N)
    story.run.finish(3, "complete", "test", {})
    assert story.name_at(UPPER) == "Gold"
    assert not any("lost" in text for text in story.run._notices.snapshot())


def test_they_are_carried_over_as_often_as_it_is_mapped_anew(story: Story) -> None:
    story.ask(ClassRenameRequest(serial=1, class_id=story.class_at(LEFT), name="Gold"))
    story.run = story.run.moved(TRUE, story.lookup)  # before its maps were shown
    story.move(replace(TRUE, missed_triggers=(70,)))
    assert story.name_at(LEFT) == "Gold"
    story.move(SAID)
    assert story.name_at(LEFT) == "Gold"


def test_what_is_done_in_between_counts_more(story: Story) -> None:
    story.ask(ClassRenameRequest(serial=1, class_id=story.class_at(LEFT), name="Gold"))
    story.run = story.run.moved(TRUE, story.lookup)
    story.run.analysis.refresh()
    story.run.snapshot = story.run.shown
    story.ask(ClassRenameRequest(serial=1, class_id=story.class_at(LEFT), name="Silver"))
    story.run.publish(2, 0.0)
    assert story.name_at(LEFT) == "Silver"


def test_what_is_not_found_again_is_told_and_at_the_end_given_up(story: Story) -> None:
    story.ask(ClassRenameRequest(serial=1, class_id=story.class_at(LEFT), name="Gold"))
    story.run = story.run.moved(TRUE, story.lookup)
    carried = story.run._class_changes._carried
    assert carried is not None
    carried.left = [replace(known, frames=known.frames[:0]) for known in carried.left]
    story.run.publish(2, 0.0)
    assert any("not found again yet" in text and "'Gold'" in text for text in story.run._notices.snapshot())
    story.run.finish(3, "complete", "test", {})
    assert any("lost: class" in text and "'Gold'" in text for text in story.run._notices.snapshot())
    assert story.run.user_classes.names == {}


def test_begun_anew_the_analysis_has_all_positions_and_nothing_the_user_did(story: Story) -> None:
    story.ask(ClassRenameRequest(serial=1, class_id=story.class_at(LEFT), name="Gold"))
    story.ask(ClassLockRequest(serial=1, class_id=story.class_at(LOWER), locked=True))
    seen = story.run.analysis.n_seen
    reply, order = story.asked(RestartRequest(serial=0))
    assert isinstance(reply, Accepted) and f"{seen} positions" in reply.note
    assert order == GeometryChanged(serial=1, geometry=SAID)
    story.move(SAID)
    assert story.run.analysis.n_seen == seen
    assert story.run.user_classes.names == {} and story.run.user_classes.locked == set()
    assert {story.class_at(LEFT), story.class_at(UPPER), story.class_at(LOWER)} != {-1}
    kinds = [event.kind for event in story.run.shown.events]
    assert "analysis_begun_anew" in kinds and "class_renamed_by_user" in kinds
    story.run.finish(3, "complete", "test", {})
    assert isinstance(story.asked(RestartRequest(serial=0))[0], Refused)
