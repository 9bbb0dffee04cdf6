"""A session's scene: pictures, disks and marks at the right places, and nothing made twice."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from makers import (
    acquisition,
    class_maps,
    class_patterns,
    class_profiles,
    latest_frame,
    reply,
    snapshot_of,
    status,
    vector_map,
    virtual_images,
)

from livebragg.wire.messages import VirtualImageSet
from livebragg_dashboards.asking.frames import FrameAnswer
from livebragg_dashboards.drawing.pictures import part_image
from livebragg_dashboards.feed.state import FeedState
from livebragg_dashboards.viewing import compose, details
from livebragg_dashboards.viewing.compose import PART, Composer, part_on_view
from livebragg_dashboards.viewing.viewer import Hover, Viewer

MESSAGES = (class_maps(), virtual_images(), vector_map(), latest_frame(), class_patterns(), class_profiles())


def test_everything_the_feed_has_is_drawn() -> None:
    scene = Composer().scene(snapshot_of(*MESSAGES, status()), Viewer(), None, 0.0)
    assert set(scene.pictures) == {"classes", "virtual", "vectors", "frame"}
    assert scene.tiles.ids == ["0", "1", "2"] and len(scene.curves.x) == 2
    assert scene.image_name == "bright_field"


def test_before_the_first_map_there_is_nothing_to_draw() -> None:
    scene = Composer().scene(snapshot_of(status()), Viewer(), None, 0.0)
    assert not scene.pictures and not scene.tiles.pixels and not scene.curves.x
    assert not len(scene.disks["x"]) and not len(scene.marks["x"])


def test_pictures_are_made_again_only_when_their_data_or_the_choice_changes() -> None:
    composer, viewer, snapshot = Composer(), Viewer(), snapshot_of(*MESSAGES, status())
    first, second = (composer.scene(snapshot, viewer, None, 0.0) for _ in range(2))
    assert all(first.pictures[name] is second.pictures[name] for name in first.pictures)
    assert first.tiles is second.tiles and first.curves is second.curves
    viewer.image, viewer.scales["vectors"] = "com_qx", "linear"
    third = composer.scene(snapshot, viewer, None, 0.0)
    assert [n for n in first.pictures if third.pictures[n] is not first.pictures[n]] == ["virtual", "vectors"]


@pytest.mark.parametrize("kind", ["vectors", "tiles", "curves"])
def test_what_is_drawn_seldom_shows_the_last_message_when_none_follows(kind: str) -> None:
    """Two messages in one second, the first drawn: nothing may follow the second, at the end of a scan."""
    composer, state = Composer(), FeedState()

    def shown(now: float) -> Any:
        scene = composer.scene(state.snapshot(), Viewer(), None, now)
        return {"tiles": scene.tiles, "curves": scene.curves, "vectors": scene.pictures["vectors"]}[kind]

    for message in (*MESSAGES, status()):
        state.update(message, 10.1)
    first = shown(10.2)
    for changed in (
        vector_map(map=vector_map().map[::-1].copy(), revision=6),
        class_patterns(patterns=class_patterns().patterns[::-1].copy(), revision=6),
        class_profiles(profiles=class_profiles().profiles[::-1].copy(), revision=6),
    ):
        state.update(changed, 10.5)
    assert shown(10.6) is shown(11.4) is first, "the browser is spared"
    last = shown(11.6)
    assert last is not first
    pixels = {"tiles": lambda p: p.pixels[0], "curves": lambda p: p.y[1], "vectors": lambda p: p.pixels}[kind]
    assert not np.array_equal(pixels(last), pixels(first))
    assert shown(99.0) is last, "and nothing is sent twice"


def test_what_is_drawn_seldom_is_drawn_once_a_second_while_messages_follow_each_other() -> None:
    composer, state, drawn = Composer(), FeedState(), []
    for k in range(12):
        now = 10.0 + k / 4
        for message in (*MESSAGES[:2], vector_map(revision=k), status()):
            state.update(message, now)
        picture = composer.scene(state.snapshot(), Viewer(), None, now + 0.1).pictures["vectors"]
        drawn += [] if drawn and drawn[-1] is picture else [picture]
    assert len(drawn) == 3


def test_the_image_of_a_class_is_computed_once_and_read_at_one_position(monkeypatch: pytest.MonkeyPatch) -> None:
    computed: list[tuple[int, ...]] = []

    def spied(*args: Any) -> Any:
        part = part_image(*args)
        computed.append(part.shape)
        return part

    monkeypatch.setattr(compose, "part_image", spied)
    composer, viewer, snapshot = Composer(), Viewer(), snapshot_of(*MESSAGES, status())
    viewer.image = f"{PART}0"
    for _ in range(3):
        scene = composer.scene(snapshot, viewer, None, 0.0)
    assert computed == [(3, 5)]
    assert "virtual" in details.readout(snapshot, scene, Hover("virtual", 1.5, 0.5))
    assert computed == [(3, 5), ()]


def test_the_parts_of_one_class_are_an_image_until_the_class_is_gone() -> None:
    viewer, maps = Viewer(), class_maps()
    number = maps.class_ids[0]
    viewer.image = f"{PART}{number}"
    snapshot = snapshot_of(*MESSAGES, status())
    scene = Composer().scene(snapshot, viewer, None, 0.0)
    assert scene.image_name == viewer.image
    part = part_on_view(snapshot, viewer.image)
    assert part is not None
    own = maps.labels == number
    seen = np.isfinite(part)
    np.testing.assert_allclose(part[own & seen], maps.parts[0][own & seen] / 255, rtol=1e-6)
    assert (part[~own & seen & (maps.second != number)] == 0).all()
    limits = scene.pictures["virtual"].limits
    assert limits is not None and (limits.low, limits.high) == (0.0, 1.0)
    viewer.image = f"{PART}12345"
    assert (
        Composer().scene(snapshot, viewer, None, 0.0).image_name in snapshot.slots[VirtualImageSet].message.names
    )


def test_disks_and_peaks_lie_on_their_pixels() -> None:
    scene = Composer().scene(snapshot_of(*MESSAGES, status()), Viewer(), None, 0.0)
    frame, vectors = scene.pictures["frame"].axes, scene.pictures["vectors"].axes
    assert frame.position_at(scene.disks["x"][0], scene.disks["y"][0]) == (2, 4)
    assert vectors.position_at(scene.peaks["x"][0], scene.peaks["y"][0]) == (1, 9)


def test_axes_are_in_inverse_angstroms_about_the_direct_beam_when_known() -> None:
    known = status(acquisition=acquisition(q_pixel_size_inv_angstrom=0.02))
    scene = Composer().scene(snapshot_of(*MESSAGES, known), Viewer(), None, 0.0)
    assert scene.disks["y"][0] == pytest.approx((2 - 4.0) * 0.02)
    assert scene.disks["x"][0] == pytest.approx((4 - 2.5) * 0.02)
    assert scene.peaks["y"][0] == pytest.approx(-1.5 * 0.02)


def test_without_a_probe_the_middle_of_the_frame_is_the_origin() -> None:
    scene = Composer().scene(snapshot_of(*MESSAGES, status(probe=None)), Viewer(), None, 0.0)
    assert scene.pictures["frame"].axes.origin == (3.5, 2.5)


def test_a_selected_position_shows_its_own_frame_about_its_own_origin() -> None:
    viewer = Viewer()
    viewer.selected = (0, 3)
    snapshot = snapshot_of(*MESSAGES, status())
    scene = Composer().scene(snapshot, viewer, FrameAnswer(3, reply()), 0.0)
    assert scene.pictures["frame"].axes.origin == (4.0, 2.0)
    assert [scene.marks["x"][-1], scene.marks["y"][-1]] == [3.5, 0.5]
    assert scene.marks["live"].tolist() == [1, 0]
    lost = reply(origin=np.array([np.nan, 2.0], np.float32))
    assert Composer().scene(snapshot, viewer, FrameAnswer(3, lost), 0.0).pictures["frame"].axes.origin == (
        4.0,
        2.5,
    )


def test_while_a_selected_frame_is_on_its_way_no_other_frame_is_shown_as_it() -> None:
    viewer = Viewer()
    viewer.selected = (0, 3)
    scene = Composer().scene(snapshot_of(*MESSAGES, status()), viewer, None, 0.0)
    assert "frame" not in scene.pictures and scene.shown is None


def test_places_that_are_no_numbers_are_not_drawn() -> None:
    bad = latest_frame(
        qx=np.array([np.nan, 2.0], np.float32), qy=np.ones(2, np.float32), intensity=np.ones(2, np.float32)
    )
    scene = Composer().scene(snapshot_of(class_maps(), bad, status()), Viewer(), None, 0.0)
    assert len(scene.disks["x"]) == len(scene.disks["radius"]) == 1


def test_a_virtual_image_that_is_gone_is_replaced_by_the_first() -> None:
    viewer = Viewer()
    viewer.image = "no_such"
    assert Composer().scene(snapshot_of(*MESSAGES, status()), viewer, None, 0.0).image_name == "bright_field"
