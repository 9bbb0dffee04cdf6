"""A page whose server is busy, away for a while, or started again."""

from __future__ import annotations

import os
import signal

import pytest
from browser import Viewer, dashboard, dashboard_process
from fake_pipeline import FakePipeline

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

NOTE = "#drawer [data-what=mark] input"
BOX = {"panel": "classes", "x0": 2.0, "y0": 1.0, "x1": 6.0, "y1": 5.0}


def half_way(viewer: Viewer) -> None:
    """A box is drawn, the drawer is open, a note is half typed."""
    viewer.wait("livebragg.plots().classes.y_range.start >= 18")
    viewer.evaluate(f"livebragg.act('box', {BOX})")
    viewer.wait("location.hash.includes('box')")
    viewer.page.keyboard.press("c")
    viewer.wait_text("#d-control", "You have control")
    viewer.page.click(NOTE)
    viewer.page.keyboard.type("crack at the")


def test_a_busy_server_is_waited_for_and_the_page_stays_as_it_is(viewer: Viewer, pipeline: FakePipeline) -> None:
    with dashboard_process(pipeline.feed, pipeline.control) as (address, process):
        viewer.open(address)
        half_way(viewer)
        viewer.evaluate("window.sameDocument = true")
        os.kill(process.pid, signal.SIGSTOP)
        try:
            viewer.wait("document.querySelector('#lost').checkVisibility()")
            viewer.wait_text("#lost strong", "has said nothing for 8 s")  # it looks every 1.5 s: after that one
            viewer.page.keyboard.type(" rim")
        finally:
            os.kill(process.pid, signal.SIGCONT)
        viewer.wait("!document.querySelector('#lost').checkVisibility()")
        viewer.wait("document.querySelector('#page').dataset.state === 'live'")
        assert viewer.evaluate("window.sameDocument")
        assert viewer.page.input_value(NOTE) == "crack at the rim"
        assert viewer.evaluate("location.hash.includes('box')")


def test_a_dashboard_that_is_started_again_is_found_and_what_was_begun_goes_on(
    viewer: Viewer, pipeline: FakePipeline
) -> None:
    with dashboard(pipeline.feed, pipeline.control) as address:
        viewer.open(address)
        half_way(viewer)
        port = int(address.rstrip("/").rsplit(":", 1)[1])
    viewer.wait("document.querySelector('#lost').checkVisibility()")
    viewer.wait("/lost for [0-9]+ s/.test(document.querySelector('#lost').textContent)")
    with dashboard(pipeline.feed, pipeline.control, port=port):
        viewer.wait("document.querySelector('#page').dataset.state === 'live'")
        viewer.wait("Bokeh.documents[0].get_model_by_name('link').ack > 3")
        viewer.wait("/Connected again after [0-9]+ s/.test(document.querySelector('#ribbon').textContent)")
        viewer.wait_text("#d-control", "You have control")
        assert viewer.page.input_value(NOTE) == "crack at the"
        viewer.wait("Bokeh.documents[0].get_model_by_name('boxes').data.left.length === 1")
        viewer.page.keyboard.type(" rim")
        viewer.page.keyboard.press("Enter")
        viewer.wait_text("#d-acts li:first-child", "Mark")
