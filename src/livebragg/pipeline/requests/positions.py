"""A scan position: its frame, and what was found there (disks, features, weights and shares), frame or not."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from livebragg.classify import FeatureView
from livebragg.model import NOT_CLASSIFIED
from livebragg.pipeline.requests.reading import outside
from livebragg.pipeline.scan.run import ScanRun
from livebragg.wire.messages import FrameReply, FrameRequest, PositionReply, PositionRequest, Refused


def answer_frame(request: FrameRequest, run: ScanRun) -> FrameReply | Refused:
    """Reply to a request for the frame of one position."""
    refused = outside(request.scan_index, run.analysis.scan_shape)
    if refused is not None:
        return refused
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


def answer_position(request: PositionRequest, run: ScanRun) -> PositionReply | Refused:
    """Reply to a request about one position."""
    index = request.scan_index
    refused = outside(index, run.analysis.scan_shape)
    if refused is not None:
        return refused
    if not run.analysis.was_seen(np.array([index])).all():
        return Refused(reason="this position was not scanned yet")
    peaks = run.analysis.peaks_at(index)
    peak_ids, features = features_at(run.analysis.features, index)
    return PositionReply(
        serial=run.opened.serial,
        scan_index=index,
        qx=peaks.qx,
        qy=peaks.qy,
        intensity=peaks.intensity,
        peak_ids=peak_ids,
        features=features,
        **_classes(run, index),
    )


def features_at(view: FeatureView, index: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Peak ids and values of one row, before it got unit norm."""
    if index >= view.count.size:
        return np.zeros(0, np.int32), np.zeros(0, np.float32)
    row = slice(int(view.start[index]), int(view.start[index]) + int(view.count[index]))
    return view.column[row].copy(), np.asarray(view.value[row] * view.norm[index], np.float32)


def label_and_origin(run: ScanRun, index: int) -> tuple[int, NDArray[np.float32]]:
    """Class of a position in the newest maps, and its origin; the probe's centre before that is known."""
    snapshot = run.snapshot
    if snapshot is None or index >= snapshot.labels.size:
        return NOT_CLASSIFIED, np.asarray(run.probe.center, np.float32)
    return int(snapshot.labels.reshape(-1)[index]), snapshot.origin.reshape(-1, 2)[index]


def _classes(run: ScanRun, index: int) -> dict[str, Any]:
    label, origin = label_and_origin(run, index)
    snapshot = run.snapshot
    ids = [] if snapshot is None else [int(c) for c in snapshot.class_ids]
    unknown = np.full(len(ids), np.nan, np.float32)
    known = snapshot is not None and index < snapshot.labels.size
    return {
        "label": label,
        "origin": origin,
        "class_ids": ids,
        "weights": snapshot.weights.reshape(len(ids), -1)[:, index] if known and snapshot and ids else unknown,
        "shares": snapshot.shares.reshape(len(ids), -1)[:, index] if known and snapshot and ids else unknown,
    }
