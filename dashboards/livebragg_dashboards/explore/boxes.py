"""Coloured boxes of scan positions: drawn by the viewer, clipped to the scan, few."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from livebragg.wire.messages import RegionMapRequest, RegionPatternRequest, RegionProfileRequest
from livebragg_dashboards.asking.inquiries import Question
from livebragg_dashboards.drawing.orientation import Axes
from livebragg_dashboards.feed.checks import Shape

COLOURS = ("#ff4d4d", "#3df08a", "#ffd83d", "#46b8ff", "#ff6df2", "#ffffff")
MAX_BOXES = len(COLOURS)
MODES = {"map": RegionMapRequest, "pattern": RegionPatternRequest, "profile": RegionProfileRequest}
"""What is shown of a box, and how it is asked for."""


@dataclass(frozen=True, slots=True)
class Box:
    """Positions ``top <= row < bottom``, ``left <= col < right``."""

    number: int
    """0 to `MAX_BOXES` - 1; its colour."""
    top: int
    left: int
    bottom: int
    right: int
    mode: str = "map"

    @property
    def slot(self) -> str:
        """Where its answers go."""
        return f"box {self.number}"

    @property
    def shape(self) -> Shape:
        """Rows and columns."""
        return self.bottom - self.top, self.right - self.left

    @property
    def colour(self) -> str:
        """Colour of its frame, on the scan and beside the map."""
        return COLOURS[self.number]

    def question(self, serial: int) -> Question:
        """What to ask about it."""
        request: Any = MODES[self.mode](
            serial=serial, top=self.top, left=self.left, mask=np.ones(self.shape, np.bool_)
        )
        return Question(self.slot, (serial, self), request)


class Boxes:
    """The boxes of one page.

    Examples
    --------
    >>> boxes = Boxes()
    >>> boxes.draw(Axes(shape=(10, 20)), 3.2, 18.0, 99.0, 1.5)
    ''
    >>> boxes.all[0]
    Box(number=0, top=1, left=3, bottom=10, right=20, mode='map')
    """

    def __init__(self) -> None:
        self._boxes: dict[int, Box] = {}

    @property
    def all(self) -> tuple[Box, ...]:
        """In the order in which they were drawn."""
        return tuple(self._boxes.values())

    def draw(self, axes: Axes, x0: float, y0: float, x1: float, y1: float) -> str:
        """Add the box between two corners in a figure; the words say why there is none."""
        if len(self._boxes) >= MAX_BOXES:
            return f"{MAX_BOXES} boxes are enough for one page: delete one first"
        placed = _clipped(axes, x0, y0, x1, y1)
        if placed is None:
            return "a box begins and ends on the scan"
        number = next(n for n in range(MAX_BOXES) if n not in self._boxes)
        self._boxes[number] = Box(number, *placed)
        return ""

    def put(self, box: Box, shape: Shape) -> None:
        """Bring a box back that was there before, if it lies on the scan and its colour is free."""
        on_scan = 0 <= box.top < box.bottom <= shape[0] and 0 <= box.left < box.right <= shape[1]
        if on_scan and 0 <= box.number < MAX_BOXES and box.number not in self._boxes:
            self._boxes[box.number] = box

    def move(self, number: int, rows: int, cols: int, shape: Shape) -> bool:
        """Move a box by whole positions, as far as the scan goes."""
        box = self._boxes[number]
        down = min(max(rows, -box.top), shape[0] - box.bottom)
        right = min(max(cols, -box.left), shape[1] - box.right)
        self._boxes[number] = replace(
            box, top=box.top + down, bottom=box.bottom + down, left=box.left + right, right=box.right + right
        )
        return True

    def show(self, number: int, mode: str) -> bool:
        """Show its map, its mean pattern or its radial profile."""
        if mode not in MODES:
            return False
        self._boxes[number] = replace(self._boxes[number], mode=mode)
        return True

    def delete(self, number: int) -> bool:
        """Take a box away; its colour is free again."""
        return self._boxes.pop(number, None) is not None

    def clear(self) -> None:
        """Take all away."""
        self._boxes.clear()


def _clipped(axes: Axes, x0: float, y0: float, x1: float, y1: float) -> tuple[int, int, int, int] | None:
    if not all(map(math.isfinite, (x0, y0, x1, y1))):
        return None
    (row0, col0), (row1, col1) = axes.to_index(x0, y0), axes.to_index(x1, y1)
    sides = []
    for a, b, n in ((row0, row1, axes.shape[0]), (col0, col1, axes.shape[1])):
        first, last = sorted(min(max(v, -1.0), n + 1.0) for v in (a, b))
        first, last = math.floor(first + 0.5), math.floor(last + 0.5)
        if last < 0 or first >= n:
            return None
        sides.append((max(first, 0), min(last, n - 1) + 1))
    (top, bottom), (left, right) = sides
    return top, left, bottom, right
