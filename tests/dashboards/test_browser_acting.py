"""Each control in a real browser, against a fake pipeline that remembers what it was asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from browser import Viewer, dashboard, outcome, until
from fake_pipeline import FakePipeline
from fake_scene import Scene

from livebragg.wire.messages import (
    ClassLockRequest,
    ClassMergeRequest,
    ClassNumberRequest,
    ClassRenameRequest,
    ClassSplitRequest,
    MarkRequest,
    RestartRequest,
    SaveRequest,
    SettingsRequest,
    StopRequest,
)
from livebragg_dashboards.words import number

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

NOTES = "Bokeh.documents[0].get_model_by_name('notes').data"
CALIBRATION = "analysis.calibration."


@pytest.fixture(scope="module")
def fake(scene: Scene) -> Iterator[FakePipeline]:
    with FakePipeline(scene, rate_hz=0.5, interval_s=0.1, start=400) as made:
        yield made


@pytest.fixture(scope="module")
def url(fake: FakePipeline) -> Iterator[str]:
    with dashboard(fake.feed, fake.control) as address:
        yield address


@pytest.fixture
def acting(open_page: Callable[[str], Viewer], url: str, fake: FakePipeline) -> Iterator[Viewer]:
    """A page whose viewer has control, and gives it back."""
    viewer = open_page(url + "?name=Ada")
    fake.acts.requests.clear()
    viewer.wait("document.querySelector('#controls').dataset.control === 'free'")
    viewer.page.keyboard.press("c")
    viewer.wait_text("#d-control", "You have control, as Ada")
    yield viewer
    viewer.evaluate("livebragg.act('floor', { take: false })")
    viewer.wait_text("#d-control", "Nobody has control")


def test_the_drawer_is_closed_at_first_and_disturbs_nothing_when_it_opens(
    open_page: Callable[[str], Viewer], url: str
) -> None:
    viewer = open_page(url)
    boxes = "[...document.querySelectorAll('.canvas')].map((n) => JSON.stringify(n.getBoundingClientRect()))"
    before = viewer.evaluate(boxes)
    assert not viewer.page.is_visible("#drawer")
    viewer.page.click("#controls")
    viewer.page.wait_for_selector("#drawer")
    assert viewer.evaluate(boxes) == before
    covered = "document.querySelector('#panels').getBoundingClientRect().bottom"
    assert viewer.evaluate(f"document.querySelector('#drawer').getBoundingClientRect().top >= {covered}")
    assert viewer.evaluate("[document.documentElement.scrollHeight, document.documentElement.scrollWidth]") == [
        1080,
        1920,
    ]
    viewer.evaluate("document.querySelector('#drawer .given').hidden = false")
    outside = """[...document.querySelectorAll('#drawer :is(button, input, select)')].filter((n) => n.offsetParent)
        .map((n) => [n.outerHTML, n.getBoundingClientRect()])
        .filter(([, box]) => box.right > 1910 || box.bottom > 1070).map(([html]) => html)"""
    assert viewer.evaluate(outside) == []
    viewer.page.keyboard.press("c")
    assert not viewer.page.is_visible("#drawer")
    assert viewer.complaints == []


def test_the_sensitivity_is_set_and_a_value_that_cannot_be_used_comes_back_with_the_reason(
    acting: Viewer, fake: FakePipeline
) -> None:
    acting.wait("document.querySelector('[data-value=sensitivity]').value === '0.1'")
    for value, words in (("0.05", "applied to everything seen"), ("5000", "between 0 (balanced) and 1000"),
                         ("1e999", "is no number"), ("many", "'many' is no number")):  # fmt: skip
        acting.page.fill("[data-value=sensitivity]", value)
        acting.page.press("[data-value=sensitivity]", "Enter")
        outcome(acting, words)
    values = [r.values for r in fake.acts.requests if isinstance(r, SettingsRequest)]
    assert values == [{"detection.false_disks_per_frame": v} for v in (0.05, 5000.0)]
    assert acting.evaluate("document.querySelector('[data-what=sensitivity]').dataset.state") == "refused"
    acting.page.fill("[data-what=class_number] input", "6")
    acting.page.press("[data-what=class_number] input", "Enter")
    outcome(acting, "as you wish")
    assert fake.acts.requests[-1] == ClassNumberRequest(serial=1, n_classes=6)


def test_a_control_is_pending_until_there_is_an_answer(acting: Viewer, fake: FakePipeline) -> None:
    fake.acts.answering = False
    try:
        acting.page.click("[data-do=save]")
        acting.wait("document.querySelector('[data-do=save]').dataset.state === 'pending'")
        outcome(acting, "Save: asked")
    finally:
        fake.acts.answering = True


def test_a_ring_is_picked_on_the_map_previewed_and_set(open_page: Callable[[str], Viewer], scene: Scene) -> None:
    with (
        FakePipeline(scene, rate_hz=0.5, interval_s=0.1, start=400) as own,
        dashboard(own.feed, own.control) as url,
    ):
        viewer = open_page(url)
        viewer.page.keyboard.press("c")
        viewer.wait_text("#d-control", "You have control")
        viewer.wait_text("#d-ellipse", "1.0230 ± 0.0023 at 35 ± 3°, from rings")
        viewer.wait_text("#d-pixel", "0.02130 ± 0.00006")
        viewer.page.fill("#d-spacing", "2.0")
        viewer.page.click("#d-pick")
        middle = viewer.evaluate(
            "(() => { const p = livebragg.plots().vectors; return [p.x_range.start, p.x_range.end]; })()"
        )
        box = viewer.page.locator('.canvas[data-plot="vectors"]').bounding_box()
        assert middle[0] < 0 < middle[1] and box is not None
        viewer.page.mouse.click(box["x"] + 0.65 * box["width"], box["y"] + 0.5 * box["height"])
        viewer.wait("Number(document.querySelector('#d-radius').value) > 1")
        viewer.wait("Bokeh.documents[0].get_model_by_name('ring').data.x.length > 100")
        radius = float(viewer.evaluate("document.querySelector('#d-radius').value"))
        viewer.wait_text("#d-preview", f"→ {number(1 / (2 * radius), 4)} 1/Å")
        viewer.page.click("[data-what=pixel_size] button:not([type=button])")
        outcome(viewer, "applied to everything seen")
        values = own.acts.requests[-1].values
        size = values.get(CALIBRATION + "q_pixel_size_inv_angstrom")
        assert size == pytest.approx(1 / (2 * radius)) or values == {
            CALIBRATION + "reference_spacing_angstrom": 2.0, CALIBRATION + "reference_radius_px": radius,
        }  # fmt: skip
        viewer.wait_text("#d-pixel", f"{number(1 / (2 * radius), 4)} 1/Å")
        viewer.page.select_option("[data-value=ellipse]", "given")
        viewer.page.fill("[data-value=ratio]", "1.02")
        viewer.page.fill("[data-value=angle]", "-15")
        viewer.page.click("[data-what=ellipse] button")
        viewer.wait_text("#d-acts li:first-child", "Ellipse: applied")
        assert own.acts.requests[-1].values == {
            CALIBRATION + "ellipse": "given", CALIBRATION + "ellipse_ratio": 1.02,
            CALIBRATION + "ellipse_angle_deg": -15.0,
        }  # fmt: skip
        viewer.page.fill("[data-value=rotation]", "90")
        viewer.page.check("[data-value=flip]")
        viewer.page.click("[data-what=orientation] button")
        viewer.wait_text("#d-acts li:first-child", "Rotation: applied")
        assert own.acts.requests[-1].values == {CALIBRATION + "rotation_deg": 90.0, CALIBRATION + "flip": True}
        assert viewer.complaints == []


def test_classes_are_named_where_they_stand_joined_taken_apart_and_locked(
    acting: Viewer, fake: FakePipeline
) -> None:
    acting.page.dblclick(".card[data-id='1'] .class")
    acting.page.fill(".card input.rename", "<b>gold</b>")
    acting.page.press(".card input.rename", "Enter")
    outcome(acting, "Rename: as you wish")
    assert fake.acts.requests[-1] == ClassRenameRequest(serial=1, class_id=1, name="<b>gold</b>")
    acting.wait_text(".card[data-id='1'] .class", "<b>gold</b>")
    assert acting.evaluate("document.querySelectorAll('.card b.gold, .card .class b').length") == 0

    acting.page.keyboard.press("c")
    acting.page.keyboard.press("c")
    for card in ("0", "1"):
        acting.page.click(f".card[data-id='{card}'] canvas")
    acting.wait_text("#d-chosen", "<b>gold</b>")
    acting.page.click("[data-do=merge]")
    outcome(acting, "Join: as you wish")
    assert fake.acts.requests[-1] == ClassMergeRequest(serial=1, class_ids=[0, 1])

    acting.page.click(".card[data-id='0'] canvas")
    acting.page.click("[data-do=lock]")
    outcome(acting, "Lock: as you wish")
    assert fake.acts.requests[-1] == ClassLockRequest(serial=1, class_id=0, locked=True)
    acting.wait_text("[data-do=lock]", "Unlock")
    acting.page.fill("[data-what=rename] input", "<b>gold</b>")
    acting.page.press("[data-what=rename] input", "Enter")
    outcome(acting, "is called '<b>gold</b>' already")
    acting.page.click("[data-do=split]")
    outcome(acting, "Take apart: as you wish")
    assert fake.acts.requests[-1] == ClassSplitRequest(serial=1, class_id=0)
    assert acting.complaints == []


def test_a_moment_and_a_position_are_marked_and_arrow_keys_in_a_field_do_not_step(
    acting: Viewer, fake: FakePipeline
) -> None:
    note = "[data-what=mark] input"
    acting.page.fill(note, "<img src=x onerror=alert(1)>")
    acting.page.press(note, "Enter")
    outcome(acting, "Mark: as you wish")
    assert fake.acts.requests[-1] == MarkRequest(serial=1, note="<img src=x onerror=alert(1)>", scan_index=-1)
    acting.click("classes", 3, 4)
    acting.wait_text("#d-mark", "Mark (3, 4)")
    acting.page.fill(note, "c")
    acting.page.press(note, "ArrowLeft")
    acting.page.press(note, "Enter")
    acting.wait("document.querySelector('[data-what=mark] input').value === ''")
    acting.wait_text("#where", "(3, 4)")
    last = until(lambda: len(fake.acts.requests) == 2 and fake.acts.requests[-1])
    assert last == MarkRequest(serial=1, note="c", scan_index=3 * 27 + 4)
    acting.page.keyboard.press("Escape")
    acting.wait(f"{NOTES}.n.length === 1")
    assert acting.evaluate(f"[[...{NOTES}.x], [...{NOTES}.y], [...{NOTES}.n]].join(';')") == "4.5;3.5;2"
    acting.wait_text("#marks-button", "Marks 2")
    acting.page.click("#marks-button")
    assert acting.page.inner_text("#marks li:first-child .note") == "c"
    assert acting.evaluate("document.querySelector('#marks li:last-child button').disabled")
    acting.page.click("#marks-on")
    acting.wait(f"{NOTES}.n.length === 0")
    acting.page.click("#marks-on")
    acting.wait(f"{NOTES}.n.length === 1")
    acting.page.click("#marks li:first-child button")
    acting.wait_text("#where", "selected (3, 4)")
    acting.page.click("#marks-close")
    acting.page.keyboard.press("Escape")
    assert acting.complaints == []


def test_every_threshold_shows_its_value_and_limits_and_is_set(acting: Viewer, fake: FakePipeline) -> None:
    value = "#d-threshold-value"
    acting.wait(f"document.querySelector('{value}').value === '0.01'")
    acting.page.select_option("#d-threshold", "separation")
    acting.wait(f"document.querySelector('{value}').value === '6'")
    assert "above 0" in str(acting.page.get_attribute(value, "title"))
    acting.page.fill(value, "7.5")
    acting.page.press(value, "Enter")
    outcome(acting, "Threshold: applied")
    assert fake.acts.requests[-1] == SettingsRequest(values={"analysis.families.separation": 7.5})
    for name in ("vacuum_share", "merge_cosine", "min_positions", "min_share", "granular_disks", "max_classes"):
        acting.page.select_option("#d-threshold", name)
        acting.wait(f"Number(document.querySelector('{value}').value) > 0")


def test_clearing_takes_two_clicks(acting: Viewer, fake: FakePipeline) -> None:
    acting.page.click("#d-clear")
    acting.wait_text("#d-clear", "Find all anew?")
    assert fake.acts.requests == []
    acting.page.click("#d-clear")
    outcome(acting, "Clear: as you wish")
    assert fake.acts.requests == [RestartRequest(serial=1)]


def test_stopping_takes_two_clicks_and_saving_one(acting: Viewer, fake: FakePipeline) -> None:
    acting.page.click("[data-do=save]")
    outcome(acting, "Save: as you wish")
    assert fake.acts.requests == [SaveRequest(serial=1)]
    acting.page.click("#d-stop")
    acting.wait_text("#d-stop", "Really stop")
    assert fake.acts.requests == [SaveRequest(serial=1)]
    acting.page.click("#d-stop")
    outcome(acting, "Stop: as you wish")
    assert fake.acts.requests[-1] == StopRequest()


def test_a_paused_display_stands_still_while_the_strip_goes_on(
    open_page: Callable[[str], Viewer], scene: Scene
) -> None:
    with (
        FakePipeline(scene, rate_hz=0.2, interval_s=0.1, start=200) as own,
        dashboard(own.feed, own.control) as at,
    ):
        viewer = open_page(at)
        viewer.page.keyboard.press("c")
        viewer.page.click("#d-pause")
        viewer.page.wait_for_selector("#paused")
        still = viewer.pixels("classes")
        rows = viewer.text("#rows")
        own.seen = 300.0
        viewer.wait("document.querySelector('#rows').textContent !== arg", rows)
        viewer.wait("Bokeh.documents[0].get_model_by_name('link').ack > 5")
        assert viewer.pixels("classes") == still
        viewer.page.click("#paused")
        viewer.wait(
            "JSON.stringify([...Bokeh.documents[0].get_model_by_name('picture_classes').data.image[0]]) !== arg",
            str([v for row in still for v in row]).replace(" ", ""),
        )
        viewer.page.wait_for_selector("#paused", state="hidden")


def test_the_phases_are_saved_as_a_picture(acting: Viewer, tmp_path: Path) -> None:
    with acting.page.expect_download() as download:
        acting.page.click("#d-picture")
    assert download.value.suggested_filename == "oxide_particle_017_phases.png"
    download.value.save_as(tmp_path / "p.png")
    assert (tmp_path / "p.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert (tmp_path / "p.png").stat().st_size > 1000
