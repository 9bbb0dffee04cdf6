"""The real programs, from the detector's socket to the results file."""

from __future__ import annotations

import os
import signal
import socket
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from live_pipeline import LivePipeline, live_pipeline, simulator
from livebragg_simulators.specimen import Specimen, SpecimenConfig

pytestmark = [pytest.mark.processes, pytest.mark.timeout(400)]

SCAN = (24, 20)
FRAME = (72, 64)


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small recorded scan with its truth; neither scan nor frames are square."""
    path = tmp_path_factory.mktemp("recording") / "small.h5"
    config = SpecimenConfig.preset(
        "gold", scan_shape=SCAN, frame_shape=FRAME, n_grains=3, probe_radius=3.0, electrons_per_frame=8000.0
    )
    Specimen(config).write_recording(path)
    return path


def health(path: Path) -> dict[str, float]:
    with h5py.File(path) as file:
        return dict(file["livebragg/health"].attrs)


def left_behind(pipeline: LivePipeline) -> list[Path]:
    return list(pipeline.runtime.iterdir())


def test_a_replayed_scan_becomes_a_complete_results_file(tmp_path: Path, recording: Path) -> None:
    with live_pipeline(tmp_path) as pipeline, simulator(pipeline.stream, "replay", str(recording)):
        assert pipeline.end() == 0, pipeline.text()
        assert left_behind(pipeline) == []
    (path,) = pipeline.results()
    with h5py.File(path) as file, h5py.File(recording) as truth:
        labels = file["livebragg/classes/labels"][:]
        assert file["livebragg"].attrs["status"] == "complete"
        assert labels.shape == SCAN
        assert labels.dtype == np.int16
        weights = file["livebragg/classes/weights"]
        assert weights.shape[1:] == SCAN
        assert adjusted_rand_score(truth["truth/label"][:].ravel(), labels.ravel()) > 0.8
    counted = health(path)
    assert counted["frames_received"] == counted["frames_analysed"] == SCAN[0] * SCAN[1]
    assert counted["frames_failed"] == counted["backlog_frames"] == counted["jobs_in_flight"] == 0


def test_compressed_snake_scan_with_flyback_lands_on_the_same_positions(tmp_path: Path, recording: Path) -> None:
    flags = ("--encoding", "bslz4", "--snake", "--flyback-frames", "3", "--checksum", "crc32")
    with live_pipeline(tmp_path) as pipeline, simulator(pipeline.stream, "replay", str(recording), *flags):
        assert pipeline.end() == 0, pipeline.text()
    (path,) = pipeline.results()
    counted = health(path)
    assert counted["frames_unmapped"] == 3 * SCAN[0]
    assert counted["frames_analysed"] == SCAN[0] * SCAN[1]
    with h5py.File(path) as file, h5py.File(recording) as truth:
        labels = file["livebragg/classes/labels"][:]
        assert adjusted_rand_score(truth["truth/label"][:].ravel(), labels.ravel()) > 0.8


def test_no_frame_is_lost_with_a_worker_killed_in_the_middle(tmp_path: Path, recording: Path) -> None:
    with live_pipeline(tmp_path, workers=2) as pipeline:
        pipeline.wait_for(lambda status: len(status["workers"]) == 2)
        with simulator(pipeline.stream, "replay", str(recording), "--rate", "60", "--batch", "4"):
            pipeline.wait_for(lambda status: status["positions_seen"] > 40)
            for pid in pipeline.worker_pids().values():
                os.kill(pid, signal.SIGKILL)
            assert pipeline.end() == 0, pipeline.text()
    (path,) = pipeline.results()
    counted = health(path)
    assert counted["worker_restarts"] == 2
    assert counted["frames_analysed"] == counted["frames_received"] == SCAN[0] * SCAN[1]
    with h5py.File(path) as file:
        assert np.all(file["livebragg/classes/labels"][:] >= 0)


def test_a_worker_that_hangs_is_replaced(tmp_path: Path, recording: Path) -> None:
    with live_pipeline(tmp_path, "--set", "dispatch.job_timeout_s=4") as pipeline:
        pipeline.wait_ready()
        with simulator(pipeline.stream, "replay", str(recording), "--rate", "100"):
            pipeline.wait_for(lambda status: status["positions_seen"] > 40)
            (pid,) = pipeline.worker_pids().values()
            os.kill(pid, signal.SIGSTOP)
            assert pipeline.end() == 0, pipeline.text()
    counted = health(pipeline.results()[0])
    assert counted["worker_restarts"] == 1
    assert counted["frames_analysed"] == SCAN[0] * SCAN[1]


def test_ctrl_c_saves_what_was_received(tmp_path: Path, recording: Path) -> None:
    with live_pipeline(tmp_path, once=False) as pipeline:
        pipeline.wait_ready()
        with simulator(pipeline.stream, "replay", str(recording), "--rate", "50"):
            pipeline.wait_for(lambda status: status["positions_seen"] > 60)
            children = pipeline.child_pids()
            pipeline.process.send_signal(signal.SIGINT)
            assert pipeline.end(60) == 0, pipeline.text()
        assert left_behind(pipeline) == []
    assert not any(Path(f"/proc/{pid}").exists() for pid in children)
    (path,) = pipeline.results()
    with h5py.File(path) as file:
        assert file["livebragg"].attrs["status"] == "stopped"
        seen = np.count_nonzero(file["livebragg/classes/labels"][:] >= 0)
    counted = health(path)
    assert 60 < counted["frames_received"] < SCAN[0] * SCAN[1]
    assert seen == counted["frames_analysed"] == counted["frames_received"]


def test_several_acquisitions_each_get_a_results_file(tmp_path: Path, recording: Path) -> None:
    with live_pipeline(tmp_path, once=False) as pipeline:
        pipeline.wait_ready()
        with simulator(pipeline.stream, "replay", str(recording), "--loop", "2"):
            pipeline.wait_for(lambda status: status["serial"] == 2 and status["phase"] == "complete")
    assert len(pipeline.results()) == 2
    for path in pipeline.results():
        assert health(path)["frames_analysed"] == SCAN[0] * SCAN[1]


def test_a_port_in_use_is_one_clear_sentence_and_a_failure(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        feed = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        with live_pipeline(tmp_path, "--set", f'publish.feed="{feed}"') as pipeline:
            assert pipeline.end(60) == 1
            assert left_behind(pipeline) == []
    words = " ".join(pipeline.text().split())
    assert f"already runs at {feed}: stop it, or give another endpoint with --feed" in words


def test_a_second_pipeline_at_the_same_ports_is_refused_and_takes_no_frame(
    tmp_path: Path, recording: Path
) -> None:
    with live_pipeline(tmp_path) as first:
        first.wait_ready()
        with simulator(first.stream, "replay", str(recording), "--rate", "120"):
            first.wait_for(lambda status: status["positions_seen"] > 40)
            (tmp_path / "second").mkdir()
            flags = ("--feed", first.feed, "--control", first.control)
            with live_pipeline(tmp_path / "second", *flags, stream=first.stream) as second:
                assert second.end(60) == 1
            words = " ".join(second.text().split())
            assert f"already runs at {first.feed}" in words
            assert "--forward" in words
            assert "running:" not in words, "the state of the first pipeline is not that of the second"
            assert first.end() == 0, first.text()
    (path,) = first.results()
    assert health(path)["frames_analysed"] == SCAN[0] * SCAN[1]


def test_when_the_receiver_dies_the_program_fails_and_what_was_found_is_saved(
    tmp_path: Path, recording: Path
) -> None:
    with live_pipeline(tmp_path) as pipeline:
        pipeline.wait_ready()
        with simulator(pipeline.stream, "replay", str(recording), "--rate", "60"):
            pipeline.wait_for(lambda status: status["positions_seen"] > 60)
            receiver = next(
                pid
                for pid in pipeline.child_pids()
                if b"receiver" in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            )
            os.kill(receiver, signal.SIGKILL)
            assert pipeline.end(60) == 1
        assert "the receiver ended unexpectedly" in pipeline.text()
        assert left_behind(pipeline) == []
    (path,) = pipeline.results()
    with h5py.File(path) as file:
        assert file["livebragg"].attrs["status"] == "aborted"
        assert np.count_nonzero(file["livebragg/classes/labels"][:] >= 0) > 60


def test_nobody_sending_is_said_in_words(tmp_path: Path) -> None:
    with live_pipeline(tmp_path, "--set", "stream.quiet_warning_s=0.5") as pipeline:
        status = pipeline.wait_for(
            lambda s: s["phase"] == "waiting" and "no message from" in " ".join(s["reasons"])
        )
        assert pipeline.stream in " ".join(status["reasons"])
        started = time.monotonic()
        pipeline.process.send_signal(signal.SIGINT)
        assert pipeline.end(30) == 0
        assert time.monotonic() - started < 15
