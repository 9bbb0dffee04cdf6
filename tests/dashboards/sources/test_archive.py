"""A folder of results files: few are open at once, and letting one go keeps nobody waiting."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

import pytest

from livebragg.errors import PipelineError
from livebragg_dashboards.sources import archive as module
from livebragg_dashboards.sources.archive import MAX_OPEN, Archive


class FakeServed:
    """A program that ends when it is told that it may."""

    may_end = threading.Event()
    running: set[str] = set()  # noqa: RUF012

    def __init__(self, command: str, path: str, wait: bool = True) -> None:
        self.path, self.feed, self.control, self.alive = path, "inproc://feed", "inproc://control", True
        FakeServed.running.add(path)

    def problem(self) -> str:
        return ""

    def close(self) -> None:
        if self.path != "folder":
            FakeServed.may_end.wait(30.0)
        FakeServed.running.discard(self.path)


@pytest.fixture
def archive(monkeypatch: pytest.MonkeyPatch) -> Any:
    scans = [SimpleNamespace(name=f"{k}.h5") for k in range(MAX_OPEN + 1)]
    newest = SimpleNamespace(get=lambda: SimpleNamespace(scans=scans), close=lambda: None)
    monkeypatch.setattr(module, "Served", FakeServed)
    monkeypatch.setattr(module, "Newest", lambda *_, **__: newest)
    monkeypatch.setattr(
        module, "Hub", lambda *_: SimpleNamespace(problem="", start=lambda: None, close=lambda: None)
    )
    FakeServed.may_end.clear()
    FakeServed.running.clear()
    return Archive("folder")


def test_a_file_too_many_closes_the_oldest_without_waiting_for_its_program(archive: Archive) -> None:
    hubs = [archive.hub(f"{k}.h5") for k in range(MAX_OPEN)]
    assert archive.hub("0.h5") is hubs[0]  # so the second is now the oldest
    archive.hub(f"{MAX_OPEN}.h5")  # comes back although no program has ended
    assert [bool(hub.problem) for hub in hubs] == [False, True, *[False] * (MAX_OPEN - 2)]
    assert "folder/1.h5" in FakeServed.running
    FakeServed.may_end.set()
    archive.close()
    assert FakeServed.running == set()


def test_what_is_not_in_the_list_cannot_be_opened(archive: Archive) -> None:
    with pytest.raises(PipelineError, match="no such results file"):
        archive.hub("../secret.h5")
