"""Answers requests from dashboards and clients. Every one gets a reply; none can harm the pipeline."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from livebragg.errors import WireError
from livebragg.pipeline.requests.acts import Act, act, change_settings
from livebragg.pipeline.requests.classes import ClassRequest, change_classes
from livebragg.pipeline.requests.geometry import GeometryRequest, change_geometry
from livebragg.pipeline.requests.positions import answer_position, label_and_origin
from livebragg.pipeline.requests.regions import RegionRequest, answer_region
from livebragg.pipeline.requests.rings import answer_ring
from livebragg.pipeline.scan.run import ScanRun
from livebragg.pipeline.settings import LiveSettings
from livebragg.wire.codec import decode
from livebragg.wire.messages import (
    Accepted,
    DetectionChanged,
    FrameReply,
    FrameRequest,
    GeometryChanged,
    PipelineStatus,
    PositionRequest,
    Refused,
    SettingsRequest,
    StatusRequest,
    StopAll,
    StopRequest,
    VirtualImageRequest,
)


def answer(
    parts: Sequence[Any],
    run: ScanRun | None,
    status: Callable[[], PipelineStatus],
    settings: LiveSettings | None = None,
) -> tuple[object, StopAll | DetectionChanged | GeometryChanged | None]:
    """Reply to one request, and what the receiver has to be told because of it."""
    body = parts[1:] if parts and len(parts[0]) == 0 else parts  # REQ sends an empty delimiter
    try:
        request = decode(body)
    except WireError as error:
        return Refused(reason=str(error)), None
    if isinstance(request, StatusRequest):
        return status(), None
    if isinstance(request, FrameRequest):
        return _frame(request, run), None
    if isinstance(request, PositionRequest):
        return answer_position(request, run), None
    if isinstance(request, VirtualImageRequest):
        return answer_ring(request, run), None
    if isinstance(request, RegionRequest):
        return answer_region(request, run), None
    if isinstance(request, ClassRequest):
        return change_classes(request, run), None
    if isinstance(request, Act):
        return act(request, run), None
    if isinstance(request, SettingsRequest):
        return change_settings(request, run, settings)
    if isinstance(request, GeometryRequest):
        if settings is None:
            return Refused(reason="a finished scan stays as it is"), None
        return change_geometry(request, run)
    if isinstance(request, StopRequest):
        return Accepted(note="stopping"), StopAll(immediately=request.immediately)
    return Refused(reason=f"a {type(request).__name__} is not a request"), None


def _frame(request: FrameRequest, run: ScanRun | None) -> FrameReply | Refused:
    if run is None or request.serial not in (0, run.opened.serial):
        return Refused(reason="that acquisition is no longer in memory")
    rows, cols = run.analysis.scan_shape
    if not 0 <= request.scan_index < rows * cols:
        return Refused(reason=f"scan index {request.scan_index} is outside of the {rows}x{cols} scan")
    frame = run.lookup.frame(request.scan_index)
    if frame is None:
        return Refused(reason="this position was not scanned yet, or its frame has left the frame log")
    peaks = run.analysis.peaks_at(request.scan_index)
    label, origin = label_and_origin(run, request.scan_index)
    return FrameReply(
        serial=run.opened.serial,
        scan_index=request.scan_index,
        label=label,
        frame=frame,
        qx=peaks.qx,
        qy=peaks.qy,
        intensity=peaks.intensity,
        origin=origin,
    )
