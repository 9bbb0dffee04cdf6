"""Facts in the headers of detectors, each used only when it makes sense."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from livebragg.detectors.series import ScanHints
from livebragg.errors import FrameError
from livebragg.model import MAX_MASK_BYTES, ScanMetadata, ScanOrder, pack_mask
from livebragg.model.scan import check_scan_shape


def positive_int(value: Any) -> int | None:
    """The value when it is a positive whole number (also as a float)."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if type(value) is int and 0 < value < 1 << 40 else None


def positive_float(value: Any) -> float | None:
    """The value when it is a positive finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 < value < 1e300 and math.isfinite(value) else None


def beam_energy_kev(energy_ev: Any) -> float | None:
    """Beam energy in keV from one in eV."""
    value = positive_float(energy_ev)
    return None if value is None else value / 1e3


def metadata_of(*, energy_kev: float | None, frame_time_s: Any, name: Any) -> ScanMetadata:
    """Metadata of a scan; a name that cannot be shown is left out."""
    facts: dict[str, Any] = {"beam_energy_kev": energy_kev, "dwell_time_s": positive_float(frame_time_s)}
    try:
        return ScanMetadata(**facts, detector_name=name if isinstance(name, str) and name else None)
    except FrameError:
        return ScanMetadata(**facts)


def mask_bytes(pixel_mask: NDArray[np.generic]) -> bytes:
    """Packed mask of a detector's bit mask; whatever bit is set, the pixel is not a good one."""
    packed = pack_mask(np.asarray(pixel_mask != 0))
    return packed if len(packed) <= MAX_MASK_BYTES else b""


def scan_hints(user_data: Any) -> ScanHints:
    """What the operator (or the microscope) put into the appendix of a header or an image.

    A map, or its JSON: ``{"scan_shape": [rows, cols], "flyback_frames": k, "frames_per_position": n,
    "scan_order": "snake"}``, all optional. What is something else is somebody else's.
    """
    if isinstance(user_data, str | bytes | memoryview):
        try:
            user_data = json.loads(bytes(user_data) if isinstance(user_data, memoryview) else user_data)
        except (ValueError, RecursionError):
            return ScanHints()
    if not isinstance(user_data, Mapping):
        return ScanHints()
    flyback = user_data.get("flyback_frames", user_data.get("flyback"))
    snake = user_data.get("scan_order") == ScanOrder.SNAKE.value
    frames = positive_int(user_data.get("frames_per_position")) or 1
    return ScanHints(
        scan_shape=_shape(user_data.get("scan_shape")),
        flyback_frames=min(positive_int(flyback) or 0, 1 << 20),
        frames_per_position=frames if frames <= 1 << 16 else 1,
        scan_order=ScanOrder.SNAKE if snake else ScanOrder.RASTER,
    )


def _shape(value: Any) -> tuple[int, int] | None:
    match value:
        case [int(rows), int(cols)]:
            try:
                check_scan_shape((rows, cols))
            except FrameError:
                return None
            return rows, cols
    return None
