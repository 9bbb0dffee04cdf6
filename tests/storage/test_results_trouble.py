"""What a results file holds when its folder, its disk or its writer fails."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from livebragg.errors import ResultsError
from livebragg.model import Acquisition
from livebragg.storage.results import unique_path
from livebragg.storage.results_reader import read_results
from livebragg.storage.stored_vectors import StoredVectors
from results_written import Batches, Snapshots, assert_same_vectors, writer_of


def test_an_existing_file_is_never_overwritten(tmp_path: Path, acquisition: Acquisition) -> None:
    (tmp_path / "scan.h5").write_text("precious")
    with pytest.raises(ResultsError, match=r"never overwritten.*: \S+scan\.h5 cannot be created"):
        writer_of(tmp_path / "scan.h5", acquisition)
    assert (tmp_path / "scan.h5").read_text() == "precious"


def test_unique_path_counts_up(tmp_path: Path) -> None:
    path = tmp_path / "scan.h5"
    assert unique_path(path) == path
    path.touch()
    assert unique_path(path) == tmp_path / "scan_2.h5"
    (tmp_path / "scan_2.h5").touch()
    assert unique_path(path) == tmp_path / "scan_3.h5"


def test_missing_folders_are_made(tmp_path: Path, acquisition: Acquisition) -> None:
    writer_of(tmp_path / "today" / "gold" / "scan.h5", acquisition).close()
    assert (tmp_path / "today" / "gold" / "scan.h5").is_file()


@pytest.mark.skipif(os.getuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_is_reported(tmp_path: Path, acquisition: Acquisition) -> None:
    tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)
    try:
        with pytest.raises(ResultsError, match="folder in which you may write"):
            writer_of(tmp_path / "scan.h5", acquisition)
    finally:
        tmp_path.chmod(stat.S_IRWXU)


def test_a_path_through_a_file_is_reported(tmp_path: Path, acquisition: Acquisition) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ResultsError, match="cannot be created"):
        writer_of(tmp_path / "file" / "scan.h5", acquisition)


def test_if_the_finished_file_cannot_be_written_the_vectors_stay_and_no_remains_are_left(
    tmp_path: Path,
    acquisition: Acquisition,
    batches: Batches,
    snapshot: Snapshots,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def disk_full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("livebragg.storage.results.write_final", disk_full)
    parts = list(batches())
    writer = writer_of(tmp_path / "scan.h5", acquisition)
    for batch in parts:
        writer.append(batch)
    with pytest.raises(ResultsError, match=r"No space left .* free space"):
        writer.finalize(snapshot())
    assert [p.name for p in tmp_path.iterdir()] == ["scan.h5"]
    results = read_results(tmp_path / "scan.h5")
    assert results.status == "aborted"
    assert "No space left" in results.reason
    assert_same_vectors(results.vectors, StoredVectors.concatenate(parts))


def test_the_running_file_stays_readable_until_the_finished_one_takes_its_place(
    tmp_path: Path,
    acquisition: Acquisition,
    batches: Batches,
    snapshot: Snapshots,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen = []

    def look(*_: object) -> None:
        seen.append(read_results(tmp_path / "scan.h5").status)

    monkeypatch.setattr("livebragg.storage.results.write_final", look)
    writer = writer_of(tmp_path / "scan.h5", acquisition)
    writer.append(next(batches()))
    writer.finalize(snapshot())
    assert seen == ["running"]


_ENDLESS = """
import importlib.util, sys
from pathlib import Path
import numpy as np
from livebragg.model import Acquisition
from livebragg.storage.results import ResultsWriter
spec = importlib.util.spec_from_file_location("scene", sys.argv[2])
scene = importlib.util.module_from_spec(spec)
spec.loader.exec_module(scene)
acquisition = Acquisition(acquisition_id="a", scan_shape=None, frame_shape=(32, 24), dtype="uint16")
writer = ResultsWriter(Path(sys.argv[1]), acquisition, None, (32, 24), {})
start = 0
while True:
    for _ in range(int(sys.argv[3])):
        writer.append(scene.make_batch(np.arange(start, start + 32), mean_disks=30))
        start += 32
    writer.flush()
    print(start, flush=True)
"""


@pytest.mark.parametrize("wait_for", range(1, 8))
def test_a_killed_writer_leaves_everything_up_to_its_last_flush(tmp_path: Path, wait_for: int) -> None:
    path = tmp_path / "scan.h5"
    scene = Path(__file__).with_name("conftest.py")
    command = [sys.executable, "-c", _ENDLESS, str(path), str(scene), str(wait_for)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for _ in range(3 * wait_for):
            process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        flushed = [int(line) for line in process.stdout.read().split()] or [96 * wait_for * wait_for]
    results = read_results(path)
    assert results.status == "running"
    assert len(results.vectors) >= flushed[-1]
    make_batch = _scene(scene).make_batch
    expected = [make_batch(np.arange(s, s + 32), mean_disks=30) for s in range(0, len(results.vectors), 32)]
    assert_same_vectors(results.vectors, StoredVectors.concatenate(expected))


def _scene(path: Path) -> Any:
    import importlib.util

    spec = importlib.util.spec_from_file_location("scene", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_without_room_nothing_is_written_and_nothing_is_lost(
    tmp_path: Path, acquisition: Acquisition, batches: Batches, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    first, *others = batches()
    writer = writer_of(tmp_path / "scan.h5", acquisition)
    writer.append(first)
    writer.flush()
    with monkeypatch.context() as disk:
        disk.setattr("livebragg.storage.results.check_room_beside", full)
        for batch in others:
            writer.append(batch)
            with pytest.raises(ResultsError, match=r"No space left .* free space"):
                writer.flush()
        assert writer.is_open
        assert len(read_results(tmp_path / "scan.h5").vectors) == len(first)
    writer.close("enough")
    results = read_results(tmp_path / "scan.h5")
    assert (results.status, results.reason) == ("aborted", "enough")
    assert_same_vectors(results.vectors, StoredVectors.concatenate([first, *others]))
    assert [path.name for path in tmp_path.iterdir()] == ["scan.h5"]


_FULL_DISK = (
    """
import os, sys
from pathlib import Path
import numpy as np
from livebragg.errors import ResultsError
"""
    + _ENDLESS.split("while True:")[0]
    + """
def append(first):
    for start in range(first, first + 3200, 32):
        writer.append(scene.make_batch(np.arange(start, start + 32), mean_disks=30))
append(0)
writer.flush()
os.dup2(os.open("/dev/full", os.O_RDWR), writer._file.id.get_vfd_handle())  # from now on the disk is full
for action in (lambda: (append(3200), writer.flush()), writer.flush, lambda: append(0)):
    try:
        action()
    except ResultsError as error:
        print(error)
writer.close()
"""
)


def test_a_full_disk_is_an_error_with_a_remedy_and_loses_nothing_that_was_flushed(tmp_path: Path) -> None:
    path = tmp_path / "scan.h5"
    scene = Path(__file__).with_name("conftest.py")
    ended = subprocess.run(
        [sys.executable, "-c", _FULL_DISK, str(path), str(scene)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    # HDF5 is known to crash when a process ends with data that it could not write.
    assert (ended.returncode, ended.stderr) == (0, "")
    first, *others = ended.stdout.splitlines()
    assert "No space left on device" in first
    assert "free space on its disk" in first
    assert len(others) == 2
    assert all("closed already" in line for line in others)
    results = read_results(path)
    assert (results.status, len(results.vectors)) == ("running", 3200)
