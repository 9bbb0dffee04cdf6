"""The drawer of finished scans in a real browser, and who may open what."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import Viewer, chromium_page, dashboard, require_chromium
from fake_pipeline import FakePipeline

from small_scan import process, record

pytestmark = [pytest.mark.browser, pytest.mark.processes, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("day")
    process(record(folder / "scan.npy"), folder / "gold.h5")
    (folder / "broken.h5").write_bytes((folder / "gold.h5").read_bytes()[:50_000])
    (folder.parent / "secret.h5").write_bytes((folder / "gold.h5").read_bytes())
    return folder


@pytest.fixture
def viewer() -> Iterator[Viewer]:
    require_chromium()
    with chromium_page() as page:
        yield Viewer(page)


def test_a_finished_scan_is_chosen_from_the_list_and_opens_beside_the_running_one(
    viewer: Viewer, day: Path, pipeline: FakePipeline
) -> None:
    with dashboard(pipeline.feed, pipeline.control, "--results", str(day)) as address:
        viewer.open(address)
        viewer.page.click("#scans-button")
        viewer.wait("document.querySelectorAll('#scans-list a').length === 2")
        assert viewer.evaluate("document.querySelector('[data-file=\"gold.h5\"] canvas').width") == 20
        assert viewer.text("[data-file='broken.h5'] .verdict") == "unreadable"
        with viewer.page.expect_popup() as popup:
            viewer.page.click("[data-file='gold.h5']")
        opened = Viewer(popup.value)
        opened.wait_text("#phase", "File, not live")
        opened.wait("livebragg.plots().classes.y_range.start >= 15")
        assert viewer.text("#name") == "oxide_particle_017"
        assert viewer.complaints == [] and opened.complaints == []
        listed = json.load(urllib.request.urlopen(f"{address}scans"))
        assert {scan["file"] for scan in listed["scans"]} == {"gold.h5", "broken.h5"}


@pytest.mark.parametrize("name", ["../secret.h5", "..%2Fsecret.h5", "/etc/passwd", "", "nothing.h5"])
def test_only_files_of_the_list_can_be_opened(viewer: Viewer, day: Path, name: str) -> None:
    with dashboard("tcp://127.0.0.1:1", "tcp://127.0.0.1:1", "--results", str(day)) as address:
        viewer.open(f"{address}?file={name}" if name else f"{address}?file=%20")
        viewer.wait_text("#start strong", "cannot be shown")
        assert "no such results file" in viewer.text("#start p")
