"""Legend, headers and what is under the pointer."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from makers import (
    acquisition,
    class_maps,
    class_patterns,
    latest_frame,
    reply,
    snapshot_of,
    status,
    vector_map,
    virtual_images,
)

from livebragg_dashboards.asking.frames import FrameAnswer
from livebragg_dashboards.drawing.plate import MAX_CLASSES
from livebragg_dashboards.viewing import details
from livebragg_dashboards.viewing.compose import Composer
from livebragg_dashboards.viewing.viewer import Hover, Viewer

MESSAGES = (class_maps(), virtual_images(), vector_map(), latest_frame(), class_patterns())
STATUS = status(acquisition=acquisition(q_pixel_size_inv_angstrom=0.1, scan_step_nm=2.0))


def readout(panel: str, x: float, y: float) -> dict[str, str]:
    snapshot, viewer = snapshot_of(*MESSAGES, STATUS), Viewer()
    return details.readout(snapshot, Composer().scene(snapshot, viewer, None, 0.0), Hover(panel, x, y))


def headers(viewer: Viewer, answer: FrameAnswer | None = None) -> dict[str, Any]:
    snapshot = snapshot_of(*MESSAGES, STATUS)
    return details.headers(snapshot, Composer().scene(snapshot, viewer, answer, 0.0), viewer, answer)


def test_the_legend_names_families_and_classes_with_their_part_of_what_was_scanned() -> None:
    maps = class_maps(class_counts=[3, 2, 1])
    legend = details.legend(snapshot_of(maps, STATUS))
    assert [(f["title"], [(c["name"], c["area"]) for c in f["classes"]]) for f in legend["families"]] == [
        ("Crystals", [("Alpha", "43 %")]),
        ("Polycrystals", [("Poly", "14 %")]),
        ("Amorphous", [("Glass", "29 %")]),
    ]
    assert legend["total"] == "3 classes · 14 % not classified"


def test_a_class_without_positions_is_not_shown() -> None:
    legend = details.legend(snapshot_of(class_maps(class_counts=[7, 0, 0]), STATUS))
    assert [[c["name"] for c in f["classes"]] for f in legend["families"]] == [["Alpha"]]
    assert legend["total"] == "1 class"


def test_hostile_classes_stay_text_of_limited_length() -> None:
    maps = class_maps(
        class_ids=[-5, 10**40, 2], class_names=["<img src=x onerror=alert(1)>" * 50, "\u202e\x00", ""],
        class_families=["<b>", "x" * 5000, "crystal"], class_counts=[4, 10**30, -7],
    )  # fmt: skip
    legend = details.legend(snapshot_of(maps, STATUS))
    rows = [row for family in legend["families"] for row in family["classes"]]
    assert [row["id"] for row in rows] == ["-5", str(10**40)]
    assert all(0 < len(row["name"]) <= 40 and 0 <= row["fraction"] <= 1 for row in rows)
    assert all(len(family["title"]) <= 20 for family in legend["families"])
    json.dumps(legend, allow_nan=False)


def test_more_classes_than_fit_are_counted() -> None:
    n = MAX_CLASSES + 3
    maps = class_maps(
        class_ids=list(range(n)), class_names=["x"] * n, class_families=["crystal"] * n, class_counts=[1] * n
    )
    legend = details.legend(snapshot_of(maps, STATUS))
    assert (len(legend["families"][0]["classes"]), legend["more"]) == (MAX_CLASSES, "and 3 smaller ones")


def test_the_pointer_reads_exact_values_of_both_real_space_images() -> None:
    text = readout("virtual", 4.5, 0.5)
    assert text == {"classes": "(0, 4) · Poly, 99 % sure", "virtual": "(0, 4) · 4 counts"}
    assert readout("classes", 0.5, 2.5) == {
        "classes": "(2, 0) · not classified", "virtual": "(2, 0) · not scanned yet"
    }  # fmt: skip


def test_the_pointer_reads_the_part_of_the_class_that_is_on_view() -> None:
    maps, viewer = class_maps(), Viewer()
    maps.parts[0][:2, :2], maps.parts[1][0, 2], maps.second[0, 2] = 204, 51, 0
    snapshot = snapshot_of(maps, *MESSAGES[1:], STATUS)
    viewer.image = "class:0"
    scene = Composer().scene(snapshot, viewer, None, 0.0)
    places = [(1.5, 0.5), (2.5, 0.5), (4.5, 0.5), (0.5, 2.5)]
    texts = [details.readout(snapshot, scene, Hover("virtual", x, y))["virtual"] for x, y in places]
    assert texts == ["(0, 1) · 80 %", "(0, 2) · 20 %", "(0, 4) · 0 %", "(2, 0) · not scanned yet"]


def test_the_pointer_reads_scattering_vector_and_lattice_spacing() -> None:
    assert readout("vectors", 0.15, -0.15)["vectors"] == "q 0.212 1/Å (d 4.71 Å), 135° · 5 per bin"
    assert (
        readout("frame", 0.15, -0.2)["frame"]
        == "q 0.25 1/Å (d 4 Å), 143° · 9 counts · disk at (2.00, 4.00), 1 counts"
    )


@pytest.mark.parametrize("place", [(-50.0, 0.0), (0.0, 50.0)])
def test_beside_a_picture_there_is_nothing_to_read(place: tuple[float, float]) -> None:
    assert readout("classes", *place) == {}


def test_the_header_says_live_selected_pending_or_why_not() -> None:
    viewer = Viewer()
    assert headers(viewer)["frame"] == {
        "mode": "live", "title": "Latest frame", "where": "(1, 1)", "note": "1 disk"
    }  # fmt: skip
    viewer.selected = (0, 3)
    assert headers(viewer)["frame"]["mode"] == "pending"
    assert headers(viewer, FrameAnswer(3, reply()))["frame"]["note"] == "1 disk · Glass"
    refused = headers(viewer, FrameAnswer(3, None, "not scanned yet"))["frame"]
    assert (refused["mode"], refused["note"]) == ("refused", "not scanned yet")


def test_an_answer_to_an_earlier_click_is_none() -> None:
    answer = FrameAnswer(3, reply())
    assert details.frame_reply_matches(answer, 3) is answer
    assert details.frame_reply_matches(answer, 4) is None


def test_texts_survive_any_numbers() -> None:
    hostile = virtual_images(images=np.full((2, 3, 5), np.inf, np.float32), names=["<b>", "x" * 900])
    snapshot, viewer = snapshot_of(class_maps(), hostile, STATUS), Viewer()
    scene = Composer().scene(snapshot, viewer, None, 0.0)
    json.dumps(details.headers(snapshot, scene, viewer, None), allow_nan=False)
    json.dumps(details.readout(snapshot, scene, Hover("virtual", 1.5, 1.5)), allow_nan=False)
