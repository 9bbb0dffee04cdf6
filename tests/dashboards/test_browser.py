"""The page in a real browser, against a fake pipeline on real sockets."""

from __future__ import annotations

import http.client
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
from browser import Viewer, lit
from fake_pipeline import EMPTY, FakePipeline
from fake_scene import Scene

import livebragg_dashboards
from livebragg.wire.codec import encode, topic_of
from livebragg.wire.messages import VectorMap
from livebragg_dashboards.drawing.colours import FIRST_CLASS, LEVELS, SLOTS, rgb, slot_of

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]


def expected_slots(scene: Scene) -> np.ndarray:
    """Colour slot of every position, -1 where there is no class."""
    slots = [slot_of(i, c.family) for i, c in enumerate(scene.classes)]
    return np.append(slots, -1)[scene.labels]


def test_the_class_map_on_the_page_is_that_of_the_feed(
    viewer: Viewer, steady_url: str, steady: FakePipeline
) -> None:
    viewer.open(steady_url)
    viewer.wait("Bokeh.documents[0].get_model_by_name('picture_classes').data.image[0].shape[0] === 18")
    pixels = np.array(viewer.pixels("classes"))
    assert pixels.shape == (18, 27)
    scanned = slice(0, 8)
    drawn = np.where(pixels >= FIRST_CLASS, (pixels - FIRST_CLASS) // LEVELS, -1)
    np.testing.assert_array_equal(drawn[scanned], expected_slots(steady.scene)[scanned])
    assert (pixels[-2:] == 0).all()
    assert viewer.complaints == []


def test_the_last_bragg_vector_map_is_drawn_although_nothing_follows_it(
    viewer: Viewer, url: str, pipeline: FakePipeline
) -> None:
    viewer.open(url)
    viewer.wait("livebragg.texts().extents.vectors")
    template = next(m for m in pipeline.messages() if isinstance(m, VectorMap))
    pipeline.messages = lambda: [pipeline._status()]  # type: ignore[method-assign]
    time.sleep(2.0 - time.monotonic() % 1)  # both shall come within one second of this clock
    for k, row in enumerate((4, 9)):
        spot = np.zeros_like(template.map)
        spot[row, 7] = 100.0
        message = replace(template, map=spot, revision=template.revision + k, published_at=time.time())
        pipeline.inject([topic_of(VectorMap), *(bytes(part) for part in encode(message))])
        image = "Bokeh.documents[0].get_model_by_name('picture_vectors').data.image[0]"
        viewer.wait(f"{image}.indexOf(Math.max(...{image})) === arg * {image}.shape[1] + 7", row)
    assert viewer.complaints == []


def test_the_plate_shows_each_family_with_the_pattern_of_each_class_that_has_positions(
    viewer: Viewer, steady_url: str, steady: FakePipeline
) -> None:
    viewer.open(steady_url)
    viewer.wait("[...document.querySelectorAll('.card canvas')].every((c) => c.width === 64 && c.height === 48)")
    present = {str(i) for i in np.unique(steady.scene.labels.reshape(-1)[:240]) if i >= 0}
    assert str(EMPTY) not in present
    cards = viewer.evaluate("[...document.querySelectorAll('.card')].map((c) => c.dataset.id)")
    assert set(cards) == present and len(cards) == len(present)
    titles = viewer.evaluate("[...document.querySelectorAll('#families .family')].map((h) => h.textContent)")
    assert titles == ["Crystals", "Polycrystals", "Amorphous"]
    for card in present:
        canvas = f'.card[data-id="{card}"] canvas'
        colour = rgb(SLOTS[slot_of(int(card), steady.scene.classes[int(card)].family)])
        border = viewer.evaluate(f"getComputedStyle(document.querySelector({canvas!r})).borderColor")
        assert border == f"rgb{tuple(round(255 * v) for v in colour)}"
        assert lit(viewer, canvas) > 20
    data = "(c) => [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data].join()"
    seen = f"new Set([...document.querySelectorAll('.card canvas')].map({data})).size"
    assert viewer.evaluate(seen) == len({steady.scene.mean_frame(int(card)).tobytes() for card in present})
    assert viewer.evaluate("livebragg.plots().profiles.renderers[0].data_source.data.x.length") == 2


def test_a_click_on_a_card_shows_the_parts_of_its_class_and_another_the_image_before(
    viewer: Viewer, steady_url: str
) -> None:
    viewer.open(steady_url)
    viewer.wait("document.querySelectorAll('.card').length > 4")
    viewer.wait("document.querySelector('#image').options.length > 4")
    viewer.page.select_option("#image", "total")
    viewer.wait("livebragg.texts().headers.virtual.name === 'total'")
    name = viewer.text(".card[data-id='0'] .class")
    viewer.page.click(".card[data-id='0'] canvas")
    viewer.wait("document.querySelector('#image').value === 'class:0'")
    assert viewer.evaluate("document.querySelector('#image').selectedOptions[0].text") == f"Part of {name}"
    assert (viewer.text("#low"), viewer.text("#high")) == ("0 %", "100 %")
    viewer.page.click(".card[data-id='0'] canvas")
    viewer.wait("livebragg.texts().headers.virtual.name === 'total'")
    assert viewer.complaints == []


@pytest.mark.parametrize(("width", "height"), [(1920, 1080), (1366, 768)])
def test_all_cards_are_in_view_without_scrolling_and_names_are_whole(
    viewer: Viewer, steady_url: str, width: int, height: int
) -> None:
    viewer.page.set_viewport_size({"width": width, "height": height})
    viewer.open(steady_url)
    viewer.wait("document.querySelectorAll('.card').length > 4")
    plate, names = "document.querySelector('#families')", "[...document.querySelectorAll('.card .class')]"
    viewer.wait(f"{plate}.scrollHeight <= {plate}.clientHeight")
    assert viewer.evaluate(f"Math.max(...{names}.map((n) => n.scrollWidth - n.clientWidth))") <= 0
    assert viewer.evaluate("[document.documentElement.scrollHeight, document.documentElement.scrollWidth]") == [
        height,
        width,
    ]
    side = viewer.evaluate("document.querySelector('.card canvas').clientWidth")
    assert side >= 60


def test_row_0_is_drawn_at_the_top_and_pixels_are_square(viewer: Viewer, steady_url: str) -> None:
    viewer.open(steady_url)
    viewer.wait("livebragg.plots().classes.y_range.start >= 18")
    (x0, y0), (x1, y1), (x2, _) = (viewer.place_of("classes", *at) for at in ((0, 0), (17, 0), (0, 26)))
    assert y1 > y0 and x2 > x0 and x1 == pytest.approx(x0)
    assert (y1 - y0) / 17 == pytest.approx((x2 - x0) / 26, rel=0.01)


def test_nothing_scrolls_and_no_default_clutter_is_left(viewer: Viewer, steady_url: str) -> None:
    viewer.open(steady_url)
    assert viewer.evaluate("[document.documentElement.scrollHeight, document.documentElement.scrollWidth]") == [
        1080,
        1920,
    ]
    assert viewer.evaluate("Object.values(livebragg.plots()).every((p) => p.toolbar_location === null)")


def test_ages_pace_and_skipped_updates_are_shown_and_move(viewer: Viewer, steady_url: str) -> None:
    viewer.open(steady_url)
    viewer.wait("/drawn [0-9.]+ .s, after [0-9]/.test(document.querySelector('#pace').textContent)")
    first = viewer.text("#n-age")
    viewer.wait("document.querySelector('#n-age').textContent !== arg", first)
    assert first.endswith("s") and viewer.text("#n-age").endswith("s")
    skipped = "Number(/skipped ([0-9]+)/.exec(document.querySelector('#pace').textContent)[1])"
    # A browser that is busy for a while misses updates, and says so.
    viewer.evaluate("(() => { const end = Date.now() + 1500; while (Date.now() < end); })()")
    viewer.wait(f"{skipped} >= 5")
    acks = viewer.evaluate("Bokeh.documents[0].get_model_by_name('link').ack")
    viewer.wait("Bokeh.documents[0].get_model_by_name('link').ack > arg + 5", acks)


@pytest.mark.parametrize("panel", ["classes", "virtual"])
def test_a_click_brings_the_frame_of_that_position_and_live_brings_the_newest(
    viewer: Viewer, steady_url: str, steady: FakePipeline, panel: str
) -> None:
    viewer.open(steady_url)
    viewer.wait("livebragg.plots().classes.y_range.start >= 18 && livebragg.plots().virtual.y_range.start >= 18")
    row, col = 3, 19
    viewer.click(panel, row, col)
    viewer.wait("document.querySelector('#frame-panel').dataset.mode === 'selected'")
    assert steady.requests[-1] == row * 27 + col
    assert viewer.text("#where") == f"selected ({row}, {col})"
    frame = steady.scene.frame(row * 27 + col)
    viewer.wait("Bokeh.documents[0].get_model_by_name('picture_frame').data.image[0].shape[1] === 64")
    shown = np.array(viewer.pixels("frame")).astype(float)
    assert shown.shape == frame.shape == (48, 64)
    assert np.corrcoef(shown.ravel(), np.sqrt(frame).ravel())[0, 1] > 0.98
    disks = viewer.evaluate("Bokeh.documents[0].get_model_by_name('disks').data.x.length")
    assert disks == len(steady.scene.disks(row * 27 + col)[0])
    viewer.page.click("#live")
    viewer.wait("document.querySelector('#frame-panel').dataset.mode === 'live'")
    assert viewer.complaints == []


def test_arrow_keys_step_and_escape_goes_back_to_live(viewer: Viewer, steady_url: str) -> None:
    viewer.open(steady_url)
    viewer.wait("livebragg.plots().classes.y_range.start >= 18")
    viewer.click("classes", 2, 5)
    viewer.wait_text("#where", "(2, 5)")
    viewer.page.keyboard.press("ArrowDown")
    viewer.wait_text("#where", "(3, 5)")
    viewer.page.keyboard.press("ArrowLeft")
    viewer.wait_text("#where", "(3, 4)")
    viewer.page.keyboard.press("Escape")
    viewer.wait("document.querySelector('#frame-panel').dataset.mode === 'live'")


def test_a_position_that_was_not_scanned_yet_is_refused_with_the_reason(viewer: Viewer, steady_url: str) -> None:
    viewer.open(steady_url)
    viewer.wait("livebragg.plots().classes.y_range.start >= 18")
    viewer.click("classes", 17, 2)
    viewer.wait_text("#frame-note", "not scanned yet")
    assert viewer.evaluate("document.querySelector('#frame-panel').dataset.mode") == "refused"


def test_a_pipeline_that_does_not_answer_a_click_is_named(
    viewer: Viewer, url: str, pipeline: FakePipeline
) -> None:
    viewer.open(url)
    viewer.wait("livebragg.plots().classes.y_range.start >= 18")
    pipeline.answering = False
    viewer.click("classes", 2, 2)
    viewer.wait_text("#frame-note", "did not answer")


def test_the_pointer_reads_the_exact_value(viewer: Viewer, steady_url: str, steady: FakePipeline) -> None:
    viewer.open(steady_url)
    viewer.wait("document.querySelector('#image').options.length > 4")
    viewer.page.select_option("#image", "n_disks")
    viewer.wait("document.querySelector('#image').value === 'n_disks'")
    viewer.page.mouse.move(*viewer.place_of("virtual", 4, 13))
    viewer.wait_text(".readout[data-panel=virtual]", "(4, 13)")
    viewer.wait_text(".readout[data-panel=virtual]", "disks")
    value = float(viewer.text(".readout[data-panel=virtual]").split(" · ")[1].split()[0])
    assert value == pytest.approx(steady.scene.images()["n_disks"][4, 13], rel=1e-3)
    name = steady.scene.classes[steady.scene.labels[4, 13]].name
    assert name in viewer.text(".readout[data-panel=classes]")


def test_hostile_names_and_notices_stay_text(viewer: Viewer, url: str, pipeline: FakePipeline) -> None:
    attack = "<img src=x onerror='window.pwned=1'><script>window.pwned=1</script>"
    pipeline.name = attack
    pipeline.class_names = [attack] * len(pipeline.class_names)
    pipeline.notices = pipeline.reasons = [attack]
    viewer.open(url)
    for selector in ("#name", ".card .class", "#notices li", "#reasons"):
        viewer.wait(f"document.querySelector({selector!r})?.textContent.includes('<img')")
    assert viewer.evaluate("[window.pwned, document.images.length]") == [None, 0]


def test_both_themes_can_be_chosen(viewer: Viewer, steady_url: str) -> None:
    viewer.open(steady_url)
    assert viewer.evaluate("document.querySelector('#page').dataset.theme") == "dark"
    viewer.page.click("#theme")
    viewer.wait("document.querySelector('#page').dataset.theme === 'light' && livebragg.drawn() > 0")
    assert viewer.complaints == []


@pytest.mark.parametrize(
    ("origin", "status"), [("http://evil.example", 403), ("http://127.0.0.1:1", 403), (None, 101)]
)
def test_only_the_pages_own_address_may_open_a_websocket(steady_url: str, origin: str | None, status: int) -> None:
    host = steady_url.removeprefix("http://").rstrip("/")
    connection = http.client.HTTPConnection(host, timeout=10)
    try:
        connection.request("GET", "/ws", headers={
            "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Origin": origin or f"http://{host}",
        })  # fmt: skip
        assert connection.getresponse().status == status
    finally:
        connection.close()


def test_bokeh_serve_can_serve_the_folder_too(viewer: Viewer, pipeline: FakePipeline) -> None:
    folder = livebragg_dashboards.__path__[0]
    process = subprocess.Popen(
        [sys.executable, "-m", "bokeh", "serve", folder, "--port", "0", "--args",
         "--feed", pipeline.feed, "--control", pipeline.control],
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stderr is not None
    try:
        address = ""
        while "http://" not in address:
            address = process.stderr.readline()
            assert process.poll() is None, address
        viewer.open(address[address.index("http://") :].strip())
        viewer.wait("Bokeh.documents[0].get_model_by_name('picture_classes').data.image[0].shape[0] === 18")
        assert viewer.complaints == []
    finally:
        process.terminate()
        process.wait(10)
        process.stderr.close()
