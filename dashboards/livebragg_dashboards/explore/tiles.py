"""The small pictures and curves of boxes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from livebragg.wire.messages import RegionMapReply, RegionPatternReply, RegionProfileReply
from livebragg_dashboards.drawing.scaling import Range, block_size, compress, reduce_max, robust_range, to_bytes

TILE_SIDE = 256


def tile_of(
    reply: RegionMapReply | RegionPatternReply | RegionProfileReply, scale: str, radius: float
) -> NDArray[np.uint8]:
    """What a box shows: a map or pattern in this scale, or a curve of one row, 0 to 255.

    `radius` is that of the direct beam in detector pixels: a curve is scaled by what lies beyond it.
    """
    if isinstance(reply, RegionProfileReply):
        return _curve(reply, radius)
    counts = reply.map if isinstance(reply, RegionMapReply) else reply.pattern
    compressed = compress(
        reduce_max(np.nan_to_num(counts, posinf=0.0, neginf=0.0), block_size(counts.shape, TILE_SIDE)), scale
    )
    positive = compressed[compressed > 0]
    high = 99.7 if isinstance(reply, RegionMapReply) else 99.9
    return to_bytes(compressed, Range(0.0, robust_range(positive, high=high).high if positive.size else 1.0))


def _curve(reply: RegionProfileReply, radius: float) -> NDArray[np.uint8]:
    """Counts times radius, its top beyond the direct beam at 255."""
    y = np.nan_to_num(reply.mean.astype(np.float64) * reply.radii, nan=0.0, posinf=0.0, neginf=0.0)
    top = np.max(y[reply.radii > 2 * radius], initial=0.0) or np.max(y, initial=0.0) or 1.0
    return np.rint(255 * np.clip(y / top, 0, 1)).astype(np.uint8)[np.newaxis]
