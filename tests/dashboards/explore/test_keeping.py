"""What a page keeps in its address is what was there; what an address says is checked like any action."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from makers import status

from livebragg_dashboards.drawing.orientation import Axes
from livebragg_dashboards.explore.boxes import Box
from livebragg_dashboards.explore.detector import Aperture, Detector, PeakLight, Ring
from livebragg_dashboards.explore.explorer import Explorer
from livebragg_dashboards.explore.keeping import kept, restore
from livebragg_dashboards.viewing.viewer import Viewer

AXES = {"classes": Axes(shape=(10, 20))}


def asked(viewer: Viewer, **more: Any) -> bool:
    return viewer.act({"kind": "restore"} | more, AXES)


@pytest.mark.parametrize(
    "detector", [None, Ring(4.0, 10.5), Aperture(-3.25, 1e-3, 2.0), PeakLight(17, 12.5, -4.25)]
)
def test_everything_comes_back(detector: Detector | None) -> None:
    before, after = Explorer(), Explorer()
    before.boxes.put(Box(2, 0, 3, 10, 20, "profile"), (10, 20))
    before.boxes.put(Box(0, 4, 4, 5, 5), (10, 20))
    before.detector = detector
    known = status().acquisition
    texts = kept(before, known, 7)
    assert known is not None and texts["scan"] == f"{known.acquisition_id} 7"
    restore(after, texts["boxes"], texts["detector"], (10, 20))
    assert after.boxes.all == before.boxes.all
    assert after.detector == detector


def test_boxes_that_are_not_on_the_scan_or_have_a_taken_colour_are_left_out() -> None:
    viewer = Viewer()
    boxes = "0_0_0_2_2_map,0_3_3_4_4_map,1_0_0_11_2_map,2_-1_0_2_2_map,3_5_5_5_6_map,9_0_0_1_1_map"
    assert asked(viewer, boxes=boxes, detector="")
    assert [box.number for box in viewer.explorer.boxes.all] == [0]


@pytest.mark.parametrize(
    "more",
    [
        {"boxes": "0_0_0_1_1_<b>", "detector": ""},
        {"boxes": "0_0_0", "detector": ""},
        {"boxes": "", "detector": "ring_nan_3"},
        {"boxes": "", "detector": "ring_1"},
        {"boxes": "", "detector": "aperture_1e300_0_2"},
        {"boxes": "", "detector": "sun_1_2"},
        {"boxes": "", "detector": "peak_1_inf_0"},
        {"boxes": 7, "detector": []},
        {},
    ],
)
def test_an_address_that_makes_no_sense_is_refused_and_the_page_goes_on(more: dict[str, Any]) -> None:
    viewer = Viewer()
    assert not asked(viewer, **more)
    assert viewer.refused == 1 and viewer.restored
    assert viewer.explorer.boxes.all == () and viewer.explorer.detector is None


@given(st.text(max_size=60), st.text(max_size=60))
def test_no_address_harms_a_session(boxes: str, detector: str) -> None:
    asked(Viewer(), boxes=boxes, detector=detector)
