"""An alert of the user's rules in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import Viewer, chromium_page, dashboard, require_chromium
from fake_pipeline import FakePipeline

from livebragg_dashboards.cli import main

pytestmark = [pytest.mark.browser, pytest.mark.processes, pytest.mark.timeout(240)]


@pytest.fixture
def viewer() -> Iterator[Viewer]:
    require_chromium()
    with chromium_page() as page:
        yield Viewer(page)


def test_an_alert_comes_up_can_be_put_aside_and_comes_back_with_the_next_one(
    viewer: Viewer, pipeline: FakePipeline, tmp_path: Path
) -> None:
    (tmp_path / "rules.toml").write_text("[lost]\nframes = 5\n[area]\non = true\npercent = 99.0\n")
    with dashboard(pipeline.feed, pipeline.control, "--rules", str(tmp_path / "rules.toml")) as address:
        viewer.open(address)
        viewer.wait("livebragg.plots().classes.y_range.start >= 18")
        assert not viewer.page.is_visible("#alerts")
        pipeline.counters["frames_dropped"] = 14.0
        viewer.wait_text("#alerts", "14 frames lost (limit 5)")
        assert viewer.page.is_visible("#alerts")
        viewer.page.click("#alerts button")
        viewer.wait("!document.querySelector('#alerts').checkVisibility()")
        pipeline.new_acquisition("the next scan")
        viewer.wait_text("#notices", "alert, over: 14 frames lost")
        viewer.wait_text("#alerts", "14 frames lost")
        viewer.wait("document.querySelector('#alerts').checkVisibility()")
        assert viewer.complaints == []


def test_rules_that_cannot_be_used_end_the_start_with_their_key(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "rules.toml").write_text("[lost]\nframes = -1\n")
    assert main(["--rules", str(tmp_path / "rules.toml"), "--no-browser"]) == 1
    assert "lost.frames must be at least 0" in capsys.readouterr().err
