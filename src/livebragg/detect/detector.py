"""The disk detector: frames in, Bragg peaks out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from livebragg.detect.frames import as_pixels
from livebragg.detect.plan import build_plan
from livebragg.detect.positions import as_origins, as_positions
from livebragg.detect.template import ProbeTemplate
from livebragg.errors import ConfigError
from livebragg.kernels.batch import analyze_batch, detect_batch
from livebragg.kernels.forced import Forced, allocate_forced
from livebragg.kernels.photometry import measure_batch
from livebragg.kernels.plan import FIT_COLUMNS, allocate_scratch
from livebragg.kernels.virtual import VirtualMasks
from livebragg.model import BraggPeaks, ForcedIntensities

_CANDIDATES = 8192
"""Maxima of the score looked at in a frame, before the test."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameHealth:
    """What was odd about the pixels of the frames seen so far."""

    nonfinite_pixels: int
    """Pixels that were NaN or infinite and counted as 0."""

    negative_pixels: int
    """Negative pixels that counted as 0, on a detector without read noise."""

    hot_pixels: int
    """Single pixels too sharp for a disk, replaced by their neighbours' mean."""

    full_frames: int
    """Frames with more disks than kept."""

    masked_frames: int
    """Frames with pixels that were not finite, or negative."""


class DiskDetector:
    """Finds Bragg disks of a known probe, with a threshold in false disks per frame.

    Parameters
    ----------
    probe : ProbeTemplate
    frame_shape : tuple of int
        ``(frame_rows, frame_cols)``.
    false_disks_per_frame : float, optional
        Disks per frame that noise alone may produce. Unless given, each frame is balanced: weak disks are kept
        as long as they make the frame's disks more complete than they make them impure (largest expected F1
        score). On frames of strong disks that comes to 0.1.
    min_spacing : float, optional
        Smallest distance between two disks, in pixels; 1.1 probe radii (at least 2) unless given.
    max_disks_per_frame : int
        Strongest disks kept.
    gain : float, optional
        Detector counts per electron, 1 for counting detectors. Unless given, it is measured in each frame
        together with the read noise, and is 1 when it is near 1.
    offset : float
        Counts of a pixel that saw no electron.
    read_noise : float
        Standard deviation of such a pixel, in electrons.
    bad_pixels : NDArray[np.bool_], shape (frame_rows, frame_cols), optional
        True where a pixel must not be looked at: dead, hot, behind the beam stop.

    Notes
    -----
    One detector serves one thread: it owns the memory it works in. A disk is reported when its centre lies in
    the frame and half of its area on usable pixels.

    Examples
    --------
    >>> import numpy as np
    >>> frame = np.random.default_rng(1).poisson(0.5, (64, 48)).astype(np.uint16)
    >>> frame[20:29, 10:19] += 5
    >>> peaks = DiskDetector(ProbeTemplate.disk(4.5, 0.5), frame.shape).detect(frame)
    >>> peaks.qx.round().tolist(), peaks.qy.round().tolist()
    ([24.0], [14.0])
    """

    def __init__(
        self,
        probe: ProbeTemplate,
        frame_shape: tuple[int, int],
        false_disks_per_frame: float | None = None,
        *,
        min_spacing: float | None = None,
        max_disks_per_frame: int = 512,
        gain: float | None = None,
        offset: float = 0.0,
        read_noise: float = 0.0,
        bad_pixels: NDArray[np.bool_] | None = None,
    ) -> None:
        asked = 1.0 if false_disks_per_frame is None else false_disks_per_frame
        positive = min(asked, 1.0 if gain is None else gain, max_disks_per_frame)
        if not (positive > 0 and read_noise >= 0):
            raise ConfigError(
                f"false_disks_per_frame ({false_disks_per_frame}), gain ({gain}) and max_disks_per_frame "
                f"({max_disks_per_frame}) must be above 0, read_noise ({read_noise}) 0 or more"
            )
        self.probe = probe
        self.frame_shape = (int(frame_shape[0]), int(frame_shape[1]))
        self._plan = build_plan(
            probe,
            self.frame_shape,
            false_disks_per_frame=false_disks_per_frame,
            min_spacing=min_spacing,
            bad_pixels=None if bad_pixels is None else np.asarray(bad_pixels, bool),
        )
        self._counting = (0.0 if gain is None else float(gain), float(offset), float(read_noise) ** 2)
        self._scratch = allocate_scratch(self._plan, _CANDIDATES)
        self._fit = np.zeros((max_disks_per_frame + 1, len(FIT_COLUMNS)))
        self._health = np.zeros(5, np.int64)
        self._forced: Forced | None = None

    @property
    def threshold(self) -> float:
        """Significance that is always enough for a disk, in standard deviations."""
        return float(self._plan.sure)

    @property
    def memory(self) -> int:
        """Bytes of the tables and of the memory it works in; nothing is allocated per frame beside the output."""
        return sum(
            part.nbytes for part in (*self._plan, *self._scratch, self._fit) if isinstance(part, np.ndarray)
        )

    @property
    def health(self) -> FrameHealth:
        """Counts of odd pixels in all frames seen by this detector."""
        nonfinite, negative, hot, full, masked = map(int, self._health)
        return FrameHealth(
            nonfinite_pixels=nonfinite,
            negative_pixels=negative,
            hot_pixels=hot,
            full_frames=full,
            masked_frames=masked,
        )

    def detect(self, frame: NDArray[np.generic]) -> BraggPeaks:
        """Find the disks of one frame.

        Parameters
        ----------
        frame : NDArray, shape (frame_rows, frame_cols)
            Detector counts, of any real dtype.

        Raises
        ------
        FrameError
            Wrong shape, or a dtype that holds no counts.
        """
        return self.detect_many(np.asarray(frame)[np.newaxis])

    def detect_many(self, frames: NDArray[np.generic]) -> BraggPeaks:
        """Find the disks of several frames, shape ``(n, frame_rows, frame_cols)``."""
        stack, pixel_type = as_pixels(frames, self.frame_shape)
        columns, counts = self._allocate_output(stack.shape[0])
        counting = (pixel_type, *self._counting)
        total = detect_batch(stack, counting, self._plan, self._scratch, self._fit, columns, counts, self._health)
        return peaks_from_columns(columns[:, :total], counts)

    def measure_at(
        self,
        frames: NDArray[np.generic],
        positions: NDArray[np.generic],
        *,
        origins: NDArray[np.generic] | None = None,
    ) -> ForcedIntensities:
        """Measure intensities at given positions, whether there is a disk or not (forced photometry).

        Disks that are listed and share light are solved together, so list whatever may be there: a disk that is
        not listed adds its light to the positions it reaches. Nothing is mended: a hot pixel counts unless it is
        among the bad pixels, and a pixel that is NaN counts as 0, which `health` tells.

        Parameters
        ----------
        frames : NDArray, shape (n, frame_rows, frame_cols)
            Detector counts, of any real dtype; not changed.
        positions : NDArray, shape (k, 2) or (n, k, 2)
            Rows and columns in pixels, the same for all frames or of each; at most 8192. NaN for no position.
        origins : NDArray, shape (n, 2), optional
            Rows and columns added to the positions of each frame, in pixels (descan).

        Returns
        -------
        ForcedIntensities
            NaN where a position lies outside the frame or less than half of the disk's light on usable pixels,
            where more than 24 positions are near, and where two positions cannot be told apart.

        Raises
        ------
        FrameError
            Wrong shapes, or dtypes that hold no counts or positions.

        Examples
        --------
        >>> import numpy as np
        >>> frames = np.random.default_rng(1).poisson(0.02, (1, 64, 48)).astype(np.uint8)
        >>> frames[0, 20:29, 10:19] += 1
        >>> detector = DiskDetector(ProbeTemplate.disk(4.5, 0.5), (64, 48))
        >>> measured = detector.measure_at(frames, np.array([[24, 14], [44, 30], [24, 90]]))
        >>> measured.significance.round().tolist(), measured.usable.tolist()
        ([[9.0, -1.0, nan]], [[1.0, 1.0, 0.0]])
        """
        stack, pixel_type = as_pixels(frames, self.frame_shape)
        places, shifts = as_positions(positions, len(stack)), as_origins(origins, len(stack))
        values = np.empty((3, len(stack), places.shape[1]), np.float32)
        counting = (pixel_type, *self._counting)
        if self._forced is None or len(self._forced.place) < places.shape[1]:
            self._forced = allocate_forced(self._plan, self._scratch, places.shape[1])
        measure_batch(
            stack, counting, self._plan, self._scratch, self._forced, places, shifts, values, self._health
        )
        return ForcedIntensities(intensity=values[0], error=values[1], usable=values[2])

    def analyze_into(
        self,
        frames: NDArray[np.generic],
        masks: VirtualMasks,
        center: tuple[float, float],
        search_radius: float,
        out_beam: NDArray[np.float32],
        out_virtual: NDArray[np.float32],
        out_sum: NDArray[np.float32],
    ) -> BraggPeaks:
        """`detect_many`, and in the same pass what `analyze_batch` collects."""
        stack, pixel_type = as_pixels(frames, self.frame_shape)
        columns, counts = self._allocate_output(stack.shape[0])
        total = analyze_batch(
            stack,
            (pixel_type, *self._counting),
            self._plan,
            self._scratch,
            self._fit,
            masks,
            (float(center[0]), float(center[1])),
            search_radius,
            columns,
            counts,
            self._health,
            out_beam,
            out_virtual,
            out_sum,
        )
        return peaks_from_columns(columns[:, :total], counts)

    def _allocate_output(self, n_frames: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        return np.empty((5, n_frames * (self._fit.shape[0] - 1)), np.float32), np.zeros(n_frames, np.int64)


def peaks_from_columns(columns: NDArray[np.float32], counts: NDArray[np.int64]) -> BraggPeaks:
    """Wrap the kernels' output; the columns are copied out of the larger buffer."""
    qx, qy, intensity, intensity_error, position_error = columns.copy()
    offsets = np.zeros(counts.size + 1, np.int64)
    np.cumsum(counts, out=offsets[1:])
    return BraggPeaks(
        qx=qx,
        qy=qy,
        intensity=intensity,
        intensity_error=intensity_error,
        position_error=position_error,
        offsets=offsets,
    )
