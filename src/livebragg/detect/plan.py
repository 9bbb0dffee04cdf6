"""From probe and settings to the tables the kernels work with."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from livebragg.detect.aperture import Aperture, aperture_pixels, best_aperture
from livebragg.detect.template import ProbeTemplate
from livebragg.detect.threshold import independent_places, significance_for
from livebragg.errors import FrameError
from livebragg.kernels.background import cell_sums
from livebragg.kernels.fit import PHASES
from livebragg.kernels.plan import Plan
from livebragg.kernels.sums import BLOCK, column_prefix, window_sums

_BACKGROUND_AREA = 2.0
"""Area of the surroundings of a disk in its patch, in squares of its radius."""

_SMALLEST_BACKGROUND = 40.0
"""Least area of the surroundings, in pixels."""

_BOX = 3.0
"""Side of the box about a disk that tells its background, in radii of the disk."""

_WIDTHS = (
    (5, 1),
    (7, 1),
    (3, 3),
    (5, 3),
    (7, 3),
    (5, 5),
    (9, 3),
    (7, 5),
    (9, 5),
    (7, 7),
    (9, 7),
    (9, 9),
    (11, 11),
)
"""Numbers of columns that can be summed in two short steps, as their factors."""

_CELL = 1.2
"""Side of a cell of the coarse background, in radii: small, so that some cells lie between the disks."""

_SMALLEST_CELL = 5
"""Least side of a cell, in pixels."""

_MIN_DISK_FRACTION = 0.5
"""A disk is looked for where at least this part of it lies on usable pixels, and its centre in the frame."""

_MIN_RING_FRACTION = 0.25
"""The same for the rest of the box its background comes from."""

_LOOSE = 0.75
"""Excess worth a closer look, relative to the significance needed: it is a rougher measure."""

_SURE = 0.1
"""False disks per frame of the disks that are kept in any case, unless their number is asked for."""

_LIKELY = 1.0
"""False disks per frame of the weakest disks that are looked for in every frame then."""

_MOST = 10.0
"""False disks per frame of the weakest disks that are considered then."""

_UNSEEN = 1e9
"""Ratio of areas where no disk is looked for: whatever is in the disk is less than the background."""

_SHARPNESS_MARGIN = 2.0
"""A pixel this much sharper than the template's own peak is hot."""

_BLUR = 0.15
"""Standard deviation of the blur of the first steps' template, in radii."""

_DARK = 1e-3
"""Part of the template's largest value below which a pixel counts as unlit."""

_VECTOR = 16
"""Patches are filled up to a multiple of this many pixels."""


def build_plan(
    probe: ProbeTemplate,
    frame_shape: tuple[int, int],
    *,
    false_disks_per_frame: float | None,
    min_spacing: float | None,
    bad_pixels: NDArray[np.bool_] | None,
) -> Plan:
    """Prepare the tables for frames of one shape.

    Raises
    ------
    FrameError
        The frame is smaller than the disk's patch, or nothing of it is usable.
    """
    _check_size(frame_shape, 2 * probe.patch_radius + 1)
    aperture = best_aperture(probe)
    guard = probe.patch_radius + 0.5
    around = max(_BACKGROUND_AREA * probe.radius**2, _SMALLEST_BACKGROUND)
    patch_radius = math.sqrt(guard**2 + around / math.pi)
    reach = int(patch_radius)
    spacing = max(1.1 * probe.radius, 2.0) if min_spacing is None else float(min_spacing)
    leash = 0.6 * spacing + 1.0
    pad = reach + int(leash) + 4
    tall, wide = (_BOX * aperture.radius / bins for bins in aperture.binning)
    factors = min(_WIDTHS, key=lambda b: abs(b[0] * b[1] - wide))
    box = (max(round((tall - 1) / 2), int(aperture.halves.max()) + 1), *factors)
    margin = max(box[0], factors[0] * factors[1] // 2, aperture.offsets.size // 2) + 1
    cell_size = max(_CELL * probe.radius, _SMALLEST_CELL)
    cell = (math.ceil(cell_size / aperture.binning[0]), math.ceil(cell_size / aperture.binning[1]))
    weight = _weight(frame_shape, pad, bad_pixels)
    disk_area, box_area, cell_area = _areas(weight, pad, aperture, box, margin, cell)
    ring = box_area - disk_area
    good = weight[pad:-pad, pad:-pad] > 0
    seen = (
        (disk_area > 0)
        & (disk_area >= _MIN_DISK_FRACTION * disk_area.max())
        & (ring >= _MIN_RING_FRACTION * ring.max())
    )
    if not seen.any():
        raise FrameError(
            f"no pixel of a frame of {frame_shape} pixels has half a disk of radius {probe.radius} px and some "
            "background around it; mask fewer pixels or set a smaller probe.radius"
        )
    templates, soft, patch, lit, inside_patch, steps = _tables(probe, patch_radius, reach, weight.shape[1])
    places = independent_places(int(good.sum()), float(templates[0, 3].sum()))
    sure = significance_for(_SURE if false_disks_per_frame is None else false_disks_per_frame, places)
    threshold = significance_for(_MOST, places) if false_disks_per_frame is None else sure
    likely = significance_for(_LIKELY, places) if false_disks_per_frame is None else sure
    edge = probe.radius + 2.0 * probe.edge_width
    outside = (inside_patch * (np.hypot(*steps) > edge + 1.0)).astype(np.float32)
    angle = 2.0 * np.arctan2(*steps)
    touch = patch_radius + edge
    return Plan(
        pad=pad,
        binning=aperture.binning,
        margin=margin,
        disk=(aperture.offsets, aperture.halves),
        box=box,
        cell=cell,
        cell_area=cell_area,
        disk_area=disk_area,
        ratio=np.where(seen, disk_area / np.maximum(ring, 1.0), _UNSEEN).astype(np.float32),
        whole_disk=float(disk_area.max()),
        whole_ring=float(ring.max()),
        slope=aperture.slope,
        captured=aperture.captured,
        templates=templates,
        soft=soft,
        patch=patch,
        lit=lit,
        inside_patch=inside_patch,
        outside=outside,
        waves=(outside * np.stack([np.cos(angle), np.sin(angle)])),
        steps=steps,
        reach=reach,
        weight=weight,
        clean=_clean(good, patch_radius),
        bad=np.flatnonzero((weight == 0) & (np.pad(np.ones(frame_shape), pad) > 0)).astype(np.int64),
        places=places,
        sure=sure,
        threshold=threshold,
        likely=likely,
        loose=_LOOSE * threshold,
        spacing=spacing,
        leash=leash,
        overlap=2.0 * (probe.radius + probe.edge_width),
        touch=touch,
        per_square=1.0 / (touch + 2.0 * leash + 1.0),
        edge=edge,
        plateau=float(templates[:, 0].max()),
        peakedness=_peakedness(probe),
    )


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


def _areas(
    weight: NDArray[np.float32],
    pad: int,
    aperture: Aperture,
    box: tuple[int, int, int],
    margin: int,
    cell: tuple[int, int],
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Usable pixels of the disk and the box about every bin, and of every cell."""
    bins = [-(-(size - 2 * pad) // side) for size, side in zip(weight.shape, aperture.binning, strict=True)]
    padded = (bins[0] + 2 * margin, bins[1] + 2 * margin)
    prefix = np.zeros((padded[0] + 1, padded[1]), np.int32)
    column_prefix(weight, pad, aperture.binning, margin, 1.0, prefix)
    disk, whole = np.zeros(padded, np.int32), np.zeros(padded, np.int32)
    lines = np.zeros((2, BLOCK + 4 * padded[1]), np.int32)
    window_sums(prefix, aperture.offsets, aperture.halves, box, margin, lines, disk, whole)
    cells = np.zeros((-(-bins[0] // cell[0]), -(-bins[1] // cell[1])), np.float32)
    cell_sums(prefix, margin, cell, 1.0, lines[0], cells)
    inner = (slice(margin, -margin), slice(margin, -margin))
    return disk[inner].astype(np.float32), whole[inner].astype(np.float32), cells


def _tables(
    probe: ProbeTemplate, patch_radius: float, reach: int, width: int
) -> tuple[
    NDArray[np.float32], NDArray[np.float32], NDArray[np.uint32], int, NDArray[np.float32], NDArray[np.float32]
]:
    """Templates on a round patch, a blurred one, the patch in a flat image of `width` columns, how many of its
    pixels are lit, which of its places count, and where they are about the middle."""
    rows, cols = np.indices((2 * reach + 1, 2 * reach + 1))
    distance = np.hypot(rows - reach, cols - reach)
    round_ = distance <= patch_radius
    n = int(round_.sum())
    filled = -(-n // _VECTOR) * _VECTOR
    edge = reach - probe.patch_radius
    phases = np.pad(probe.phases(), ((0, 0), (0, 0), (0, 0), (edge, edge), (edge, edge)))
    bright = np.abs(phases).max(axis=(0, 1, 2))
    order = np.argsort((bright < _DARK * bright.max())[round_], kind="stable")  # lit pixels first
    patch = np.zeros(filled, np.uint32)
    patch[:n] = (rows * width + cols)[round_][order]
    patch[n:] = patch[n // 2]
    flat = phases.reshape(PHASES**2, 3, *round_.shape)[:, :, round_][:, :, order]
    templates = np.zeros((PHASES**2, 4, filled), np.float32)
    templates[:, :3, :n] = flat
    templates[:, 3, :n] = aperture_pixels(flat[:, 0])
    blurred = ndimage.gaussian_filter(phases[0, 0], (0.0, *2 * (_BLUR * probe.radius,)), mode="constant")
    soft = np.zeros((4, filled), np.float32)
    soft[:3, :n] = blurred[:, round_][:, order]
    inside = np.zeros(filled, np.float32)
    inside[:n] = 1.0
    steps = np.zeros((2, filled), np.float32)
    steps[:, :n] = np.stack([rows - reach, cols - reach])[:, round_][:, order]
    lit = int((bright >= _DARK * bright.max())[round_].sum())
    return templates, soft, patch, lit, inside, steps


def _clean(good: NDArray[np.bool_], patch_radius: float) -> NDArray[np.bool_]:
    """Where no bad pixel and no edge of the frame is within the patch."""
    far = ndimage.distance_transform_edt(np.pad(good, 1))
    return np.asarray(far[1:-1, 1:-1] > patch_radius + 1.0)


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
