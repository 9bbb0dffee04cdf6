"""The list of a folder's results files: complete, bounded, and only changed files are looked at again."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from livebragg.errors import ResultsError
from livebragg.model import FAMILIES
from livebragg.pipeline.scan import history
from livebragg.pipeline.scan.history import ServedFolder
from livebragg.pipeline.stored.server import answer_parts
from livebragg.storage.results_reader import read_results
from livebragg.wire.codec import decode, encode
from livebragg.wire.messages import Refused, ScanHistory, StatusRequest
from small_scan import SCAN, process, record


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scan")
    return process(record(folder / "scan.npy"), folder / "scan.h5")


@pytest.fixture
def day(tmp_path: Path, finished: Path) -> Path:
    """A finished scan, a stopped one that lost frames, a damaged one, and files of others."""
    (tmp_path / "a.h5").write_bytes(finished.read_bytes())
    (tmp_path / "b.h5").write_bytes(finished.read_bytes())
    with h5py.File(tmp_path / "b.h5", "r+") as file:
        top = file["livebragg"]
        top.attrs["status"], top.attrs["reason"] = "stopped", "by the operator"
        top["health"].attrs["frames_missing"] = 14.0
        top.attrs["created_at"] = "2031-01-01T00:00:00+00:00"
    (tmp_path / "c.h5").write_bytes(finished.read_bytes()[:100_000])
    with h5py.File(tmp_path / "frames.h5", "w") as file:
        file["data"] = np.zeros(3)
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / ".d.h5.unfinished").write_text("x")
    return tmp_path


def listed(served: ServedFolder) -> ScanHistory | None:
    messages = served.messages()
    made: Any = decode(encode(messages[0])) if messages else None
    return made


def test_scans_are_listed_newest_first_with_their_verdict(day: Path) -> None:
    message = listed(ServedFolder(day))
    assert message is not None
    assert {scan.name for scan in message.scans} == {"a.h5", "b.h5", "c.h5"}
    first = message.scans[0]
    assert (first.name, first.status, first.reason, first.lost) == ("b.h5", "stopped", "by the operator", 14)
    assert first.scan_shape == SCAN and first.n_classes > 1
    damaged = next(scan for scan in message.scans if scan.name == "c.h5")
    assert damaged.status == "unreadable" and "c.h5" in damaged.reason


def test_the_small_picture_holds_the_classes_of_the_scan(day: Path) -> None:
    message = listed(ServedFolder(day))
    assert message is not None
    final: Any = read_results(day / "a.h5").final
    row = next(i for i, scan in enumerate(message.scans) if scan.name == "a.h5")
    inside = message.families[row] > 0
    assert inside[: SCAN[0], : SCAN[1]].all() and inside.sum() == SCAN[0] * SCAN[1]
    np.testing.assert_array_equal(message.labels[row][: SCAN[0], : SCAN[1]], final.snapshot.labels)
    families = dict(zip(final.snapshot.class_ids.tolist(), final.snapshot.class_families, strict=True))
    label = int(message.labels[row][7, 4])
    assert FAMILIES[message.families[row][7, 4] - 2] == families[label]


def test_nothing_is_said_or_read_again_until_something_changes(day: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    served = ServedFolder(day)
    assert listed(served) is not None
    looked: list[str] = []
    real = history.glance
    monkeypatch.setattr(history, "glance", lambda path: looked.append(path.name) or real(path))
    assert listed(served) is None and looked == []
    os.utime(day / "a.h5", ns=(1, 1))
    assert listed(served) is not None and looked == ["a.h5"]
    (day / "b.h5").unlink()
    after = listed(served)
    assert after is not None and {scan.name for scan in after.scans} == {"a.h5", "c.h5"}


def test_the_list_is_bounded_to_the_newest_files(day: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "MAX_SCANS", 2)
    for age, name in enumerate(("b.h5", "a.h5", "c.h5", "frames.h5")):
        os.utime(day / name, (10_000 - age, 10_000 - age))
    message = listed(ServedFolder(day))
    assert message is not None and [scan.name for scan in message.scans] == ["b.h5", "a.h5"]


def test_a_folder_that_is_none_is_refused_and_one_that_goes_away_keeps_its_list(day: Path, tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match="cannot be listed"):
        ServedFolder(tmp_path / "nowhere")
    served = ServedFolder(day)
    assert listed(served) is not None
    day.rename(tmp_path.with_name("moved"))
    assert listed(served) is None


def test_questions_to_a_folder_are_refused(day: Path) -> None:
    assert isinstance(answer_parts([b"", *encode(StatusRequest())], ServedFolder(day)), Refused)
