"""Own detectors and positions in a real browser, against a fake pipeline on real sockets."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from browser import Viewer
from exploring import MODEL, READY, SIZE, asked, asked_where, boxes, drag, own_image, place
from fake_answers import light
from fake_pipeline import FakePipeline

from livebragg.wire.messages import (
    DarkFieldRequest,
    PositionRequest,
    VirtualImageRequest,
)

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]


def test_a_click_on_a_tracked_peak_shows_its_dark_field_with_its_spacing_and_escape_goes_back(
    steady_page: Viewer, steady: FakePipeline
) -> None:
    steady_page.wait(f"{MODEL}('peaks').data.x.length > 5")
    x, y = steady_page.evaluate(f"[{MODEL}('peaks').data.x[4], {MODEL}('peaks').data.y[4]]")
    steady_page.page.mouse.click(*steady_page.place_of("vectors", y - 0.5, x - 0.5))
    steady_page.wait_text("#image", "Dark field · peak 4 · d ")
    spacing = 1 / np.hypot(x, y)
    assert f"d {spacing:.3g} Å" in steady_page.evaluate("document.querySelector('#image').selectedOptions[0].text")
    request = asked(steady, DarkFieldRequest)[-1]
    assert request.peak_id == 4
    own_image(steady_page, light(request, steady.scene, int(steady.seen)))
    n = len(asked(steady, DarkFieldRequest))
    steady_page.wait(f"{MODEL}('link').ack > arg + 12", steady_page.evaluate(f"{MODEL}('link').ack"))
    assert len(asked(steady, DarkFieldRequest)) > n  # it keeps up
    assert steady_page.evaluate(f"{MODEL}('places').data.x.length") == 1
    steady_page.page.keyboard.press("Escape")
    steady_page.wait("document.querySelector('#image').value === 'bright_field'")
    assert steady_page.evaluate(f"{MODEL}('places').data.x.length") == 0


def test_a_click_beside_all_peaks_says_what_to_do(steady_page: Viewer) -> None:
    steady_page.page.mouse.click(*place(steady_page, "vectors", -23.0, -31.0))
    steady_page.wait_text("#explore-note", "no tracked peak here")


@pytest.mark.parametrize("panel", ["vectors", "frame"])
def test_shift_takes_the_dark_field_of_any_place_and_radius_and_it_is_dragged_on(
    steady_page: Viewer, steady: FakePipeline, panel: str
) -> None:
    steady_page.wait("livebragg.plots().frame.y_range.start > 0")
    drag(steady_page, place(steady_page, panel, 10, -12), place(steady_page, panel, 10, -7))
    steady_page.wait("document.querySelector('#virtual-panel').classList.contains('own')")
    steady_page.wait_text("#image", "Dark field")
    steady_page.wait(f"{MODEL}('places').data.radius.length === 1")
    own_image(steady_page, light(asked(steady, DarkFieldRequest)[-1], steady.scene, int(steady.seen)))
    request = asked(steady, DarkFieldRequest)[-1]
    assert (request.qx, request.qy, request.radius) == pytest.approx((10, -12, 5), abs=0.4)
    drag(steady_page, place(steady_page, panel, 10, -12), place(steady_page, panel, 4, 3), shift=False)
    steady_page.wait(f"{MODEL}('places').data.x[0] > 0")
    moved = asked_where(steady, lambda request: request.qx < 7)
    own_image(steady_page, light(moved, steady.scene, int(steady.seen)))
    assert (moved.qx, moved.qy, moved.radius) == pytest.approx((4, 3, 5), abs=0.5)
    steady_page.page.click("#detector-off")
    steady_page.wait("document.querySelector('#image').value === 'bright_field'")


def test_a_ring_is_dragged_and_the_image_follows(steady_page: Viewer, steady: FakePipeline) -> None:
    steady_page.wait("livebragg.plots().frame.y_range.start > 0")
    steady_page.page.click("#ring")
    steady_page.wait(f"{MODEL}('rings').data.radius.length === 2")
    first = asked(steady, VirtualImageRequest)[-1]
    assert (first.inner, first.outer) == pytest.approx((8, 24))
    drag(steady_page, place(steady_page, "frame", 0, 24), place(steady_page, "frame", 0, 14), shift=False)
    steady_page.wait(f"{MODEL}('rings').data.radius[1] < {15 * SIZE}")
    drag(steady_page, place(steady_page, "frame", 0, 8), place(steady_page, "frame", 0, 5), shift=False)
    steady_page.wait(f"{MODEL}('rings').data.radius[0] < {6 * SIZE}")
    own_image(steady_page, light(asked(steady, VirtualImageRequest)[-1], steady.scene, int(steady.seen)))
    last = asked(steady, VirtualImageRequest)[-1]
    assert (last.inner, last.outer) == pytest.approx((5, 14), abs=0.5)
    steady_page.wait_text("#image", "Ring 0.1")
    steady_page.page.click("#ring")
    steady_page.wait("!document.querySelector('#virtual-panel').classList.contains('own')")


def test_a_position_shows_its_features_and_what_it_consists_of(steady_page: Viewer, steady: FakePipeline) -> None:
    steady_page.click("classes", 3, 19)
    label = int(steady.scene.labels[3, 19])
    steady_page.wait(f"{MODEL}('bars').data.top.length === {3 + label}")
    assert asked(steady, PositionRequest)[-1].scan_index == 3 * 27 + 19
    assert steady_page.text("#detail-title") == "Features and classes"
    steady_page.wait_text("#position li", steady.class_names[label])
    assert steady_page.text("#position li .part") == "80 %"
    assert "crystal" in steady_page.text("#families-of")
    view = "(() => { const g = livebragg.plots().features; return g.inner_height > 40 && g.inner_width > 100; })()"
    steady_page.wait(view)
    box = steady_page.page.locator('.canvas[data-plot="features"]').bounding_box()
    steady_page.page.mouse.move(box["x"] + 0.6 * box["width"], box["y"] + 0.7 * box["height"])
    steady_page.wait("/peak [0-9]+ · /.test(document.querySelector('.readout[data-panel=features]').textContent)")
    steady_page.page.keyboard.press("ArrowRight")
    steady_page.wait_text("#where", "(3, 20)")
    steady_page.page.keyboard.press("Escape")
    steady_page.wait_text("#detail-title", "Radial profiles")
    assert steady_page.complaints == []


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


def test_a_disk_under_the_pointer_tells_its_place_and_intensity(steady_page: Viewer, steady: FakePipeline) -> None:
    steady_page.click("classes", 3, 19)
    steady_page.wait("document.querySelector('#frame-panel').dataset.mode === 'selected'")
    qx, qy, _ = steady.scene.disks(3 * 27 + 19)
    k, (row0, col0) = 2, steady.scene.center
    steady_page.page.mouse.move(*place(steady_page, "frame", qx[k] - row0, qy[k] - col0))
    steady_page.wait_text('.readout[data-panel="frame"]', f"disk at ({qx[k]:.2f}, {qy[k]:.2f}), ")


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
def test_an_action_that_makes_no_sense_changes_nothing(steady_page: Viewer, action: str) -> None:
    steady_page.evaluate(f"() => {{ {MODEL}('link').action = {action!r}; }}")
    steady_page.wait(f"{MODEL}('link').ack > arg + 3", steady_page.evaluate(f"{MODEL}('link').ack"))
    assert boxes(steady_page) == 0
    assert steady_page.evaluate(f"{MODEL}('places').data.x.length + {MODEL}('rings').data.x.length") == 0
    assert steady_page.complaints == []


def test_a_page_that_sends_without_end_holds_up_no_other(
    steady_page: Viewer, chromium: Any, steady_url: str
) -> None:
    other = Viewer(chromium.new_page(viewport={"width": 1920, "height": 1080})).open(steady_url)
    other.wait(READY)
    steady_page.wait(READY)  # under load it may have lost its server meanwhile, and be loaded again
    steady_page.evaluate(f"""() => {{
        const link = {MODEL}('link');
        const image = (n, name) => {{ link.action = JSON.stringify({{ n, kind: 'image', name }}); }};
        for (let n = 1; n <= 1000; n++) image(-n, `burst ${{n}}`);
        image(0, 'total');
    }}""")
    other.click("classes", 3, 4)
    other.wait_text("#where", "selected (3, 4)")
    steady_page.wait("document.querySelector('#image').value === 'total'")
    steady_page.wait_text("#pace", "actions left out")
    assert "left out" not in other.text("#pace")
    other.page.close()
