"""Whether the reply to a question is one, and its parts fit together; the codec has checked each field's type."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from livebragg.wire.messages import (
    DarkFieldReply,
    DarkFieldRequest,
    PositionReply,
    PositionRequest,
    RegionMapReply,
    RegionMapRequest,
    RegionPatternReply,
    RegionPatternRequest,
    RegionProfileReply,
    RegionProfileRequest,
    VirtualImageReply,
    VirtualImageRequest,
)
from livebragg_dashboards.feed.checks import MAX_CLASSES, MAX_PEAKS, MAX_SIDE


def _image(array: Any) -> str:
    if array.ndim == 2 and all(1 <= n <= MAX_SIDE for n in array.shape):
        return ""
    return f"an image of shape {array.shape}; expected two sides of 1 to {MAX_SIDE}"


def _map(reply: RegionMapReply) -> str:
    numbers = (reply.bins_per_pixel, reply.origin_row, reply.origin_col)
    if not all(map(math.isfinite, numbers)) or reply.bins_per_pixel <= 0:
        return f"a map with bins per pixel and origin of {numbers}"
    return _image(reply.map)


def _profile(reply: RegionProfileReply) -> str:
    shapes = {reply.radii.shape, reply.mean.shape}
    if len(shapes) == 1 and reply.radii.ndim == 1 and 1 <= reply.radii.size <= MAX_SIDE:
        return ""
    return f"a profile of shapes {sorted(shapes)}"


def _position(reply: PositionReply) -> str:
    disks = {reply.qx.shape, reply.qy.shape, reply.intensity.shape}
    features = {reply.peak_ids.shape, reply.features.shape}
    classes = {(len(reply.class_ids),), reply.weights.shape, reply.shares.shape}
    lists = (("disks", disks, MAX_PEAKS), ("features", features, MAX_PEAKS), ("classes", classes, MAX_CLASSES))
    for name, shapes, most in lists:
        shape = next(iter(shapes))
        if len(shapes) != 1 or len(shape) != 1 or shape[0] > most:
            return f"{name} of shapes {sorted(shapes)}; expected one length of at most {most}"
    return "" if reply.origin.shape == (2,) else f"an origin of shape {reply.origin.shape}"


_REPLIES: dict[type[Any], tuple[type[Any], Callable[[Any], str]]] = {
    RegionMapRequest: (RegionMapReply, _map),
    RegionPatternRequest: (RegionPatternReply, lambda reply: _image(reply.pattern)),
    RegionProfileRequest: (RegionProfileReply, _profile),
    DarkFieldRequest: (DarkFieldReply, lambda reply: _image(reply.image)),
    VirtualImageRequest: (VirtualImageReply, lambda reply: _image(reply.image)),
    PositionRequest: (PositionReply, _position),
}


def problem_of_reply(request: Any, reply: object) -> str:
    """What is wrong with a reply, in words; empty when it can be shown."""
    kind, check = _REPLIES[type(request)]
    if not isinstance(reply, kind):
        return f"the pipeline answered with a {type(reply).__name__}"
    return check(reply)
