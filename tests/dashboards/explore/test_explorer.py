"""Boxes and detectors are clipped, few and finite, whatever a browser sends."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from makers import status, vector_map

from livebragg.wire.messages import DarkFieldRequest, VirtualImageRequest
from livebragg_dashboards.drawing.orientation import Axes
from livebragg_dashboards.explore.boxes import COLOURS, MAX_BOXES, Boxes
from livebragg_dashboards.explore.detector import Aperture, PeakLight, Ring
from livebragg_dashboards.feed.state import FeedState
from livebragg_dashboards.viewing.actions import read_action
from livebragg_dashboards.viewing.viewer import Viewer

SCAN = Axes(shape=(10, 20))
AXES = {"classes": SCAN, "virtual": SCAN, "vectors": Axes(shape=(9, 13)), "frame": Axes(shape=(8, 6))}


@pytest.fixture
def viewer() -> Viewer:
    made = Viewer()
    state = FeedState()
    state.update(status(), 1.0)
    state.update(vector_map(), 1.0)
    made.explorer.look(state.snapshot(), 0.1)
    return made


def act(viewer: Viewer, kind: str, **more: Any) -> bool:
    return viewer.act(read_action(json.dumps({"kind": kind} | more)), AXES)


def box(viewer: Viewer, x0: float, y0: float, x1: float, y1: float) -> bool:
    return act(viewer, "box", panel="classes", x0=x0, y0=y0, x1=x1, y1=y1)


def places(boxes: Boxes) -> list[tuple[int, int, int, int]]:
    return [(b.top, b.left, b.bottom, b.right) for b in boxes.all]


@pytest.mark.parametrize(
    ("corners", "placed"),
    [
        ((2.5, 1.5, 5.5, 3.5), (1, 2, 4, 6)),
        ((5.5, 3.5, 2.5, 1.5), (1, 2, 4, 6)),
        ((2.5, 1.5, 2.6, 1.6), (1, 2, 2, 3)),
        ((-50.0, -1e300, 1e300, 1e18), (0, 0, 10, 20)),
        ((18.0, 8.0, 99.0, 99.0), (8, 18, 10, 20)),
    ],
)
def test_a_box_is_clipped_to_the_scan(viewer: Viewer, corners: Any, placed: Any) -> None:
    assert box(viewer, *corners)
    assert places(viewer.explorer.boxes) == [placed]
    assert viewer.explorer.boxes.all[0].question(3).request.mask.shape == (
        placed[2] - placed[0],
        placed[3] - placed[1],
    )


@pytest.mark.parametrize("corners", [(math.nan, 1, 2, 3), (1, math.inf, 2, 3), (25, 3, 30, 5), (-9, -9, -3, -3)])
def test_a_box_that_is_nowhere_is_refused_with_words(viewer: Viewer, corners: Any) -> None:
    box(viewer, *corners)
    assert places(viewer.explorer.boxes) == [] and "on the scan" in viewer.explorer.note


def test_boxes_are_few_and_a_freed_colour_is_used_again(viewer: Viewer) -> None:
    for k in range(MAX_BOXES):
        box(viewer, k, 1, k + 2, 3)
    assert [b.colour for b in viewer.explorer.boxes.all] == list(COLOURS)
    for _ in range(10_000):
        box(viewer, 1, 1, 2, 2)
    assert len(viewer.explorer.boxes.all) == MAX_BOXES and "delete one first" in viewer.explorer.note
    assert act(viewer, "delete_box", number=2) and viewer.explorer.note == ""
    box(viewer, 1, 1, 2, 2)
    assert viewer.explorer.boxes.all[-1].colour == COLOURS[2]
    assert len(viewer.explorer.questions(1, None)) == MAX_BOXES


def test_a_box_moves_as_far_as_the_scan_goes(viewer: Viewer) -> None:
    box(viewer, 2.5, 1.5, 5.5, 3.5)
    act(viewer, "move_box", number=0, rows=2, cols=-1)
    assert places(viewer.explorer.boxes) == [(3, 1, 6, 5)]
    act(viewer, "move_box", number=0, rows=10**30, cols=-(10**30))
    assert places(viewer.explorer.boxes) == [(7, 0, 10, 4)]


def test_a_click_takes_the_nearest_tracked_peak_within_reach(viewer: Viewer) -> None:
    assert act(viewer, "peak", panel="vectors", x=0.14, y=-0.16, radius=0.05)
    assert viewer.explorer.detector == PeakLight(3, -1.5, 1.5)
    question = viewer.explorer.questions(9, None)[0]
    assert question.request == DarkFieldRequest(serial=9, peak_id=3)
    assert viewer.explorer.detector.title(0.1) == "Dark field · peak 3 · d 4.71 Å"
    act(viewer, "peak", panel="vectors", x=0.9, y=0.9, radius=0.05)
    assert "no tracked peak here" in viewer.explorer.note
    assert viewer.explorer.detector == PeakLight(3, -1.5, 1.5)


def test_an_aperture_and_a_ring_are_in_detector_pixels(viewer: Viewer) -> None:
    act(viewer, "aperture", panel="frame", x=0.2, y=-0.3, radius=0.15)
    assert viewer.explorer.detector == Aperture(pytest.approx(-3), pytest.approx(2), pytest.approx(1.5))
    act(viewer, "aperture", panel="vectors", x=0.2, y=-0.3, radius=0)
    assert viewer.explorer.detector.radius == 2.0  # the probe's
    act(viewer, "annulus", inner=1.2, outer=0.4)
    assert viewer.explorer.detector == Ring(pytest.approx(4), pytest.approx(12))
    request = viewer.explorer.questions(1, 5)[1].request
    assert request == VirtualImageRequest(serial=1, inner=pytest.approx(4), outer=pytest.approx(12))


def test_escape_leaves_the_detector_then_the_position(viewer: Viewer) -> None:
    act(viewer, "select", panel="classes", x=2.5, y=1.5)
    act(viewer, "annulus")
    assert viewer.explorer.detector == Ring(4.0, 12.0)
    act(viewer, "escape")
    assert viewer.explorer.detector is None and viewer.selected == (1, 2)
    act(viewer, "escape")
    assert viewer.selected is None


def test_a_new_acquisition_keeps_a_ring_and_nothing_else(viewer: Viewer) -> None:
    box(viewer, 1, 1, 2, 2)
    act(viewer, "annulus")
    viewer.forget_acquisition()
    assert viewer.explorer.boxes.all == () and isinstance(viewer.explorer.detector, Ring)
    act(viewer, "aperture", panel="frame", x=0.2, y=-0.3, radius=0.15)
    viewer.forget_acquisition()
    assert viewer.explorer.detector is None


@pytest.mark.parametrize(
    "action",
    [
        {"kind": "box", "panel": "vectors", "x0": 1, "y0": 1, "x1": 2, "y1": 2},
        {"kind": "box", "panel": "classes", "x0": 1, "y0": 1},
        {"kind": "box", "panel": "classes", "x0": [1], "y0": {}, "x1": None, "y1": "a"},
        {"kind": "aperture", "panel": "frame", "x": 1e300, "y": 0, "radius": 1},
        {"kind": "aperture", "panel": "frame", "x": 0, "y": 0, "radius": -4},
        {"kind": "aperture", "panel": "classes", "x": 0, "y": 0, "radius": 4},
        {"kind": "peak", "panel": "nowhere", "x": 0, "y": 0, "radius": 4},
        {"kind": "annulus", "inner": -1, "outer": 4},
        {"kind": "annulus", "inner": 1, "outer": 1e300},
        {"kind": "show_box", "number": 0, "mode": "map"},
        {"kind": "show_box", "number": 0, "mode": []},
        {"kind": "delete_box", "number": 3},
        {"kind": "detector_off"},
    ],
)
def test_what_makes_no_sense_is_counted_and_changes_nothing(viewer: Viewer, action: Any) -> None:
    assert not viewer.act(read_action(json.dumps(action)), AXES)
    assert viewer.refused == 1
    assert viewer.explorer.detector is None and viewer.explorer.boxes.all == ()


@settings(max_examples=300, deadline=None)
@given(
    kind=st.sampled_from(["box", "move_box", "show_box", "delete_box", "peak", "aperture", "annulus"]),
    values=st.dictionaries(
        st.sampled_from(["x", "y", "x0", "y0", "x1", "y1", "radius", "inner", "outer", "number", "rows", "cols"]),
        st.one_of(st.floats(), st.integers(), st.none(), st.text(max_size=3), st.lists(st.integers(), max_size=2)),
    ),
    panel=st.sampled_from(["classes", "vectors", "frame", "features"]),
)
def test_nothing_a_browser_can_send_makes_an_impossible_question(kind: str, values: Any, panel: str) -> None:
    viewer = Viewer()
    box(viewer, 1, 1, 4, 4)
    viewer.act(read_action(json.dumps({"kind": kind, "panel": panel} | values)), AXES)
    for top, left, bottom, right in places(viewer.explorer.boxes):
        assert 0 <= top < bottom <= 10 and 0 <= left < right <= 20
    for question in viewer.explorer.questions(1, None):
        numbers = [v for f in ("qx", "qy", "radius", "inner", "outer")
                   if isinstance(v := getattr(question.request, f, 0.0), float)]  # fmt: skip
        assert np.isfinite(numbers).all()
