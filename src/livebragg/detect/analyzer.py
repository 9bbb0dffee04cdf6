"""Everything a worker reads out of a frame."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from livebragg.config.detection import DetectionConfig, ProfileConfig, VirtualConfig
from livebragg.detect.bad_pixels import bad_pixel_mask
from livebragg.detect.detector import DiskDetector, FrameHealth
from livebragg.detect.frame_profiles import FrameProfiles
from livebragg.detect.friedel import friedel_center
from livebragg.detect.template import ProbeTemplate
from livebragg.detect.virtual import pack_masks, virtual_masks
from livebragg.errors import ConfigError, FrameError
from livebragg.model import VIRTUAL_IMAGES, BraggPeaks, DetectedBatch, ProbeShape

_HIDDEN = 0.2
"""Part of the direct beam's disk that must be masked for it to count as hidden by a beam stop."""


class FrameAnalyzer:
    """Turns frames into peaks, direct beam, virtual images, profiles and sum; one per worker thread.

    Where a beam stop hides the direct beam (bad pixels cover a fifth of the probe at its centre), its place is the
    point about which the disks of the frame lie in pairs.

    Parameters
    ----------
    probe_shape : ProbeShape
        Measured or configured probe.
    frame_shape : tuple of int
        ``(frame_rows, frame_cols)``.
    config : DetectionConfig
    virtual : VirtualConfig
    template : ProbeTemplate, optional
        What the probe looks like, if it is no disk of that shape.
    profile : ProfileConfig, optional
        Radial profiles.
    bad_pixels : NDArray[np.bool_], shape (frame_rows, frame_cols), optional
        True at pixels that are never to be used, beside the configured ones.

    Raises
    ------
    ConfigError
        A bad pixel or the probe's centre lies outside the frame.
    FrameError
        The frame is too small for the probe.

    Examples
    --------
    >>> import numpy as np
    >>> shape = ProbeShape(radius=4.0, edge_width=0.5, center=(31.0, 24.0))
    >>> frames = np.zeros((2, 64, 48), np.uint16)
    >>> frames[:, 28:35, 21:28] = 9
    >>> batch = FrameAnalyzer(shape, (64, 48)).analyze(frames, np.array([5, 6]))
    >>> batch.direct_beam[0, :2].round(1).tolist(), batch.virtual[1, 0].item()
    ([31.0, 24.0], 441.0)
    """

    def __init__(
        self,
        probe_shape: ProbeShape,
        frame_shape: tuple[int, int],
        config: DetectionConfig | None = None,
        virtual: VirtualConfig | None = None,
        *,
        template: ProbeTemplate | None = None,
        profile: ProfileConfig | None = None,
        bad_pixels: NDArray[np.bool_] | None = None,
    ) -> None:
        config = DetectionConfig() if config is None else config
        self.probe_shape = probe_shape
        self.frame_shape = (int(frame_shape[0]), int(frame_shape[1]))
        self._check_center()
        bad = _either(bad_pixel_mask(config.bad_pixels, self.frame_shape), bad_pixels)
        self._detector = build_detector(probe_shape, self.frame_shape, config, template, bad)
        masks = virtual_masks(probe_shape, self.frame_shape, VirtualConfig() if virtual is None else virtual)
        self._masks = pack_masks(masks)
        self._frames_masked = 0
        self._is_hidden = bad is not None and _part_at(bad, probe_shape) > _HIDDEN
        self._profiles = FrameProfiles.of(probe_shape, self.frame_shape, config, profile or ProfileConfig(), bad)
        radius = config.beam_search_radius
        self._search_radius = max(2.0 * probe_shape.radius, 8.0) if radius is None else float(radius)

    @property
    def health(self) -> FrameHealth:
        """Counts of odd pixels in all frames seen by this analyzer."""
        return self._detector.health

    @property
    def frames_masked(self) -> int:
        """Frames of the latest `analyze` with NaN, infinite or negative pixels, which counted as 0."""
        return self._frames_masked

    def analyze(self, frames: NDArray[np.generic], scan_index: NDArray[np.int64]) -> DetectedBatch:
        """Analyze the frames of some scan positions.

        Parameters
        ----------
        frames : NDArray, shape (n, frame_rows, frame_cols)
            Detector counts, of any real dtype; not changed.
        scan_index : NDArray[np.int64], shape (n,)
            Scan position of each frame.

        Raises
        ------
        FrameError
            Wrong shape, a dtype that holds no counts, or another number of scan positions than of frames.
        """
        stack = np.asarray(frames)
        index = np.asarray(scan_index, np.int64)
        if index.shape != stack.shape[:1]:
            raise FrameError(f"{len(stack)} frames came with scan indices of shape {index.shape}; one each is due")
        beam = np.empty((index.size, 3), np.float32)
        virtual = np.empty((index.size, len(VIRTUAL_IMAGES)), np.float32)
        sum_pattern = np.zeros(self.frame_shape, np.float32)
        masked_before = self.health.masked_frames
        peaks = self._detector.analyze_into(
            stack, self._masks, self.probe_shape.center, self._search_radius, beam, virtual, sum_pattern
        )
        self._frames_masked = self.health.masked_frames - masked_before
        if self._is_hidden:
            for frame in range(index.size):
                beam[frame] = self._hidden_beam(peaks.frame(frame))
        return DetectedBatch(
            scan_index=index,
            peaks=peaks,
            direct_beam=beam,
            virtual=virtual,
            sum_pattern=sum_pattern,
            profiles=None if self._profiles is None else self._profiles.measure(stack, peaks, beam),
        )

    def detect(self, frame: NDArray[np.generic]) -> BraggPeaks:
        """Find the disks of one frame only."""
        return self._detector.detect(frame)

    def _hidden_beam(self, peaks: BraggPeaks) -> NDArray[np.float32]:
        places = np.stack([peaks.qx, peaks.qy], axis=1)[np.argsort(-peaks.intensity)]
        return friedel_center(places, self.probe_shape.center, self._search_radius)

    def _check_center(self) -> None:
        for value, size in zip(self.probe_shape.center, self.frame_shape, strict=True):
            if not -0.5 <= value <= size - 0.5:
                raise ConfigError(
                    f"the probe's centre {self.probe_shape.center} lies outside frames of {self.frame_shape} "
                    "pixels; set probe.center to (row, column) within the frame"
                )


def build_detector(
    probe_shape: ProbeShape,
    frame_shape: tuple[int, int],
    config: DetectionConfig,
    template: ProbeTemplate | None = None,
    bad_pixels: NDArray[np.bool_] | None = None,
) -> DiskDetector:
    """Detector of a probe, as configured; `template` instead of the one that follows from the probe's shape,
    `bad_pixels` besides the configured ones.

    Raises
    ------
    ConfigError
        A bad pixel lies outside the frame.
    """
    return DiskDetector(
        ProbeTemplate.from_shape(probe_shape) if template is None else template,
        frame_shape,
        config.false_disks_per_frame or None,
        min_spacing=config.min_spacing,
        max_disks_per_frame=config.max_disks_per_frame,
        gain=config.gain,
        offset=config.offset,
        read_noise=config.read_noise,
        bad_pixels=_either(bad_pixel_mask(config.bad_pixels, frame_shape), bad_pixels),
    )


def _part_at(bad: NDArray[np.bool_], probe: ProbeShape) -> float:
    """Part of the probe's disk at its centre that is bad."""
    rows, cols = np.indices(bad.shape)
    disk = np.hypot(rows - probe.center[0], cols - probe.center[1]) <= max(probe.radius, 1.0)
    return float(bad[disk].mean()) if disk.any() else 0.0


def _either(configured: NDArray[np.bool_] | None, announced: NDArray[np.bool_] | None) -> NDArray[np.bool_] | None:
    if announced is None or not announced.any():
        return configured
    return announced if configured is None else configured | announced
