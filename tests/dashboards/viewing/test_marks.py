"""Marks are numbered and lie where they were made; whatever a feed says of them does no harm."""

from __future__ import annotations

import pytest
from makers import status

from livebragg_dashboards.drawing.orientation import Axes
from livebragg_dashboards.viewing.marks import mark_rows

AXES = Axes(shape=(4, 6))


def test_a_mark_has_its_number_its_place_and_one_line_of_its_note() -> None:
    marks: list[dict[str, float | str]] = [
        {"scan_index": 11.0, "at": 1.76e9, "note": "crack\nhere"}, {"scan_index": -1.0, "at": 1.76e9, "note": "a"}
    ]  # fmt: skip
    rows = mark_rows(status(marks=marks), AXES)
    assert [(r["n"], r["where"], r["x"], r["y"], r["note"]) for r in rows] == [
        (1, "(1, 5)", 5.5, 1.5, "crack here"), (2, "the moment", None, None, "a")
    ]  # fmt: skip
    assert mark_rows(None, AXES) == []


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 24.0, 1e300, "x", -5.0])
def test_a_mark_that_lies_nowhere_is_one_of_the_moment(value: float | str) -> None:
    [row] = mark_rows(status(marks=[{"scan_index": value, "at": value, "note": "y" * 9999}]), AXES)
    assert row["x"] is None and row["where"] == "the moment" and len(row["note"]) <= 120
    assert mark_rows(status(marks=[{}]), AXES)[0]["note"] == ""
