"""What a part of the scan looks like, and where a part of reciprocal space comes from: answers, never silence."""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from livebragg.accumulate import RegionProfile
from livebragg.classify.components import evenly
from livebragg.model import Calibration, MapGeometry, TrackedPeaks
from livebragg.pipeline.frame_lookup import FrameLookup
from livebragg.wire.messages import (
    AcquisitionOpened,
    DarkFieldReply,
    DarkFieldRequest,
    Refused,
    RegionMapReply,
    RegionMapRequest,
    RegionPatternReply,
    RegionPatternRequest,
    RegionProfileReply,
    RegionProfileRequest,
)

RegionRequest = RegionProfileRequest | RegionMapRequest | RegionPatternRequest | DarkFieldRequest

PATTERN_FRAMES = 512
"""Most frames behind the mean pattern of a region: reading them keeps the analyst from its other work."""


class ExploredAnalysis(Protocol):
    """What is asked about a scan's positions; see `livebragg.pipeline.scan.state.ScanState`."""

    @property
    def scan_shape(self) -> tuple[int, int]: ...
    @property
    def peaks(self) -> TrackedPeaks: ...
    def was_seen(self, scan_index: NDArray[np.int64]) -> NDArray[np.bool_]: ...
    def region_profile(self, scan_index: NDArray[np.int64]) -> RegionProfile: ...
    def region_map(
        self, scan_index: NDArray[np.int64] | None = None, matrix: NDArray[np.float64] | None = None
    ) -> tuple[NDArray[np.float32], MapGeometry, int]: ...
    def dark_field(self, peak_id: int) -> NDArray[np.float32]: ...
    def bragg_image(self, place: tuple[float, float], radius: float) -> NDArray[np.float32]: ...


class Explored(Protocol):
    """A scan that can be asked: the one under way, or one in a results file."""

    @property
    def opened(self) -> AcquisitionOpened: ...
    @property
    def analysis(self) -> ExploredAnalysis: ...
    @property
    def calibration(self) -> Calibration: ...
    @property
    def lookup(self) -> FrameLookup: ...


def answer_region(
    request: RegionRequest, run: Explored
) -> RegionProfileReply | RegionMapReply | RegionPatternReply | DarkFieldReply | Refused:
    """Reply to a request about a region or a dark-field image."""
    if isinstance(request, DarkFieldRequest):
        return _dark_field(request, run)
    positions = _positions(request.top, request.left, request.mask, run.analysis.scan_shape)
    if isinstance(positions, Refused):
        return positions
    if isinstance(request, RegionProfileRequest):
        return _profile(positions, run)
    if isinstance(request, RegionMapRequest):
        return _map(positions, run, request.calibrated)
    return _pattern(positions, run)


def _positions(
    top: int, left: int, mask: NDArray[np.bool_], scan_shape: tuple[int, int]
) -> NDArray[np.int64] | Refused:
    rows, cols = scan_shape
    if mask.ndim != 2 or not (0 <= top <= rows - mask.shape[0] and 0 <= left <= cols - mask.shape[1]):
        return Refused(
            reason=f"a region of shape {mask.shape} at ({top}, {left}) is not within the {rows}x{cols} scan"
        )
    row, col = np.nonzero(mask)
    return np.asarray((row + top) * cols + col + left, np.int64)


def _profile(positions: NDArray[np.int64], run: Explored) -> RegionProfileReply | Refused:
    profile = run.analysis.region_profile(positions)
    if profile.radii.size == 0:
        return Refused(reason="radial profiles are not measured (profile.bins is 0), or nothing was scanned yet")
    return RegionProfileReply(
        serial=run.opened.serial,
        n_positions=profile.n_positions,
        radii=profile.radii,
        mean=profile.mean,
        variance=profile.variance,
        pixels=profile.pixels,
    )


def _map(positions: NDArray[np.int64], run: Explored, calibrated: bool) -> RegionMapReply:
    matrix = run.calibration.shape_matrix if calibrated else None
    counts, geometry, number = run.analysis.region_map(positions, matrix)
    row, col = geometry.origin_bin
    return RegionMapReply(
        serial=run.opened.serial,
        n_positions=number,
        map=counts,
        bins_per_pixel=geometry.sampling,
        origin_row=float(row),
        origin_col=float(col),
    )


def _pattern(positions: NDArray[np.int64], run: Explored) -> RegionPatternReply | Refused:
    positions = positions[run.analysis.was_seen(positions)]
    total: NDArray[np.float64] | None = None
    number = 0
    for index, frames in run.lookup.some(evenly(positions, PATTERN_FRAMES)):
        added = frames.sum(axis=0, dtype=np.float64)
        total, number = added if total is None else total + added, number + index.size
    if total is None or number == 0:
        return Refused(reason="no position of the region was scanned yet, or their frames have left the frame log")
    return RegionPatternReply(
        serial=run.opened.serial,
        n_positions=int(positions.size),
        n_frames=number,
        pattern=(total / number).astype(np.float32),
    )


def _dark_field(request: DarkFieldRequest, run: Explored) -> DarkFieldReply | Refused:
    analysis = run.analysis
    if request.peak_id >= 0:
        known = analysis.peaks.peak_id
        if request.peak_id not in known:
            return Refused(reason=f"peak {request.peak_id} is none of the {known.size} peaks that are tracked now")
        return DarkFieldReply(serial=run.opened.serial, image=analysis.dark_field(request.peak_id))
    place = (request.qx, request.qy)
    if not (all(math.isfinite(q) for q in place) and 0 < request.radius < math.inf):
        return Refused(
            reason=f"a dark-field image at {place} with radius {request.radius} cannot be made: the place must be "
            "finite, and the radius above 0 and finite"
        )
    return DarkFieldReply(serial=run.opened.serial, image=analysis.bragg_image(place, request.radius))
