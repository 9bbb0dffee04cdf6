"""Recorded scans are found, checked, and read in order without decompressing anything twice."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import hdf5plugin
import numpy as np
import pytest
from numpy.typing import NDArray

from livebragg.errors import RecordingError
from livebragg.storage.recordings import open_recording

SHAPE = (5, 7, 12, 10)
FLAT = (35, 12, 10)


@pytest.fixture
def scan() -> NDArray[np.uint16]:
    return np.random.default_rng(1).integers(0, 60000, SHAPE, dtype=np.uint16)


def _write(path: Path, **datasets: NDArray[np.generic]) -> Path:
    with h5py.File(path, "w") as file:
        for name, data in datasets.items():
            file[name.replace("__", "/")] = data
    return path


def _bytes_read_so_far() -> int:
    return int(Path("/proc/self/io").read_text().split()[1])


@pytest.mark.parametrize("chunks", [None, (1, 3, 12, 10), (2, 7, 12, 10), (1, 1, 5, 4), SHAPE])
@pytest.mark.parametrize("step", [1, 4, 7, 9, 35])
def test_every_frame_is_read_whatever_the_chunks_and_the_step(
    tmp_path: Path, scan: NDArray[np.uint16], chunks: tuple[int, ...] | None, step: int
) -> None:
    with h5py.File(tmp_path / "scan.h5", "w") as file:
        file.create_dataset("entry/data", data=scan, chunks=chunks)
    with open_recording(tmp_path / "scan.h5") as recording:
        assert (recording.scan_shape, recording.frame_shape, recording.n_frames) == ((5, 7), (12, 10), 35)
        assert recording.name == "entry/data"
        parts = [recording.read(start, min(start + step, 35)) for start in range(0, 35, step)]
    np.testing.assert_array_equal(np.concatenate(parts), scan.reshape(FLAT))


@pytest.mark.parametrize("chunks", [(1, 8, 32, 32), (4, 8, 32, 32), (16, 16, 32, 16)])
def test_reading_frame_by_frame_reads_each_compressed_chunk_once(tmp_path: Path, chunks: tuple[int, ...]) -> None:
    data = np.random.default_rng(2).integers(0, 255, (16, 20, 32, 32), dtype=np.uint16)
    with h5py.File(tmp_path / "scan.h5", "w") as file:
        stored = file.create_dataset("data", data=data, chunks=chunks, compression="gzip").id.get_storage_size()
    with open_recording(tmp_path / "scan.h5") as recording:
        before = _bytes_read_so_far()
        for position in range(recording.n_frames):
            recording.read(position, position + 1)
        assert _bytes_read_so_far() - before < 1.2 * stored


@pytest.mark.parametrize(
    "compression", [hdf5plugin.Bitshuffle(), hdf5plugin.Blosc(), hdf5plugin.Zstd(), hdf5plugin.LZ4()]
)
def test_detector_compressions_open(
    tmp_path: Path, scan: NDArray[np.uint16], compression: dict[str, object]
) -> None:
    with h5py.File(tmp_path / "scan.h5", "w") as file:
        file.create_dataset("data", data=scan, chunks=(1, 7, 12, 10), **compression)
    with open_recording(tmp_path / "scan.h5") as recording:
        np.testing.assert_array_equal(recording.read(0, 35), scan.reshape(FLAT))


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["<u2", ">u2", ">f4", "<i8", "u1"])
def test_npy_is_read_in_native_byte_order(
    tmp_path: Path, scan: NDArray[np.uint16], dtype: str, order: str
) -> None:
    array = np.asarray(scan % 200, dtype=dtype, order="C" if order == "C" else "F")
    np.save(tmp_path / "scan.npy", array)
    with open_recording(tmp_path / "scan.npy") as recording:
        frames = recording.read(3, 20)
        assert frames.dtype == recording.dtype == np.dtype(dtype).newbyteorder("=")
        assert recording.name == ""
    np.testing.assert_array_equal(frames, array.reshape(FLAT)[3:20])


def test_big_endian_hdf5_is_read_in_native_byte_order(tmp_path: Path, scan: NDArray[np.uint16]) -> None:
    with open_recording(_write(tmp_path / "scan.h5", data=scan.astype(">u2"))) as recording:
        frames = recording.read(0, 35)
    assert frames.dtype == np.dtype("uint16")
    assert frames.dtype.isnative
    np.testing.assert_array_equal(frames, scan.reshape(FLAT))


def test_the_largest_scan_is_taken_and_the_others_are_named(tmp_path: Path, scan: NDArray[np.uint16]) -> None:
    path = _write(tmp_path / "scan.h5", small=scan[:2], big=scan, flat=np.zeros((99, 50, 50)), image=scan[0, 0])
    with open_recording(path) as recording:
        assert recording.name == "big"
        assert recording.alternatives == ("small", "flat")
    with open_recording(path, dataset="/small") as recording:
        assert recording.scan_shape == (2, 7)


def test_an_axis_of_length_one_between_scan_and_frame_does_not_count(
    tmp_path: Path, scan: NDArray[np.uint16]
) -> None:
    with open_recording(_write(tmp_path / "scan.h5", data=scan[:, :, None])) as recording:
        assert (recording.scan_shape, recording.frame_shape) == ((5, 7), (12, 10))
        np.testing.assert_array_equal(recording.read(2, 19), scan.reshape(FLAT)[2:19])


@pytest.mark.parametrize("recorded", [FLAT, (1, *FLAT), SHAPE])
@pytest.mark.parametrize("suffix", [".npy", ".h5"])
def test_a_given_scan_shape_arranges_the_frames(
    tmp_path: Path, scan: NDArray[np.uint16], recorded: tuple[int, ...], suffix: str
) -> None:
    path = tmp_path / f"scan{suffix}"
    if suffix == ".npy":
        np.save(path, scan.reshape(recorded))
    else:
        _write(path, data=scan.reshape(recorded))
    with open_recording(path, scan_shape=(7, 5)) as recording:
        assert recording.scan_shape == (7, 5)
        np.testing.assert_array_equal(recording.read(4, 33), scan.reshape(FLAT)[4:33])


def test_known_attributes_become_metadata_and_others_are_ignored(tmp_path: Path, scan: NDArray[np.uint16]) -> None:
    path = _write(tmp_path / "scan.h5", g__data=scan)
    with h5py.File(path, "r+") as file:
        file.attrs.update(dq_per_px_invA=0.02, energy_eV=np.float64(200000.0), kind="au", camera_length_mm="?")
        file["g"].attrs.update(scan_step_nm=np.array([1.5]), dwell_time_us=100, operator=np.bytes_(b"Ana"))
        file["g/data"].attrs.update(dq_per_px_invA=0.03, semiangle_mrad=np.nan)
    with open_recording(path) as recording:
        facts = recording.metadata
    assert (facts.q_pixel_size_inv_angstrom, facts.beam_energy_kev, facts.scan_step_nm) == (0.03, 200.0, 1.5)
    assert facts.dwell_time_s == pytest.approx(1e-4)
    assert facts.operator == "Ana"
    assert facts.camera_length_mm is None
    assert facts.convergence_angle_mrad is None


@pytest.mark.parametrize(("start", "stop"), [(-1, 3), (0, 36), (5, 4)])
def test_positions_outside_the_scan_are_refused(
    tmp_path: Path, scan: NDArray[np.uint16], start: int, stop: int
) -> None:
    with (
        open_recording(_write(tmp_path / "scan.h5", data=scan)) as recording,
        pytest.raises(RecordingError, match=r"holds positions 0:35"),
    ):
        recording.read(start, stop)


def test_no_positions_are_no_frames(tmp_path: Path, scan: NDArray[np.uint16]) -> None:
    with open_recording(_write(tmp_path / "scan.h5", data=scan)) as recording:
        assert recording.read(4, 4).shape == (0, 12, 10)


def test_a_closed_recording_says_so(tmp_path: Path, scan: NDArray[np.uint16]) -> None:
    with open_recording(_write(tmp_path / "scan.h5", data=scan)) as recording:
        pass
    with pytest.raises(RecordingError, match="is closed"):
        recording.read(0, 1)


def _missing(path: Path) -> None:
    path.unlink(missing_ok=True)


def _directory(path: Path) -> None:
    path.mkdir()


def _text(path: Path) -> None:
    path.write_text("not HDF5")


def _empty(path: Path) -> None:
    path.touch()


def _truncated(path: Path) -> None:
    _write(path, data=np.zeros((4, 4, 64, 64), np.uint16))
    path.write_bytes(path.read_bytes()[:60000])


def _images_only(path: Path) -> None:
    _write(path, image=np.zeros((4, 4)))


def _stack_only(path: Path) -> None:
    _write(path, stack=np.zeros((4, 3, 2)))


def _complex(path: Path) -> None:
    _write(path, data=np.zeros((2, 2, 3, 3), np.complex64))


def _objects(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file.create_dataset("data", (2, 2, 3, 3), h5py.string_dtype())


def _no_positions(path: Path) -> None:
    _write(path, data=np.zeros((0, 2, 3, 3)))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (_missing, "does not exist"),
        (_directory, "is not a file"),
        (_text, "is not an HDF5 file"),
        (_empty, "is not an HDF5 file"),
        (_truncated, "copy it again"),
        (_images_only, "no 4-D dataset"),
        (_stack_only, "give the scan shape"),
        (_complex, "squared modulus"),
        (_objects, "no 4-D dataset"),
        (_no_positions, "no 4-D dataset"),
    ],
)
def test_a_file_without_a_scan_is_refused_with_a_remedy(
    tmp_path: Path, make: Callable[[Path], None], message: str
) -> None:
    make(tmp_path / "bad.h5")
    with pytest.raises(RecordingError, match=message) as caught:
        open_recording(tmp_path / "bad.h5")
    assert "bad.h5" in str(caught.value)


def _pickled_npy(path: Path) -> None:
    np.save(path, np.array([{}, []], dtype=object), allow_pickle=True)


def _truncated_npy(path: Path) -> None:
    np.save(path, np.zeros((2, 2, 8, 8)))
    path.write_bytes(path.read_bytes()[:500])


@pytest.mark.parametrize("make", [_text, _empty, _pickled_npy, _truncated_npy])
def test_a_bad_npy_is_refused(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "bad.npy")
    with pytest.raises(RecordingError, match=r"bad\.npy cannot be read as a \.npy array"):
        open_recording(tmp_path / "bad.npy")


def test_a_named_dataset_of_an_npy_is_refused(tmp_path: Path, scan: NDArray[np.uint16]) -> None:
    np.save(tmp_path / "scan.npy", scan)
    with pytest.raises(RecordingError, match="without a name"):
        open_recording(tmp_path / "scan.npy", dataset="data")


def test_an_absent_dataset_is_answered_with_those_present(tmp_path: Path, scan: NDArray[np.uint16]) -> None:
    path = _write(tmp_path / "scan.h5", entry__data=scan)
    with pytest.raises(RecordingError, match=r"no dataset 'dta'; it holds entry/data \(5, 7, 12, 10\)"):
        open_recording(path, dataset="dta")


def test_a_scan_shape_that_does_not_fit_is_refused(tmp_path: Path, scan: NDArray[np.uint16]) -> None:
    with pytest.raises(RecordingError, match="holds 35 frames"):
        open_recording(_write(tmp_path / "scan.h5", data=scan), scan_shape=(6, 6))


def test_a_damaged_chunk_is_reported_with_its_positions(tmp_path: Path) -> None:
    data = np.random.default_rng(3).integers(0, 9, (4, 4, 16, 16), dtype=np.uint16)
    with h5py.File(tmp_path / "scan.h5", "w") as file:
        file.create_dataset("data", data=data, chunks=(1, 4, 16, 16), compression="gzip")
        chunk = file["data"].id.get_chunk_info(2)
    with (tmp_path / "scan.h5").open("r+b") as raw:
        raw.seek(chunk.byte_offset)
        raw.write(b"\0" * chunk.size)
    with open_recording(tmp_path / "scan.h5") as recording:
        recording.read(0, 8)
        with pytest.raises(RecordingError, match=r"positions 8:12 .* cannot be read"):
            recording.read(8, 12)


@pytest.mark.parametrize(
    ("name", "scan_shape", "frame_shape"),
    [
        ("semireal/lmo_dose20000.h5", (80, 58), (128, 128)),
        ("semireal/ag_dose8000.h5", (64, 208), (112, 112)),
        ("sim/au_dose20000_seed1.h5", (64, 64), (128, 128)),
        ("real/merlin_polycrystal_rings_2x2/fpd_file_test.hdf5", (2, 2), (256, 256)),
    ],
)
def test_the_scans_beside_the_repository_open(
    shared_data: Callable[[str], Path], name: str, scan_shape: tuple[int, int], frame_shape: tuple[int, int]
) -> None:
    with open_recording(shared_data(name)) as recording:
        assert (recording.scan_shape, recording.frame_shape) == (scan_shape, frame_shape)
        assert recording.dtype == np.dtype("uint16")
        assert recording.read(2, 4).any()
