"""The scan is given another shape while it runs: everything that came lies where it belongs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from livebragg.config.loader import from_table
from livebragg.config.schema import Config
from livebragg.detect import FrameAnalyzer
from livebragg.model import Acquisition, Calibration, ProbeShape, ScanGeometry, ScanOrder
from livebragg.pipeline.frame_lookup import FrameLookup
from livebragg.pipeline.health import Notices
from livebragg.pipeline.payloads import moved
from livebragg.pipeline.requests.geometry import guess_lines
from livebragg.pipeline.requests.router import answer
from livebragg.pipeline.scan.line_finder import Clock
from livebragg.pipeline.scan.run import ScanRun
from livebragg.pipeline.settings import LiveSettings
from livebragg.storage.calibration_file import save_calibration
from livebragg.storage.results_reader import read_results
from livebragg.wire.codec import decode, encode
from livebragg.wire.messages import (
    Accepted,
    AcquisitionOpened,
    GeometryChanged,
    MarkRequest,
    MissedTriggersRequest,
    Refused,
    ScanShapeRequest,
)

N, FRAME = 42, (40, 44)
PROBE = ProbeShape(radius=3.0, edge_width=0.5, center=(20.0, 22.0))
CONFIG = from_table(Config, {"analysis": {"classify": {"forced_photometry": False}}, "dispatch": {"workers": 1}})


class NoFrames:
    """Frames that are all gone."""

    def frame(self, scan_index: int) -> None:
        return None

    def blocks(self) -> Iterator[Any]:
        return iter(())

    def some(self, scan_index: NDArray[np.int64]) -> Iterator[Any]:
        return iter(())


LOOKUP: FrameLookup = NoFrames()
OPEN = ScanGeometry(scan_shape=(1, 5), open_ended=True)
TRUE = ScanGeometry(scan_shape=(7, 6))


def frames() -> NDArray[np.uint16]:
    """A beam, and a disk that tells the frame's number by its place."""
    y, x = np.mgrid[: FRAME[0], : FRAME[1]]
    means = np.full((N, *FRAME), 0.05)
    means[:, np.hypot(y - 20, x - 22) <= 3] = 60
    for number, (row, col) in enumerate(zip(6 + np.arange(N) % 7 * 0.5, 8 + np.arange(N) * 0.6, strict=True)):
        means[number][np.hypot(y - row, x - col) <= 3] = 30
    return np.random.default_rng(1).poisson(means).astype(np.uint16)


FRAMES = frames()


def a_run(folder: Path, geometry: ScanGeometry, name: str = "results.h5") -> ScanRun:
    opened = AcquisitionOpened(
        acquisition=Acquisition(acquisition_id="a", scan_shape=None, frame_shape=FRAME, dtype="uint16"),
        serial=1, geometry=geometry, n_frames_expected=None, opened_at=0.0,
    )  # fmt: skip
    return ScanRun(opened, PROBE, CONFIG, LOOKUP, Notices(), results_path=folder / name)


def feed(run: ScanRun, first: int, stop: int, geometry: ScanGeometry | None = None) -> None:
    """Frames as a worker analyses them that was given a geometry."""
    geometry = geometry or run.opened.geometry
    analyzer = FrameAnalyzer(PROBE, FRAME, CONFIG.detection, CONFIG.virtual, profile=CONFIG.profile)
    for at in range(first, stop, 4):
        index = geometry.scan_index(np.arange(at, min(at + 4, stop)))
        batch = analyzer.analyze(FRAMES[at : min(at + 4, stop)][index >= 0], index[index >= 0])
        run.add_batch(moved(batch, geometry, run.opened.geometry))


def ask(message: Any, run: ScanRun | None) -> tuple[Any, GeometryChanged | None]:
    reply, order = answer([bytes(p) for p in encode(message)], run, lambda: None, LiveSettings(CONFIG))  # type: ignore[arg-type,return-value]
    assert order is None or isinstance(order, GeometryChanged)
    return decode([bytes(p) for p in encode(reply)]), order


def same(one: ScanRun, other: ScanRun) -> None:
    """Both know the same of every position."""
    for run in (one, other):
        run.analysis.finish()
    a, b = one.analysis.snapshot(), other.analysis.snapshot()
    assert np.array_equal(a.seen, b.seen)
    for name in a.virtual_images:
        assert np.array_equal(a.virtual_images[name], b.virtual_images[name], equal_nan=True), name
    assert np.array_equal(a.n_disks, b.n_disks, equal_nan=True)
    assert np.allclose(a.sum_pattern, b.sum_pattern)
    for index in np.flatnonzero(a.seen):
        mine, others = one.analysis.peaks_at(int(index)), other.analysis.peaks_at(int(index))
        assert np.array_equal(mine.qx, others.qx)
        assert np.array_equal(mine.position_error, others.position_error)
    everything = np.arange(a.seen.size)
    mean = one.analysis.region_profile(everything).mean
    assert np.allclose(mean, other.analysis.region_profile(everything).mean, equal_nan=True)


@pytest.mark.parametrize(
    ("before", "true"),
    [
        (OPEN, TRUE),
        (replace(OPEN, scan_order=ScanOrder.SNAKE), replace(TRUE, scan_order=ScanOrder.SNAKE)),
        (replace(OPEN, first_frame=3), replace(TRUE, first_frame=3)),
        (replace(OPEN, missed_triggers=(4, 9)), replace(TRUE, missed_triggers=(4, 9))),
        (ScanGeometry(scan_shape=(6, 7)), TRUE),
    ],
    ids=["raster", "snake", "first frame", "missed triggers", "announced wrong"],
)
def test_after_a_shape_everything_is_as_if_it_had_been_known(
    tmp_path: Path, before: ScanGeometry, true: ScanGeometry
) -> None:
    run, known = a_run(tmp_path, before), a_run(tmp_path, true, "known.h5")
    feed(run, 0, 20)
    run.publish(1, 0.0)
    reply, order = ask(ScanShapeRequest(serial=1, rows=7, cols=6), run)
    assert reply == Accepted(note=f"{run.analysis.n_seen} positions are mapped anew")
    assert order == GeometryChanged(serial=1, geometry=true)
    run = run.moved(true, LOOKUP)
    feed(run, 20, 24, before)  # was on its way
    feed(run, 24, N)
    feed(known, 0, N)
    assert run.counters["positions_analysed"] == known.counters["positions_analysed"]
    same(run, known)
    for one in (run, known):
        one.finish(2, "complete", "test", {})
        one.close()
    told, wanted = read_results(tmp_path / "results.h5"), read_results(tmp_path / "known.h5")
    assert told.acquisition.scan_shape == wanted.acquisition.scan_shape
    assert sorted(p.name for p in tmp_path.iterdir()) == ["known.h5", "results.h5"]
    for results in (told, wanted):
        assert results.final is not None
    assert np.array_equal(told.vectors.in_scan_order().scan_index, wanted.vectors.in_scan_order().scan_index)
    assert np.array_equal(told.vectors.in_scan_order().peaks.qx, wanted.vectors.in_scan_order().peaks.qx)


def test_columns_alone_leave_the_number_of_rows_open(tmp_path: Path) -> None:
    run = a_run(tmp_path, OPEN)
    feed(run, 0, 20)
    _, order = ask(ScanShapeRequest(serial=0, cols=6), run)
    assert order is not None
    run = run.moved(order.geometry, LOOKUP)
    assert run.analysis.scan_shape == (4, 6)
    feed(run, 20, 31)
    assert run.analysis.scan_shape == (6, 6)
    run.close()


def test_missed_triggers_move_what_came_after_them_and_can_be_taken_back(tmp_path: Path) -> None:
    run = a_run(tmp_path, TRUE)
    feed(run, 0, 20)
    whole = run.analysis.peaks_at(12).qx
    reply, order = ask(MissedTriggersRequest(serial=0, frame=10, count=2), run)
    assert isinstance(reply, Accepted)
    assert order is not None
    assert order.geometry.missed_triggers == (10, 10)
    run = run.moved(order.geometry, LOOKUP)
    assert np.flatnonzero(~run.analysis.snapshot().seen.ravel()[:22]).tolist() == [10, 11]
    assert np.array_equal(run.analysis.peaks_at(14).qx, whole)
    assert isinstance(ask(MissedTriggersRequest(serial=0, frame=9, count=-1), run)[0], Refused)
    _, order = ask(MissedTriggersRequest(serial=0, frame=10, count=-2), run)
    assert order is not None
    run = run.moved(order.geometry, LOOKUP)
    assert run.analysis.n_seen == 20
    assert np.array_equal(run.analysis.peaks_at(12).qx, whole)
    run.close()


def test_positions_that_are_moved_out_of_the_scan_are_counted(tmp_path: Path) -> None:
    run = a_run(tmp_path, TRUE)
    feed(run, 0, N)
    run = run.moved(replace(TRUE, missed_triggers=(10, 10, 30)), LOOKUP)
    assert run.counters["positions_out_of_scan"] == 3
    assert run.counters["positions_analysed"] == N - 3
    assert any("3 positions that were analysed lie outside" in text for text in run._notices.snapshot())
    run.close()


@pytest.mark.parametrize(
    ("geometry", "request_", "text"),
    [
        (OPEN, ScanShapeRequest(serial=1, rows=3, cols=6), "ends with frame 17, but frame 19 has come"),
        (OPEN, ScanShapeRequest(serial=1, rows=0, cols=6), "at least 1"),
        (OPEN, ScanShapeRequest(serial=1, rows=1 << 14, cols=1 << 14), "at most"),
        (OPEN, ScanShapeRequest(serial=1, cols=-5), "at least 1"),
        (OPEN, ScanShapeRequest(serial=4, cols=5), "no longer in memory"),
        (OPEN, MissedTriggersRequest(serial=1, frame=-1), "frames count from 0"),
        (OPEN, MissedTriggersRequest(serial=1, frame=1, count=0), "0 triggers"),
        (OPEN, MissedTriggersRequest(serial=1, frame=1, count=1 << 30), "are possible"),
        (
            replace(OPEN, frames_per_position=2),
            MissedTriggersRequest(serial=1, frame=1),
            "2 frames of each position were added",
        ),
    ],
)
def test_what_cannot_be_is_refused_with_its_reason(
    tmp_path: Path, geometry: ScanGeometry, request_: Any, text: str
) -> None:
    run = a_run(tmp_path, geometry)
    if geometry.frames_per_position == 1:
        feed(run, 0, 20)
    reply, order = ask(request_, run)
    assert isinstance(reply, Refused)
    assert text in reply.reason
    assert order is None
    run.close()


def test_a_finished_scan_stays_as_it_is(tmp_path: Path) -> None:
    run = a_run(tmp_path, TRUE)
    feed(run, 0, N)
    run.finish(1, "complete", "test", {})
    assert isinstance(ask(ScanShapeRequest(serial=1, cols=5), run)[0], Refused)
    assert isinstance(ask(ScanShapeRequest(serial=1, cols=5), None)[0], Refused)
    run.close()


@pytest.mark.parametrize("per_position", [1, 3])
@pytest.mark.parametrize("order", list(ScanOrder))
@pytest.mark.parametrize(
    ("first", "missed", "flyback"), [(0, (), 0), (3, (), 2), (-4, (5, 5, 11), 1), (2, (2, 7), 0)]
)
def test_the_first_frame_of_every_position_that_has_one_is_known(
    per_position: int, order: ScanOrder, first: int, missed: tuple[int, ...], flyback: int
) -> None:
    scan = ScanGeometry(
        scan_shape=(4, 5), first_frame=first, missed_triggers=missed, flyback_frames=flyback, scan_order=order,
        frames_per_position=per_position,
    )  # fmt: skip
    if per_position > 1:
        scan = replace(scan, missed_triggers=(), first_frame=max(first, 0))
    numbers = np.arange(80 * per_position)
    index = scan.scan_index(numbers)
    where, at = np.unique(index, return_index=True)
    assert np.array_equal(scan.first_frames(where[where >= 0]), numbers[at][where >= 0])


def test_a_calibration_file_that_is_gone_since_the_start_is_not_missed(tmp_path: Path) -> None:
    save_calibration(tmp_path / "known.toml", Calibration(q_pixel_size_inv_angstrom=0.025))
    config = from_table(Config, {"analysis": {"calibration": {"file": str(tmp_path / "known.toml")}}}, CONFIG)
    opened = AcquisitionOpened(
        acquisition=Acquisition(acquisition_id="a", scan_shape=None, frame_shape=FRAME, dtype="uint16"),
        serial=1, geometry=OPEN, n_frames_expected=None, opened_at=0.0,
    )  # fmt: skip
    run = ScanRun(opened, PROBE, config, LOOKUP, Notices(), results_path=tmp_path / "results.h5")
    feed(run, 0, 20)
    (tmp_path / "known.toml").unlink()
    run = run.moved(TRUE, LOOKUP)
    run.publish(1, 0.0)
    assert run.calibration.q_pixel_size_inv_angstrom == 0.025
    run.close()


def test_marks_stay_with_their_frames_when_everything_is_mapped_anew(tmp_path: Path) -> None:
    run = a_run(tmp_path, replace(TRUE, scan_shape=(6, 7)))
    feed(run, 0, 20)
    run.publish(1, 0.0)
    for index in (9, -1, 41):
        ask(MarkRequest(serial=0, note="crack", scan_index=index), run)
    run = run.moved(replace(TRUE, missed_triggers=(3, 3)), LOOKUP)
    assert [(mark["scan_index"], mark["note"]) for mark in run.log.marks[:2]] == [(11.0, "crack"), (-1.0, "crack")]
    assert run.log.marks[2]["scan_index"] == -1 and "outside" in str(run.log.marks[2]["note"])
    run.close()


@pytest.mark.parametrize("clock", list(Clock))
def test_lines_that_the_times_show_are_used_unless_only_the_sender_says_so(tmp_path: Path, clock: Clock) -> None:
    run = a_run(tmp_path, OPEN)
    assert "nobody has said the shape of the scan: lines of 5 positions are assumed" in run.shape_note
    feed(run, 0, N)
    number = np.arange(120)
    assert run.lines is not None
    run.lines.add(number, number * 1e-3 + number // 6 * 7e-4, clock)
    order = guess_lines(run)
    assert guess_lines(run) is None, "it is said once"
    if clock is Clock.SENDER:
        assert order is None
        assert run.shape_note.startswith("lines seem to have 6 positions: 1.7 ms instead of 1 ms")
        assert run.shape_note.endswith("to use that: livebragg scan-shape 6")
    else:
        assert order is not None
        run = run.moved(order.geometry, LOOKUP)
        assert run.opened.geometry == ScanGeometry(scan_shape=(1, 6), open_ended=True)
        assert run.shape_note.startswith("lines of 6 positions: 1.7 ms instead of 1 ms")
    _, said = ask(ScanShapeRequest(serial=0, cols=7), run)
    assert said is not None
    run = run.moved(said.geometry, LOOKUP)
    assert (run.shape_note, run.lines) == ("", None), "the user's word counts"
    run.close()


def test_lines_that_cannot_be_used_any_more_are_told_all_the_same(tmp_path: Path) -> None:
    run = a_run(tmp_path, replace(OPEN, frames_per_position=2, flyback_frames=2))
    number = np.arange(120)
    assert run.lines is not None
    run.lines.add(number, number * 1e-3 + number // 12 * 5e-4, Clock.COUNTER)
    assert guess_lines(run) is None
    assert run.shape_note.startswith("lines seem to have 5 positions")
    assert "were added when they came" in run.shape_note
    run.close()
