"""What the tests of boxes, detectors and positions do with a page, and ask of the pipeline behind it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from browser import LIMIT_MS, Viewer
from fake_pipeline import FakePipeline

from livebragg.wire.messages import DarkFieldRequest

READY = "livebragg.plots().classes.y_range.start >= 18 && livebragg.plots().vectors.y_range.start > 0"
MODEL = "Bokeh.documents[0].get_model_by_name"
SIZE = 0.0213
"""1/Angstrom per pixel of the fake pipeline."""


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
            const data = explore.tiles(), tile = data.tile[data.id.indexOf('{number}')];
            return [tile.shape, Array.from(tile)];
        }}"""
    )
    return np.array(values).reshape(shape)


def wait_tile(viewer: Viewer, number: int, condition: str = "true") -> None:
    viewer.wait(f"(() => {{ const d = explore.tiles(), tile = d.tile[d.id.indexOf('{number}')]; "
                f"return tile && {condition}; }})()")  # fmt: skip


def own_image(viewer: Viewer, expected: np.ndarray) -> None:
    """Wait until the virtual image is the expected one, between its percentiles."""
    viewer.wait(f"(() => {{ const image = {MODEL}('picture_virtual').data.image[0]; "
                "return image.shape[0] === 18 && image[0] === 1 && image[120] > image[60]; })()")  # fmt: skip
    shown = np.array(viewer.pixels("virtual")).astype(float)
    both = (shown > 0) & np.isfinite(expected)
    assert both.sum() >= np.isfinite(expected).sum() - 4  # the scan goes on
    assert np.corrcoef(shown[both], expected[both])[0, 1] > 0.99
