"""What one viewer explores: boxes, a virtual detector, a position; and the checked ways to change it. No Bokeh."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from livebragg.wire.messages import PositionRequest, VectorMap
from livebragg_dashboards.asking.inquiries import Question
from livebragg_dashboards.drawing.orientation import Axes
from livebragg_dashboards.explore.boxes import Boxes
from livebragg_dashboards.explore.detector import Detector, Ring, aperture, peak_near, ring
from livebragg_dashboards.feed.state import Snapshot
from livebragg_dashboards.feed.units import probe_radius

REAL_SPACE = ("classes", "virtual")
RECIPROCAL = ("vectors", "frame")
POSITION = "position"
INNER, OUTER = 2.0, 6.0
"""Radii of the first ring, in radii of the probe."""


class Explorer:
    """Choices of one session, beside those of `livebragg_dashboards.viewing.viewer.Viewer`.

    Examples
    --------
    >>> explorer = Explorer()
    >>> box = {"kind": "box", "panel": "classes", "x0": 1, "y0": 1, "x1": 3, "y1": 3}
    >>> explorer.act(box, {"classes": Axes(shape=(4, 6))})
    True
    >>> explorer.boxes.all[0].shape
    (3, 3)
    """

    def __init__(self) -> None:
        self.boxes = Boxes()
        self.detector: Detector | None = None
        self.note = ""
        """Why the last action did nothing, in words."""
        self._vectors: VectorMap | None = None
        self._probe_radius = 3.0
        self._unit = 1.0

    def look(self, snapshot: Snapshot, q_pixel_size: float | None) -> None:
        """What clicks refer to; the axes of diffraction pictures are in detector pixels times the pixel size."""
        self._vectors = snapshot.get(VectorMap)
        self._unit = q_pixel_size or 1.0
        self._probe_radius = probe_radius(snapshot.status, self._probe_radius)

    def act(self, action: Mapping[str, Any], axes: Mapping[str, Axes]) -> bool:
        """Carry out an action of the browser; false when it makes no sense.

        Raises
        ------
        ValueError, TypeError, KeyError, OverflowError
            It makes no sense at all.
        """
        self.note = ""
        kind = action["kind"]
        if kind in ("box", "move_box", "show_box", "delete_box"):
            return self._box(kind, action, axes)
        if kind in ("peak", "aperture") and action["panel"] in RECIPROCAL:
            return self._place(kind, action)
        if kind == "annulus":
            return self._ring(action)
        if kind == "detector_off":
            return self.leave_detector()
        return False

    def leave_detector(self) -> bool:
        """Show the chosen image again; false when that is what is shown."""
        before, self.detector, self.note = self.detector, None, ""
        return before is not None

    def forget(self) -> None:
        """Positions and peaks of the old scan mean nothing in the new one; a ring does."""
        self.boxes.clear()
        self.note = ""
        if not isinstance(self.detector, Ring):
            self.detector = None

    def questions(self, serial: int, selected: int | None) -> list[Question]:
        """Everything that has to be asked for, what a viewer waits for first."""
        wanted = [] if selected is None else [position_question(serial, selected)]
        if self.detector is not None:
            wanted.append(self.detector.question(serial))
        return wanted + [box.question(serial) for box in self.boxes.all]

    def _box(self, kind: str, action: Mapping[str, Any], axes: Mapping[str, Axes]) -> bool:
        if kind == "box":
            if action["panel"] not in REAL_SPACE:
                return False
            corners = (float(action[name]) for name in ("x0", "y0", "x1", "y1"))
            self.note = self.boxes.draw(axes[action["panel"]], *corners)
            return True
        number = int(action["number"])
        if kind == "move_box":
            return self.boxes.move(number, int(action["rows"]), int(action["cols"]), axes["classes"].shape)
        return self.boxes.delete(number) if kind == "delete_box" else self.boxes.show(number, action["mode"])

    def _place(self, kind: str, action: Mapping[str, Any]) -> bool:
        qx, qy = float(action["y"]) / self._unit, float(action["x"]) / self._unit
        radius = float(action.get("radius", 0.0)) / self._unit
        if kind == "aperture":
            self.detector = aperture(qx, qy, radius or self._probe_radius)
            return True
        found = None if self._vectors is None else peak_near(self._vectors, qx, qy, radius)
        if found is None:
            self.note = "no tracked peak here; Shift and click takes any place"
        else:
            self.detector = found
        return True

    def _ring(self, action: Mapping[str, Any]) -> bool:
        if "inner" not in action:
            self.detector = ring(INNER * self._probe_radius, OUTER * self._probe_radius)
        else:
            self.detector = ring(float(action["inner"]) / self._unit, float(action["outer"]) / self._unit)
        return True


def position_question(serial: int, scan_index: int) -> Question:
    """What is known of a position."""
    return Question(POSITION, (serial, scan_index), PositionRequest(serial=serial, scan_index=scan_index))
