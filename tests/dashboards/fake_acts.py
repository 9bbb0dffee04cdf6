"""What a fake pipeline does when it is asked to act: remembers, and answers like the analyst."""

from __future__ import annotations

from typing import Any

from livebragg.model import Calibration, EllipseEstimate
from livebragg.wire.messages import (
    Accepted,
    ClassLockRequest,
    ClassRenameRequest,
    MarkRequest,
    Refused,
    SettingsRequest,
)

SENSITIVITY = "detection.false_disks_per_frame"
PIXEL_SIZE = "analysis.calibration.q_pixel_size_inv_angstrom"
SPACING, RADIUS = "analysis.calibration.reference_spacing_angstrom", "analysis.calibration.reference_radius_px"


class FakeActs:
    """Requests that were made, and what they changed."""

    def __init__(self, class_names: list[str]) -> None:
        self.requests: list[Any] = []
        self.class_names = class_names
        self.locked: list[int] = []
        self.answering = True
        self.settings: dict[str, Any] = {
            SENSITIVITY: 0.1, "analysis.families.vacuum_share": 0.01, "analysis.calibration.ellipse": "measure",
            "analysis.calibration.ellipse_ratio": 1.0, "analysis.calibration.ellipse_angle_deg": 0.0,
            "analysis.calibration.rotation_deg": 0.0, "analysis.calibration.flip": False,
        }  # fmt: skip
        self.settings |= {
            "analysis.families.separation": 6.0, "analysis.families.merge_cosine": 0.998,
            "analysis.families.min_positions": 8, "analysis.families.min_share": 0.01,
            "analysis.families.granular_disks": 5, "analysis.classify.max_classes": 100,
        }  # fmt: skip
        self.limits = {"analysis.families.separation": "above 0"}
        self.marks: list[dict[str, float | str]] = []
        self.calibration = Calibration(
            ellipse=EllipseEstimate.from_axes(1.023, 35.0, "rings", 0.0011), q_pixel_size_inv_angstrom=0.0213,
            q_pixel_size_error=0.00006,
        )  # fmt: skip

    def reply(self, request: Any) -> Any:
        """Answer, or nothing when it does not answer."""
        self.requests.append(request)
        if not self.answering:
            return None
        if isinstance(request, SettingsRequest):
            return self._change(request.values)
        if isinstance(request, ClassRenameRequest):
            if request.name in self.class_names:
                return Refused(reason=f"another class is called {request.name!r} already")
            self.class_names[request.class_id] = request.name
        if isinstance(request, ClassLockRequest):
            self.locked = [*self.locked, request.class_id] if request.locked else []
        if isinstance(request, MarkRequest):
            self.marks.append({"scan_index": float(request.scan_index), "at": 1.76e9, "note": request.note})
        return Accepted(note="as you wish")

    def _change(self, values: dict[str, Any]) -> Any:
        if not 0 <= values.get(SENSITIVITY, 0) <= 1000:
            return Refused(
                reason=f"{SENSITIVITY} is {values[SENSITIVITY]}; it must be between 0 (balanced) and 1000"
            )
        self.settings |= values
        size = values.get(PIXEL_SIZE)
        if SPACING in values:
            size = 1 / (values[SPACING] * values[RADIUS])
        if size:
            self.calibration = Calibration(ellipse=self.calibration.ellipse, q_pixel_size_inv_angstrom=size)
        return Accepted(note="applied to everything seen")
