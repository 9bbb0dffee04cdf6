"""The radial profile of every frame: bins that suit the detector, about the beam where it was found."""

from __future__ import annotations

import math
from typing import Self

import numpy as np
from numpy.typing import NDArray

from livebragg.config.detection import DetectionConfig, ProfileConfig
from livebragg.detect.bad_pixels import bad_pixel_mask
from livebragg.detect.frames import as_pixels
from livebragg.detect.radial import RadialProfiler
from livebragg.detect.radial_table import ellipse_matrix
from livebragg.kernels.frame_sum import find_hot, sum_frames
from livebragg.model import BraggPeaks, ProbeShape, RadialBatch

_SHIFT = 16
"""How far the beam of a frame may lie from the probe's centre, in pixels: more than any descan that is left."""

_GOOD_BEAM = 0.5
"""Largest standard error, in pixels, with which a measured beam is better than the probe's centre."""


def profile_bins(frame_shape: tuple[int, int], probe: ProbeShape, config: ProfileConfig) -> tuple[int, float]:
    """Number of bins and their width in pixels: from the beam to the farthest edge of the frame."""
    reach = max(max(c, n - 1 - c) for c, n in zip(probe.center, frame_shape, strict=True))
    width = max(1.0, reach / config.bins)
    return max(1, min(config.bins, math.floor(reach / width + 1e-9))), width


def profile_radii(frame_shape: tuple[int, int], probe: ProbeShape, config: ProfileConfig) -> NDArray[np.float32]:
    """Middles of the bins, in pixels; none when profiles are switched off."""
    if config.bins == 0:
        return np.zeros(0, np.float32)
    bins, width = profile_bins(frame_shape, probe, config)
    return ((np.arange(bins) + 0.5) * width).astype(np.float32)


def hot_pixels(frames: NDArray[np.generic]) -> NDArray[np.int64]:
    """Pixels that no disk can be sharp enough for, as flat positions in the frame; the sum of the frames tells.

    A hot pixel of a few hundred counts outshines its whole ring, and wanders from bin to bin with the beam. A
    Bragg disk of a single pixel may be among them: disks are left out of profiles.

    Parameters
    ----------
    frames : NDArray, shape (n, frame_rows, frame_cols)

    Raises
    ------
    FrameError
        A dtype that holds no counts.
    """
    rows, cols = frames.shape[1:]
    pixels, pixel_type = as_pixels(frames, (rows, cols))
    total, hot = np.zeros((rows + 2, cols + 2), np.float32), np.empty(rows * cols, np.int64)
    sum_frames(pixels, pixel_type, np.empty(cols, np.float32), total)
    return hot[: find_hot(total, hot)]


def without_hot_pixels(frames: NDArray[np.generic]) -> NDArray[np.generic]:
    """The frames, shape (n, frame_rows, frame_cols), with hot pixels replaced by their neighbours' mean.

    They are copied only if there is one.
    """
    hot = hot_pixels(frames)
    if hot.size == 0:
        return frames
    repaired = np.array(frames)
    for row, col in zip(*np.divmod(hot, frames.shape[2]), strict=True):
        square = frames[:, max(row - 1, 0) : row + 2, max(col - 1, 0) : col + 2].astype(np.float64)
        others = square.sum(axis=(1, 2)) - frames[:, row, col]
        repaired[:, row, col] = others / (square.shape[1] * square.shape[2] - 1)
    return repaired


class FrameProfiles:
    """Measures profiles of frames whose disks are known; one per worker thread.

    Parameters
    ----------
    probe : ProbeShape
        Centre where no beam was found; its size decides how much is left out about each disk.
    frame_shape : tuple of int
        ``(frame_rows, frame_cols)``.
    detection : DetectionConfig
        Bad pixels, and the counts of an empty pixel.
    config : ProfileConfig
        Bins and ellipse.
    bad_pixels : NDArray[np.bool_], shape (frame_rows, frame_cols), optional
        True at pixels not to be used; those of `detection` unless given.
    """

    def __init__(
        self,
        probe: ProbeShape,
        frame_shape: tuple[int, int],
        detection: DetectionConfig,
        config: ProfileConfig,
        bad_pixels: NDArray[np.bool_] | None = None,
    ) -> None:
        bins, width = profile_bins(frame_shape, probe, config)
        ellipse = ellipse_matrix(config.ellipse_ratio, np.deg2rad(config.ellipse_angle_deg))
        self._profiler = RadialProfiler(
            frame_shape,
            probe.center,
            ellipse=ellipse if config.ellipse_ratio != 1.0 else None,
            bin_width=width,
            outer_radius=bins * width,
            bad_pixels=bad_pixel_mask(detection.bad_pixels, frame_shape) if bad_pixels is None else bad_pixels,
            max_shift=_SHIFT,
        )
        self._mask_radius = probe.radius + 2.0 * probe.edge_width + 1.0
        self._offset = np.float32(detection.offset)
        self._radii = profile_radii(frame_shape, probe, config)

    @classmethod
    def of(
        cls,
        probe: ProbeShape,
        frame_shape: tuple[int, int],
        detection: DetectionConfig,
        config: ProfileConfig,
        bad_pixels: NDArray[np.bool_] | None = None,
    ) -> Self | None:
        """The object, or ``None`` when profiles are switched off."""
        return cls(probe, frame_shape, detection, config, bad_pixels) if config.bins else None

    def measure(
        self, frames: NDArray[np.generic], peaks: BraggPeaks, direct_beam: NDArray[np.float32]
    ) -> RadialBatch:
        """Profiles of frames, shape ``(n, frame_rows, frame_cols)``, about their beams (see `DetectedBatch`)."""
        centers = np.tile(np.asarray(self._profiler.center), (len(frames), 1))
        found = direct_beam[:, 2] <= _GOOD_BEAM  # False for NaN
        found &= np.abs(direct_beam[:, :2] - centers).max(axis=1, initial=0.0) <= _SHIFT
        centers[found] = direct_beam[found, :2]
        measured = self._profiler.measure_many(
            frames, peaks, centers, mask_radius=self._mask_radius, without=hot_pixels(frames)
        )
        return RadialBatch(
            radii=self._radii,
            mean=measured.mean - self._offset,
            variance=measured.variance,
            pixels=measured.pixels,
        )
