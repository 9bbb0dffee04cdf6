"""Recordings in other programs' formats, through rosettasciio."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from livebragg.errors import RecordingError
from livebragg.model import Acquisition
from livebragg.storage import other_formats
from livebragg.storage.recordings import open_recording
from livebragg.wire.mpx import PREFIX_BYTES
from livebragg_simulators.merlin.writer import MerlinWriter

FRAMES = np.random.default_rng(1).integers(0, 4000, (6, 256, 256)).astype(np.uint16)


def write_mib(folder: Path) -> Path:
    """A .mib with its .hdr, as Merlin writes them."""
    writer = MerlinWriter(12)
    acquisition = Acquisition(acquisition_id="a", scan_shape=(2, 3), frame_shape=(256, 256), dtype="uint16")
    path = folder / "scan.mib"
    path.with_suffix(".hdr").write_bytes(writer.start(acquisition, 6)[0][0][PREFIX_BYTES:])
    path.write_bytes(b"".join(parts[0][PREFIX_BYTES:] for parts in writer.frames(0, FRAMES)))
    return path


@pytest.mark.filterwarnings("ignore")
def test_the_frames_of_a_merlin_recording_are_read_in_order(tmp_path: Path) -> None:
    pytest.importorskip("rsciio")
    with open_recording(write_mib(tmp_path), scan_shape=(2, 3)) as recording:
        assert recording.scan_shape == (2, 3)
        assert np.array_equal(recording.read(1, 5), FRAMES[1:5])  # as the live stream has them


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["scan.mib", "scan.blo", "scan.tvips", "scan.dm4", "scan.ser", "x_master.h5"])
def test_garbage_is_refused_with_the_files_name(tmp_path: Path, name: str) -> None:
    pytest.importorskip("rsciio")
    path = tmp_path / name
    path.write_bytes(bytes(range(256)) * 40)
    with pytest.raises(RecordingError, match=name):
        open_recording(path)


def test_without_rosettasciio_it_is_said_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(other_formats.READERS, ".mib", "no_such_reader")
    with pytest.raises(RecordingError, match=r"pip install '\.\[formats\]'"):
        open_recording(write_mib(tmp_path))
