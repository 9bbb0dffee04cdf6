"""Who may act in a real browser, on which pipeline, and until when."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from browser import Viewer, dashboard, outcome
from fake_pipeline import FakePipeline
from fake_scene import Scene

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]


def test_one_viewer_has_control_the_others_see_who_and_get_it_when_that_page_is_closed(
    open_page: Callable[[str], Viewer], scene: Scene
) -> None:
    with (
        FakePipeline(scene, rate_hz=0.5, interval_s=0.1, start=400) as own,
        dashboard(own.feed, own.control) as url,
    ):
        ada, bo, looker = open_page(url + "?name=Ada"), open_page(url + "?name=Bo"), open_page(url + "?view")
        for viewer in (ada, bo, looker):
            viewer.wait("document.querySelector('#controls').dataset.control !== undefined")
        ada.page.keyboard.press("c")
        # Whoever opens the controls first has control: the others come when Ada surely has it.
        ada.wait_text("#d-control", "You have control, as Ada")
        for viewer in (bo, looker):
            viewer.page.keyboard.press("c")
        bo.wait_text("#d-control", "Ada has control")
        looker.wait_text("#d-control", "This page only looks")
        assert bo.page.is_disabled("[data-do=save]") and looker.page.is_disabled("[data-do=save]")
        # What the page does not offer, the server refuses.
        bo.evaluate("livebragg.act('do', { what: 'stop', confirmed: true })")
        outcome(bo, "Stop: Ada has control")
        looker.evaluate("livebragg.act('do', { what: 'stop', confirmed: true })")
        outcome(looker, "only looks")
        ada.page.close()
        bo.wait_text("#d-control", "Nobody has control")
        bo.page.click("[data-floor=take]")
        bo.wait_text("#d-control", "You have control, as Bo")
        bo.page.click("[data-floor=release]")
        bo.wait_text("#d-control", "Nobody has control")
        assert own.acts.requests == []


def test_a_read_only_server_refuses_every_act(open_page: Callable[[str], Viewer], steady: FakePipeline) -> None:
    steady.acts.requests.clear()
    with dashboard(steady.feed, steady.control, "--read-only") as url:
        viewer = open_page(url)
        viewer.page.keyboard.press("c")
        viewer.wait_text("#d-control", "This page only looks")
        viewer.evaluate("livebragg.act('floor', { take: true })")
        viewer.evaluate("livebragg.act('do', { what: 'save' })")
        outcome(viewer, "only looks")
        assert steady.acts.requests == []


def test_the_page_is_attached_to_another_pipeline_and_says_so(
    open_page: Callable[[str], Viewer], steady_url: str, scene: Scene
) -> None:
    viewer = open_page(steady_url)
    with FakePipeline(scene, rate_hz=1, interval_s=0.1, start=300, name="the other one") as other:
        viewer.page.keyboard.press("c")
        viewer.page.fill("#d-feed", "ipc:///etc/passwd")
        viewer.page.click("#d-attach")
        outcome(viewer, "no endpoint of a pipeline")
        viewer.page.fill("#d-feed", other.feed)
        viewer.page.fill("#d-control-endpoint", other.control)
        viewer.page.click("#d-attach")
        viewer.wait_text("#name", "the other one")
        outcome(viewer, f"attached to {other.feed}")
        assert viewer.complaints == []


def test_a_page_behind_a_token_opens_with_it_and_acts(chromium: Any, steady: FakePipeline, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("sixteen-characters-or-more")
    token.chmod(0o600)
    with dashboard(steady.feed, steady.control, "--token-file", str(token)) as url:
        page = chromium.new_page(viewport={"width": 1920, "height": 1080})
        page.goto(url + "?name=Ada")
        page.fill("#token", "wrong")
        page.press("#token", "Enter")
        page.wait_for_selector("text=This is not the token")
        page.fill("#token", "sixteen-characters-or-more")
        page.press("#token", "Enter")
        viewer = Viewer(page)
        viewer.wait("Bokeh.documents[0]?.get_model_by_name('link')?.ack > 0")
        page.keyboard.press("c")
        viewer.wait_text("#d-control", "as Ada")
        page.close()


def test_what_cannot_be_done_after_the_end_is_disabled_and_the_next_scan_begins_with_clean_controls(
    open_page: Callable[[str], Viewer], scene: Scene
) -> None:
    with (
        FakePipeline(scene, rate_hz=5.0, interval_s=0.1, start=200) as own,
        dashboard(own.feed, own.control) as at,
    ):
        viewer = open_page(at)
        viewer.page.click("#controls")
        viewer.wait_text("#d-control", "You have control")
        viewer.page.fill("[data-value=sensitivity]", "5000")
        viewer.page.press("[data-value=sensitivity]", "Enter")
        outcome(viewer, "between 0 (balanced) and 1000")
        viewer.wait("document.querySelector('[data-value=sensitivity]').value === '0.1'")
        viewer.page.click(".card canvas")
        viewer.wait("document.querySelector('[data-what=rename] input').value !== ''")
        own.phase = "complete"
        viewer.wait_text("#d-chosen", "the scan is over")
        for selector in ("#d-stop", "#d-mark", "#d-pause", "#d-clear", "[data-do=save]", "[data-do=merge]"):
            viewer.wait("document.querySelector(arg).disabled", selector)
        assert viewer.page.is_enabled("[data-what=sensitivity] button")
        assert viewer.page.input_value("[data-what=rename] input") == ""
        own.phase = ""
        own.new_acquisition("the next scan")
        viewer.wait("document.querySelectorAll('#d-acts li').length === 0")
        viewer.wait("!document.querySelector('#d-stop').disabled")
