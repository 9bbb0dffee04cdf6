"""A worker's jobs: what it finds, and that nothing it is given can stop it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from hostile_messages import ACQUISITION as HOSTILE_ACQUISITION
from hostile_messages import REFUSED_BY_WORKER, Hostile
from livebragg.config.loader import from_table
from livebragg.config.schema import Config
from livebragg.model import Acquisition, ProbeShape, ScanGeometry
from livebragg.pipeline import worker
from livebragg.pipeline.payloads import empty_batch
from livebragg.pipeline.worker import MAX_PROBLEMS, WorkerStage
from livebragg.storage.frame_log import FrameLogReader, FrameLogWriter
from livebragg.wire.codec import decode, encode
from livebragg.wire.messages import (
    ChecksumKind,
    DetectJob,
    DetectResult,
    Encoding,
    MeasureJob,
    Piece,
    ProbeMeasured,
)
from livebragg.wire.packing import checksum, pack

PROBE = ProbeShape(radius=4.0, edge_width=0.7, center=(24.0, 30.0))
SHAPE = (48, 60)


class Bench:
    """A frame log and a worker on it."""

    def __init__(self, folder: Path, config: Config | None = None) -> None:
        self.log = FrameLogWriter(folder, 1 << 20, 1 << 24)
        self.reader = FrameLogReader(folder)
        self.stage = WorkerStage("w0", config or Config(), self.reader)

    def piece(
        self, payload: Any, first: int, n: int, *, encoding: Encoding = Encoding.RAW,
        kind: ChecksumKind = ChecksumKind.NONE, number: int | None = None, skip: tuple[int, ...] = (),
    ) -> Piece:  # fmt: skip
        """A payload in the log."""
        entry = self.log.append(payload)
        return Piece(
            first_frame=first, n_frames=n, segment=entry.segment, offset=entry.offset, nbytes=entry.nbytes,
            encoding=encoding, checksum_kind=kind, checksum=checksum(payload, kind) if number is None else number,
            sent_at=50.0 + first, skip=skip,
        )  # fmt: skip

    def frames(self, frames: Any, first: int, **how: Any) -> Piece:
        """Frames in the log."""
        payload = pack(frames, how.get("encoding", Encoding.RAW))
        return self.piece(payload, first, len(frames), **how)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.reader.close()
    made.log.close()


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, list[int]]]:
    """Instead of detection: remembers the frames and positions it was given."""
    calls: list[tuple[Any, list[int]]] = []

    class FakeAnalyzer:
        made = 0

        def __init__(self, *_: object, **__: object) -> None:
            FakeAnalyzer.made += 1
            self.health = SimpleNamespace(nonfinite_pixels=0, negative_pixels=0, hot_pixels=0)

        def analyze(self, frames: Any, index: Any) -> Any:
            calls.append((frames, index.tolist()))
            self.health = SimpleNamespace(
                nonfinite_pixels=self.health.nonfinite_pixels + 1,
                negative_pixels=self.health.negative_pixels + 10,
                hot_pixels=self.health.hot_pixels + 100,
            )
            return empty_batch(frames.shape[1:])

    monkeypatch.setattr(worker, "FrameAnalyzer", FakeAnalyzer)
    return calls


def acquisition(**changes: Any) -> Acquisition:
    fields = {"acquisition_id": "a", "scan_shape": (4, 5), "frame_shape": SHAPE, "dtype": "uint16", **changes}
    return Acquisition(**fields)


def job(pieces: list[Piece], geometry: ScanGeometry | None = None, **changes: Any) -> DetectJob:
    fields: dict[str, Any] = {
        "job_id": 7,
        "acquisition": acquisition(),
        "serial": 3,
        "geometry": geometry or ScanGeometry(scan_shape=(4, 5)),
        "probe": PROBE,
        "false_disks_per_frame": 0.1,
        "pieces": pieces,
    }
    return DetectJob(**{**fields, **changes})


def disks(n: int) -> Any:
    """Frames with the direct beam and one disk."""
    rows, cols = np.indices(SHAPE)
    mean = np.full(SHAPE, 0.05)
    for centre, counts in (((24, 30), 40.0), ((24, 46), 15.0)):
        mean += counts * (np.hypot(rows - centre[0], cols - centre[1]) < 4.2)
    return np.random.default_rng(1).poisson(mean, (n, *SHAPE)).astype(np.uint16)


def detect(bench: Bench, request: DetectJob) -> DetectResult:
    result = bench.stage.handle(request)
    assert isinstance(result, DetectResult)
    assert isinstance(decode([bytes(p) for p in encode(result)]), DetectResult)
    return result


def constant(values: Any) -> Any:
    return np.broadcast_to(np.asarray(values, np.uint16)[:, None, None], (len(values), *SHAPE)).copy()


def test_disks_are_found_in_every_frame(bench: Bench) -> None:
    result = detect(bench, job([bench.frames(disks(3), 5, encoding=Encoding.BSLZ4, kind=ChecksumKind.XXH3_64)]))
    assert result.scan_index.tolist() == [5, 6, 7]
    assert (result.worker_id, result.job_id, result.serial) == ("w0", 7, 3)
    assert (result.frames_analysed, result.frames_unmapped, result.frames_failed) == (3, 0, 0)
    assert result.newest_sent_at == 55.0
    for k in range(3):
        at = slice(int(result.offsets[k]), int(result.offsets[k + 1]))
        near = np.hypot(result.qx[at] - 24, result.qy[at] - 46)
        assert near.min() < 0.3
    assert np.abs(result.direct_beam[:, :2] - [24, 30]).max() < 0.3


def test_the_sensitivity_is_that_of_the_job_whatever_the_worker_started_with(bench: Bench) -> None:
    noise = np.random.default_rng(3).poisson(disks(16).mean(axis=0), (16, *SHAPE)).astype(np.uint16)
    pieces = [bench.frames(noise, 0)]
    few, many, few_again = (
        detect(bench, job(pieces, false_disks_per_frame=n)).qx.size for n in (0.01, 30.0, 0.01)
    )
    assert few == few_again < many - 20


def test_pieces_are_put_together_without_the_frames_to_skip(bench: Bench, seen: list[Any]) -> None:
    pieces = [bench.frames(constant([10, 11, 12]), 0, skip=(1,)), bench.frames(constant([13, 14]), 3)]
    result = detect(bench, job(pieces))
    ((frames, index),) = seen
    assert frames[:, 0, 0].tolist() == [10, 12, 13, 14]
    assert index == [0, 2, 3, 4]
    assert result.frames_analysed == 4
    assert result.pieces == pieces


def test_flyback_and_surplus_frames_are_counted_as_such(bench: Bench, seen: list[Any]) -> None:
    geometry = ScanGeometry(scan_shape=(2, 3), flyback_frames=2)
    result = detect(bench, job([bench.frames(constant(range(20)), 0)], geometry))
    assert seen[0][1] == [0, 1, 2, 3, 4, 5]
    assert (result.frames_analysed, result.frames_unmapped) == (6, 14)
    only = detect(bench, job([bench.frames(constant([3, 4]), 3)], geometry))
    assert (only.frames_analysed, only.frames_unmapped, len(only.scan_index)) == (0, 2, 0)
    assert len(seen) == 1


def test_frames_of_one_position_are_counted_each(bench: Bench, seen: list[Any]) -> None:
    geometry = ScanGeometry(scan_shape=(2, 3), frames_per_position=2)
    result = detect(bench, job([bench.frames(constant([1, 2, 3, 4]), 0)], geometry))
    assert seen[0][0][:, 0, 0].tolist() == [3, 7]
    assert result.frames_analysed == 4


@pytest.mark.parametrize("bad", REFUSED_BY_WORKER, ids=lambda bad: bad.name)
def test_a_damaged_payload_costs_its_frames_and_no_others(bench: Bench, seen: list[Any], bad: Hostile) -> None:
    message = decode(bad.parts)
    shape = HOSTILE_ACQUISITION.frame_shape
    good = np.ones((3, *shape), np.uint16)
    damaged = bench.piece(
        message.payload, 4, 2, encoding=message.encoding, kind=message.checksum_kind, number=message.checksum
    )
    request = job([bench.frames(good, 0), damaged, bench.frames(good, 6)], acquisition=HOSTILE_ACQUISITION)
    result = detect(bench, request)
    assert (result.frames_analysed, result.frames_failed, result.frames_unmapped) == (6, 2, 0)
    (problem,) = result.problems
    assert problem.startswith("frames 4 and on: ")
    assert bad.text in problem
    assert seen[0][1] == [0, 1, 2, 6, 7, 8]


def test_only_a_few_problems_are_told_but_all_are_counted(bench: Bench, seen: list[Any]) -> None:
    pieces = [bench.piece(b"short", k, 1) for k in range(20)]
    result = detect(bench, job(pieces))
    assert result.frames_failed == 20
    assert len(result.problems) == MAX_PROBLEMS
    assert seen == []
    assert result.sum_pattern.shape == SHAPE


def test_a_payload_that_has_left_the_log_is_counted(bench: Bench, seen: list[Any]) -> None:
    piece = bench.frames(constant([1]), 0)
    bench.log.close()
    result = detect(bench, job([piece]))
    assert result.frames_failed == 1
    assert "no longer in the frame log" in result.problems[0]


def test_odd_pixels_are_those_of_the_job_not_of_the_workers_life(bench: Bench, seen: list[Any]) -> None:
    for _ in range(3):
        result = detect(bench, job([bench.frames(constant([1]), 0)]))
        assert (result.nonfinite_pixels, result.negative_pixels, result.hot_pixels) == (1, 10, 100)


def test_the_analyzer_is_made_once_for_each_probe_and_shape(bench: Bench, seen: list[Any]) -> None:
    other = ProbeShape(radius=5.0, edge_width=0.7, center=(24.0, 30.0))
    for probe in (PROBE, PROBE, other, other):
        detect(bench, job([bench.frames(constant([1]), 0)], probe=probe))
    assert worker.FrameAnalyzer.made == 2  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("probe", "shape", "text"),
    [
        (ProbeShape(radius=4.0, edge_width=0.7, center=(240.0, 30.0)), SHAPE, "lies outside frames of"),
        (ProbeShape(radius=40.0, edge_width=0.7, center=(24.0, 30.0)), SHAPE, "probe"),
        (ProbeShape(radius=4.0, edge_width=0.7, center=(0.0, 0.0)), (1, 1), "probe"),
    ],
    ids=["centre outside", "too large", "one pixel"],
)
def test_a_probe_that_does_not_fit_costs_the_frames_not_the_worker(
    bench: Bench, probe: ProbeShape, shape: tuple[int, int], text: str
) -> None:
    frames = np.ones((2, *shape), np.uint16)
    result = detect(bench, job([bench.frames(frames, 0)], probe=probe, acquisition=acquisition(frame_shape=shape)))
    assert (result.frames_analysed, result.frames_failed) == (0, 2)
    assert text in result.problems[0]


def test_a_bad_pixel_outside_of_the_frames_is_said(tmp_path: Path) -> None:
    bench = Bench(tmp_path, from_table(Config, {"detection": {"bad_pixels": [[400, 4]]}}))
    result = detect(bench, job([bench.frames(constant([1]), 0)]))
    assert result.frames_failed == 1
    assert "400" in result.problems[0]
    bench.log.close()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, -1e30, 3e38])
def test_no_pixel_value_stops_a_worker(bench: Bench, value: float) -> None:
    frames = disks(2).astype(np.float32)
    frames[0, 3:5, 7:20] = value
    frames[1] = value
    result = detect(bench, job([bench.frames(frames, 0)], acquisition=acquisition(dtype="float32")))
    assert result.frames_analysed == 2
    assert np.isfinite(result.qx).all()


# ------------------------------------------------------------------------------------------ measurements
def measure(bench: Bench, pieces: list[Piece]) -> ProbeMeasured:
    answer = bench.stage.handle(MeasureJob(job_id=-1, acquisition=acquisition(), serial=3, pieces=pieces))
    assert isinstance(answer, ProbeMeasured)
    assert (answer.worker_id, answer.job_id, answer.serial) == ("w0", -1, 3)
    return answer


def test_the_probe_is_measured_from_the_pieces(bench: Bench) -> None:
    answer = measure(bench, [bench.frames(disks(8), 0), bench.frames(disks(8), 8)])
    assert answer.probe is not None
    assert abs(answer.probe.radius - 4.2) < 0.5
    assert np.hypot(answer.probe.center[0] - 24, answer.probe.center[1] - 30) < 0.5


@pytest.mark.parametrize(
    "make",
    [
        lambda b: [b.frames(np.zeros((4, *SHAPE), np.uint16), 0)],
        lambda b: [b.frames(np.full((4, *SHAPE), 65535, np.uint16), 0)],
        lambda b: [b.piece(b"short", 0, 4)],
        lambda b: [],
    ],
    ids=["nothing but zeros", "saturated", "damaged", "no frames"],
)
def test_frames_without_a_probe_give_a_reason_or_none_if_there_are_no_frames(
    bench: Bench, make: Callable[[Bench], list[Piece]]
) -> None:
    pieces = make(bench)
    answer = measure(bench, pieces)
    assert answer.probe is None
    assert bool(answer.problem) == bool(pieces)
