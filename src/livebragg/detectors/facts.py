"""Facts in the headers of detectors, each used only when it makes sense."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from livebragg.errors import FrameError, MalformedMessageError
from livebragg.model import MAX_MASK_BYTES, ScanMetadata, ScanOrder, pack_mask
from livebragg.model.scan import check_scan_shape
from livebragg.wire.schema import shown


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanHints:
    """What a header's appendix says about the scan; all optional."""

    scan_shape: tuple[int, int] | None = None
    frames_per_position: int = 1
    flyback_frames: int = 0
    scan_order: ScanOrder = ScanOrder.RASTER


def whole_number(fields: Mapping[str, Any], key: str) -> int:
    """A field that has to be there, a whole number from 0.

    Raises
    ------
    MalformedMessageError
        It is something else.
    """
    value = fields.get(key)
    if type(value) is not int or not 0 <= value < 1 << 63:
        raise MalformedMessageError(f"{key} must be a whole number from 0, not {shown(value)}")
    return value


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


def pixel_mask(read: Callable[[], NDArray[np.generic] | None]) -> NDArray[np.bool_] | str | None:
    """A detector's bit mask: whatever bit is set, the pixel is not a good one.

    Returns
    -------
    mask : NDArray[np.bool_], or str, or None
        ``None`` when the header has none; in words why it cannot be used when it has: frames can be used without.
    """
    try:
        mask = read()
    except MalformedMessageError as error:
        return str(error)
    return None if mask is None else np.asarray(mask != 0)


def mask_bytes(mask: NDArray[np.bool_] | str | None, frame_shape: tuple[int, int]) -> bytes:
    """Packed mask of frames of a shape, none where there is none.

    Raises
    ------
    MalformedMessageError
        It is no mask of such frames.
    """
    if mask is None:
        return b""
    if isinstance(mask, str):
        raise MalformedMessageError(mask)
    if mask.shape != frame_shape:
        raise MalformedMessageError(f"it has {mask.shape} pixels, the frames have {frame_shape}")
    packed = pack_mask(mask)
    if len(packed) > MAX_MASK_BYTES:
        raise MalformedMessageError(f"packed it has {len(packed)} bytes, at most {MAX_MASK_BYTES} are allowed")
    return packed


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
