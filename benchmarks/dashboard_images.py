"""Makes the pictures of the dashboard in ``docs/images`` that show the page over a synthetic scan.

::

    python benchmarks/dashboard_images.py [controls marks] [--out docs/images]

The page is a real one in headless Chromium, 1920x1080, over the pipeline without a detector that the tests use.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "dashboards"))

from browser import Viewer, chromium_page, dashboard
from fake_pipeline import FakePipeline
from fake_scene import Scene

IMAGES = Path(__file__).parents[1] / "docs" / "images"
SCAN, FRAME, GRAINS, SEEN = (60, 90), (128, 128), 6, 4300
NOTES = (((13, 40), "crack"), ((28, 50), "grain boundary, look again"), (None, "beam tripped"), ((37, 3), "rim"))


def main() -> None:
    """Make the pictures that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", choices=[[], *PICTURES], help="by default all")
    parser.add_argument("--out", type=Path, default=IMAGES, metavar="FOLDER")
    args = parser.parse_args()
    for name in args.names or PICTURES:
        scene = Scene(SCAN, FRAME, GRAINS)
        with (
            FakePipeline(scene, rate_hz=5.0, start=SEEN) as pipeline,
            dashboard(pipeline.feed, pipeline.control) as url,
            chromium_page() as page,
        ):
            viewer = Viewer(page).open(f"{url}?name=Ada")
            viewer.wait("document.querySelectorAll('.card').length > 5")
            viewer.wait("livebragg.plots().classes.y_range.start >= 60")
            viewer.page.keyboard.press("c")
            viewer.wait_text("#d-control", "You have control")
            PICTURES[name](viewer)
            path = args.out / f"dashboard-{name}.png"
            viewer.page.screenshot(path=path)
            print(path)


def controls(viewer: Viewer) -> None:
    """A ring is picked, the ellipse was given, a class is renamed and chosen."""
    viewer.page.dblclick(".card[data-id='0'] .class")
    viewer.page.fill(".card input.rename", "Spinel A")
    viewer.page.press(".card input.rename", "Enter")
    viewer.wait_text(".card[data-id='0'] .class", "Spinel A")
    viewer.page.select_option("[data-value=ellipse]", "given")
    viewer.page.fill("[data-value=ratio]", "1.03")
    viewer.page.fill("[data-value=angle]", "20")
    viewer.page.click("[data-what=ellipse] button")
    viewer.wait_text("#d-acts li:first-child", "Ellipse: applied")
    viewer.page.fill("#d-spacing", "2.355")
    viewer.page.click("#d-pick")
    box: Any = viewer.page.locator('.canvas[data-plot="vectors"]').bounding_box()
    viewer.page.mouse.click(box["x"] + 0.66 * box["width"], box["y"] + 0.5 * box["height"])
    viewer.wait("Bokeh.documents[0].get_model_by_name('ring').data.x.length > 100")
    viewer.wait_text("#d-preview", "→")
    for card in ("0", "2"):
        viewer.page.click(f".card[data-id='{card}'] canvas")
    viewer.page.mouse.move(5, 5)
    viewer.page.wait_for_timeout(1500)  # until the page has drawn it all


def marks(viewer: Viewer) -> None:
    """Four marks, on the maps and listed."""
    note = "[data-what=mark] input"
    for number, (where, text) in enumerate(NOTES, 1):
        if where is None:
            viewer.page.evaluate("document.activeElement.blur()")
            viewer.page.keyboard.press("Escape")
            viewer.wait_text("#d-mark", "the moment")
        else:
            viewer.click("classes", *where)
            viewer.wait_text("#d-mark", "Mark ({}, {})".format(*where))
        viewer.page.fill(note, text)
        viewer.page.press(note, "Enter")
        viewer.wait_text("#marks-button", f"Marks {number}")
    viewer.page.keyboard.press("Escape")
    viewer.page.click("#marks-button")
    viewer.page.mouse.move(5, 5)
    viewer.page.wait_for_timeout(1500)  # until the page has drawn it all


PICTURES: dict[str, Callable[[Viewer], None]] = {"controls": controls, "marks": marks}

if __name__ == "__main__":
    main()
