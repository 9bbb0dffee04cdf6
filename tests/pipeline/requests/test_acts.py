"""Requests that act on a scan under way, from the message to the results file."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from livebragg.config.loader import from_table
from livebragg.config.schema import Config
from livebragg.detect import FrameAnalyzer
from livebragg.model import Acquisition, ProbeShape, ScanGeometry
from livebragg.pipeline.frame_lookup import RecordingLookup
from livebragg.pipeline.health import Notices
from livebragg.pipeline.requests.acts import _in_words
from livebragg.pipeline.requests.router import answer
from livebragg.pipeline.scan.run import ScanRun
from livebragg.pipeline.scan.user_log import MOST
from livebragg.pipeline.settings import LiveSettings
from livebragg.storage.recordings import open_recording
from livebragg.storage.results_reader import read_results
from livebragg.wire.codec import decode, encode
from livebragg.wire.messages import (
    Accepted,
    AcquisitionOpened,
    ClassRenameRequest,
    DetectionChanged,
    MarkRequest,
    Refused,
    SaveRequest,
    SettingsRequest,
)

SCAN, FRAME = (12, 12), (40, 40)
PROBE = ProbeShape(radius=3.0, edge_width=0.5, center=(20.0, 20.0))
CONFIG = from_table(Config, {"analysis": {"classify": {"forced_photometry": False}}, "dispatch": {"workers": 1}})
SENSITIVITY, RING = "detection.false_disks_per_frame", "analysis.calibration.reference_"


class Bench:
    """A run of one crystal, disks on a square of 11 pixels; the first half of the scan has come."""

    def __init__(self, folder: Path, recording: Any, frames: Any) -> None:
        opened = AcquisitionOpened(
            acquisition=Acquisition(acquisition_id="a", scan_shape=SCAN, frame_shape=FRAME, dtype="float32"),
            serial=1, geometry=ScanGeometry(scan_shape=SCAN), n_frames_expected=144, opened_at=0.0,
        )  # fmt: skip
        self.notices, self.settings, self.frames = Notices(), LiveSettings(CONFIG), frames
        self.run = ScanRun(
            opened, PROBE, CONFIG, RecordingLookup(recording), self.notices, results_path=folder / "r.h5"
        )
        self.analyzer = FrameAnalyzer(PROBE, FRAME, CONFIG.detection, CONFIG.virtual, profile=CONFIG.profile)
        self.take(0, 72)

    def take(self, first: int, stop: int) -> None:
        """Analyse some frames and publish."""
        for at in range(first, stop, 12):
            self.run.add_batch(self.analyzer.analyze(self.frames[at : at + 12], np.arange(at, at + 12)))
            self.publish(1)
        while self.run.calibrator.is_busy:
            self.publish(1)

    def publish(self, revision: int) -> list[list[Any]]:
        """Messages of the maps, and those that come behind."""
        return [self.run.publish(revision, 0.0), self.run.publish_details(revision, float(revision))]

    def ask(self, message: Any) -> tuple[Any, Any]:
        """Reply as the client gets it, and the order to the receiver."""
        parts = [bytes(p) for p in encode(message)]
        reply, order = answer(parts, self.run, lambda: None, self.settings)  # type: ignore[arg-type,return-value]
        return decode([bytes(p) for p in encode(reply)]), order

    def set(self, **values: Any) -> Any:
        """Reply to a change of calibration values."""
        return self.ask(SettingsRequest(values={f"analysis.calibration.{k}": v for k, v in values.items()}))[0]

    def events(self, kind: str) -> list[Any]:
        """Events of a kind in the finished results file."""
        self.run.finish(3, "complete", "", {})
        final = read_results(self.run.results_path).final
        assert final is not None
        return [event for event in final.snapshot.events if event.kind == kind]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    y, x = np.mgrid[:40, :40]
    mean = np.full((40, 40), 0.05)
    for row in (-11, 0, 11):
        for col in (-11, 0, 11):
            mean[np.hypot(y - 20 - row, x - 20 - col) <= 3] = 15 if (row, col) != (0, 0) else 60
    frames = np.random.default_rng(1).poisson(mean, (12, 12, 40, 40)).astype(np.float32)
    np.save(tmp_path / "scan.npy", frames)
    with open_recording(tmp_path / "scan.npy") as recording:
        made = Bench(tmp_path, recording, frames.reshape(-1, 40, 40))
        yield made
        made.run.close()


def test_a_new_sensitivity_goes_to_the_receiver_and_into_the_events_with_its_time(bench: Bench) -> None:
    before = time.time()
    reply, order = bench.ask(SettingsRequest(values={SENSITIVITY: 0.02}))
    assert isinstance(reply, Accepted) and "from now on" in reply.note
    assert order == DetectionChanged(false_disks_per_frame=0.02)
    assert bench.settings.values[SENSITIVITY] == 0.02
    [event] = bench.events("setting_changed")
    assert event.detail == f"{SENSITIVITY} = 0.02 (was 0.1)" and event.positions_seen == 72
    assert event.at is not None and before <= event.at <= time.time()
    assert any("false disks per frame 0.02" in text for text in bench.notices.snapshot())


def test_a_ring_that_is_there_calibrates_what_was_seen_before_the_next_frame_comes(bench: Bench) -> None:
    reply = bench.set(reference_spacing_angstrom=2.0, reference_radius_px=11.2)
    assert isinstance(reply, Accepted) and "everything seen" in reply.note
    assert bench.run.has_news
    bench.run.publish(2, 0.0)
    assert bench.run.calibrator.calibration.q_pixel_size_inv_angstrom == pytest.approx(1 / 22, rel=0.01)


def test_a_ring_that_is_not_there_is_refused_and_nothing_changes(bench: Bench) -> None:
    reply = bench.set(reference_spacing_angstrom=2.0, reference_radius_px=6.0)
    assert isinstance(reply, Refused) and "tracked peaks lie within 5 %" in reply.reason
    assert "analysis.calibration.reference_radius_px" not in bench.settings.values
    assert not bench.run.has_news


def test_a_calibration_under_way_goes_on_without_new_maps(bench: Bench) -> None:
    bench.run.calibrator._work = (None for _ in range(2))
    assert bench.run.is_calibrating and not bench.run.has_news
    bench.run.publish_details(2, 2.0)
    assert not bench.run.is_calibrating


def test_an_ellipse_and_rotation_are_applied_to_all_disks_and_stay_to_the_end(bench: Bench) -> None:
    assert isinstance(bench.set(ellipse="given", ellipse_ratio=1.1, rotation_deg=90.0, flip=True), Accepted)
    bench.take(72, 144)
    bench.run.finish(3, "complete", "", {})
    final = read_results(bench.run.results_path).final
    assert final is not None and final.calibration is not None and final.calibrated_map is not None
    assert final.calibration.ellipse is not None and final.calibration.ellipse.ratio == pytest.approx(1.1)
    assert (final.calibration.rotation_deg, final.calibration.flip) == (90.0, True)
    row, col = final.snapshot.map_geometry.origin_bin
    along = final.calibrated_map[row - 2 : row + 3, col + 8 :].sum(axis=0)
    assert (along.argmax() + 8) / final.snapshot.map_geometry.sampling == pytest.approx(11 / 1.1**0.5, abs=0.5)


def test_families_are_judged_again_although_no_more_frames_come(bench: Bench) -> None:
    assert "vacuum" not in bench.run.shown.class_families
    reply, order = bench.ask(SettingsRequest(values={"analysis.families.vacuum_share": 0.99}))
    assert isinstance(reply, Accepted) and order is None
    bench.run.publish(2, 0.0)
    assert not bench.run.has_news
    assert isinstance(bench.ask(SettingsRequest(values={"analysis.classify.max_classes": 3}))[0], Accepted)


def test_a_setting_between_scans_holds_for_the_next_one(bench: Bench) -> None:
    bench.run.finish(3, "complete", "", {})
    reply, order = bench.ask(SettingsRequest(values={SENSITIVITY: 0.5, "analysis.classify.max_classes": 4}))
    assert isinstance(reply, Accepted) and "next scan" in reply.note
    assert order is not None and bench.settings.config.analysis.classify.max_classes == 4


@pytest.mark.parametrize(
    "values",
    [{SENSITIVITY: -1.0}, {SENSITIVITY: "x" * 60_000}, {"y" * 60_000: 1}, {}, {RING + "radius_px": 1e300}],
)
def test_a_hostile_setting_is_refused_in_words_of_sensible_length(bench: Bench, values: dict[str, Any]) -> None:
    reply, order = bench.ask(SettingsRequest(values=values))
    assert isinstance(reply, Refused) and 10 < len(reply.reason) <= 1000
    assert order is None and bench.settings.config == CONFIG


def test_marks_are_in_the_events_and_the_notices(bench: Bench) -> None:
    for index, note in ((-1, "filter changed"), (17, "a <b>crack</b>"), (18, "spot 1"), (19, "spot 2")):
        reply, _ = bench.ask(MarkRequest(serial=0, scan_index=index, note=note))
        assert isinstance(reply, Accepted)
    shown = bench.notices.snapshot()
    assert "mark at (1, 5): a <b>crack</b>" in shown and "mark at the moment: filter changed" in shown
    assert "mark at (1, 6): spot 1" in shown and "mark at (1, 7): spot 2" in shown
    events = bench.events("mark")
    assert [(e.subject, e.detail) for e in events][:2] == [(-1, "filter changed"), (17, "a <b>crack</b>")]
    with h5py.File(bench.run.results_path) as file:
        times, kinds = file["livebragg/events/time"][:], file["livebragg/events/kind"].asstr()[:]
    assert np.isfinite(times[kinds == "mark"]).all() and np.isnan(times[kinds == "peak_born"]).all()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"note": ""}, "1 to 500"), ({"note": " \t"}, "1 to 500"), ({"note": "x" * 501}, "1 to 500"),
        ({"note": "\x1b[2J"}, "printable"), ({"note": "a\u202eb"}, "printable"), ({"note": "a\nb"}, "printable"),
        ({"scan_index": 144}, "144 is outside of the 12x12 scan"), ({"scan_index": -2}, "-1 marks the moment"),
        ({"scan_index": 1 << 62}, "outside"), ({"serial": 7}, "no longer in memory"),
    ],
)  # fmt: skip
def test_a_mark_that_makes_no_sense_is_refused(bench: Bench, changes: dict[str, Any], words: str) -> None:
    reply, _ = bench.ask(MarkRequest(**({"serial": 0, "note": "n"} | changes)))
    assert isinstance(reply, Refused) and words in reply.reason and len(reply.reason) < 300


def test_marks_without_end_do_not_fill_the_memory(bench: Bench) -> None:
    for _ in range(MOST + 5):
        bench.run.log.add("mark", "n", 1)
    reply, _ = bench.ask(MarkRequest(serial=0, note="one more"))
    assert isinstance(reply, Refused) and str(MOST) in reply.reason
    reply, order = bench.ask(SettingsRequest(values={SENSITIVITY: 0.5}))
    assert isinstance(reply, Refused) and order is None and bench.settings.config == CONFIG
    name = ClassRenameRequest(serial=0, class_id=int(bench.run.shown.class_ids[0]), name="n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("livebragg.pipeline.requests.classes.MOST", 2)
        replies = [bench.ask(name)[0] for _ in range(3)]
    assert [type(r) for r in replies] == [Accepted, Accepted, Refused]


def test_saving_brings_what_was_seen_to_disk_now(bench: Bench) -> None:
    reply, _ = bench.ask(SaveRequest(serial=1))
    assert isinstance(reply, Accepted) and "72 positions are safe" in reply.note
    assert len(read_results(bench.run.results_path).vectors.scan_index) == 72
    bench.run.finish(3, "complete", "", {})
    assert "finished, and written" in bench.ask(SaveRequest(serial=0))[0].note
    late, _ = bench.ask(MarkRequest(serial=0, note="late"))
    assert isinstance(late, Refused) and "finished" in late.reason


def test_without_a_scan_there_is_nothing_to_mark_and_settings_wait_for_one() -> None:
    live = LiveSettings(Config())
    for message, kind in (
        (MarkRequest(serial=0, note="n"), Refused),
        (SaveRequest(serial=0), Refused),
        (SettingsRequest(values={SENSITIVITY: 0.3}), Accepted),
    ):
        reply, _ = answer([bytes(p) for p in encode(message)], None, lambda: None, live)  # type: ignore[arg-type,return-value]
        assert isinstance(reply, kind)
    assert live.values[SENSITIVITY] == 0.3


def test_the_maps_do_not_wait_for_the_patterns_of_their_classes(bench: Bench) -> None:
    maps, behind = bench.publish(7)
    assert [type(m).__name__ for m in maps] == ["ClassMaps", "VirtualImageSet", "VectorMap", "LatestFrame"]
    assert [type(m).__name__ for m in behind] == ["ClassPatterns", "ClassProfiles"]
    assert maps[0].class_ids == behind[0].class_ids
    assert bench.run.publish_details(8, 7.1) == []  # too soon for others


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("q_pixel_size_inv_angstrom", 0.013086429058991527, "pixel size 0.01309 1/Å"),
        ("false_disks_per_frame", 0.05, "false disks per frame 0.05"),
        ("flip", True, "flip: yes"),
        ("ellipse", "given", "ellipse given"),
        ("min_positions", 12, "min positions 12"),
    ],
)
def test_a_change_is_told_in_words_with_digits_that_mean_something(name: str, value: Any, words: str) -> None:
    assert _in_words(name, value) == words


def full_disk(*_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def written(bench: Bench) -> tuple[str, int]:
    """How the results file says that it ended, and positions in it."""
    results = read_results(bench.run.results_path)
    return results.status, len(results.vectors)


def test_what_a_full_disk_kept_out_is_saved_once_there_is_room(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as full:
        full.setattr("livebragg.storage.results.check_room_beside", full_disk)
        reply, _ = bench.ask(SaveRequest(serial=1))
        assert isinstance(reply, Refused)
        assert "No space left on device" in reply.reason
        assert "No space left on device" in bench.run.problem
    assert isinstance(bench.ask(SaveRequest(serial=1))[0], Accepted)
    assert bench.run.problem == ""
    assert written(bench) == ("running", 72)
    bench.take(72, 144)
    bench.run.finish(3, "complete", "", {})
    assert written(bench) == ("complete", 144)


@pytest.mark.parametrize("ask", [True, False])
def test_a_file_that_cannot_be_written_any_more_is_written_anew(
    ask: bool, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    before = Path(bench.run.results_path)
    with monkeypatch.context() as disk:
        disk.setattr("livebragg.storage.vector_log.VectorLog.append", broken)
        assert isinstance(bench.ask(SaveRequest(serial=1))[0], Refused)
    assert bench.run.results_path == ""
    if ask:
        assert isinstance(bench.ask(SaveRequest(serial=1))[0], Accepted)
        assert written(bench) == ("running", 72)
    bench.take(72, 144)
    bench.run.finish(3, "complete", "", {})
    assert written(bench) == ("complete", 144)
    assert bench.run.results_path == str(before)
    assert [path.name for path in before.parent.glob("*r.h5*")] == ["r.h5"]


def test_an_end_without_room_is_aborted_with_the_reason_and_saved_when_there_is_room(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = Path(bench.run.results_path)
    bench.ask(SaveRequest(serial=1))
    with monkeypatch.context() as full:
        full.setattr("livebragg.storage.results.check_room", full_disk)
        bench.run.finish(3, "complete", "", {})
        assert "No space left" in bench.run.problem
        aborted = read_results(path)
        assert (aborted.status, len(aborted.vectors)) == ("aborted", 72)
        assert "No space left" in aborted.reason
        assert isinstance(bench.ask(SaveRequest(serial=0))[0], Refused)
        assert read_results(path).status == "aborted"
    assert "finished, and written" in bench.ask(SaveRequest(serial=0))[0].note
    assert written(bench) == ("complete", 72)
    assert bench.run.problem == ""
