"""Compiles the kernels before the first frame comes, so that the first frame need not wait for it.

The first start after an installation takes some seconds of compiling; later ones load the compiled kernels.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from livebragg.config.schema import Config
from livebragg.detect import FrameAnalyzer, measure_probe
from livebragg.model import VIRTUAL_IMAGES, BraggPeaks, DetectedBatch, ProbeShape, RadialBatch
from livebragg.pipeline.scan.analysis import ScanAnalysis
from livebragg.pipeline.scan.class_patterns import DiskMask, all_patterns
from livebragg.pipeline.scan.photometer import FramePhotometer

_SHAPE = (64, 64)
_SCAN = (12, 16)
_RADIUS = 4.0
_SPOTS = ((32.0, 32.0, 400.0), (32.0, 48.0, 60.0), (32.0, 16.0, 60.0), (48.0, 32.0, 60.0), (16.0, 32.0, 60.0))


def warm_up_detection(config: Config) -> None:
    """Measure a probe and analyse a few small frames."""
    rows, cols = np.indices(_SHAPE)
    expected = np.full(_SHAPE, 0.2)
    for row, col, height in _SPOTS:
        expected += height * (np.hypot(rows - row, cols - col) < _RADIUS)
    frames = np.random.default_rng(0).poisson(expected, (4, *_SHAPE)).astype(np.uint16)
    frames.flags.writeable = False  # as frames from the log are: kernels are compiled for that
    probe = measure_probe(frames)
    FrameAnalyzer(probe, _SHAPE, config.detection).analyze(frames, np.arange(len(frames)))


def warm_up_analysis(config: Config) -> None:
    """Run the whole analysis on a small scan, half of it a crystal, half amorphous with a few stray disks."""
    probe = ProbeShape(radius=_RADIUS, edge_width=0.5, center=_SPOTS[0][:2])
    frames = _DarkFrames()
    photometer = FramePhotometer(frames, probe, _SHAPE, config.detection)
    analysis = ScanAnalysis(_SCAN, _SHAPE, probe, config.analysis, photometer=photometer)
    analysis.add(_found_disks())
    analysis.refresh()
    analysis.finish()
    photometer.close()
    snapshot = analysis.snapshot()
    analysis.region_map(matrix=np.eye(2))
    mask = DiskMask(peaks_at=analysis.peaks_at, probe=probe, beam_radius=2 * _RADIUS)
    all_patterns(frames, _SHAPE, snapshot.labels, snapshot.class_ids, snapshot.class_families, mask)


class _DarkFrames:
    """A frame of nothing for every position."""

    def blocks(self) -> Iterator[tuple[NDArray[np.int64], NDArray[Any]]]:
        yield from self.some(np.arange(_SCAN[0] * _SCAN[1]))

    def some(self, scan_index: NDArray[np.int64]) -> Iterator[tuple[NDArray[np.int64], NDArray[Any]]]:
        yield scan_index, np.zeros((scan_index.size, *_SHAPE), np.uint16)

    def frame(self, _scan_index: int) -> NDArray[np.float32] | None:
        return None


def _found_disks() -> DetectedBatch:
    """What detection would find in the frames."""
    n, random = _SCAN[0] * _SCAN[1], np.random.default_rng(0)
    amorphous = np.arange(n) % _SCAN[1] >= _SCAN[1] // 2
    spots = np.tile(np.array(_SPOTS), (n, 1, 1)) + random.normal(0, 0.05, (n, len(_SPOTS), 3))
    spots[amorphous, 1:, :2] = random.uniform(5, 59, (amorphous.sum(), len(_SPOTS) - 1, 2))
    qx, qy, intensity = spots.reshape(-1, 3).T.astype(np.float32)
    error = np.full(qx.size, 0.1, np.float32)
    peaks = BraggPeaks(
        qx=qx,
        qy=qy,
        intensity=intensity,
        intensity_error=error,
        position_error=error,
        offsets=np.arange(0, qx.size + 1, len(_SPOTS)),
    )
    return DetectedBatch(
        scan_index=np.arange(n),
        peaks=peaks,
        direct_beam=np.tile(np.array([*_SPOTS[0][:2], 0.05], np.float32), (n, 1)),
        virtual=np.full((n, len(VIRTUAL_IMAGES)), 5e4, np.float32),
        sum_pattern=np.ones(_SHAPE, np.float32),
        profiles=_profiles(amorphous),
    )


def _profiles(amorphous: NDArray[np.bool_]) -> RadialBatch:
    """A halo where the scan is amorphous."""
    radii = np.arange(1.0, 32.0, 2.0, dtype=np.float32)
    halo = 5 + 50 * np.exp(-0.5 * ((radii - 18) / 3) ** 2)
    mean = np.where(amorphous[:, None], halo, 1.0).astype(np.float32)
    pixels = np.tile((4 * np.pi * radii).astype(np.int32), (amorphous.size, 1))
    return RadialBatch(radii=radii, mean=mean, variance=mean.copy(), pixels=pixels)
