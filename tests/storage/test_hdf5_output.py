"""A file that cannot be written is an error, never a crash or a hang."""

from __future__ import annotations

import os
from pathlib import Path

import h5py
import numpy as np
import pytest

from livebragg.storage.hdf5_output import check_room, discard, new_file


def test_a_new_file_is_complete_when_the_block_ends(tmp_path: Path) -> None:
    with new_file(tmp_path / "a.h5", "w") as file:
        file["x"] = np.arange(3)
    with h5py.File(tmp_path / "a.h5") as file:
        assert file["x"].shape == (3,)


def test_room_for_a_file_that_fits_costs_nothing(tmp_path: Path) -> None:
    check_room(tmp_path / "a.h5", 1_000_000)
    assert (tmp_path / "a.h5").stat().st_size == 0


def test_no_room_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"too large|No space"):
        check_room(tmp_path / "a.h5", 2**62)


def test_a_file_on_a_full_disk_fails_and_is_closed(tmp_path: Path) -> None:
    full = os.open("/dev/full", os.O_RDWR)
    with pytest.raises(OSError, match="No space left"), new_file(tmp_path / "a.h5", "w") as file:
        os.dup2(full, file.id.get_vfd_handle())
        file["x"] = np.arange(100_000)
    os.close(full)
    assert not file


def test_a_discarded_file_stays_on_disk_as_it_was(tmp_path: Path) -> None:
    file = h5py.File(tmp_path / "a.h5", "w")
    file["x"] = np.arange(3)
    file.flush()
    before = (tmp_path / "a.h5").read_bytes()
    file["y"] = np.arange(100_000)
    discard(file)
    assert not file
    assert (tmp_path / "a.h5").read_bytes()[: len(before)] == before
    discard(file)
