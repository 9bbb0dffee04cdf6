"""`livebragg attach` on the streams of real detectors, from the socket to the results file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cbor2
import h5py
import hdf5plugin
import numpy as np
import pytest

import dectris_messages as made
from live_pipeline import LivePipeline, live_pipeline, simulator
from livebragg.cli.main import main
from livebragg.storage.results_reader import read_results
from livebragg.wire import sockets
from livebragg_simulators.specimen import Specimen, SpecimenConfig

pytestmark = [pytest.mark.processes, pytest.mark.timeout(400)]

ROWS, COLS = 8, 10
CONFIG = SpecimenConfig.preset(
    "gold", scan_shape=(ROWS, COLS), frame_shape=(72, 64), n_grains=2, probe_radius=3.0, electrons_per_frame=8000.0
)
DECTRIS = ("--detector", "dectris")


@contextmanager
def detector(pipeline: LivePipeline) -> Iterator[Callable[..., None]]:
    with sockets.context() as ctx:
        socket = sockets.open_socket(ctx, sockets.PUSH, bind=pipeline.stream)
        yield lambda *messages: [sockets.send_parts(socket, [m]) for m in messages] and None


def read(path: Path) -> tuple[dict[str, Any], dict[str, Any], np.ndarray]:
    """Counters, facts about the acquisition, and disks of each position."""
    with h5py.File(path) as file:
        top = file["livebragg"]
        offsets = top["vectors/offsets"][:] if "vectors/offsets" in top else None
        facts = dict(top["acquisition"].attrs) | {"status": top.attrs["status"]}
        facts["bad_pixels"] = top["acquisition/bad_pixels"][:] if "bad_pixels" in top["acquisition"] else None
        return dict(top["health"].attrs), facts, offsets


def test_the_recorded_images_of_an_eiger2_are_analysed(tmp_path: Path, shared_data: Callable[[str], Path]) -> None:
    """Flat-field images without a beam: every frame must be received, decoded and analysed, whatever is in it."""
    messages = [p.read_bytes() for p in sorted(shared_data("dectris_stream2_recorded").glob("*.cbor"))]
    flags = ("--scan-shape", "2,5", "--set", "probe.radius=8", "--set", "probe.edge_width=1")
    with live_pipeline(tmp_path, *DECTRIS, *flags, "--set", "probe.center=[257, 515]") as pipeline:
        pipeline.wait_ready()
        with detector(pipeline) as send:
            send(*messages)
            assert pipeline.end() == 0, pipeline.text()
    (path,) = pipeline.results()
    counted, facts, _ = read(path)
    assert counted["frames_received"] == counted["frames_analysed"] == 10
    assert counted["frames_failed"] == 0
    assert facts["status"] == "complete"
    assert facts["channel"] == "threshold_1"
    with h5py.File(path) as file:
        sum_pattern = file["livebragg/sum_pattern"][:]
    assert np.array_equal(sum_pattern, sum(independent(tmp_path, m).astype(np.float64) for m in messages[:10]))


def independent(folder: Path, message: bytes) -> np.ndarray:
    """Pixels of an image as HDF5's own filter reads them."""
    _, element, payload = cbor2.loads(message)["data"]["threshold_1"].value[1].value.value
    with h5py.File(folder / "independent.hdf5", "w") as file:
        shape, options = (514, 1030), hdf5plugin.Bitshuffle(cname="lz4")
        data = file.create_dataset("d", shape, f"uint{8 * element}", chunks=shape, **options)
        data.id.write_direct_chunk((0, 0), payload)
        return data[()]


def test_a_series_with_a_lost_a_doubled_and_a_damaged_image_keeps_its_shape(tmp_path: Path) -> None:
    frames = Specimen(CONFIG).frames(0, ROWS * COLS).astype(np.uint16)
    mask = np.zeros(frames.shape[1:], np.uint32)
    mask[5, 6] = 1
    frames[:, 5, 6] = 65_535
    header = made.start(
        72,
        64,
        ROWS * COLS,
        pixel_mask={"threshold_1": made.array(mask, "none")},
        user_data={"scan_shape": [8, 10]},
    )
    with live_pipeline(tmp_path, *DECTRIS, once=False) as pipeline:
        pipeline.wait_ready()
        with detector(pipeline) as send:
            send(made.image(3, frames[0], series=6), header)  # a stale image of an earlier series
            for number, frame in enumerate(frames):
                message = made.image(number, frame)
                if number == 33:
                    continue
                send(message[:-60] if number == 44 else message)
                if number == 55:
                    send(message, b"nonsense")
            send(made.end())
            pipeline.wait_for(lambda s: s["serial"] == 2 and s["phase"] == "complete")
    path = next(p for p in pipeline.results() if p.name.startswith("series-7"))
    counted, facts, _ = read(path)
    assert counted["frames_received"] == 79
    assert counted["frames_missing"] == 1
    assert counted["frames_duplicate"] == 1
    assert counted["frames_failed"] == 1
    assert counted["frames_analysed"] == 78
    assert facts["bad_pixels"].sum() == 1
    with h5py.File(path) as file:
        labels = file["livebragg/classes/labels"][:].ravel()
    assert np.flatnonzero(labels < 0).tolist() == [33, 44]


@pytest.mark.parametrize(
    "flags",
    [
        ("--protocol", "dectris-v2", "--thresholds", "2", "--header-detail", "all"),
        ("--protocol", "dectris-v1", "--encoding", "lz4", "--image-appendix", '"A17"'),
    ],
    ids=["v2", "v1"],
)
def test_the_simulated_detector_is_analysed_like_the_recording_it_replays(
    tmp_path: Path, flags: tuple[str, ...]
) -> None:
    recording = tmp_path / "recording.npy"
    np.save(recording, Specimen(CONFIG).frames(0, ROWS * COLS).reshape(ROWS, COLS, 72, 64).astype(np.uint16))
    with live_pipeline(tmp_path, *DECTRIS, "--scan-shape", f"{ROWS},{COLS}") as pipeline:
        pipeline.wait_ready()
        with simulator(pipeline.stream, "replay", str(recording), "--rate", "400", *flags):
            assert pipeline.end() == 0, pipeline.text()
    (path,) = pipeline.results()
    counted, facts, _ = read(path)
    assert counted["frames_received"] == counted["frames_analysed"] == ROWS * COLS
    assert facts["status"] == "complete"
    with h5py.File(path) as file:
        assert np.array_equal(file["livebragg/sum_pattern"][:], np.load(recording).sum(axis=(0, 1)))


def test_a_shape_said_while_the_scan_runs_maps_everything_anew(tmp_path: Path) -> None:
    recording = tmp_path / "recording.npy"
    np.save(recording, Specimen(CONFIG).frames(0, ROWS * COLS).reshape(ROWS, COLS, 72, 64).astype(np.uint16))
    flags = ("--set", "scan.fallback_cols=7", "--set", "stream.end_after_s=5")
    with live_pipeline(tmp_path, *DECTRIS, *flags) as pipeline:
        pipeline.wait_ready()
        with simulator(pipeline.stream, "replay", str(recording), "--rate", "8", "--protocol", "dectris-v2"):
            pipeline.wait_for(lambda status: status["positions_seen"] > 20)
            assert main(["scan-shape", f"{ROWS},{COLS}", "--control", pipeline.control]) == 0
            pipeline.wait_for(lambda status: tuple(status["scan_shape"]) == (ROWS, COLS))
            assert main(["scan-shape", "2,2", "--control", pipeline.control]) == 1
            assert pipeline.end() == 0, pipeline.text()
    (path,) = pipeline.results()
    counted, facts, _ = read(path)
    assert counted["frames_received"] == counted["frames_analysed"] == ROWS * COLS
    assert counted["positions_analysed"] == ROWS * COLS
    assert facts["status"] == "complete"
    final, frames = read_results(path).final, np.load(recording)
    assert final is not None
    assert np.array_equal(final.snapshot.sum_pattern, frames.sum(axis=(0, 1)))
    assert np.allclose(final.snapshot.virtual_images["total"], frames.sum(axis=(2, 3)), rtol=0.02)


def test_lines_are_found_in_the_pauses_when_nobody_knows_the_shape(tmp_path: Path) -> None:
    frames = Specimen(CONFIG).frames(0, ROWS * COLS).astype(np.uint16)
    with live_pipeline(tmp_path, *DECTRIS, "--set", "scan.fallback_cols=7") as pipeline:
        pipeline.wait_ready()
        with detector(pipeline) as send:
            send(made.start(72, 64, ROWS * COLS))
            for number, frame in enumerate(frames):
                ticks = number * 50_000 + number // COLS * 40_000
                send(made.image(number, frame, start_time=[ticks, 50_000_000]))
            send(made.end())
            assert pipeline.end() == 0, pipeline.text()
    final = read_results(pipeline.results()[0]).final
    assert final is not None
    assert any(
        "lines of 10 positions: 1.8 ms instead of 1 ms pass after every 10" in text for text in final.notices
    )
    total = frames.reshape(ROWS, COLS, -1).sum(axis=2)
    assert np.allclose(final.snapshot.virtual_images["total"], total, rtol=0.02)


@pytest.mark.parametrize("protocol", ["dectris-v1", "merlin"])
def test_a_detector_shows_its_lines_while_it_scans(tmp_path: Path, protocol: str) -> None:
    recording = tmp_path / "recording.npy"
    np.save(recording, Specimen(CONFIG).frames(0, ROWS * COLS).reshape(ROWS, COLS, 72, 64).astype(np.uint16))
    flags = ("--detector", protocol.partition("-")[0], "--set", "scan.fallback_cols=7")
    with live_pipeline(tmp_path, *flags) as pipeline:
        pipeline.wait_ready()
        flags = ("--protocol", protocol, "--rate", "100", "--flyback-pause", "7", "--unknown-shape")
        with simulator(pipeline.stream, "replay", str(recording), *flags):
            assert pipeline.end() == 0, pipeline.text()
    final = read_results(pipeline.results()[0]).final
    assert final is not None
    assert any("lines of 10 positions: 17 ms instead of 10 ms" in text for text in final.notices)
    total = np.load(recording).reshape(ROWS, COLS, -1).sum(axis=2)
    assert np.allclose(final.snapshot.virtual_images["total"], total, rtol=0.02)


def test_lines_that_are_not_to_be_guessed_are_suggested_until_the_user_says_them(tmp_path: Path) -> None:
    recording = tmp_path / "recording.npy"
    np.save(recording, Specimen(CONFIG).frames(0, ROWS * COLS).reshape(ROWS, COLS, 72, 64).astype(np.uint16))
    with live_pipeline(tmp_path, *DECTRIS, "--set", "scan.guess=false") as pipeline:
        pipeline.wait_ready()
        flags = ("--protocol", "dectris-v2", "--rate", "16", "--flyback-pause", "40")
        with simulator(pipeline.stream, "replay", str(recording), *flags):
            seen = pipeline.wait_for(lambda status: "seem to have" in status["shape_note"])
            assert seen["scan_shape"][1] == 256
            assert "lines seem to have 10 positions: 103 ms instead of 62.5 ms" in seen["shape_note"]
            assert seen["shape_note"].endswith("to use that: livebragg scan-shape 8,10")
            assert main(["scan-shape", "8,10", "--control", pipeline.control]) == 0
            said = pipeline.wait_for(lambda status: tuple(status["scan_shape"]) == (ROWS, COLS))
            assert said["shape_note"] == ""
            assert pipeline.end() == 0, pipeline.text()
    assert read(pipeline.results()[0])[0]["positions_analysed"] == ROWS * COLS


def test_missed_triggers_are_found_in_the_times_and_leave_holes(tmp_path: Path) -> None:
    frames = Specimen(CONFIG).frames(0, ROWS * COLS).astype(np.uint16)
    flags = ("--scan-shape", f"{ROWS},{COLS}", "--set", "scan.find_missed_triggers=true")
    with live_pipeline(tmp_path, *DECTRIS, *flags) as pipeline:
        pipeline.wait_ready()
        with detector(pipeline) as send:
            send(made.start(72, 64, ROWS * COLS))
            for number, at in enumerate(np.setdiff1d(np.arange(ROWS * COLS), [34, 66])):
                ticks = int(at * 50_000 + at // COLS * 40_000)
                send(made.image(number, frames[at], start_time=[ticks, 50_000_000]))
            send(made.end())
            assert pipeline.end() == 0, pipeline.text()
    final = read_results(pipeline.results()[0]).final
    assert final is not None
    total = frames.reshape(ROWS, COLS, -1).sum(axis=2).astype(np.float32)
    total.ravel()[[34, 66]] = np.nan
    assert np.allclose(final.snapshot.virtual_images["total"], total, rtol=0.02, equal_nan=True)


def test_a_merlin_that_sends_no_end_is_analysed_all_the_same(tmp_path: Path) -> None:
    recording = tmp_path / "recording.npy"
    np.save(recording, Specimen(CONFIG).frames(0, ROWS * COLS).reshape(ROWS, COLS, 72, 64).astype(np.uint16))
    with live_pipeline(tmp_path, "--detector", "merlin") as pipeline:
        pipeline.wait_ready()
        flags = ("--protocol", "merlin", "--raw-counters", "--rate", "400")
        with simulator(pipeline.stream, "replay", str(recording), *flags):
            assert pipeline.end() == 0, pipeline.text()
    (path,) = pipeline.results()
    counted, facts, _ = read(path)
    assert counted["frames_received"] == counted["frames_analysed"] == ROWS * COLS
    assert facts["status"] == "complete"
    with h5py.File(path) as file:
        assert np.array_equal(file["livebragg/sum_pattern"][:], np.load(recording).sum(axis=(0, 1)))


@pytest.mark.parametrize("protocol", ["dectris-v1", "dectris-v2"])
def test_every_image_of_a_stream_full_of_faults_is_accounted_for(tmp_path: Path, protocol: str) -> None:
    recording = tmp_path / "recording.npy"
    np.save(recording, Specimen(CONFIG).frames(0, ROWS * COLS).reshape(ROWS, COLS, 72, 64).astype(np.uint16))
    kinds = ("drop", "duplicate", "reorder", "truncate", "corrupt")
    faults = [flag for kind in kinds for flag in ("--fault", f"{kind}=0.06")]
    shape = ("--scan-shape", f"{ROWS},{COLS}", "--set", "stream.end_after_s=3")
    with live_pipeline(tmp_path, *DECTRIS, *shape) as pipeline:
        pipeline.wait_ready()
        flags = ("--protocol", protocol, "--rate", "200", "--fault-seed", "3", *faults)
        with simulator(pipeline.stream, "replay", str(recording), *flags):
            assert pipeline.end() == 0, pipeline.text()
    counted, _, _ = read(max(pipeline.results(), key=lambda path: path.stat().st_size))
    lost = counted["frames_failed"] + counted.get("frames_unmapped", 0)
    assert counted["frames_received"] == counted["frames_analysed"] + lost
    assert 50 < counted["frames_analysed"] < ROWS * COLS
    assert counted["frames_duplicate"] > 0
