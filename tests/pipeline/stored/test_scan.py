"""A results file speaks like a running pipeline, and says that it is a file."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from livebragg.errors import ResultsError
from livebragg.pipeline.frame_lookup import RecordingLookup
from livebragg.pipeline.reclassify import batch_of
from livebragg.pipeline.stored.disk_drawing import draw_disks
from livebragg.pipeline.stored.scan import StoredScan
from livebragg.pipeline.stored.server import ServedScan, answer_parts
from livebragg.pipeline.stored.verdict import stored_settings
from livebragg.storage.recordings import open_recording
from livebragg.storage.results import ResultsWriter
from livebragg.storage.results_reader import Results, read_results
from livebragg.wire.codec import decode, encode
from livebragg.wire.messages import (
    ClassMaps,
    ClassRenameRequest,
    DarkFieldRequest,
    FrameReply,
    FrameRequest,
    PipelineStatus,
    PositionReply,
    PositionRequest,
    Refused,
    RegionMapRequest,
    RegionPatternReply,
    RegionPatternRequest,
    RegionProfileRequest,
    StatusRequest,
    VectorMap,
    VirtualImageReply,
    VirtualImageRequest,
    VirtualImageSet,
)
from small_scan import SCAN, SIZE, process, record


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return record(tmp_path_factory.mktemp("scan") / "scan.npy")


@pytest.fixture(scope="module")
def path(recording: Path) -> Path:
    return process(recording, recording.with_name("results.h5"))


@pytest.fixture(scope="module")
def results(path: Path) -> Results:
    return read_results(path)


@pytest.fixture(scope="module")
def served(results: Results) -> ServedScan:
    return ServedScan(StoredScan(results))


def ask(served: ServedScan, request: object) -> object:
    """As over a socket."""
    return decode(encode(answer_parts([b"", *encode(request)], served)))


def test_the_messages_are_the_maps_of_the_file_and_can_be_sent(results: Results) -> None:
    assert results.final is not None
    messages = [decode(encode(m)) for m in ServedScan(StoredScan(results)).messages()]
    kinds = {type(m).__name__ for m in messages}
    assert kinds == {
        "ClassMaps",
        "VirtualImageSet",
        "VectorMap",
        "ClassProfiles",
        "ClassPatterns",
        "PipelineStatus",
    }
    maps = next(m for m in messages if isinstance(m, ClassMaps))
    np.testing.assert_array_equal(maps.labels, results.final.snapshot.labels)
    assert maps.class_names == list(results.final.class_names)


def test_maps_are_published_once_and_the_status_goes_on(results: Results) -> None:
    served = ServedScan(StoredScan(results))
    assert len(served.messages()) > 1
    again = served.messages()
    assert [type(m) for m in again] == [PipelineStatus]
    assert again[0].phase == "file" and again[0].light == "green" and "complete" in again[0].reasons[0]
    assert again[0].positions_seen == SCAN[0] * SCAN[1]


def test_a_position_is_drawn_from_its_disks_where_there_is_no_frame(served: ServedScan, results: Results) -> None:
    index = 7 * SCAN[1] + 4
    reply = ask(served, FrameRequest(serial=1, scan_index=index))
    assert isinstance(reply, FrameReply) and reply.drawn
    peaks = results.vectors.in_scan_order().peaks.frame(index)
    np.testing.assert_array_equal(reply.qx, peaks.qx)
    assert reply.frame.shape == (SIZE, SIZE)
    assert reply.frame[round(float(peaks.qx[0])), round(float(peaks.qy[0]))] > 0


def test_frames_and_patterns_come_from_the_recording_where_it_is_named(recording: Path, results: Results) -> None:
    with open_recording(recording) as opened:
        served = ServedScan(StoredScan(results, RecordingLookup(opened)))
        reply = ask(served, FrameRequest(serial=1, scan_index=33))
        assert isinstance(reply, FrameReply) and not reply.drawn
        np.testing.assert_array_equal(reply.frame, opened.read(33, 34)[0])
        mean = ask(served, RegionPatternRequest(serial=1, top=2, left=3, mask=np.ones((1, 2), np.bool_)))
        assert isinstance(mean, RegionPatternReply) and mean.n_frames == 2


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (FrameRequest(serial=1, scan_index=300), "outside"),
        (RegionPatternRequest(serial=1, top=0, left=0, mask=np.ones((2, 2), np.bool_)), "--recording"),
        (RegionMapRequest(serial=1, top=14, left=0, mask=np.ones((2, 2), np.bool_)), "not within"),
        (ClassRenameRequest(serial=1, class_id=0, name="x"), "not changed"),
        (DarkFieldRequest(serial=1, peak_id=9999), "none of"),
        (PositionRequest(serial=1, scan_index=300), "outside"),
        (PositionRequest(serial=2, scan_index=3), "no longer in memory"),
        (FrameRequest(serial=2, scan_index=3), "no longer in memory"),
        (RegionMapRequest(serial=2, top=0, left=0, mask=np.ones((2, 2), np.bool_)), "no longer in memory"),
        (VirtualImageRequest(serial=1, inner=9, outer=2), "outer one larger"),
    ],
)
def test_what_a_file_cannot_answer_is_refused_with_the_reason(
    served: ServedScan, request_: object, words: str
) -> None:
    reply = ask(served, request_)
    assert isinstance(reply, Refused) and words in reply.reason


def test_anything_else_is_refused_too(served: ServedScan) -> None:
    for parts in ([], [b"\xff"], [b"", b""], encode(StatusRequest())[:0]):
        assert isinstance(answer_parts(parts, served), Refused)


def test_the_map_of_the_whole_scan_is_the_stored_one(served: ServedScan, results: Results) -> None:
    assert results.final is not None
    reply = ask(served, RegionMapRequest(serial=0, top=0, left=0, mask=np.ones(SCAN, np.bool_)))
    np.testing.assert_allclose(reply.map, results.final.snapshot.bragg_vector_map, atol=0.02)


def test_profiles_and_dark_fields_come_from_what_is_stored(served: ServedScan, results: Results) -> None:
    assert results.final is not None
    profile = ask(served, RegionProfileRequest(serial=0, top=1, left=1, mask=np.ones((2, 3), np.bool_)))
    assert profile.n_positions == 6 and profile.radii.size > 0
    snapshot = results.final.snapshot
    image = ask(served, DarkFieldRequest(serial=0, peak_id=int(snapshot.peaks.peak_id[0]))).image
    members = snapshot.labels == snapshot.labels.ravel()[int(np.nanargmax(image))]
    assert np.nanmean(image[members]) > 3 * np.nanmean(image[~members])


def test_a_position_is_told_as_it_was_at_the_end(served: ServedScan, results: Results) -> None:
    assert results.final is not None and results.final.features is not None
    index = 7 * SCAN[1] + 4
    reply = ask(served, PositionRequest(serial=0, scan_index=index))
    assert isinstance(reply, PositionReply)
    snapshot = results.final.snapshot
    assert reply.label == snapshot.labels.ravel()[index]
    assert reply.class_ids == snapshot.class_ids.tolist()
    np.testing.assert_allclose(reply.shares, snapshot.shares.reshape(len(reply.class_ids), -1)[:, index])
    row = np.zeros(results.final.features.shape[1], np.float32)
    row[reply.peak_ids] = reply.features
    np.testing.assert_allclose(row, results.final.features[[index]].toarray()[0])
    assert (reply.features > 0).sum() >= 6


@pytest.mark.parametrize(("inner", "outer"), [(0.0, 6.0), (6.0, 14.0)])
def test_a_ring_of_a_file_is_the_sum_of_the_frames_within_it(
    served: ServedScan, recording: Path, results: Results, inner: float, outer: float
) -> None:
    assert results.final is not None
    reply = ask(served, VirtualImageRequest(serial=1, inner=inner, outer=outer))
    assert isinstance(reply, VirtualImageReply) and reply.image.shape == SCAN
    frames = np.load(recording).reshape(-1, SIZE, SIZE)
    row, col = np.indices((SIZE, SIZE))
    origins = results.final.snapshot.origin.reshape(-1, 2)
    distance = np.hypot(row - origins[:, 0, None, None], col - origins[:, 1, None, None])
    true = np.where((distance >= inner) & (distance < outer), frames, 0).sum(axis=(1, 2)).reshape(SCAN)
    lit = true > 0.5 * true.max()
    assert abs(float((reply.image[lit] / true[lit]).mean()) - 1) < 0.1


def test_a_file_that_was_never_finished_shows_what_its_vectors_tell(tmp_path: Path, results: Results) -> None:
    old = results.vectors
    with ResultsWriter(tmp_path / "r.h5", results.acquisition, SCAN, (SIZE, SIZE), parameters={}) as writer:
        for first in range(0, SCAN[0] * SCAN[1], 50):
            writer.append(batch_of(old, first, first + 50, np.zeros((SIZE, SIZE), np.float32)))
    running = read_results(tmp_path / "r.h5")
    assert running.final is None
    messages = ServedScan(StoredScan(running)).messages()
    images = next(m for m in messages if isinstance(m, VirtualImageSet))
    np.testing.assert_array_equal(images.images[0].ravel(), old.virtual[:, 0])
    assert next(m for m in messages if isinstance(m, VectorMap)).map.sum() > 100
    served = ServedScan(StoredScan(running))
    position = ask(served, PositionRequest(serial=0, scan_index=30))
    assert isinstance(position, PositionReply) and position.qx.size > 0 and position.features.size == 0
    ring = ask(served, VirtualImageRequest(serial=0, inner=1, outer=9))
    assert isinstance(ring, Refused) and "not finished" in ring.reason
    status = messages[-1]
    assert isinstance(status, PipelineStatus) and status.light == "yellow"


@pytest.mark.parametrize("name", ["classes/labels", "classes/shares", "calibration/origin", "images/n_disks"])
def test_parts_that_do_not_fit_together_are_refused_by_name(tmp_path: Path, path: Path, name: str) -> None:
    copy = tmp_path / "r.h5"
    copy.write_bytes(path.read_bytes())
    with h5py.File(copy, "r+") as file:
        group = file["livebragg"]
        values = group[name][...]
        del group[name]
        group[name] = values[..., :-1]
    with pytest.raises(ResultsError, match=name):
        StoredScan(read_results(copy))


def test_a_scan_index_beyond_the_scan_is_damage(tmp_path: Path, path: Path) -> None:
    copy = tmp_path / "r.h5"
    copy.write_bytes(path.read_bytes())
    with h5py.File(copy, "r+") as file:
        file["livebragg/vectors/scan_index"][-1] = 10**9
    with pytest.raises(ResultsError, match="damaged"):
        StoredScan(read_results(copy))


def test_a_foreign_file_is_called_that(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["data"] = np.zeros(3)
    with pytest.raises(ResultsError, match=r"^\S+ was not written by livebragg"):
        read_results(tmp_path / "x.h5")


def test_disks_at_the_edge_and_without_a_place_are_drawn_as_far_as_they_go(results: Results) -> None:
    peaks = results.vectors.peaks.frame(0)
    odd = type(peaks)(
        qx=np.array([0.0, np.nan, -50.0, 1e9], np.float32), qy=np.zeros(4, np.float32),
        intensity=np.full(4, 28.0, np.float32), intensity_error=np.zeros(4, np.float32),
        position_error=np.zeros(4, np.float32), offsets=np.array([0, 4]),
    )  # fmt: skip
    image = draw_disks(odd, (8, 8), 3.0)
    assert image[0, 0] > 0 and image[4:].sum() == 0 and np.isfinite(image).all()


def test_the_status_holds_the_calibration_and_the_settings_of_the_file(
    served: ServedScan, results: Results
) -> None:
    status = served.answer(StatusRequest())
    assert isinstance(status, PipelineStatus) and results.final is not None
    assert status.calibration == results.final.calibration
    assert status.settings["detection.false_disks_per_frame"] == 0.1
    assert status.settings["analysis.calibration.flip"] is False


def test_parameters_of_any_kind_are_no_settings() -> None:
    odd = {"detection": 7, "analysis": {"calibration": {"ellipse": ["a"], "flip": None, "rotation_deg": 2.0}}}
    assert stored_settings(odd) == {"analysis.calibration.rotation_deg": 2.0}
