"""Boxes in a real browser, against a fake pipeline on real sockets."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from browser import Viewer, until
from exploring import MODEL, READY, asked, boxes, drag, draw_box, settle, tile, wait_tile
from fake_pipeline import FakePipeline

from livebragg.wire.messages import (
    RegionMapRequest,
    RegionPatternRequest,
    RegionProfileRequest,
)

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]


def test_a_box_is_drawn_and_its_map_appears_in_its_colour_and_keeps_up(
    steady_page: Viewer, steady: FakePipeline
) -> None:
    draw_box(steady_page, 1, 2, 4, 9)
    wait_tile(steady_page, 0)
    request = asked(steady, RegionMapRequest)[-1]
    assert (request.top, request.left, request.mask.shape) == (1, 2, (4, 8)) and request.mask.all()
    sides = "['left', 'right', 'top', 'bottom', 'colour']"
    quad = steady_page.evaluate(f"{sides}.map((name) => {MODEL}('boxes').data[name][0])")
    assert quad == [2, 10, 1, 5, "#ff4d4d"]
    border = steady_page.evaluate("getComputedStyle(document.querySelector('.box .pixels')).borderColor")
    assert border == "rgb(255, 77, 77)"
    scene = steady.scene
    counts = np.bincount(scene.labels[1:5, 2:10].reshape(-1), minlength=len(scene.classes))
    shown, true = tile(steady_page, 0).astype(float), scene.vector_map(counts)
    assert shown.shape == true.shape and np.corrcoef(shown.ravel(), np.log1p(true).ravel())[0, 1] > 0.95
    assert steady_page.text(".box .note").startswith("4 \N{MULTIPLICATION SIGN} 8")
    before = len(asked(steady, RegionMapRequest))
    until(lambda: len(asked(steady, RegionMapRequest)) > before)
    assert steady_page.complaints == []


def test_the_button_and_the_virtual_image_draw_boxes_too(steady_page: Viewer) -> None:
    for panel, key in (("virtual", False), ("classes", True)):
        n = boxes(steady_page)
        steady_page.page.keyboard.press("b") if key else steady_page.page.click("#draw-box")
        start, end = steady_page.place_of(panel, 2, 3), steady_page.place_of(panel, 6, 8)
        drag(steady_page, start, end, shift=False)
        steady_page.wait("document.querySelectorAll('.box').length === arg", n + 1)
        settle(steady_page)
        assert steady_page.evaluate("document.querySelector('#draw-box').ariaPressed") == "false"


def test_a_box_shows_its_mean_pattern_or_its_radial_profile_and_can_be_deleted(
    steady_page: Viewer, steady: FakePipeline
) -> None:
    draw_box(steady_page, 0, 0, 3, 3)
    wait_tile(steady_page, 0)
    settle(steady_page)
    draw_box(steady_page, 2, 10, 5, 20)
    wait_tile(steady_page, 1)
    steady_page.page.click(".box[data-number='1'] button[data-mode='pattern']")
    wait_tile(steady_page, 1, "tile.shape[0] === 48 && tile.shape[1] === 64")
    assert asked(steady, RegionPatternRequest)[-1].mask.shape == (4, 11)
    steady_page.page.click(".box[data-number='1'] button[data-mode='profile']")
    wait_tile(steady_page, 1, "tile.shape[0] === 1")
    assert asked(steady, RegionProfileRequest)[-1].left == 10
    assert tile(steady_page, 1).max() == 255
    steady_page.page.click(".box[data-number='0'] .plain")
    steady_page.wait("document.querySelectorAll('.box').length === 1")
    assert steady_page.evaluate(f"{MODEL}('boxes').data.colour[0]") == "#3df08a"
    draw_box(steady_page, 6, 0, 7, 3)
    steady_page.wait(f"{MODEL}('boxes').data.colour[1] === '#ff4d4d'")


def test_a_seventh_box_is_refused_with_words(steady_page: Viewer) -> None:
    for k in range(7):
        draw_box(steady_page, 1, 3 * k, 4, 3 * k + 2)
        steady_page.wait("document.querySelectorAll('.box').length === arg", min(k + 1, 6))
        settle(steady_page)
    steady_page.wait_text("#explore-note", "6 boxes are enough")
    assert steady_page.page.is_visible("#explore-note") and boxes(steady_page) == 6
    assert steady_page.evaluate(
        "[document.documentElement.scrollHeight, document.documentElement.scrollWidth]"
    ) == [
        1080,
        1920,
    ]


def test_a_box_is_moved_by_its_border(steady_page: Viewer) -> None:
    draw_box(steady_page, 1, 2, 4, 9)
    steady_page.wait(f"{MODEL}('boxes').data.left?.[0] === 2")
    settle(steady_page)
    drag(
        steady_page, steady_page.place_of("classes", 0.5, 5), steady_page.place_of("classes", 3.5, 8), shift=False
    )
    steady_page.wait(f"{MODEL}('boxes').data.left[0] === 5 && {MODEL}('boxes').data.top[0] === 4")


def test_a_box_where_nothing_was_scanned_says_so(steady_page: Viewer) -> None:
    draw_box(steady_page, 16, 2, 17, 9)
    steady_page.page.click(".box button[data-mode='pattern']")
    steady_page.wait_text(".box .why", "no position of the region was scanned yet")
    assert "refused" in steady_page.evaluate("document.querySelector('.box').className")


def boxes_of(viewer: Viewer) -> Any:
    return viewer.evaluate(
        f"JSON.stringify([{MODEL}('boxes').data].map((d) => [d.left, d.top, d.right, d.bottom]))"
    )


def test_boxes_and_detector_are_there_again_after_a_reload_for_each_page_its_own(
    steady_page: Viewer, chromium: Any, steady_url: str
) -> None:
    other = Viewer(chromium.new_page(viewport={"width": 1920, "height": 1080})).open(steady_url)
    other.wait(READY)
    draw_box(steady_page, 2, 3, 6, 9)
    steady_page.wait("document.querySelectorAll('.box').length === 1")
    steady_page.page.click(".box [data-mode=profile]")
    steady_page.page.click("#ring")
    steady_page.wait(f"{MODEL}('rings').data.x.length === 2")
    steady_page.wait("location.hash.includes('profile') && location.hash.includes('ring')")
    before, radii = boxes_of(steady_page), steady_page.evaluate(f"[...{MODEL}('rings').data.radius].join()")
    draw_box(other, 10, 10, 12, 12)
    other.wait("location.hash.includes('boxes')")
    elsewhere = boxes_of(other)
    for viewer in (steady_page, other):
        viewer.page.reload()
        viewer.wait(f"{READY} && document.querySelectorAll('.box').length === 1")
    assert boxes_of(steady_page) == before
    assert boxes_of(other) == elsewhere != before
    steady_page.wait(f"[...{MODEL}('rings').data.radius].join() === arg", radii)
    steady_page.wait("document.querySelector('.box [data-mode=profile]').getAttribute('aria-pressed') === 'true'")
    steady_page.page.click(".box .plain")
    steady_page.page.click("#ring")
    steady_page.wait("location.hash === ''")
    steady_page.page.click("#theme")
    steady_page.wait(f"document.querySelector('#page').dataset.theme === 'light' && {READY}")
    other.page.click("#theme")
    other.wait(f"document.querySelectorAll('.box').length === 1 && {READY}")
    assert other.complaints == steady_page.complaints == []
    other.page.close()
