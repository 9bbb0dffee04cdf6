"""Whether the parts of a feed message fit together; the codec has checked each field's type by itself."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from livebragg.model import Calibration
from livebragg.wire.messages import (
    ClassMaps,
    ClassPatterns,
    ClassProfiles,
    FrameReply,
    LatestFrame,
    PipelineStatus,
    VectorMap,
    VirtualImageSet,
)

Shape = tuple[int, int]

MAX_SIDE = 1 << 14
MAX_CLASSES = 512
MAX_IMAGES = 64
MAX_PEAKS = 1 << 17


def _image(name: str, array: Any, dimensions: int = 2) -> str:
    if array.ndim != dimensions or not all(1 <= n <= MAX_SIDE for n in array.shape[-2:]):
        return f"{name} has shape {array.shape}; expected {dimensions} dimensions with sides of 1 to {MAX_SIDE}"
    return ""


def _columns(*arrays: Any) -> str:
    shapes = {a.shape for a in arrays}
    if len(shapes) != 1 or arrays[0].ndim != 1 or arrays[0].size > MAX_PEAKS:
        return f"columns of shapes {sorted(shapes)} are no list of at most {MAX_PEAKS} peaks"
    return ""


def _status(m: PipelineStatus) -> str:
    shape = m.scan_shape
    if shape is not None and not all(1 <= n <= 1 << 20 for n in shape):
        return f"scan_shape {shape} is impossible"
    if m.calibration is not None and not _sensible(m.calibration):
        return "the calibration is not finite, or an ellipse that no lens makes"
    return "" if math.isfinite(m.published_at) else f"published_at is {m.published_at}"


def _sensible(calibration: Calibration) -> bool:
    ellipse, size = calibration.ellipse, calibration.q_pixel_size_inv_angstrom
    if ellipse is not None and not (max(abs(ellipse.e1), abs(ellipse.e2)) < 1 and 0 <= ellipse.error < math.inf):
        return False
    known = size is None or 0 < size < math.inf
    return known and 0 <= calibration.q_pixel_size_error < math.inf


def _class_maps(m: ClassMaps) -> str:
    if m.labels.shape != m.confidence.shape:
        return f"labels of shape {m.labels.shape} with confidence of shape {m.confidence.shape}"
    sizes = {len(m.class_ids), len(m.class_names), len(m.class_families), len(m.class_counts)}
    if len(sizes) != 1 or max(sizes) > MAX_CLASSES:
        return f"lists of classes of lengths {sorted(sizes)}; expected one length of at most {MAX_CLASSES}"
    if m.second.shape != m.labels.shape or m.parts.shape != (2, *m.labels.shape):
        return f"labels of shape {m.labels.shape} with mixtures of shapes {m.second.shape} and {m.parts.shape}"
    return _image("labels", m.labels)


def _virtual(m: VirtualImageSet) -> str:
    problem = _image("images", m.images, 3)
    if problem:
        return problem
    if len(m.names) != len(m.images) or not 1 <= len(m.names) <= MAX_IMAGES:
        return f"{len(m.names)} names for {len(m.images)} images; expected 1 to {MAX_IMAGES}"
    return "" if len(set(m.names)) == len(m.names) else "two virtual images have the same name"


def _vector_map(m: VectorMap) -> str:
    if not (math.isfinite(m.bins_per_pixel) and m.bins_per_pixel > 0):
        return f"bins_per_pixel is {m.bins_per_pixel}"
    if not (math.isfinite(m.origin_row) and math.isfinite(m.origin_col)):
        return "the origin is not finite"
    return _image("map", m.map) or _columns(m.peak_ids, m.peak_qx, m.peak_qy, m.peak_support)


def _frame(m: LatestFrame | FrameReply) -> str:
    return _image("frame", m.frame) or _columns(m.qx, m.qy, m.intensity)


def _frame_reply(m: FrameReply) -> str:
    return _frame(m) or ("" if m.origin.shape == (2,) else f"origin has shape {m.origin.shape}, expected (2,)")


def _patterns(m: ClassPatterns) -> str:
    sizes = {len(m.class_ids), len(m.n_frames), len(m.patterns)}
    if len(sizes) != 1 or max(sizes) > MAX_CLASSES:
        return f"{len(m.class_ids)} classes, {len(m.n_frames)} counts and {len(m.patterns)} patterns"
    return _image("patterns", m.patterns, 3)


def _profiles(m: ClassProfiles) -> str:
    if m.profiles.shape != (len(m.class_ids), 2, m.radii.size) or len(m.class_ids) > MAX_CLASSES:
        return f"profiles of shape {m.profiles.shape} for {len(m.class_ids)} classes and {m.radii.size} bins"
    return "" if m.radii.size <= MAX_SIDE else f"{m.radii.size} bins; expected at most {MAX_SIDE}"


_CHECKS: dict[type[Any], Callable[[Any], str]] = {
    PipelineStatus: _status,
    ClassMaps: _class_maps,
    VirtualImageSet: _virtual,
    VectorMap: _vector_map,
    LatestFrame: _frame,
    FrameReply: _frame_reply,
    ClassPatterns: _patterns,
    ClassProfiles: _profiles,
}


def problem_of(message: object) -> str:
    """What is wrong with a message, in words; empty when it can be shown."""
    check = _CHECKS.get(type(message))
    if check is None:
        return f"a {type(message).__name__} is nothing a dashboard can show"
    problem = check(message)
    return f"{type(message).__name__}: {problem}" if problem else ""
