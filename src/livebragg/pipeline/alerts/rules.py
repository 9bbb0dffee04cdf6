"""What the feed says, measured against the user's rules: pure numbers, no memory of alerts."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from livebragg.config.alerts import AlertsConfig, AreaRule, DriftRule, NewClassRule, TrendRule
from livebragg.model import lost_frames
from livebragg.wire.messages import ClassMaps, PipelineStatus, VirtualImageSet

MIN_LINES = 8
"""Scan lines from which a change from line to line can be judged."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A value of a rule, and the limit above which it is an alert."""

    rule: str
    value: float
    limit: float
    text: str


def of_status(status: PipelineStatus, stalled_s: float, config: AlertsConfig) -> Iterator[Reading]:
    """Losses, and how long no frame came."""
    if config.lost.on:
        lost = lost_frames(status.counters)
        yield Reading("lost", lost, config.lost.frames, f"{lost} frames lost (limit {config.lost.frames})")
    if config.stalled.on:
        limit = config.stalled.seconds
        yield Reading("stalled", stalled_s, limit, f"no new frame for more than {limit:g} s")


def of_images(message: VirtualImageSet, config: AlertsConfig) -> Iterator[Reading]:
    """Drift of the origin, and the trend of an image."""
    images = dict(zip(message.names, message.images, strict=False))
    if config.drift.on and {"origin_qx", "origin_qy"} <= images.keys():
        yield from _drift(images["origin_qx"], images["origin_qy"], config.drift)
    if config.trend.on and config.trend.image in images:
        yield from _trend(images[config.trend.image], config.trend)


def of_classes(maps: ClassMaps, seen: int, config: AlertsConfig) -> Iterator[Reading]:
    """New classes, and large ones."""
    rows = zip(maps.class_ids, maps.class_names, maps.class_counts, strict=False)
    for class_id, name, count in rows:
        if config.new_class.on:
            yield _new_class(class_id, name, count, config.new_class)
        if config.area.on and seen > 0 and name in (config.area.classes or (name,)):
            yield _area(class_id, name, 100 * count / seen, config.area)


def _new_class(class_id: int, name: str, count: int, rule: NewClassRule) -> Reading:
    return Reading(f"new_class {class_id}", count, rule.positions - 0.5, f"{name} has appeared: {count} positions")


def _area(class_id: int, name: str, percent: float, rule: AreaRule) -> Reading:
    text = f"{name} covers {percent:.1f} % (limit {rule.percent:g} %)"
    return Reading(f"area {class_id}", percent, rule.percent, text)


def _drift(qx: NDArray[np.float32], qy: NDArray[np.float32], rule: DriftRule) -> Iterator[Reading]:
    ends = [_ends(image) for image in (qx, qy)]
    if all(end is not None for end in ends):
        moved = math.hypot(*(end[1] - end[0] for end in ends if end is not None))
        text = f"the direct beam moved by {moved:.2f} px since the first lines (limit {rule.pixels:g} px)"
        yield Reading("drift", moved, rule.pixels, text)


def _trend(image: NDArray[np.float32], rule: TrendRule) -> Iterator[Reading]:
    ends = _ends(image)
    if ends is not None and ends[0] > 0:
        percent = 100 * (ends[1] / ends[0] - 1)
        text = f"{rule.image} changed by {percent:+.0f} % since the first lines (limit {rule.percent:g} %)"
        yield Reading("trend", abs(percent), rule.percent, text)


def _ends(image: NDArray[np.float32]) -> tuple[float, float] | None:
    """Typical value of the first and of the newest tenth of the lines that were scanned."""
    scanned = np.flatnonzero(np.isfinite(image).any(axis=1))
    if scanned.size < MIN_LINES:
        return None
    part = max(2, scanned.size // 10)
    first, newest = image[scanned[:part]], image[scanned[-part:]]
    return float(np.nanmedian(first)), float(np.nanmedian(newest))
