"""From probe and settings to the tables the kernels work with."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from livebragg.detect.template import ProbeTemplate
from livebragg.detect.threshold import significance_for
from livebragg.errors import FrameError
from livebragg.kernels.plan import Plan
from livebragg.kernels.spans import column_prefix, disk_spans, row_of_disk_sums

_RING_AREA = 1.5
"""Area of the background ring over that of the disk: more would average better and see more of the neighbours."""

_SMALLEST_RING = 40.0
"""Least area of the ring, in pixels."""

_MIN_DISK_FRACTION = 0.5
"""A disk is looked for where at least this part of it lies on usable pixels, and its centre in the frame."""

_MIN_RING_FRACTION = 0.25
"""The same for the ring its background comes from."""

_LOOSE = 0.75
"""Score worth a closer look, relative to the significance needed: the score is a rougher measure."""

_SHARPNESS_MARGIN = 2.0
"""A pixel this much sharper than the template's own peak is hot."""


def build_plan(
    probe: ProbeTemplate,
    frame_shape: tuple[int, int],
    *,
    false_disks_per_frame: float,
    min_spacing: float | None,
    bad_pixels: NDArray[np.bool_] | None,
) -> Plan:
    """Prepare the tables for frames of one shape.

    Raises
    ------
    FrameError
        The frame is smaller than the disk's patch, or nothing of it is usable.
    """
    patch_radius = probe.patch_radius + 0.5
    disk_radius = best_disk_radius(probe)
    disk, patch = disk_spans(disk_radius), disk_spans(patch_radius)
    ring_area = max(_RING_AREA * math.pi * disk_radius**2, _SMALLEST_RING)
    outer = disk_spans(math.sqrt(patch_radius**2 + ring_area / math.pi))
    pad = int(outer[0][-1]) + 2
    _check_size(frame_shape, 2 * probe.patch_radius + 1)
    weight = _weight(frame_shape, pad, bad_pixels)
    areas = [_area_map(weight, spans, pad) for spans in (disk, patch, outer)]
    disk_area, whole = areas[0], areas[2]
    ring = whole - areas[1]
    seen = (disk_area >= _MIN_DISK_FRACTION * disk_area.max()) & (ring >= _MIN_RING_FRACTION * ring.max())
    seen &= weight[pad:-pad, pad:-pad] > 0
    if not seen.any():
        raise FrameError(
            f"no pixel of a frame of {frame_shape} pixels has half a disk of radius {probe.radius} px and some "
            "background around it; mask fewer pixels or set a smaller probe.radius"
        )
    ratio = disk_area / np.maximum(whole - disk_area, 1.0)
    spacing = max(1.1 * probe.radius, 2.0) if min_spacing is None else float(min_spacing)
    threshold = significance_for(false_disks_per_frame, int(seen.sum()), disk_radius)
    return Plan(
        disk=disk,
        patch=patch,
        outer=outer,
        templates=probe.phases(),
        weight=weight,
        ratio=ratio.astype(np.float32),
        norm=np.where(seen, 2.0 / np.sqrt(1.0 + ratio), 0.0).astype(np.float32),
        disk_area=disk_area,
        largest_area=float(np.sum(2 * disk[1] + 1)),
        outer_area=float(np.sum(2 * outer[1] + 1)),
        ring_area=ring,
        pad=pad,
        threshold=threshold,
        loose=_LOOSE * threshold,
        spacing=spacing,
        overlap=2.0 * (probe.radius + 2.0 * probe.edge_width),
        reach=float(outer[0][-1] + probe.patch_radius + 2),
        peakedness=_peakedness(probe),
    )


def best_disk_radius(probe: ProbeTemplate) -> float:
    """Radius over which the counts of a weak disk stand out most from a flat background, in pixels."""
    shifts = [(0.0, 0.0), (0.5, 0.0), (0.25, 0.25), (0.5, 0.5)]
    images = [probe.image(shift) for shift in shifts]
    reach = probe.patch_radius
    axis = np.arange(-reach, reach + 1)
    squares = axis[:, None] ** 2 + axis[None, :] ** 2
    candidates = [s for s in np.unique(squares) if 1 <= s <= reach**2]
    gains = [np.mean([i[squares <= s].sum() for i in images]) / np.sqrt((squares <= s).sum()) for s in candidates]
    return math.sqrt(float(candidates[int(np.argmax(gains))]))


def _check_size(frame_shape: tuple[int, int], patch: int) -> None:
    if min(frame_shape) < patch:
        raise FrameError(
            f"frames of {frame_shape[0]} x {frame_shape[1]} pixels are smaller than the probe's patch "
            f"of {patch} x {patch} pixels; check probe.radius and the frame shape"
        )


def _weight(frame_shape: tuple[int, int], pad: int, bad_pixels: NDArray[np.bool_] | None) -> NDArray[np.float32]:
    good = np.ones(frame_shape, np.float32)
    if bad_pixels is not None:
        if bad_pixels.shape != frame_shape:
            raise FrameError(
                f"the bad-pixel mask has shape {bad_pixels.shape}, the frames {frame_shape}; they must be equal"
            )
        good[bad_pixels] = 0.0
    return np.pad(good, pad)


def _area_map(
    weight: NDArray[np.float32], spans: tuple[NDArray[np.int64], NDArray[np.int64]], pad: int
) -> NDArray[np.float32]:
    """Usable pixels within the spans about every pixel of the frame."""
    prefix = np.zeros((weight.shape[0] + 1, weight.shape[1]), np.int32)
    column_prefix(weight, 1.0, prefix)
    rows, cols = weight.shape[0] - 2 * pad, weight.shape[1] - 2 * pad
    area = np.zeros((rows, cols), np.float32)
    line = np.zeros(cols, np.int32)
    for r in range(rows):
        row_of_disk_sums(prefix, spans[0], spans[1], r, pad, line)
        area[r] = line
    return area


def _peakedness(probe: ProbeTemplate) -> float:
    """How far a disk's brightest pixel can stand above the third brightest of its neighbours."""
    ratios = []
    for shift in ((0.0, 0.0), (0.5, 0.0), (0.25, 0.25), (0.0, 0.25)):
        image = probe.image(shift)
        r, c = np.unravel_index(int(np.argmax(image)), image.shape)
        window = image[max(r - 1, 0) : r + 2, max(c - 1, 0) : c + 2].ravel()
        brightest = np.sort(window)[::-1]
        ratios.append(brightest[0] / max(brightest[3], 1e-9))
    return _SHARPNESS_MARGIN * float(max(ratios))
