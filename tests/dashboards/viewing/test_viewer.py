"""Actions of a browser are checked; nonsense changes nothing and is counted."""

from __future__ import annotations

import json

import pytest

from livebragg_dashboards.drawing.orientation import Axes
from livebragg_dashboards.viewing.actions import read_action
from livebragg_dashboards.viewing.viewer import Hover, Viewer

AXES = {"classes": Axes(shape=(4, 6)), "virtual": Axes(shape=(4, 6))}


def act(viewer: Viewer, **action: object) -> bool:
    return viewer.act(read_action(json.dumps(action)), AXES)


def test_a_click_selects_the_position_under_it_and_live_lets_it_go() -> None:
    viewer = Viewer()
    assert act(viewer, kind="select", panel="virtual", x=5.2, y=3.9)
    assert viewer.selected == (3, 5)
    assert act(viewer, kind="live")
    assert viewer.selected is None


def test_a_click_beside_the_scan_changes_nothing() -> None:
    viewer = Viewer()
    act(viewer, kind="select", panel="classes", x=1.5, y=1.5)
    assert not act(viewer, kind="select", panel="classes", x=-1, y=1)
    assert viewer.selected == (1, 1)


def test_steps_move_by_one_position_and_stop_at_the_edge() -> None:
    viewer = Viewer()
    assert not act(viewer, kind="step", rows=1, cols=0)
    act(viewer, kind="select", panel="classes", x=0.5, y=0.5)
    for rows, cols, expected in [(1, 0, (1, 0)), (0, 1, (1, 1)), (-1, 0, (0, 1)), (-1, 0, (0, 1))]:
        assert act(viewer, kind="step", rows=rows, cols=cols)
        assert viewer.selected == expected


def test_choices_of_image_scale_and_pointer_are_kept() -> None:
    viewer = Viewer()
    assert act(viewer, kind="image", name="com_qx")
    assert act(viewer, kind="scale", panel="vectors", name="linear")
    assert act(viewer, kind="hover", panel="frame", x=1, y=2)
    assert (viewer.image, viewer.scales["vectors"], viewer.hover) == ("com_qx", "linear", Hover("frame", 1, 2))
    assert act(viewer, kind="leave")
    assert viewer.hover is None


@pytest.mark.parametrize(
    "text",
    [
        "", "{", "[]", "7", "null", "{}", '{"kind": "explode"}', '{"kind": ["live"]}',
        '{"kind": "select", "panel": "vectors", "x": 1, "y": 1}',
        '{"kind": "select", "panel": "classes", "x": NaN, "y": 1}',
        '{"kind": "select", "panel": "classes", "x": "1e999", "y": 1}',
        '{"kind": "select", "panel": "classes", "x": null, "y": 1}',
        '{"kind": "select", "panel": {}, "x": 1, "y": 1}',
        '{"kind": "step", "rows": 1000000, "cols": 0}',
        '{"kind": "scale", "panel": "vectors", "name": "cubic"}',
        '{"kind": "image", "name": 5}',
        '{"kind": "hover", "panel": "trends", "x": 1, "y": 1}',
        "[" * 900, '{"kind": "image", "name": "' + "x" * 5000 + '"}',
    ],
)  # fmt: skip
def test_nonsense_is_counted_and_changes_nothing(text: str) -> None:
    viewer = Viewer()
    assert not viewer.act(read_action(text), AXES)
    assert viewer.refused == 1
    assert (viewer.selected, viewer.hover, viewer.image) == (None, None, "bright_field")


def test_a_click_before_the_first_map_is_refused() -> None:
    assert not Viewer().act({"kind": "select", "panel": "classes", "x": 1, "y": 1}, {})


def test_a_new_acquisition_lets_the_selection_go() -> None:
    viewer = Viewer()
    act(viewer, kind="select", panel="classes", x=1.5, y=1.5)
    viewer.forget_acquisition()
    assert viewer.selected is None
