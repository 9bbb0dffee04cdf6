"""A real headless Chromium, a real dashboard server, and words for what a test does with them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]
LIMIT_MS = 40_000


def require_chromium() -> None:
    """Skip without a browser, except in CI, which must have one."""
    if not CHROMIUM.exists():
        if os.environ.get("CI"):
            pytest.fail(f"CI needs a Chromium at {CHROMIUM}")
        pytest.skip(f"no Chromium at {CHROMIUM}")


@contextmanager
def chromium_page() -> Iterator[Any]:
    """A page of a browser of its own."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        yield browser.new_page(viewport={"width": 1920, "height": 1080})
        browser.close()


@contextmanager
def dashboard(feed: str, control: str, *options: str, port: int = 0) -> Iterator[str]:
    """Address of a dashboard server in its own process; without endpoints when the options say what is shown."""
    with dashboard_process(feed, control, *options, port=port) as (address, _):
        yield address


@contextmanager
def dashboard_process(feed: str, control: str, *options: str, port: int = 0) -> Iterator[tuple[str, Any]]:
    """The same, and the process."""
    command = [sys.executable, "-m", "livebragg_dashboards.cli", "--no-browser", "--port", str(port)]
    endpoints = ["--feed", feed, "--control", control] if feed else []
    process = subprocess.Popen(
        [*command, *endpoints, *options],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        found = re.search(r"http://\S+", line)
        assert found, f"the dashboard said {line!r}"
        # Somebody has to read what it says, or it would wait for a reader one day.
        threading.Thread(target=process.stdout.read, daemon=True).start()
        yield found.group(), process
    finally:
        process.terminate()
        process.wait(60)
        process.stdout.close()


class Viewer:
    """One open page."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.complaints: list[str] = []
        page.set_default_timeout(LIMIT_MS)
        page.on("console", lambda m: self.complaints.append(m.text) if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda e: self.complaints.append(str(e)))

    def open(self, url: str) -> Viewer:
        """Go to the page and wait until it is alive."""
        self.page.goto(url)
        self.wait("Bokeh.documents[0]?.get_model_by_name('link')?.ack > 0")
        return self

    def wait(self, condition: str, argument: object = None) -> None:
        """Wait until a JavaScript expression is true."""
        self.page.wait_for_function(f"(arg) => {{ try {{ return {condition} }} catch {{ return false }} }}",
                                    arg=argument, timeout=LIMIT_MS)  # fmt: skip

    def evaluate(self, expression: str) -> Any:
        """Value of a JavaScript expression."""
        return self.page.evaluate(expression)

    def text(self, selector: str) -> str:
        """Text of an element."""
        return str(self.page.text_content(selector) or "")

    def wait_text(self, selector: str, part: str) -> None:
        """Wait until an element's text contains something."""
        self.wait(f"document.querySelector({selector!r}).textContent.includes(arg)", part)

    def pixels(self, name: str) -> list[list[int]]:
        """An 8-bit image of the page's data source, by rows."""
        rows: list[list[int]] = self.evaluate(
            f"""() => {{
                const image = Bokeh.documents[0].get_model_by_name('picture_{name}').data.image[0];
                const [rows, cols] = image.shape;
                return Array.from({{length: rows}}, (_, r) => Array.from(image.slice(r * cols, (r + 1) * cols)));
            }}"""
        )
        return rows

    def place_of(self, name: str, row: float, col: float) -> tuple[float, float]:
        """Where on the screen a pixel of a real-space image is drawn, from the figure's own ranges."""
        x, y = self.evaluate(
            f"""() => {{
                const plot = Bokeh.documents[0].get_model_by_name('{name}');
                const view = Bokeh.index.find_one_by_id(plot.id);
                const box = view.el.getBoundingClientRect();
                const [x, y] = view.frame.bbox.contains ? [view.frame.bbox.left, view.frame.bbox.top] : [0, 0];
                const at = (v, range, size) => (v - range.start) / (range.end - range.start) * size;
                return [box.left + x + at({col} + 0.5, plot.x_range, plot.inner_width),
                        box.top + y + plot.inner_height - at({row} + 0.5, plot.y_range, plot.inner_height)];
            }}"""
        )
        return x, y

    def click(self, name: str, row: int, col: int) -> None:
        """Click on a scan position with the mouse."""
        self.page.mouse.click(*self.place_of(name, row, col))


def outcome(viewer: Viewer, words: str) -> None:
    """Wait until the newest act is done, or refused, with these words."""
    viewer.wait_text("#d-acts li:first-child", words)


def until(found: Callable[[], Any]) -> Any:
    """First thing that is not false."""
    end = time.monotonic() + LIMIT_MS / 1000
    while time.monotonic() < end:
        if thing := found():
            return thing
        time.sleep(0.02)
    raise AssertionError("it did not come")


def lit(viewer: Viewer, selector: str) -> int:
    """Pixels of a canvas that are not nearly black."""
    return int(viewer.evaluate(
        f"""() => {{
            const canvas = document.querySelector({selector!r});
            const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
            let n = 0;
            for (let i = 0; i < data.length; i += 4) n += data[i] + data[i + 1] + data[i + 2] > 150;
            return n;
        }}"""
    ))  # fmt: skip
