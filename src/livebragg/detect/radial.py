"""Elliptical radial profiles of frames, with their Bragg disks left out."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from livebragg.detect.frames import as_pixels
from livebragg.detect.radial_table import bin_edges, build_radial_table, check_shift
from livebragg.errors import ConfigError, FrameError
from livebragg.kernels.radial import profile_batch
from livebragg.kernels.radial_table import RadialScratch, RadialTable, allocate_radial_scratch
from livebragg.model import BraggPeaks


@dataclass(frozen=True, slots=True, kw_only=True)
class RadialProfiles:
    """Radial profiles of one or more frames."""

    radii: NDArray[np.float64]
    """(bins,): middles of the bins, in pixels of the mean radius ``sqrt(a * b)`` of an ellipse."""

    mean: NDArray[np.float32]
    """(n, bins): mean of the pixel values, in the frames' unit; NaN where a bin has no pixel."""

    variance: NDArray[np.float32]
    """(n, bins): their population variance across the bin, as in fluctuation electron microscopy: noise and, in
    the slope of a ring, ``slope**2 * (bin_width**2 / 12 + e**2 / 2)`` for a centre off by `e` are part of it."""

    pixels: NDArray[np.int32]
    """(n, bins): usable pixels no disk covered."""


class RadialProfiler:
    """Measures mean and variance of the pixels at each distance from the beam; one per worker thread.

    Parameters
    ----------
    frame_shape : tuple of int
        ``(frame_rows, frame_cols)``.
    center : tuple of float
        Nominal centre (row, column) of the rings, in pixels, within the frame.
    ellipse : NDArray[np.float64], shape (2, 2), optional
        Matrix ``M`` of ``radius = |M (position - center)|``, scaled to unit determinant here; see
        `ellipse_matrix`. A circle unless given.
    bin_width : float
        In pixels.
    inner_radius, outer_radius : float
        Range of the bins, in pixels; the outer is the farthest edge of the frame unless given.
    bad_pixels : NDArray[np.bool_], shape (frame_rows, frame_cols), optional
        True at pixels that never count: dead, hot, behind the beam stop.
    max_shift : int
        How far the centre of a frame may be from the nominal one along each axis, in pixels.

    Raises
    ------
    ConfigError
        A centre outside the frame, an ellipse without inverse, radii that make no bins.
    FrameError
        A bad-pixel mask of another shape than the frames.

    Notes
    -----
    Centres are rounded to half pixels, which moves them by at most 0.25 and typically (root mean square) 0.14
    pixels along each axis. The mean feels that in second order only; the variance gains
    ``slope**2 * e**2 / 2`` for a total shift `e`, on average a quarter of what a bin of 1 pixel adds itself.

    Examples
    --------
    >>> import numpy as np
    >>> frame = np.full((64, 48), 3.0, np.float32)
    >>> frame[20:27, 30:37] = 100.0
    >>> profiler = RadialProfiler(frame.shape, (32.0, 24.0), outer_radius=20.0)
    >>> profile = profiler.measure(frame, disks=[(23.0, 33.0)], mask_radius=6.0)
    >>> profile.radii.size, float(profile.mean.max()), float(profile.variance.max())
    (20, 3.0, 0.0)
    """

    def __init__(
        self,
        frame_shape: tuple[int, int],
        center: tuple[float, float],
        *,
        ellipse: NDArray[np.float64] | None = None,
        bin_width: float = 1.0,
        inner_radius: float = 0.0,
        outer_radius: float | None = None,
        bad_pixels: NDArray[np.bool_] | None = None,
        max_shift: int = 16,
    ) -> None:
        self.frame_shape = (int(frame_shape[0]), int(frame_shape[1]))
        self.center = _checked_center(center, self.frame_shape)
        edges = bin_edges(self.frame_shape, self.center, bin_width, inner_radius, outer_radius)
        self.radii = (edges[:-1] + edges[1:]) / 2.0
        usable = _usable(bad_pixels, self.frame_shape)
        self._table = build_radial_table(self.frame_shape, self.center, ellipse, edges, check_shift(max_shift))
        self._scratch = allocate_radial_scratch(self._table, self.radii.size)
        self._bad, self._image = np.flatnonzero(~usable), np.zeros(self.frame_shape, np.float32)
        self._health = np.zeros(5, np.int64)
        self._frames_without_center = 0

    @property
    def table(self) -> RadialTable:
        """For kernels that call `livebragg.kernels.radial.radial_profile` on a frame they have loaded."""
        return self._table

    @property
    def scratch(self) -> RadialScratch:
        """Goes with `table`; not to be used by two threads."""
        return self._scratch

    @property
    def frames_without_center(self) -> int:
        """Frames so far whose centre was NaN or beyond `max_shift`: their profile is NaN, with 0 pixels."""
        return self._frames_without_center

    def measure(
        self,
        frame: NDArray[np.generic],
        *,
        disks: ArrayLike = (),
        mask_radius: float = 0.0,
        center: tuple[float, float] | None = None,
    ) -> RadialProfiles:
        """Measure one frame, about the nominal centre unless another is given.

        Parameters
        ----------
        frame : NDArray, shape (frame_rows, frame_cols)
            Any real dtype. Pixels that are NaN or infinite count as 0, as they do for the disk detector.
        disks : array-like of float, shape (n, 2)
            Positions (row, column) to leave out; those that are NaN or off the frame cover nothing.
        mask_radius : float
            Radius left out about each, in pixels.

        Raises
        ------
        FrameError
            Wrong shapes, a mask radius below 0, or a centre that is NaN or beyond `max_shift`.
        """
        place = self.center if center is None else (float(center[0]), float(center[1]))
        shift = max(abs(a - b) for a, b in zip(place, self.center, strict=True))
        if not shift <= self._table.max_shift or not all(map(math.isfinite, place)):
            raise FrameError(
                f"the centre {place} is not within {self._table.max_shift} pixels of the nominal {self.center}; "
                "raise max_shift or set the nominal centre nearer"
            )
        with np.errstate(over="ignore"):  # a place beyond single precision is off the frame all the same
            where = np.asarray(disks).astype(np.float32)
        where = where.reshape(-1, 2) if where.size == 0 else where
        if where.ndim != 2 or where.shape[1] != 2:
            raise FrameError(f"disks have shape {where.shape}; give (n, 2): row and column of each")
        offsets = np.array([0, len(where)], np.int64)
        qx, qy = np.ascontiguousarray(where.T)
        stack = np.asarray(frame)[np.newaxis]
        return self._measure(stack, qx, qy, offsets, mask_radius, np.array([place]), self._bad)

    def measure_many(
        self,
        frames: NDArray[np.generic],
        peaks: BraggPeaks | None = None,
        centers: ArrayLike | None = None,
        *,
        mask_radius: float = 0.0,
        without: NDArray[np.int64] | None = None,
    ) -> RadialProfiles:
        """Measure several frames, shape ``(n, frame_rows, frame_cols)``, without their disks.

        Parameters
        ----------
        peaks : BraggPeaks, optional
            Disks of the same frames.
        centers : array-like of float, shape (n, 2), optional
            Centre of each frame; the nominal one unless given. A frame whose centre is NaN or beyond
            `max_shift` gets a profile of NaN and counts in `frames_without_center`.
        without : NDArray[np.int64], optional
            More pixels that do not count in these frames, as flat positions in the frame.

        Raises
        ------
        FrameError
            Wrong shapes, or a mask radius below 0.
        """
        n = len(frames)
        none = np.zeros(0, np.float32)
        qx, qy, offsets = (
            (none, none, np.zeros(n + 1, np.int64)) if peaks is None else (peaks.qx, peaks.qy, peaks.offsets)
        )
        if offsets.size != n + 1:
            raise FrameError(f"{n} frames came with the peaks of {offsets.size - 1}; they must be the same frames")
        places = np.array(np.broadcast_to(self.center, (n, 2)) if centers is None else centers, np.float64)
        if places.shape != (n, 2):
            raise FrameError(f"{n} frames came with centres of shape {places.shape}; give ({n}, 2)")
        bad = self._bad if without is None else np.union1d(self._bad, without)
        return self._measure(frames, qx, qy, offsets, mask_radius, places, bad)

    def _measure(
        self,
        frames: NDArray[np.generic],
        qx: NDArray[np.float32],
        qy: NDArray[np.float32],
        offsets: NDArray[np.int64],
        mask_radius: float,
        centers: NDArray[np.float64],
        bad: NDArray[np.int64],
    ) -> RadialProfiles:
        if not 0.0 <= mask_radius < math.inf:
            raise FrameError(f"mask_radius is {mask_radius}; it must be a finite number of pixels, 0 or more")
        stack, pixel_type = as_pixels(frames, self.frame_shape)
        shape = (stack.shape[0], self.radii.size)
        mean, variance, pixels = (
            np.empty(shape, np.float32),
            np.empty(shape, np.float32),
            np.empty(shape, np.int32),
        )
        self._frames_without_center += profile_batch(
            stack,
            pixel_type,
            bad,
            self._table,
            self._scratch,
            centers,
            np.ascontiguousarray(qx, np.float32),
            np.ascontiguousarray(qy, np.float32),
            np.ascontiguousarray(offsets, np.int64),
            float(mask_radius),
            self._image,
            self._health,
            mean,
            variance,
            pixels,
        )
        return RadialProfiles(radii=self.radii, mean=mean, variance=variance, pixels=pixels)


def _checked_center(center: tuple[float, float], frame_shape: tuple[int, int]) -> tuple[float, float]:
    place = (float(center[0]), float(center[1]))
    if not all(-0.5 <= c <= size - 0.5 for c, size in zip(place, frame_shape, strict=True)):
        raise ConfigError(
            f"the centre {place} lies outside frames of {frame_shape} pixels; give (row, column) within the frame"
        )
    return place


def _usable(bad_pixels: NDArray[np.bool_] | None, frame_shape: tuple[int, int]) -> NDArray[np.bool_]:
    if bad_pixels is None:
        return np.ones(frame_shape, np.bool_)
    bad = np.asarray(bad_pixels, np.bool_)
    if bad.shape != frame_shape:
        raise FrameError(f"the bad-pixel mask has shape {bad.shape}, the frames {frame_shape}; they must be equal")
    return ~bad
