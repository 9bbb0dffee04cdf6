"""Find the direct beam before anything is known about it, then in every frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from livebragg.config.detection import ProbeConfig
from livebragg.detect.detector import DiskDetector
from livebragg.detect.template import ProbeTemplate
from livebragg.errors import ProbeError

_SCALES = 1.25 ** np.arange(1, 24)
"""Radii tried for a beam of unknown size, in pixels."""

_CENTER_PRIOR = 0.35
"""Standard deviation of the beam's place about the middle of the frame, in frame sizes: between spots of equal
brightness, the one in the middle is the direct beam."""

_KNOWN_WITHIN = 5.0
"""Standard deviation of the beam's place about a configured centre, in pixels: descan."""

_LEAST_ELECTRONS = 30.0
"""A beam of fewer electrons, over all frames, shows no edge."""

_REMEDY = (
    "send frames with the direct beam on the detector, or set probe.radius, probe.edge_width and probe.center"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Beam:
    """The direct beam of one frame; ``frame`` is its index."""

    frame: int
    center: tuple[float, float]
    others: NDArray[np.float32]
    """(n, 2): other disks of the frame."""


def find_beam(stack: NDArray[np.float32], known: ProbeConfig) -> tuple[tuple[float, float], ProbeTemplate]:
    """Find the brightest round blob of the mean frame, at the scale at which it stands out most.

    Returns
    -------
    center : tuple of float
    template : ProbeTemplate
        First guess of the probe.

    Raises
    ------
    ProbeError
        Nothing stands out.
    """
    mean = _without_hot_pixels(stack.mean(axis=0))
    best, center, radius = 0.0, (0.0, 0.0), 1.0
    for scale in _SCALES if known.radius is None else [known.radius]:
        if 4.0 * scale > min(mean.shape):
            break
        factor = max(int(scale / 4.0), 1)
        contrast = _contrast(_binned(mean, factor), scale / factor)
        weighted = contrast * _prior(contrast.shape, factor, known)
        row, col = np.unravel_index(int(np.argmax(weighted)), weighted.shape)
        if weighted[row, col] / scale**1.5 > best:
            best, radius = float(weighted[row, col] / scale**1.5), float(scale)
            center = (factor * (row + 0.5) - 0.5, factor * (col + 0.5) - 0.5)
    electrons = best * radius**1.5 * stack.shape[0]
    if not electrons >= _LEAST_ELECTRONS:
        raise ProbeError(
            f"no direct beam stands out in {stack.shape[0]} frames: its brightest place has "
            f"{electrons:.1f} electrons above its surroundings, at least "
            f"{_LEAST_ELECTRONS:.0f} are needed; {_REMEDY}"
        )
    width = max(0.15 * radius, 0.4) if known.edge_width is None else known.edge_width
    return center, ProbeTemplate.disk(radius, width)


def locate_beam(
    stack: NDArray[np.float32], template: ProbeTemplate, center: tuple[float, float], read_noise: float
) -> list[Beam]:
    """Direct beam of every frame (in electrons) that shows it, near `center`."""
    shape = (stack.shape[1], stack.shape[2])
    if min(shape) < 2 * template.patch_radius + 1:
        raise ProbeError(
            f"the direct beam has a radius of about {template.radius:.1f} pixels: no room for its edge in "
            f"frames of {shape} pixels; {_REMEDY}"
        )
    search = max(6.0, 2.0 * template.radius)
    top, left, window = _window(stack, center, search + 3.0 * template.patch_radius)
    detector = DiskDetector(template, (window.shape[1], window.shape[2]), 0.01, gain=1.0, read_noise=read_noise)
    peaks = detector.detect_many(window)
    beams = []
    for i in range(stack.shape[0]):
        frame = peaks.frame(i)
        places = np.stack([frame.qx + top, frame.qy + left], axis=1)
        near = np.hypot(*(places - center).T) <= search
        if not near.any():
            continue
        k = int(np.argmax(np.where(near, frame.intensity, -1.0)))
        here = (float(places[k, 0]), float(places[k, 1]))
        beams.append(Beam(frame=i, center=here, others=np.delete(places, k, axis=0)))
    if not beams:
        raise ProbeError(
            f"no frame of {stack.shape[0]} shows a disk at the direct beam's place, "
            f"({center[0]:.1f}, {center[1]:.1f}); {_REMEDY}"
        )
    return beams


def _window(
    stack: NDArray[np.float32], center: tuple[float, float], reach: float
) -> tuple[int, int, NDArray[np.float32]]:
    """Part of the frames within `reach` of `center`; its top row, its left column, the frames."""
    top, left = max(int(center[0] - reach), 0), max(int(center[1] - reach), 0)
    bottom, right = int(center[0] + reach) + 2, int(center[1] + reach) + 2
    return top, left, np.ascontiguousarray(stack[:, top:bottom, left:right])


def _contrast(mean: NDArray[np.float64], scale: float) -> NDArray[np.float64]:
    """Counts in a disk of radius `scale` above those expected from the ring around it."""
    reach = int(np.ceil(1.6 * scale + 1))
    axis = np.arange(-reach, reach + 1)
    r = np.hypot(axis[:, None], axis[None, :])
    disk = (r <= scale).astype(float)
    ring = ((r > scale + 0.5) & (r <= 1.6 * scale + 1)).astype(float)
    kernel = disk - ring * (disk.sum() / ring.sum())
    return np.asarray(ndimage.correlate(mean, kernel, mode="nearest"))


def _binned(image: NDArray[np.float64], factor: int) -> NDArray[np.float64]:
    """Sums over squares of `factor` pixels; what does not fill a square is left out."""
    rows, cols = image.shape[0] // factor, image.shape[1] // factor
    cut = image[: rows * factor, : cols * factor]
    return np.asarray(cut.reshape(rows, factor, cols, factor).sum(axis=(1, 3)))


def _prior(shape: tuple[int, ...], factor: int, known: ProbeConfig) -> NDArray[np.float64]:
    """Weight of every place of an image binned by `factor`, 1 where the beam is most likely."""
    rows, cols = np.indices(shape)
    if known.center is not None:
        row, col = ((q + 0.5) / factor - 0.5 for q in known.center)
        return np.asarray(np.exp(-0.5 * ((rows - row) ** 2 + (cols - col) ** 2) * (factor / _KNOWN_WITHIN) ** 2))
    u = (rows / (shape[0] - 1) - 0.5) / _CENTER_PRIOR
    v = (cols / (shape[1] - 1) - 0.5) / _CENTER_PRIOR
    return np.asarray(np.exp(-0.5 * (u**2 + v**2)))


def _without_hot_pixels(mean: NDArray[np.floating]) -> NDArray[np.float64]:
    """Pixels far above the third brightest of their neighbours become it."""
    image = np.asarray(mean, np.float64)
    ring = np.ones((3, 3), bool)
    ring[1, 1] = False
    third = ndimage.rank_filter(image, rank=-3, footprint=ring, mode="nearest")
    hot = image > 4.0 * third + 1e-3 * image.max()
    return np.where(hot, third, image)
