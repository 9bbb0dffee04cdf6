"""Answers become pictures and words; each is made once."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from makers import class_maps, status, vector_map

from livebragg.wire.messages import (
    DarkFieldReply,
    FrameRequest,
    PositionReply,
    RegionMapReply,
    RegionPatternReply,
    RegionProfileReply,
)
from livebragg_dashboards.asking.frames import FrameAnswer
from livebragg_dashboards.asking.inquiries import Answer
from livebragg_dashboards.drawing.orientation import Axes
from livebragg_dashboards.explore.composition import as_in_maps
from livebragg_dashboards.explore.explorer import Explorer, position_question
from livebragg_dashboards.explore.tiles import TILE_SIDE
from livebragg_dashboards.explore.views import ExploreComposer, View
from livebragg_dashboards.feed.state import FeedState, Snapshot

SCALES = {"vectors": "log", "frame": "sqrt"}
AXES = {"classes": Axes(shape=(3, 5))}
BOX = {"kind": "box", "panel": "classes", "x0": 0.5, "y0": 0.5, "x1": 2.5, "y1": 1.5}


def snapshot() -> Snapshot:
    state = FeedState()
    for message in (status(), class_maps(), vector_map()):
        state.update(message, 1.0)
    return state.snapshot()


def view(composer: ExploreComposer, explorer: Explorer, *answers: Answer, selected: int | None = None) -> View:
    by_slot = {answer.question.slot: answer for answer in answers}
    made = composer.view(snapshot(), explorer, by_slot, 0.1, SCALES, selected)
    json.dumps(made.texts, allow_nan=False)
    return made


def reply_of(mode: str, **changes: Any) -> Any:
    image = np.zeros((600, 40), np.float32)
    image[30, 5] = 1000
    if mode == "map":
        return RegionMapReply(
            **{
                "serial": 1,
                "n_positions": 4,
                "map": image,
                "bins_per_pixel": 2.0,
                "origin_row": 3.0,
                "origin_col": 4.0,
            }
            | changes
        )
    if mode == "pattern":
        return RegionPatternReply(**{"serial": 1, "n_positions": 4, "n_frames": 4, "pattern": image} | changes)
    radii = np.arange(8, dtype=np.float32) + 0.5
    mean = np.array([900, 800, np.nan, 2, 4, 2, 1, 1], np.float32)
    return RegionProfileReply(
        serial=1, n_positions=6, radii=radii, mean=mean, variance=mean, pixels=np.ones(8, np.int64)
    )


def boxed(mode: str = "map") -> Explorer:
    explorer = Explorer()
    assert explorer.act(BOX, AXES) and explorer.act({"kind": "show_box", "number": 0, "mode": mode}, AXES)
    return explorer


@pytest.mark.parametrize("mode", ["map", "pattern"])
def test_the_picture_of_a_box_is_made_once_and_small(mode: str) -> None:
    composer, explorer = ExploreComposer(), boxed(mode)
    answer = Answer(explorer.boxes.all[0].question(1), reply_of(mode))
    made = view(composer, explorer, answer)
    assert max(made.tiles["0"].shape) <= TILE_SIDE and made.tiles["0"].max() == 255
    assert made.texts["boxes"][0]["note"] == "4 of 6" and made.texts["boxes"][0]["place"] == [0, 0, 2, 3]
    assert view(composer, explorer, answer).tiles["0"] is made.tiles["0"]
    other = Answer(answer.question, reply_of(mode))
    assert view(composer, explorer, other).tiles["0"] is not made.tiles["0"]


def test_a_radial_profile_is_one_row_and_its_top_is_beyond_the_direct_beam() -> None:
    explorer = boxed("profile")
    made = view(ExploreComposer(), explorer, Answer(explorer.boxes.all[0].question(1), reply_of("profile")))
    assert made.tiles["0"].shape == (1, 8) and made.tiles["0"].argmax() <= 4
    assert made.tiles["0"][0, 4] == 255 and made.tiles["0"][0, 2] == 0
    assert made.texts["boxes"][0]["note"] == ""


def test_an_answer_about_another_place_is_not_shown() -> None:
    explorer = boxed()
    old = Answer(explorer.boxes.all[0].question(1), reply_of("map"))
    explorer.act({"kind": "move_box", "number": 0, "rows": 1, "cols": 1}, AXES)
    made = view(ExploreComposer(), explorer, old)
    assert made.tiles == {} and made.texts["boxes"][0]["note"] == "asking …"
    last = Answer(explorer.boxes.all[0].question(0), reply_of("map"))
    assert view(ExploreComposer(), explorer, last).tiles == {}  # of another acquisition


def test_a_refused_box_says_why_in_clean_words() -> None:
    explorer = boxed()
    answer = Answer(explorer.boxes.all[0].question(1), None, "no\u202e such \x00thing")
    card = view(ExploreComposer(), explorer, answer).texts["boxes"][0]
    assert card["refused"] and card["note"] == "no such thing"


def test_the_own_image_waits_then_shows_then_says_why_not() -> None:
    composer, explorer = ExploreComposer(), Explorer()
    explorer.look(snapshot(), 0.1)
    explorer.act({"kind": "aperture", "panel": "frame", "x": 0.5, "y": 0.0, "radius": 0.2}, AXES)
    waiting = view(composer, explorer)
    assert waiting.own is not None and waiting.own.note == "measuring …" and waiting.own.picture is None
    question = explorer.questions(1, None)[0]
    image = np.arange(15, dtype=np.float32).reshape(3, 5)
    shown = view(composer, explorer, Answer(question, DarkFieldReply(serial=1, image=image)))
    assert shown.own is not None and shown.own.picture is not None and shown.own.note == ""
    assert shown.own.title == "Dark field · d 2 Å · radius 0.2 1/Å"
    assert shown.texts["detector"] | {"title": "", "note": ""} == {
        "title": "", "note": "", "pending": False, "kind": "aperture", "x": 0.5, "y": 0.0, "radius": 0.2
    }  # fmt: skip
    refused = view(composer, explorer, Answer(question, None, "not now"))
    assert refused.own is not None and refused.own.note == "not now" and refused.own.image is None


def test_the_picture_of_another_detector_is_marked_until_that_of_this_one_has_come() -> None:
    composer, explorer = ExploreComposer(), Explorer()
    explorer.look(snapshot(), 0.1)
    explorer.act({"kind": "aperture", "panel": "frame", "x": 0.5, "y": 0.0, "radius": 0.2}, AXES)
    before = explorer.questions(1, None)[0]
    image = np.arange(15, dtype=np.float32).reshape(3, 5)
    explorer.act({"kind": "aperture", "panel": "frame", "x": 0.7, "y": 0.0, "radius": 0.2}, AXES)
    for answer in (Answer(before, DarkFieldReply(serial=1, image=image)), Answer(before, None, "not now")):
        own = view(composer, explorer, answer).own
        assert own is not None and own.pending and own.note == "measuring …" and own.image is None
    now = Answer(explorer.questions(1, None)[0], DarkFieldReply(serial=1, image=image))
    own = view(composer, explorer, now).own
    assert own is not None and not own.pending and own.image is image


def position(**changes: Any) -> PositionReply:
    values: dict[str, Any] = {
        "serial": 1, "scan_index": 6, "label": 0, "qx": np.array([2.0], np.float32),
        "qy": np.array([4.0], np.float32), "intensity": np.array([7.0], np.float32),
        "origin": np.array([4.0, 2.5], np.float32), "peak_ids": np.array([8, 4, 3], np.int32),
        "features": np.array([1.0, 2.0, 3.0], np.float32), "class_ids": [0, 1, 2],
        "weights": np.array([2.0, 0.5, np.nan], np.float32), "shares": np.array([0.75, 0.25, np.nan], np.float32),
    }  # fmt: skip
    return PositionReply(**(values | changes))


def test_features_are_ordered_outwards_and_peaks_that_are_gone_come_last() -> None:
    answer = Answer(position_question(1, 6), position())
    made = view(ExploreComposer(), Explorer(), answer, selected=6)
    assert made.bars.peak_id.tolist() == [4, 3, 8] and made.bars.value.tolist() == [2, 3, 1]
    assert made.bars.words(1.5, 0.1) == "peak 3 · d 4.71 Å · 3"
    assert made.bars.words(2.5, 0.1) == "peak 8 · not tracked any more · 1"
    assert made.bars.words(3.5, 0.1) == made.bars.words(-1, None) == ""
    texts = made.texts["position"]
    assert texts["note"] == "3 tracked peaks" and texts["families"] == "75 % crystal · 25 % amorphous"
    assert [(row["name"], row["part"], row["weight"]) for row in texts["classes"]] == [
        ("Alpha", "75 %", "2"),
        ("Glass", "25 %", "0.5"),
    ]


def test_features_that_are_no_numbers_are_no_bars_of_infinite_height() -> None:
    bad = position(features=np.array([np.nan, np.inf, -np.inf], np.float32))
    made = view(ExploreComposer(), Explorer(), Answer(position_question(1, 6), bad), selected=6)
    assert made.bars.value.tolist() == [0, 0, 0]


def test_no_answer_and_a_refusal_are_said() -> None:
    composer = ExploreComposer()
    assert view(composer, Explorer()).texts["position"] == {"mode": "none"}
    assert view(composer, Explorer(), selected=6).texts["position"]["mode"] == "pending"
    refused = Answer(position_question(1, 6), None, "not scanned yet")
    assert view(composer, Explorer(), refused, selected=6).texts["position"]["note"] == "not scanned yet"


def test_a_frame_that_is_gone_leaves_its_disks_on_an_empty_picture() -> None:
    composer = ExploreComposer()
    gone = FrameAnswer(6, None, "its frame has left the frame log")
    known = {"position": Answer(position_question(1, 6), position())}
    made = composer.without_picture(gone, known, snapshot())
    assert made is not None and made.reply is not None and made.reason == gone.reason
    assert made.reply.frame.shape == (8, 6) and np.isnan(made.reply.frame).all()
    assert made.reply.qx.tolist() == [2.0] and made.reply.drawn
    assert composer.without_picture(gone, known, snapshot()) is made
    other = FrameAnswer(7, None, "gone")
    assert composer.without_picture(other, known, snapshot()) is other
    assert FrameRequest(serial=1, scan_index=6).scan_index == gone.scan_index


@pytest.mark.parametrize("share", [0.3249, 0.6749, 0.6751, 0.995, 1.0])
def test_a_part_of_a_position_is_rounded_as_the_pointer_reads_it_from_the_maps(share: float) -> None:
    assert as_in_maps(share) == float(np.rint(255 * share).astype(np.uint8)) / 255
