"""Frames of files that need not be scans."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from livebragg.errors import RecordingError
from livebragg.storage.frame_file import read_frames

FRAMES = np.arange(6 * 8 * 9, dtype=">u2").reshape(6, 8, 9)


@pytest.mark.parametrize(
    ("array", "wanted"), [(FRAMES[0], FRAMES[:1]), (FRAMES, FRAMES), (FRAMES.reshape(2, 3, 8, 9), FRAMES)]
)
@pytest.mark.parametrize("suffix", [".npy", ".h5"])
def test_a_frame_a_stack_and_a_scan_are_read(tmp_path: Path, array, wanted, suffix: str) -> None:
    path = tmp_path / f"vacuum{suffix}"
    if suffix == ".npy":
        np.save(path, array)
    else:
        with h5py.File(path, "w") as file:
            file["note"] = np.arange(3)
            file["a/small"] = np.zeros((2, 2))
            file["a/frames"] = array
    frames = read_frames(path)
    np.testing.assert_array_equal(frames, wanted)
    assert frames.dtype == np.uint16


def test_frames_are_spread_over_the_whole_file(tmp_path: Path) -> None:
    np.save(tmp_path / "many.npy", np.arange(100.0).reshape(100, 1, 1))
    assert read_frames(tmp_path / "many.npy", 3).ravel().tolist() == [0.0, 49.0, 99.0]


@pytest.mark.parametrize(
    "array", [np.zeros(5), np.zeros((0, 4, 4)), np.zeros((4, 4), complex), np.zeros((1,) * 5)]
)
def test_arrays_that_are_no_frames_are_refused(tmp_path: Path, array) -> None:
    np.save(tmp_path / "odd.npy", array)
    with pytest.raises(RecordingError, match="frames have 2 axes"):
        read_frames(tmp_path / "odd.npy")
    with h5py.File(tmp_path / "odd.h5", "w") as file:
        file["data"] = array
    with pytest.raises(RecordingError, match="no dataset of frames"):
        read_frames(tmp_path / "odd.h5")


def test_files_that_cannot_be_read_say_so(tmp_path: Path) -> None:
    (tmp_path / "text.h5").write_text("no")
    for name, text in (("none.npy", "does not exist"), ("text.h5", "not an HDF5 file"), ("", "not a file")):
        with pytest.raises(RecordingError, match=text):
            read_frames(tmp_path / name)
