"""The image of a vacuum probe: checks, background, and where its light ends."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from livebragg.detect.picture import Picture
from livebragg.errors import ProbeError

TAIL = 2e-3
"""A probe ends where its mean brightness at a distance has fallen to this part of its brightest place."""

_NEGATIVE = 0.05
"""Noise may make an image negative by this part of its maximum."""

_AT_BORDER = 0.05
"""Brightness at the border, relative to the maximum, from which a probe is cut off."""

_FEW = 1e4
_MANY = 1e6
"""Numbers that are not whole and sum up to few are no counts but, say, a share of the maximum: they are averages
of many frames, taken for this many counts."""

_REMEDY = "give the image of one whole probe, background subtracted, or set probe.radius and probe.edge_width"


def checked_image(image: NDArray[np.generic]) -> NDArray[np.float64]:
    """Image of a vacuum probe, one value per pixel, above the background that its border shows.

    Raises
    ------
    ProbeError
        The image is no picture of one whole probe.
    """
    values = _real_numbers(image)
    border = np.concatenate([values[0], values[-1], values[1:-1, 0], values[1:-1, -1]])
    values = values - float(np.median(border))
    _check_contrast(values, _noise(border))
    return values * counts_of_one(values)


def counts_of_one(frame: NDArray[np.floating]) -> float:
    """Electrons that the number 1 stands for in a frame above its background, as far as noise is concerned."""
    total = float(frame.sum())
    if total >= _FEW or total <= 0 or bool(np.all(frame == np.rint(frame))):
        return 1.0
    return _MANY / total


def cut_tails(values: NDArray[np.float64], oversampling: int = 1) -> Picture:
    """Surface through values whose faint surroundings become 0, so that noise there is no part of the probe.

    The values are kept out to where the mean over a ring about the centre stands out from the outermost rings,
    and fall to 0 within a pixel beyond.
    """
    peak = _peak(values)
    center = ndimage.center_of_mass(np.where(values > 0.2 * peak, values, 0.0))
    for _ in range(3):
        r = np.hypot(*(np.indices(values.shape) - np.reshape(center, (2, 1, 1)))) / oversampling
        end = _end(values, r, peak)
        kept = values * 0.5 * (1 + np.cos(math.pi * np.clip(r - end, 0.0, 1.0)))
        center = ndimage.center_of_mass(kept)
    return Picture.of_values(kept, oversampling)


def _end(values: NDArray[np.float64], r: NDArray[np.float64], peak: float) -> float:
    """Distance of the outermost ring that stands out, in pixels."""
    ring = np.rint(r).astype(np.int64)
    pixels = np.bincount(ring.ravel())
    mean = np.bincount(ring.ravel(), values.ravel()) / np.maximum(pixels, 1)
    outside = mean[2 * mean.size // 3 : -2]  # the corners of the image; their very tips have too few pixels
    scatter = 1.48 * float(np.median(np.abs(outside - np.median(outside)))) if outside.size > 3 else 0.0
    lit = np.nonzero(mean > max(TAIL * peak, 4.0 * scatter))[0]
    # A patterned probe may have dark rings; a wider gap ends it, and what follows is noise.
    gaps = np.nonzero(np.diff(lit) > 3 + lit[:-1] // 2)[0]
    return float(lit[gaps[0]] if gaps.size else lit[-1]) + 1.0


def _peak(values: NDArray[np.float64]) -> float:
    """Brightness of the brightest part, which noise of single pixels does not raise: of a spot, its maximum."""
    order = np.sort(values[values > 0.3 * values.max()])
    return float(np.median(order[-max(order.size // 4, 1) :]))


def _real_numbers(image: NDArray[np.generic]) -> NDArray[np.float64]:
    array = np.asarray(image)
    if array.ndim != 2 or min(array.shape, default=0) < 5:
        raise ProbeError(f"a probe image has 2 axes of at least 5 pixels, not the shape {array.shape}; {_REMEDY}")
    if array.dtype.kind not in "buif":
        raise ProbeError(f"a probe image holds real numbers, not {array.dtype}; {_REMEDY}")
    values = array.astype(np.float64)
    odd = int(values.size - np.isfinite(values).sum())
    if odd:
        raise ProbeError(f"{odd} pixels of the probe image are NaN or infinite, none may be; {_REMEDY}")
    return values


def _noise(border: NDArray[np.float64]) -> float:
    """Scatter of the border's pixels, whatever the brightest fifth of them shows."""
    return 1.3 * float(np.std(np.sort(border)[: 4 * border.size // 5]))


def _check_contrast(values: NDArray[np.float64], noise: float) -> None:
    highest, lowest = float(values.max()), float(values.min())
    smooth = ndimage.uniform_filter(values, 3, mode="nearest")
    edge = max(float(side.max()) for side in (smooth[0], smooth[-1], smooth[:, 0], smooth[:, -1]))
    if edge > _AT_BORDER * highest + 1.5 * noise:
        raise ProbeError(
            f"the probe touches the image's border: {edge / highest:.0%} of its maximum are found there, at most "
            f"{_AT_BORDER:.0%} may be; cut the image larger, or {_REMEDY}"
        )
    if not highest > 6.0 * noise:
        raise ProbeError(
            f"the probe image has no contrast: its maximum is {highest:.3g} above the border, at least 6 times "
            f"the border's scatter of {noise:.3g} is needed; {_REMEDY}"
        )
    if lowest < -max(_NEGATIVE * highest, 6.0 * noise):
        raise ProbeError(
            f"the probe image goes down to {lowest:.3g} below its border, {-lowest / highest:.0%} of its maximum; "
            f"at most {_NEGATIVE:.0%} are noise; {_REMEDY}"
        )
