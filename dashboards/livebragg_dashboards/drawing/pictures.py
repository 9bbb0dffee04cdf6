"""Feed messages to pictures: what each panel shows, as 8-bit images with axes and value ranges."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from types import EllipsisType

import numpy as np
from numpy.typing import NDArray

from livebragg.wire.messages import ClassMaps, ClassPatterns, VectorMap, VirtualImageSet
from livebragg_dashboards.drawing.colours import FIRST_CLASS, LEVELS, NOT_CLASSIFIED, NOT_SEEN, slot_of
from livebragg_dashboards.drawing.orientation import Axes, Extent
from livebragg_dashboards.drawing.scaling import (
    Range,
    block_size,
    compress,
    reduce_max,
    reduce_mean,
    robust_range,
    to_bytes,
)

MAX_CLASS_SIDE = 1024
MAX_SIDE = 512
MAX_PATTERN_SIDE = 128

_FAINT = 0.5
"""Brightness of a class pattern, as a part of the usual one, below which it is not made brighter."""
_FEW = 25.0
"""Counts in a pixel, of all frames of a class together, below which it is not made brighter: they are noise."""
_OF_BEAM = 0.05
"""Part of the direct beam that is brightest in the pattern of vacuum: beside it there is nothing to see."""

SCALES = ("log", "sqrt", "linear")

Places = tuple[int, int] | EllipsisType
"""Of a real-space image: one position, or ``...`` for all."""


@dataclass(frozen=True, slots=True)
class Picture:
    """One image for one panel."""

    pixels: NDArray[np.uint8]
    axes: Axes
    """Of the array before it was reduced."""
    drawn: Extent
    """Where `pixels` lie; blocks at the end may reach beyond the array."""
    limits: Range | None = None
    """Values of the darkest and brightest colour; ``None`` for classes and compressed counts."""


def _picture(pixels: NDArray[np.uint8], axes: Axes, block: int, limits: Range | None = None) -> Picture:
    rows, cols = (n * block for n in pixels.shape)
    drawn = Axes(shape=(rows, cols), scale=axes.scale, origin=axes.origin).extent
    return Picture(pixels, axes, drawn, limits)


def class_picture(maps: ClassMaps, seen: NDArray[np.bool_] | None = None) -> Picture:
    """Colour index of every position, see `livebragg_dashboards.drawing.colours.class_palette`.

    Parameters
    ----------
    maps : ClassMaps
    seen : NDArray[np.bool_], shape (scan_rows, scan_cols), optional
        Positions that have arrived; those without a class are told from those not seen by it.
    """
    block = block_size(maps.labels.shape, MAX_CLASS_SIDE)
    labels, confidence = maps.labels[::block, ::block], maps.confidence[::block, ::block]
    families = dict(zip(maps.class_ids, maps.class_families, strict=True))
    known, inverse = np.unique(labels, return_inverse=True)
    first = [FIRST_CLASS + LEVELS * slot_of(int(c), families.get(int(c), "crystal")) for c in known]
    level = np.clip(np.nan_to_num(confidence) * LEVELS, 0, LEVELS - 1).astype(np.int64)
    index = np.array(first)[inverse].reshape(labels.shape) + level
    without = NOT_CLASSIFIED if seen is None else np.where(seen[::block, ::block], NOT_CLASSIFIED, NOT_SEEN)
    pixels = np.where(labels < 0, without, index).astype(np.uint8)
    return _picture(pixels, Axes(shape=maps.labels.shape), block)


def seen_positions(
    images: VirtualImageSet | None, shape: tuple[int, ...], at: Places = ...
) -> NDArray[np.bool_] | None:
    """Positions with a value in the first virtual image, of all or one; ``None`` when it has another shape."""
    if images is None or images.images.shape[1:] != shape:
        return None
    return np.asarray(np.isfinite(images.images[0][at]))


def part_image(
    maps: ClassMaps, class_id: int, images: VirtualImageSet | None, at: Places = ...
) -> NDArray[np.float32]:
    """Part of each position, or of one, that is a class, from 0 to 1; NaN where nothing was seen, and only known
    for the two largest parts of a position."""
    seen = seen_positions(images, maps.labels.shape, at)
    first, second = maps.parts[0][at], maps.parts[1][at]
    part = np.where(maps.labels[at] == class_id, first, np.where(maps.second[at] == class_id, second, 0))
    return np.where(True if seen is None else seen, part / np.float32(255), np.nan).astype(np.float32)


def part_picture(part: NDArray[np.float32]) -> Picture:
    """A real-space image of parts, from none to all."""
    block = block_size(part.shape, MAX_SIDE)
    limits = Range(0.0, 1.0)
    return _picture(to_bytes(reduce_mean(part, block), limits), Axes(shape=part.shape), block, limits)


def virtual_picture(image: NDArray[np.float32]) -> Picture:
    """A real-space image between its percentiles."""
    block = block_size(image.shape, MAX_SIDE)
    reduced = reduce_mean(image, block)
    limits = robust_range(reduced)
    return _picture(to_bytes(reduced, limits), Axes(shape=image.shape), block, limits)


def counts_picture(counts: NDArray[np.float32], axes: Axes, scale: str, high: float = 99.9) -> Picture:
    """A diffraction pattern or Bragg vector map on a compressed scale, from 0 to a high percentile."""
    block = block_size(counts.shape, MAX_SIDE)
    compressed = compress(reduce_max(counts, block), scale)
    top = robust_range(compressed[compressed > 0], high=high).high if np.any(compressed > 0) else 1.0
    return _picture(to_bytes(compressed, Range(0.0, top)), axes, block)


def vector_picture(message: VectorMap, axes: Axes, scale: str) -> Picture:
    """The Bragg vector map."""
    return counts_picture(message.map, axes, scale, high=99.7)


def pattern_pictures(message: ClassPatterns, vacuum: Collection[int] = ()) -> dict[int, NDArray[np.uint8]]:
    """Mean pattern of each class by id, square-rooted, each to its own brightness.

    Only what is much fainter than the other classes, or no more than noise, stays dark, and what lies beside the
    beam in the classes that are `vacuum`: it must not look like a halo.
    """
    scaled: dict[int, tuple[NDArray[np.float32], Range]] = {}
    for class_id, pattern, frames in zip(message.class_ids, message.patterns, message.n_frames, strict=True):
        block = block_size(pattern.shape, MAX_PATTERN_SIDE)
        compressed = np.where(np.isfinite(pattern), compress(np.nan_to_num(pattern), "sqrt"), np.nan)
        reduced = reduce_mean(compressed.astype(np.float32), block)
        limits = robust_range(reduced, 2.0, 99.3)
        beam = _OF_BEAM * np.nan_to_num(pattern).max(initial=0.0) if class_id in vacuum else 0.0
        least = np.sqrt(max(_FEW / max(frames, 1), beam))
        scaled[class_id] = (reduced, Range(limits.low, max(limits.high, float(least))))
    floor = _FAINT * float(np.median([limits.high for _, limits in scaled.values()])) if scaled else 0.0
    return {
        class_id: to_bytes(reduced, Range(limits.low, max(limits.high, floor)))
        for class_id, (reduced, limits) in scaled.items()
    }
