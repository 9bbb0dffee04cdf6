"""What one viewer has chosen, and the checked ways to change it. No Bokeh here.

Whatever does not fit is counted and otherwise ignored.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from livebragg_dashboards.drawing.orientation import Axes
from livebragg_dashboards.drawing.pictures import SCALES
from livebragg_dashboards.explore.explorer import Explorer
from livebragg_dashboards.explore.keeping import restore
from livebragg_dashboards.viewing.actions import Action

REAL_SPACE = ("classes", "virtual")
PANELS = (*REAL_SPACE, "vectors", "frame", "features")


@dataclass(frozen=True, slots=True)
class Hover:
    """Where the pointer is, in the coordinates of a panel's figure."""

    panel: str
    x: float
    y: float


class Viewer:
    """Choices of one session.

    Examples
    --------
    >>> viewer = Viewer()
    >>> click = {"kind": "select", "panel": "classes", "x": 2.5, "y": 1.5}
    >>> viewer.act(click, {"classes": Axes(shape=(4, 6))})
    True
    >>> viewer.selected
    (1, 2)
    """

    def __init__(self) -> None:
        self.image = "bright_field"
        self.scales = {"vectors": "log", "frame": "sqrt"}
        self.selected: tuple[int, int] | None = None
        self.hover: Hover | None = None
        self.explorer = Explorer()
        self.marks = True
        """Whether marks lie on the maps."""
        self.restored = False
        """Whether the page has said what it kept from before it was loaded again."""
        self.refused = 0

    def act(self, action: Action, axes: Mapping[str, Axes]) -> bool:
        """Carry out an action of the browser; false when it makes no sense."""
        try:
            done = self._dispatch(action, axes)
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError):
            done = False
        self.refused += not done
        return done

    def forget_acquisition(self) -> None:
        """Positions of the old scan mean nothing in the new one."""
        self.selected = self.hover = None
        self.explorer.forget()

    def _dispatch(self, action: Action, axes: Mapping[str, Axes]) -> bool:
        kind = action["kind"]
        if kind == "live":
            self.selected = None
        elif kind == "escape":
            if not self.explorer.leave_detector():
                self.selected = None
        elif kind == "leave":
            self.hover = None
        elif kind == "select" and action["panel"] in REAL_SPACE:
            return self._select(_hover(action), axes)
        elif kind == "hover" and action["panel"] in PANELS:
            self.hover = _hover(action)
        elif kind == "step":
            return self._step(int(action["rows"]), int(action["cols"]), axes)
        elif kind == "image" and isinstance(action["name"], str):
            self.image = action["name"]
            self.explorer.leave_detector()
        elif kind == "scale" and action["panel"] in self.scales and action["name"] in SCALES:
            self.scales[action["panel"]] = action["name"]
        elif kind == "marks":
            self.marks = action["on"] is True
        elif kind == "restore":
            self.restored = True
            restore(self.explorer, action["boxes"], action["detector"], axes["classes"].shape)
        else:
            return self.explorer.act(action, axes)
        return True

    def _select(self, where: Hover, axes: Mapping[str, Axes]) -> bool:
        position = axes[where.panel].position_at(where.x, where.y)
        if position is None:
            return False
        self.selected = position
        return True

    def _step(self, rows: int, cols: int, axes: Mapping[str, Axes]) -> bool:
        """Move the selection by one position; at the edge it stays."""
        if self.selected is None or abs(rows) + abs(cols) != 1:
            return False
        limits = axes["classes"].shape
        row, col = self.selected[0] + rows, self.selected[1] + cols
        self.selected = (min(max(row, 0), limits[0] - 1), min(max(col, 0), limits[1] - 1))
        return True


def _hover(action: Action) -> Hover:
    x, y = float(action["x"]), float(action["y"])
    if not (math.isfinite(x) and math.isfinite(y)):
        raise ValueError("a pointer is somewhere")
    return Hover(action["panel"], x, y)
