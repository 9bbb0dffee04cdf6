"""Answers requests from dashboards and clients. Every one gets a reply; none can harm the pipeline."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from livebragg.errors import WireError
from livebragg.pipeline.requests.acts import Act, act, change_settings
from livebragg.pipeline.requests.classes import ClassRequest, change_classes
from livebragg.pipeline.requests.geometry import GeometryRequest, change_geometry
from livebragg.pipeline.requests.positions import answer_frame, answer_position
from livebragg.pipeline.requests.reading import NOT_THERE, read_request, speaks_of
from livebragg.pipeline.requests.regions import RegionRequest, answer_region
from livebragg.pipeline.requests.rings import answer_ring
from livebragg.pipeline.scan.run import ScanRun
from livebragg.pipeline.settings import LiveSettings
from livebragg.wire.messages import (
    Accepted,
    DetectionChanged,
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

ScanRequest = FrameRequest | PositionRequest | VirtualImageRequest | RegionRequest | ClassRequest | Act
"""What is asked of one scan, and concerns nobody else."""
Order = StopAll | DetectionChanged | GeometryChanged
"""What the receiver has to be told because of a request."""


def answer(
    parts: Sequence[Any],
    run: ScanRun | None,
    status: Callable[[], PipelineStatus],
    settings: LiveSettings | None = None,
) -> tuple[object, Order | None]:
    """Reply to one request, and what the receiver has to be told because of it."""
    try:
        request = read_request(parts)
    except WireError as error:
        return Refused(reason=str(error)), None
    if isinstance(request, ScanRequest | GeometryRequest):
        if run is None or not speaks_of(request.serial, run.opened):
            return NOT_THERE, None
        if isinstance(request, ScanRequest):
            return _about_scan(request, run), None
        if settings is None:
            return Refused(reason="a finished scan stays as it is"), None
        return change_geometry(request, run)
    if isinstance(request, StatusRequest):
        return status(), None
    if isinstance(request, SettingsRequest):
        return change_settings(request, run, settings)
    if isinstance(request, StopRequest):
        return Accepted(note="stopping"), StopAll(immediately=request.immediately)
    return Refused(reason=f"a {type(request).__name__} is not a request"), None


def _about_scan(request: ScanRequest, run: ScanRun) -> object:
    if isinstance(request, FrameRequest):
        return answer_frame(request, run)
    if isinstance(request, PositionRequest):
        return answer_position(request, run)
    if isinstance(request, VirtualImageRequest):
        return answer_ring(request, run)
    if isinstance(request, RegionRequest):
        return answer_region(request, run)
    if isinstance(request, ClassRequest):
        return change_classes(request, run)
    return act(request, run)
