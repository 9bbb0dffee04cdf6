"""What the page says in a real browser when frames, the pipeline, or both stop, and when they come back."""

from __future__ import annotations

import numpy as np
import pytest
from browser import Viewer, dashboard, lit
from fake_pipeline import FakePipeline
from fake_scene import Scene

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]


def test_a_pipeline_that_stops_is_unmistakable_and_one_that_comes_back_goes_on(
    viewer: Viewer, scene: Scene, url: str, pipeline: FakePipeline
) -> None:
    viewer.open(url)
    viewer.wait("document.querySelector('#page').dataset.state === 'live'")
    pipeline.__exit__()
    viewer.wait("document.querySelector('#page').dataset.state === 'stale'")
    assert viewer.page.is_visible("#banner")
    assert "No data for" in viewer.text("#banner strong")
    assert viewer.evaluate("document.querySelector('#light').dataset.light") == "red"
    assert "no data" in viewer.page.title()
    with FakePipeline(
        scene, feed=pipeline.feed, control=pipeline.control, start=30, interval_s=0.1, name="second"
    ):
        # It is said for some seconds only: before anything else is waited for.
        viewer.wait("ribbon.checkVisibility() && ribbon.textContent.includes('without the pipeline')")
        viewer.wait("document.querySelector('#page').dataset.state === 'live'")
        viewer.wait_text("#name", "second")
        viewer.wait("!document.querySelector('#banner').checkVisibility()")
        viewer.wait("Bokeh.documents[0].get_model_by_name('picture_classes').data.image[0].shape[0] === 18")
        assert (np.array(viewer.pixels("classes"))[12:] == 0).all()
    assert viewer.complaints == []


def test_a_detector_that_stalls_is_said_with_its_age_and_so_is_its_coming_back(
    viewer: Viewer, url: str, pipeline: FakePipeline
) -> None:
    viewer.open(url)
    viewer.wait("livebragg.plots().classes.y_range.start >= 18")
    assert not viewer.page.is_visible("#ribbon")
    pipeline.stalled = True
    viewer.wait(
        "/No new frame for ([3-9]|[1-9][0-9])[.0-9]* s/.test(document.querySelector('#ribbon').textContent)"
    )
    assert viewer.page.is_visible("#ribbon")
    assert viewer.text("#phase") == "Stalled"
    assert viewer.evaluate("document.querySelector('#n-age').dataset.tone") == "warn"
    pipeline.stalled = False
    viewer.wait_text("#ribbon", "Live again after")
    assert viewer.evaluate("document.querySelector('#ribbon').dataset.kind") == "recovered"
    viewer.wait("document.querySelector('#n-age').dataset.tone === ''")
    viewer.wait("!document.querySelector('#ribbon').checkVisibility()")
    assert viewer.complaints == []


def test_a_scan_that_is_stopped_while_it_stalls_is_not_said_to_be_live_again(
    viewer: Viewer, url: str, pipeline: FakePipeline
) -> None:
    viewer.open(url)
    viewer.wait("livebragg.plots().classes.y_range.start >= 18")
    pipeline.stalled = True
    viewer.wait("document.querySelector('#ribbon').checkVisibility()")
    pipeline.phase = "stopped"
    viewer.wait_text("#phase", "Stopped")
    viewer.wait("!document.querySelector('#ribbon').checkVisibility()")
    acks = viewer.evaluate("Bokeh.documents[0].get_model_by_name('link').ack")
    viewer.wait("Bokeh.documents[0].get_model_by_name('link').ack > arg + 2", acks)
    assert not viewer.page.is_visible("#ribbon")


@pytest.mark.parametrize(("width", "height"), [(1920, 1080), (1366, 768)])
def test_what_is_said_about_a_stall_or_a_pause_covers_nothing_that_can_be_pressed(
    viewer: Viewer, url: str, pipeline: FakePipeline, width: int, height: int
) -> None:
    viewer.page.set_viewport_size({"width": width, "height": height})
    viewer.open(url)
    viewer.wait("livebragg.plots().classes.y_range.start >= 18")
    pipeline.stalled = True
    viewer.wait("document.querySelector('#ribbon').checkVisibility()")
    viewer.page.click("#controls", timeout=5000)
    viewer.page.click("#d-pause", timeout=5000)
    viewer.page.wait_for_selector("#paused")
    covered = """[...document.querySelectorAll('button, select, a, .canvas')].filter((node) => {
        if (!node.checkVisibility() || node.closest('#drawer, .trend, #notices, #boxes-panel')) return false;
        const { left, right, top, bottom } = node.getBoundingClientRect();
        return ['#ribbon', '#paused'].some((name) => {
            const over = document.querySelector(name), b = over.getBoundingClientRect();
            return over !== node && left < b.right && right > b.left && top < b.bottom && bottom > b.top;
        });
    }).map((node) => node.id || node.className)"""
    assert viewer.evaluate(covered) == []
    assert viewer.evaluate("(({ scrollWidth, clientWidth }) => scrollWidth - clientWidth)(ribbon)") <= 0


def test_a_new_acquisition_clears_the_page(viewer: Viewer, url: str, pipeline: FakePipeline) -> None:
    viewer.open(url)
    viewer.wait("livebragg.plots().classes.y_range.start >= 18")
    viewer.click("classes", 3, 3)
    viewer.wait("document.querySelector('#frame-panel').dataset.mode === 'selected'")
    pipeline.new_acquisition("the next scan")
    viewer.wait_text("#name", "the next scan")
    viewer.wait("document.querySelector('#frame-panel').dataset.mode === 'live'")
    viewer.wait("Bokeh.documents[0].get_model_by_name('picture_classes').data.image[0].at(-1) === 0")
    assert (np.array(viewer.pixels("classes"))[-8:] == 0).all()


def test_a_page_that_is_opened_before_the_pipeline_waits_and_then_fills(
    viewer: Viewer, scene: Scene, pipeline: FakePipeline
) -> None:
    pipeline.__exit__()
    with dashboard(pipeline.feed, pipeline.control) as address:
        viewer.open(address)
        assert viewer.page.is_visible("#start")
        assert pipeline.feed in viewer.text("#start strong")
        with FakePipeline(scene, feed=pipeline.feed, control=pipeline.control, serial=0, rate_hz=40.0) as fake:
            viewer.wait_text("#start strong", "Waiting for a stream")
            fake.new_acquisition("first")
            viewer.wait("document.querySelector('#page').dataset.state === 'live'")
            viewer.wait("Bokeh.documents[0].get_model_by_name('picture_classes').data.image[0].shape[0] === 18")
            viewer.wait("document.querySelector('.card canvas')?.width === 64")
            assert lit(viewer, ".card canvas") > 100
            assert viewer.complaints == []
