"""A results file in a real browser: the page of a running scan, and no doubt that it is a file."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser import Viewer, chromium_page, dashboard, require_chromium

from livebragg.storage.results_reader import read_results
from livebragg_dashboards.drawing.colours import FIRST_CLASS
from small_scan import SCAN, process, record

pytestmark = [pytest.mark.browser, pytest.mark.processes, pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("day")
    return process(record(folder / "scan.npy"), folder / "scan.h5")


@pytest.fixture(scope="module")
def viewer() -> Iterator[Viewer]:
    require_chromium()
    with chromium_page() as page:
        yield Viewer(page)


def test_a_file_fills_the_page_says_so_and_draws_what_is_clicked(viewer: Viewer, results: Path) -> None:
    with dashboard("", "", "--file", str(results)) as address:
        viewer.open(address)
        viewer.wait_text("#phase", "File, not live")
        viewer.wait(f"livebragg.plots().classes.y_range.start >= {SCAN[0]}")
        assert "file" in viewer.page.title() and "scan.h5" in viewer.text("#results")
        final: Any = read_results(results).final
        drawn = np.array(viewer.pixels("classes"))
        np.testing.assert_array_equal(drawn >= FIRST_CLASS, final.snapshot.labels >= 0)
        viewer.wait(f"document.querySelectorAll('.card').length === {final.snapshot.class_ids.size}")
        viewer.click("classes", 8, 4)
        viewer.wait_text("#frame-title", "drawn")
        viewer.wait("Bokeh.documents[0].get_model_by_name('disks').data.x.length > 5")
        viewer.wait_text("#detail-hint", "tracked peak")
        assert viewer.text("#live") == "Let go" and not viewer.page.is_visible(".trend")
        viewer.page.click("#controls")
        viewer.wait_text("#d-control", "A results file")
        viewer.wait("document.querySelector('[data-value=sensitivity]').value === '0.1'")
        enabled = """[...document.querySelectorAll('#drawer :is(button, input, select)')]
            .filter((node) => !node.matches(':disabled') && node.checkVisibility() && !node.closest('.attach'))
            .map((node) => node.id)"""
        viewer.wait(f"JSON.stringify({enabled}) === '[\"d-picture\"]'")
        assert viewer.complaints == []


def test_with_its_recording_a_click_brings_the_frame(viewer: Viewer, results: Path) -> None:
    with dashboard("", "", "--file", str(results), "--recording", str(results.with_suffix(".npy"))) as address:
        viewer.open(address)
        viewer.wait(f"livebragg.plots().classes.y_range.start >= {SCAN[0]}")
        viewer.click("classes", 8, 4)
        viewer.wait("document.querySelector('#frame-panel').dataset.mode === 'selected'")
        assert viewer.text("#frame-title") == "Frame"


def test_the_program_that_reads_the_file_ends_with_the_dashboard(results: Path) -> None:
    readers = ["pgrep", "-f", f"serve {results}"]
    with dashboard("", "", "--file", str(results)):
        assert subprocess.run(readers, capture_output=True).returncode == 0
    for _ in range(300):
        if subprocess.run(readers, capture_output=True).returncode:
            return
        subprocess.run(["sleep", "0.1"], check=True)
    pytest.fail("it still runs")
