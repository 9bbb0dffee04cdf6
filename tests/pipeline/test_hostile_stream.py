"""The running pipeline between a good acquisition and everything that can be wrong with a stream."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from hostile_messages import EVERYTHING
from live_pipeline import LivePipeline, live_pipeline
from livebragg.model import Acquisition
from livebragg.wire import sockets
from livebragg.wire.messages import (
    AcquisitionEnd,
    AcquisitionStart,
    ChecksumKind,
    EndReason,
    FrameBatch,
    Heartbeat,
)
from livebragg.wire.packing import checksum
from livebragg_simulators.specimen import Specimen, SpecimenConfig

pytestmark = [pytest.mark.processes, pytest.mark.timeout(400)]

ROWS, COLS = 8, 10
CONFIG = SpecimenConfig.preset(
    "gold", scan_shape=(ROWS, COLS), frame_shape=(72, 64), n_grains=2, probe_radius=3.0, electrons_per_frame=8000.0
)


@pytest.fixture(scope="module")
def frames() -> np.ndarray:
    return Specimen(CONFIG).frames(0, ROWS * COLS)


Send = Callable[[object], None]


@contextmanager
def detector(pipeline: LivePipeline) -> Iterator[tuple[Send, Callable[[list[bytes]], None]]]:
    """A detector's socket: sends messages, or whatever bytes it likes."""
    with sockets.context() as ctx:
        socket = sockets.open_socket(ctx, sockets.PUSH, bind=pipeline.stream)
        yield lambda message: sockets.send(socket, message), lambda parts: sockets.send_parts(socket, parts)


def announced(acquisition_id: str = "good", dtype: str = "uint16", rows: int = ROWS) -> Acquisition:
    return replace(Specimen(CONFIG).acquisition(acquisition_id), dtype=dtype, scan_shape=(rows, COLS))


def batch(frames: np.ndarray, first: int, count: int, acquisition_id: str = "good") -> FrameBatch:
    payload = frames[first : first + count].tobytes()
    kind = ChecksumKind.XXH3_64
    return FrameBatch(
        acquisition_id=acquisition_id,
        first_frame=first,
        n_frames=count,
        checksum_kind=kind,
        checksum=checksum(payload, kind),
        sent_at=time.time(),
        payload=payload,
    )


def end(acquisition_id: str = "good", sent: int = ROWS * COLS) -> AcquisitionEnd:
    return AcquisitionEnd(acquisition_id=acquisition_id, frames_sent=sent)


def labels_of(path: Path) -> np.ndarray:
    with h5py.File(path) as file:
        return file["livebragg/classes/labels"][:]


def test_a_good_scan_survives_every_bad_message_in_between(tmp_path: Path, frames: np.ndarray) -> None:
    with live_pipeline(tmp_path) as pipeline:
        pipeline.wait_ready()
        with detector(pipeline) as (send, send_bytes):
            bad = [h.parts for h in EVERYTHING if h.parts]  # a ZeroMQ message has at least one part
            send(AcquisitionStart(acquisition=announced()))
            for number, parts in enumerate(bad):
                send_bytes(parts)
                if number < 20:
                    send(batch(frames, 4 * number, 4))
            send(Heartbeat())
            send(end())
            assert pipeline.end() == 0, pipeline.text()
    (path,) = pipeline.results()
    with h5py.File(path) as file:
        counted = dict(file["livebragg/health"].attrs)
        assert file["livebragg"].attrs["status"] == "complete"
    assert counted["messages_malformed"] == len(bad)
    assert counted["frames_analysed"] == counted["frames_received"] == ROWS * COLS
    assert np.all(labels_of(path) >= 0)


def test_reordered_doubled_damaged_and_missing_batches_are_each_counted(
    tmp_path: Path, frames: np.ndarray
) -> None:
    with live_pipeline(tmp_path) as pipeline:
        pipeline.wait_ready()
        with detector(pipeline) as (send, _):
            send(AcquisitionStart(acquisition=announced()))
            for first in (0, 10, 30, 20, 30, 35, 50):  # 30 twice, 35 overlaps it, 40 to 49 only in part
                send(batch(frames, first, 10))
            send(replace(batch(frames, 60, 10), checksum=12345))
            send(end(sent=ROWS * COLS))
            assert pipeline.end() == 0, pipeline.text()
    (path,) = pipeline.results()
    with h5py.File(path) as file:
        counted = dict(file["livebragg/health"].attrs)
    assert counted["frames_duplicate"] == 15
    assert counted["batches_reordered"] >= 1
    assert counted["frames_failed"] == 10
    assert counted["frames_missing"] == 15
    assert counted["frames_received"] == 65
    assert counted["frames_analysed"] == 55
    seen = labels_of(path).ravel() >= 0
    assert np.array_equal(np.flatnonzero(~seen), [45, 46, 47, 48, 49, *range(60, 80)])


def test_a_start_without_an_end_closes_the_first_scan_with_its_results(tmp_path: Path, frames: np.ndarray) -> None:
    with live_pipeline(tmp_path, once=False) as pipeline:
        pipeline.wait_ready()
        with detector(pipeline) as (send, _):
            send(end("nobody"))
            send(AcquisitionStart(acquisition=announced("first")))
            send(batch(frames, 0, 40, "first"))
            send(AcquisitionStart(acquisition=announced("second")))
            send(batch(frames, 0, 80, "second"))
            send(AcquisitionEnd(acquisition_id="second", frames_sent=80, reason=EndReason.ABORTED))
            send(batch(frames, 0, 10, "second"))
            pipeline.wait_for(lambda s: s["serial"] == 2 and s["phase"] == "stopped")
            status = pipeline.wait_for(lambda s: s["counters"].get("messages_after_end", 0) == 1)
    assert status["counters"]["messages_without_start"] == 1
    first, second = pipeline.results()
    assert np.count_nonzero(labels_of(first) >= 0) == 40
    assert np.count_nonzero(labels_of(second) >= 0) == 80
    with h5py.File(first) as file:
        assert file["livebragg"].attrs["status"] == "aborted"
        assert "a new acquisition started" in file["livebragg"].attrs["reason"]


def test_frames_with_nan_and_negative_pixels_are_used_without_those(tmp_path: Path, frames: np.ndarray) -> None:
    bad = frames.astype(np.float32)
    bad[5, 3, 3] = np.nan
    bad[6, 4, 4] = -50.0
    with live_pipeline(tmp_path) as pipeline:
        pipeline.wait_ready()
        with detector(pipeline) as (send, _):
            send(AcquisitionStart(acquisition=announced(dtype="float32")))
            send(batch(bad, 0, 80))
            send(end())
            assert pipeline.end() == 0, pipeline.text()
    (path,) = pipeline.results()
    with h5py.File(path) as file:
        counted = dict(file["livebragg/health"].attrs)
    assert (counted["nonfinite_pixels"], counted["negative_pixels"]) == (1, 1)
    assert counted["frames_analysed"] == 80
    assert np.all(labels_of(path) >= 0)


def test_a_scan_of_unknown_shape_grows_line_by_line(tmp_path: Path, frames: np.ndarray) -> None:
    with live_pipeline(tmp_path, "--set", f"scan.fallback_cols={COLS}") as pipeline:
        pipeline.wait_ready()
        with detector(pipeline) as (send, _):
            send(AcquisitionStart(acquisition=replace(announced(), scan_shape=None)))
            for first in range(0, 80, 16):
                send(batch(frames, first, 16))
            send(end())
            assert pipeline.end() == 0, pipeline.text()
    assert labels_of(pipeline.results()[0]).shape == (ROWS, COLS)


def test_a_blank_beam_is_said_in_words_and_the_program_goes_on(tmp_path: Path, frames: np.ndarray) -> None:
    dark = np.zeros_like(frames)
    with live_pipeline(tmp_path, once=False) as pipeline:
        pipeline.wait_ready()
        with detector(pipeline) as (send, _):
            send(AcquisitionStart(acquisition=announced("dark")))
            send(batch(dark, 0, 80, "dark"))
            send(end("dark"))
            status = pipeline.wait_for(lambda s: s["counters"].get("frames_failed", 0) == 80)
            assert any("probe" in notice for notice in status["notices"])
            send(AcquisitionStart(acquisition=announced("good")))
            send(batch(frames, 0, 80, "good"))
            send(end("good"))
            pipeline.wait_for(lambda s: s["serial"] == 2 and s["phase"] == "complete")
    assert [p.name.startswith("good") for p in pipeline.results()] == [True]


def test_a_clean_scan_after_a_damaged_one_carries_none_of_its_warnings(tmp_path: Path, frames: np.ndarray) -> None:
    with live_pipeline(tmp_path, once=False) as pipeline:
        pipeline.wait_ready()
        with detector(pipeline) as (send, send_bytes):
            for serial, name in enumerate(("damaged", "clean"), start=1):
                send(AcquisitionStart(acquisition=announced(name)))
                if name == "damaged":
                    send_bytes([b"no message"])
                    send(replace(batch(frames, 0, 10, name), checksum=1))
                    send(batch(frames, 10, 60, name))
                else:
                    send(batch(frames, 0, 80, name))
                send(end(name))
                status = pipeline.wait_for(lambda s, n=serial: s["serial"] == n and s["phase"] == "complete")
    assert status["light"] == "green", status["reasons"]
    clean, damaged = pipeline.results()
    with h5py.File(damaged) as file:
        said = " ".join(text.decode() for text in file["livebragg/health/notices"][:])
        assert "10 frames never came" in file["livebragg"].attrs["reason"]
    assert "not msgpack" in said
    assert "checksum" in said or "xxh3" in said
    assert "10 of 80 frames" in said
    with h5py.File(clean) as file:
        assert file["livebragg/health"].attrs.get("messages_malformed", 0) == 0
        assert len(file["livebragg/health/notices"]) == 0
