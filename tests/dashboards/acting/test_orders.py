"""From the browser's JSON to a request: what cannot be sent is refused in words, the rest is for the pipeline."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from livebragg.wire.codec import encode
from livebragg.wire.messages import (
    ClassLockRequest,
    ClassMergeRequest,
    ClassNumberRequest,
    ClassRenameRequest,
    ClassSplitRequest,
    MarkRequest,
    RestartRequest,
    SaveRequest,
    SettingsRequest,
    StopRequest,
)
from livebragg_dashboards.acting.orders import _ORDERS, order_of

SENSITIVITY, CALIBRATION = "detection.false_disks_per_frame", "analysis.calibration."


@pytest.mark.parametrize(
    ("action", "request_"),
    [
        ({"what": "sensitivity", "value": " 0,05 "}, SettingsRequest(values={SENSITIVITY: 0.05})),
        ({"what": "threshold", "key": "vacuum_share", "value": "0,02"},
         SettingsRequest(values={"analysis.families.vacuum_share": 0.02})),
        ({"what": "threshold", "key": "min_positions", "value": "12"},
         SettingsRequest(values={"analysis.families.min_positions": 12})),
        ({"what": "clear", "confirmed": True}, RestartRequest(serial=7)),
        ({"what": "ellipse", "mode": "measure"}, SettingsRequest(values={CALIBRATION + "ellipse": "measure"})),
        ({"what": "rename", "id": "3", "name": " gold "}, ClassRenameRequest(serial=7, class_id=3, name="gold")),
        ({"what": "merge", "ids": ["3", "5"]}, ClassMergeRequest(serial=7, class_ids=[3, 5])),
        ({"what": "split", "id": "3"}, ClassSplitRequest(serial=7, class_id=3)),
        ({"what": "lock", "id": "3", "locked": True}, ClassLockRequest(serial=7, class_id=3, locked=True)),
        ({"what": "class_number", "value": "0"}, ClassNumberRequest(serial=7, n_classes=0)),
        ({"what": "mark", "note": "crack"}, MarkRequest(serial=7, note="crack", scan_index=11)),
        ({"what": "save"}, SaveRequest(serial=7)),
        ({"what": "stop", "confirmed": True}, StopRequest()),
    ],
)  # fmt: skip
def test_each_order_becomes_its_request(action: dict[str, Any], request_: Any) -> None:
    assert order_of(action, 7, 11) == request_


def test_a_ring_with_peaks_is_measured_and_one_without_is_taken_as_drawn() -> None:
    action = {"what": "pixel_size", "radius": "25", "spacing": "2.0"}
    measured = order_of(action | {"peaks": True}, 1)
    assert measured == SettingsRequest(
        values={CALIBRATION + "reference_spacing_angstrom": 2.0, CALIBRATION + "reference_radius_px": 25.0}
    )
    assert order_of(action, 1) == SettingsRequest(values={CALIBRATION + "q_pixel_size_inv_angstrom": 0.02})


@pytest.mark.parametrize(
    ("action", "words"),
    [
        ({}, "nothing this page can do"), ({"what": ["stop"]}, "nothing this page can do"),
        ({"what": "x" * 9000}, "nothing this page can do"),
        ({"what": "sensitivity"}, "no number"), ({"what": "sensitivity", "value": "many"}, "'many' is no number"),
        ({"what": "sensitivity", "value": float("nan")}, "no number"),
        ({"what": "sensitivity", "value": 10**400}, "no number"),
        ({"what": "pixel_size", "radius": "0", "spacing": "2"}, "above 0"),
        ({"what": "pixel_size", "radius": 1e-300, "spacing": 1e-300}, "above 0"),
        ({"what": "rename", "id": "3", "name": ""}, "printable"),
        ({"what": "rename", "id": "3", "name": "\ud800"}, "printable"),
        ({"what": "rename", "id": "3", "name": "a\u202eb"}, "printable"),
        ({"what": "rename", "id": 1 << 40, "name": "a"}, "no whole number"),
        ({"what": "rename", "id": "1.5", "name": "a"}, "no whole number"),
        ({"what": "merge", "ids": [1] * 101}, "choose 2 to 100"), ({"what": "merge", "ids": "12"}, "choose"),
        ({"what": "mark", "note": "x" * 501}, "1 to 500"), ({"what": "mark", "note": {"a": 1}}, "1 to 500"),
        ({"what": "threshold", "key": "file", "value": "1"}, "no threshold"),
        ({"what": "threshold", "key": ["a"], "value": "1"}, "no threshold"),
        ({"what": "threshold", "key": "separation", "value": "x"}, "no number"),
        ({"what": "clear"}, "confirmed"),
        ({"what": "stop"}, "confirmed"), ({"what": "stop", "confirmed": "yes"}, "confirmed"),
    ],
)  # fmt: skip
def test_what_cannot_be_sent_is_refused_in_words(action: dict[str, Any], words: str) -> None:
    problem = order_of(action, 7)
    assert isinstance(problem, str) and words in problem and len(problem) < 200


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
_KEYS = st.sampled_from(["value", "radius", "spacing", "mode", "ratio", "angle", "rotation", "flip", "id", "ids",
                         "name", "locked", "key", "note", "confirmed", "peaks"])  # fmt: skip


@settings(deadline=None, max_examples=400)
@given(st.sampled_from(sorted(_ORDERS)), st.dictionaries(_KEYS, _JSON, max_size=6))
def test_whatever_a_browser_sends_becomes_a_request_that_can_be_sent_or_words(
    what: str, more: dict[str, Any]
) -> None:
    order = order_of(more | {"what": what}, 1)
    assert isinstance(order, str) or encode(order)
