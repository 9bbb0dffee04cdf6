"""What the tests of the dashboard share: a fake pipeline, and the folder they import it from."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from browser import ARGUMENTS, CHROMIUM, Viewer, dashboard, require_chromium
from exploring import READY
from fake_pipeline import FakePipeline
from fake_scene import Scene


@pytest.fixture(scope="session")
def scene() -> Scene:
    """A specimen on a scan and frames that are not square."""
    return Scene((18, 27), (48, 64), 4)


@pytest.fixture
def pipeline(scene: Scene) -> Iterator[FakePipeline]:
    """A pipeline half-way through a slow scan."""
    with FakePipeline(scene, rate_hz=3.0, interval_s=0.1, start=240) as fake:
        yield fake


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    require_chromium()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def viewer(chromium: Any) -> Iterator[Viewer]:
    page = chromium.new_page(viewport={"width": 1920, "height": 1080})
    yield Viewer(page)
    page.close()


@pytest.fixture(scope="module")
def steady(scene: Scene) -> Iterator[FakePipeline]:
    """A pipeline for the tests that only look; its scan goes on, slowly."""
    with FakePipeline(scene, rate_hz=1.0, interval_s=0.1, start=240) as fake:
        yield fake


@pytest.fixture(scope="module")
def steady_url(steady: FakePipeline) -> Iterator[str]:
    with dashboard(steady.feed, steady.control) as address:
        yield address


@pytest.fixture
def steady_page(viewer: Viewer, steady_url: str) -> Viewer:
    """One page of it that can be explored."""
    viewer.open(steady_url)
    viewer.wait(READY)
    return viewer


@pytest.fixture
def url(pipeline: FakePipeline) -> Iterator[str]:
    with dashboard(pipeline.feed, pipeline.control) as address:
        yield address


@pytest.fixture
def open_page(chromium: Any) -> Iterator[Callable[[str], Viewer]]:
    pages = []

    def made(url: str) -> Viewer:
        pages.append(chromium.new_page(viewport={"width": 1920, "height": 1080}))
        viewer = Viewer(pages[-1]).open(url)
        viewer.wait("document.querySelectorAll('.card').length > 4")
        return viewer

    yield made
    for page in pages:
        page.close()
