"""Boxes, own detectors and positions in a real browser, against a fake pipeline on real sockets."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from browser import LIMIT_MS, Viewer
from fake_answers import light
from fake_pipeline import FakePipeline

from livebragg.wire.messages import (
    DarkFieldRequest,
    PositionRequest,
    RegionMapRequest,
    RegionPatternRequest,
    RegionProfileRequest,
    VirtualImageRequest,
)

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

READY = "livebragg.plots().classes.y_range.start >= 18 && livebragg.plots().vectors.y_range.start > 0"
MODEL = "Bokeh.documents[0].get_model_by_name"
SIZE = 0.0213
"""1/Angstrom per pixel of the fake pipeline."""


@pytest.fixture
def open_page(viewer: Viewer, steady_url: str) -> Viewer:
    viewer.open(steady_url)
    viewer.wait(READY)
    return viewer


def asked(pipeline: FakePipeline, kind: type[Any]) -> list[Any]:
    return [request for request in pipeline.explored if isinstance(request, kind)]


def asked_where(pipeline: FakePipeline, condition: Callable[[Any], bool]) -> Any:
    """The newest dark-field image that was asked for, as soon as it is the one that is meant."""
    deadline = time.monotonic() + LIMIT_MS / 1000
    while not condition(request := asked(pipeline, DarkFieldRequest)[-1]):
        assert time.monotonic() < deadline, request
        time.sleep(0.05)
    return request


def drag(viewer: Viewer, start: tuple[float, float], end: tuple[float, float], shift: bool = True) -> None:
    mouse, keyboard = viewer.page.mouse, viewer.page.keyboard
    if shift:
        keyboard.down("Shift")
    mouse.move(*start)
    mouse.down()
    mouse.move((start[0] + end[0]) / 2, (start[1] + end[1]) / 2)
    mouse.move(*end)
    mouse.up()
    if shift:
        keyboard.up("Shift")


def draw_box(viewer: Viewer, top: float, left: float, bottom: float, right: float, panel: str = "classes") -> None:
    """From the middle of one position to the middle of another."""
    drag(viewer, viewer.place_of(panel, top, left), viewer.place_of(panel, bottom, right))


def settle(viewer: Viewer) -> None:
    """Wait until the figures have their places: they move when the first box comes."""
    before: list[tuple[float, float]] = []
    while (now := [viewer.place_of("classes", *at) for at in ((0, 0), (17, 26))]) != before:
        before = now
        viewer.page.wait_for_timeout(400)


def place(viewer: Viewer, panel: str, qx: float, qy: float) -> tuple[float, float]:
    """Where on the screen a reciprocal point is, in detector pixels from the beam."""
    return viewer.place_of(panel, qx * SIZE - 0.5, qy * SIZE - 0.5)


def boxes(viewer: Viewer) -> int:
    return int(viewer.evaluate("document.querySelectorAll('.box').length"))


def tile(viewer: Viewer, number: int) -> np.ndarray:
    shape, values = viewer.evaluate(
        f"""() => {{
            const data = {MODEL}('box_tiles').data, tile = data.tile[data.id.indexOf('{number}')];
            return [tile.shape, Array.from(tile)];
        }}"""
    )
    return np.array(values).reshape(shape)


def wait_tile(viewer: Viewer, number: int, condition: str = "true") -> None:
    viewer.wait(f"(() => {{ const d = {MODEL}('box_tiles').data, tile = d.tile[d.id.indexOf('{number}')]; "
                f"return tile && {condition}; }})()")  # fmt: skip


def test_a_box_is_drawn_and_its_map_appears_in_its_colour_and_keeps_up(
    open_page: Viewer, steady: FakePipeline
) -> None:
    draw_box(open_page, 1, 2, 4, 9)
    wait_tile(open_page, 0)
    request = asked(steady, RegionMapRequest)[-1]
    assert (request.top, request.left, request.mask.shape) == (1, 2, (4, 8)) and request.mask.all()
    sides = "['left', 'right', 'top', 'bottom', 'colour']"
    quad = open_page.evaluate(f"{sides}.map((name) => {MODEL}('boxes').data[name][0])")
    assert quad == [2, 10, 1, 5, "#ff4d4d"]
    border = open_page.evaluate("getComputedStyle(document.querySelector('.box .pixels')).borderColor")
    assert border == "rgb(255, 77, 77)"
    scene = steady.scene
    counts = np.bincount(scene.labels[1:5, 2:10].reshape(-1), minlength=len(scene.classes))
    shown, true = tile(open_page, 0).astype(float), scene.vector_map(counts)
    assert shown.shape == true.shape and np.corrcoef(shown.ravel(), np.log1p(true).ravel())[0, 1] > 0.95
    assert open_page.text(".box .note").startswith("4 \N{MULTIPLICATION SIGN} 8")
    before = len(asked(steady, RegionMapRequest))
    open_page.wait("Bokeh.documents[0].get_model_by_name('link').ack > arg + 12",
                   open_page.evaluate(f"{MODEL}('link').ack"))  # fmt: skip
    assert len(asked(steady, RegionMapRequest)) > before
    assert open_page.complaints == []


def test_the_button_and_the_virtual_image_draw_boxes_too(open_page: Viewer) -> None:
    for panel, key in (("virtual", False), ("classes", True)):
        n = boxes(open_page)
        open_page.page.keyboard.press("b") if key else open_page.page.click("#draw-box")
        start, end = open_page.place_of(panel, 2, 3), open_page.place_of(panel, 6, 8)
        drag(open_page, start, end, shift=False)
        open_page.wait("document.querySelectorAll('.box').length === arg", n + 1)
        settle(open_page)
        assert open_page.evaluate("document.querySelector('#draw-box').ariaPressed") == "false"


def test_a_box_shows_its_mean_pattern_or_its_radial_profile_and_can_be_deleted(
    open_page: Viewer, steady: FakePipeline
) -> None:
    draw_box(open_page, 0, 0, 3, 3)
    wait_tile(open_page, 0)
    settle(open_page)
    draw_box(open_page, 2, 10, 5, 20)
    wait_tile(open_page, 1)
    open_page.page.click(".box[data-number='1'] button[data-mode='pattern']")
    wait_tile(open_page, 1, "tile.shape[0] === 48 && tile.shape[1] === 64")
    assert asked(steady, RegionPatternRequest)[-1].mask.shape == (4, 11)
    open_page.page.click(".box[data-number='1'] button[data-mode='profile']")
    wait_tile(open_page, 1, "tile.shape[0] === 1")
    assert asked(steady, RegionProfileRequest)[-1].left == 10
    assert tile(open_page, 1).max() == 255
    open_page.page.click(".box[data-number='0'] .plain")
    open_page.wait("document.querySelectorAll('.box').length === 1")
    assert open_page.evaluate(f"{MODEL}('boxes').data.colour[0]") == "#3df08a"
    draw_box(open_page, 6, 0, 7, 3)
    open_page.wait(f"{MODEL}('boxes').data.colour[1] === '#ff4d4d'")


def test_a_seventh_box_is_refused_with_words(open_page: Viewer) -> None:
    for k in range(7):
        draw_box(open_page, 1, 3 * k, 4, 3 * k + 2)
        open_page.wait("document.querySelectorAll('.box').length === arg", min(k + 1, 6))
        settle(open_page)
    open_page.wait_text("#explore-note", "6 boxes are enough")
    assert open_page.page.is_visible("#explore-note") and boxes(open_page) == 6
    assert open_page.evaluate("[document.documentElement.scrollHeight, document.documentElement.scrollWidth]") == [
        1080,
        1920,
    ]


def test_a_box_is_moved_by_its_border(open_page: Viewer) -> None:
    draw_box(open_page, 1, 2, 4, 9)
    open_page.wait(f"{MODEL}('boxes').data.left?.[0] === 2")
    settle(open_page)
    drag(open_page, open_page.place_of("classes", 0.5, 5), open_page.place_of("classes", 3.5, 8), shift=False)
    open_page.wait(f"{MODEL}('boxes').data.left[0] === 5 && {MODEL}('boxes').data.top[0] === 4")


def test_a_box_where_nothing_was_scanned_says_so(open_page: Viewer) -> None:
    draw_box(open_page, 16, 2, 17, 9)
    open_page.page.click(".box button[data-mode='pattern']")
    open_page.wait_text(".box .why", "no position of the region was scanned yet")
    assert "refused" in open_page.evaluate("document.querySelector('.box').className")


def own_image(viewer: Viewer, expected: np.ndarray) -> None:
    """Wait until the virtual image is the expected one, between its percentiles."""
    viewer.wait(f"(() => {{ const image = {MODEL}('picture_virtual').data.image[0]; "
                "return image.shape[0] === 18 && image[0] === 1 && image[120] > image[60]; })()")  # fmt: skip
    shown = np.array(viewer.pixels("virtual")).astype(float)
    both = (shown > 0) & np.isfinite(expected)
    assert both.sum() >= np.isfinite(expected).sum() - 4  # the scan goes on
    assert np.corrcoef(shown[both], expected[both])[0, 1] > 0.99


def test_a_click_on_a_tracked_peak_shows_its_dark_field_with_its_spacing_and_escape_goes_back(
    open_page: Viewer, steady: FakePipeline
) -> None:
    open_page.wait(f"{MODEL}('peaks').data.x.length > 5")
    x, y = open_page.evaluate(f"[{MODEL}('peaks').data.x[4], {MODEL}('peaks').data.y[4]]")
    open_page.page.mouse.click(*open_page.place_of("vectors", y - 0.5, x - 0.5))
    open_page.wait_text("#image", "Dark field · peak 4 · d ")
    spacing = 1 / np.hypot(x, y)
    assert f"d {spacing:.3g} Å" in open_page.evaluate("document.querySelector('#image').selectedOptions[0].text")
    request = asked(steady, DarkFieldRequest)[-1]
    assert request.peak_id == 4
    own_image(open_page, light(request, steady.scene, int(steady.seen)))
    n = len(asked(steady, DarkFieldRequest))
    open_page.wait(f"{MODEL}('link').ack > arg + 12", open_page.evaluate(f"{MODEL}('link').ack"))
    assert len(asked(steady, DarkFieldRequest)) > n  # it keeps up
    assert open_page.evaluate(f"{MODEL}('places').data.x.length") == 1
    open_page.page.keyboard.press("Escape")
    open_page.wait("document.querySelector('#image').value === 'bright_field'")
    assert open_page.evaluate(f"{MODEL}('places').data.x.length") == 0


def test_a_click_beside_all_peaks_says_what_to_do(open_page: Viewer) -> None:
    open_page.page.mouse.click(*place(open_page, "vectors", -23.0, -31.0))
    open_page.wait_text("#explore-note", "no tracked peak here")


@pytest.mark.parametrize("panel", ["vectors", "frame"])
def test_shift_takes_the_dark_field_of_any_place_and_radius_and_it_is_dragged_on(
    open_page: Viewer, steady: FakePipeline, panel: str
) -> None:
    open_page.wait("livebragg.plots().frame.y_range.start > 0")
    drag(open_page, place(open_page, panel, 10, -12), place(open_page, panel, 10, -7))
    open_page.wait("document.querySelector('#virtual-panel').classList.contains('own')")
    open_page.wait_text("#image", "Dark field")
    open_page.wait(f"{MODEL}('places').data.radius.length === 1")
    own_image(open_page, light(asked(steady, DarkFieldRequest)[-1], steady.scene, int(steady.seen)))
    request = asked(steady, DarkFieldRequest)[-1]
    assert (request.qx, request.qy, request.radius) == pytest.approx((10, -12, 5), abs=0.4)
    drag(open_page, place(open_page, panel, 10, -12), place(open_page, panel, 4, 3), shift=False)
    open_page.wait(f"{MODEL}('places').data.x[0] > 0")
    moved = asked_where(steady, lambda request: request.qx < 7)
    own_image(open_page, light(moved, steady.scene, int(steady.seen)))
    assert (moved.qx, moved.qy, moved.radius) == pytest.approx((4, 3, 5), abs=0.5)
    open_page.page.click("#detector-off")
    open_page.wait("document.querySelector('#image').value === 'bright_field'")


def test_a_ring_is_dragged_and_the_image_follows(open_page: Viewer, steady: FakePipeline) -> None:
    open_page.wait("livebragg.plots().frame.y_range.start > 0")
    open_page.page.click("#ring")
    open_page.wait(f"{MODEL}('rings').data.radius.length === 2")
    first = asked(steady, VirtualImageRequest)[-1]
    assert (first.inner, first.outer) == pytest.approx((8, 24))
    drag(open_page, place(open_page, "frame", 0, 24), place(open_page, "frame", 0, 14), shift=False)
    open_page.wait(f"{MODEL}('rings').data.radius[1] < {15 * SIZE}")
    drag(open_page, place(open_page, "frame", 0, 8), place(open_page, "frame", 0, 5), shift=False)
    open_page.wait(f"{MODEL}('rings').data.radius[0] < {6 * SIZE}")
    own_image(open_page, light(asked(steady, VirtualImageRequest)[-1], steady.scene, int(steady.seen)))
    last = asked(steady, VirtualImageRequest)[-1]
    assert (last.inner, last.outer) == pytest.approx((5, 14), abs=0.5)
    open_page.wait_text("#image", "Ring 0.1")
    open_page.page.click("#ring")
    open_page.wait("!document.querySelector('#virtual-panel').classList.contains('own')")


def test_a_position_shows_its_features_and_what_it_consists_of(open_page: Viewer, steady: FakePipeline) -> None:
    open_page.click("classes", 3, 19)
    label = int(steady.scene.labels[3, 19])
    open_page.wait(f"{MODEL}('bars').data.top.length === {3 + label}")
    assert asked(steady, PositionRequest)[-1].scan_index == 3 * 27 + 19
    assert open_page.text("#detail-title") == "Features and classes"
    open_page.wait_text("#position li", steady.class_names[label])
    assert open_page.text("#position li .part") == "80 %"
    assert "crystal" in open_page.text("#families-of")
    view = "(() => { const g = livebragg.plots().features; return g.inner_height > 40 && g.inner_width > 100; })()"
    open_page.wait(view)
    box = open_page.page.locator('.canvas[data-plot="features"]').bounding_box()
    open_page.page.mouse.move(box["x"] + 0.6 * box["width"], box["y"] + 0.7 * box["height"])
    open_page.wait("/peak [0-9]+ · /.test(document.querySelector('.readout[data-panel=features]').textContent)")
    open_page.page.keyboard.press("ArrowRight")
    open_page.wait_text("#where", "(3, 20)")
    open_page.page.keyboard.press("Escape")
    open_page.wait_text("#detail-title", "Radial profiles")
    assert open_page.complaints == []


def test_a_frame_that_is_gone_leaves_its_disks_features_and_weights(
    viewer: Viewer, url: str, pipeline: FakePipeline
) -> None:
    pipeline.frames_left = 200
    viewer.open(url)
    viewer.wait(READY)
    viewer.click("classes", 2, 6)
    viewer.wait("document.querySelector('#frame-panel').dataset.mode === 'gone'")
    viewer.wait_text("#frame-note", "no picture: its frame has left the frame log")
    disks = len(pipeline.scene.disks(2 * 27 + 6)[0])
    viewer.wait(f"{MODEL}('disks').data.x.length === arg", disks)
    viewer.wait(f"{MODEL}('bars').data.top.length > 2")
    assert not np.array(viewer.pixels("frame")).any()


def test_a_disk_under_the_pointer_tells_its_place_and_intensity(open_page: Viewer, steady: FakePipeline) -> None:
    open_page.click("classes", 3, 19)
    open_page.wait("document.querySelector('#frame-panel').dataset.mode === 'selected'")
    qx, qy, _ = steady.scene.disks(3 * 27 + 19)
    k, (row0, col0) = 2, steady.scene.center
    open_page.page.mouse.move(*place(open_page, "frame", qx[k] - row0, qy[k] - col0))
    open_page.wait_text('.readout[data-panel="frame"]', f"disk at ({qx[k]:.2f}, {qy[k]:.2f}), ")


def test_a_thousand_clicks_leave_the_pipeline_and_other_pages_in_peace(
    viewer: Viewer, url: str, pipeline: FakePipeline, chromium: Any
) -> None:
    other = Viewer(chromium.new_page(viewport={"width": 1366, "height": 768}))
    for page in (viewer, other):
        page.open(url)
        page.wait(READY)
    viewer.evaluate(
        """() => { for (let k = 0; k < 1000; k++) {
            livebragg.act("aperture", { panel: "vectors", x: 0.001 * k, y: 0.1, radius: 0.05 });
            livebragg.act("select", { panel: "classes", x: 1 + k % 20, y: 1.5 });
        } }"""
    )
    other.wait(f"{MODEL}('link').ack > arg + 5", other.evaluate(f"{MODEL}('link').ack"))
    other.click("classes", 3, 19)
    other.wait_text("#where", "(3, 19)")
    other.wait("document.querySelector('#frame-panel').dataset.mode === 'selected'")
    viewer.wait(f"{MODEL}('places').data.x[0] > 0.9985")
    viewer.wait_text("#where", f"(1, {1 + 999 % 20})")
    assert len(pipeline.explored) < 300
    assert viewer.complaints == other.complaints == []
    other.page.close()


@pytest.mark.parametrize(
    "action",
    [
        '{"kind": "box", "panel": "classes", "x0": NaN, "y0": 1, "x1": 3, "y1": 4}',
        '{"kind": "box", "panel": "vectors", "x0": 0, "y0": 1, "x1": 3, "y1": 4}',
        '{"kind": "aperture", "panel": "vectors", "x": 1e300, "y": 1, "radius": 1e300}',
        '{"kind": "annulus", "inner": "wide", "outer": []}',
        '{"kind": "show_box", "number": 99, "mode": "map"}',
        '{"kind": "move_box", "number": 1e400, "rows": 0, "cols": 0}',
        "[" * 900,
    ],
)
def test_an_action_that_makes_no_sense_changes_nothing(open_page: Viewer, action: str) -> None:
    open_page.evaluate(f"() => {{ {MODEL}('link').action = {action!r}; }}")
    open_page.wait(f"{MODEL}('link').ack > arg + 3", open_page.evaluate(f"{MODEL}('link').ack"))
    assert boxes(open_page) == 0
    assert open_page.evaluate(f"{MODEL}('places').data.x.length + {MODEL}('rings').data.x.length") == 0
    assert open_page.complaints == []


def boxes_of(viewer: Viewer) -> Any:
    return viewer.evaluate(
        f"JSON.stringify([{MODEL}('boxes').data].map((d) => [d.left, d.top, d.right, d.bottom]))"
    )


def test_boxes_and_detector_are_there_again_after_a_reload_for_each_page_its_own(
    open_page: Viewer, chromium: Any, steady_url: str
) -> None:
    other = Viewer(chromium.new_page(viewport={"width": 1920, "height": 1080})).open(steady_url)
    other.wait(READY)
    draw_box(open_page, 2, 3, 6, 9)
    open_page.wait("document.querySelectorAll('.box').length === 1")
    open_page.page.click(".box [data-mode=profile]")
    open_page.page.click("#ring")
    open_page.wait(f"{MODEL}('rings').data.x.length === 2")
    open_page.wait("location.hash.includes('profile') && location.hash.includes('ring')")
    before, radii = boxes_of(open_page), open_page.evaluate(f"[...{MODEL}('rings').data.radius].join()")
    draw_box(other, 10, 10, 12, 12)
    other.wait("location.hash.includes('boxes')")
    elsewhere = boxes_of(other)
    for viewer in (open_page, other):
        viewer.page.reload()
        viewer.wait(f"{READY} && document.querySelectorAll('.box').length === 1")
    assert boxes_of(open_page) == before
    assert boxes_of(other) == elsewhere != before
    open_page.wait(f"[...{MODEL}('rings').data.radius].join() === arg", radii)
    open_page.wait("document.querySelector('.box [data-mode=profile]').getAttribute('aria-pressed') === 'true'")
    open_page.page.click(".box .plain")
    open_page.page.click("#ring")
    open_page.wait("location.hash === ''")
    open_page.page.click("#theme")
    open_page.wait(f"document.querySelector('#page').dataset.theme === 'light' && {READY}")
    other.page.click("#theme")
    other.wait(f"document.querySelectorAll('.box').length === 1 && {READY}")
    assert other.complaints == open_page.complaints == []
    other.page.close()


def test_a_page_that_sends_without_end_holds_up_no_other(
    open_page: Viewer, chromium: Any, steady_url: str
) -> None:
    other = Viewer(chromium.new_page(viewport={"width": 1920, "height": 1080})).open(steady_url)
    other.wait(READY)
    open_page.wait(READY)  # under load it may have lost its server meanwhile, and be loaded again
    open_page.evaluate(f"""() => {{
        const link = {MODEL}('link');
        const image = (n, name) => {{ link.action = JSON.stringify({{ n, kind: 'image', name }}); }};
        for (let n = 1; n <= 1000; n++) image(-n, `burst ${{n}}`);
        image(0, 'total');
    }}""")
    other.click("classes", 3, 4)
    other.wait_text("#where", "selected (3, 4)")
    open_page.wait("document.querySelector('#image').value === 'total'")
    open_page.wait_text("#pace", "actions left out")
    assert "left out" not in other.text("#pace")
    other.page.close()
