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
from livebragg.model import VIRTUAL_IMAGES, BraggPeaks, DetectedBatch, ProbeShape
from livebragg.pipeline.photometer import FramePhotometer
from livebragg.pipeline.scan_analysis import ScanAnalysis

_SHAPE = (64, 64)
_SCAN = (8, 8)
_RADIUS = 4.0
_SPOTS = ((32.0, 32.0, 400.0), (32.0, 48.0, 60.0), (32.0, 16.0, 60.0), (48.0, 32.0, 60.0), (16.0, 32.0, 60.0))


def warm_up_detection(config: Config) -> None:
    """Measure a probe and analyse a few small frames."""
    rows, cols = np.indices(_SHAPE)
    expected = np.full(_SHAPE, 0.2)
    for row, col, height in _SPOTS:
        expected += height * (np.hypot(rows - row, cols - col) < _RADIUS)
    frames = np.random.default_rng(0).poisson(expected, (4, *_SHAPE)).astype(np.uint16)
    frames.flags.writeable = False  # as they come from the frame log: numba compiles for that
    probe = measure_probe(frames)
    FrameAnalyzer(probe, _SHAPE, config.detection).analyze(frames, np.arange(len(frames)))


def warm_up_analysis(config: Config) -> None:
    """Run the whole analysis on a small scan."""
    probe = ProbeShape(radius=_RADIUS, edge_width=0.5, center=_SPOTS[0][:2])
    photometer = FramePhotometer(_DarkFrames(), probe, _SHAPE, config.detection)
    analysis = ScanAnalysis(_SCAN, _SHAPE, probe, config.analysis, photometer=photometer)
    analysis.add(_found_disks())
    analysis.refresh()
    analysis.finish()
    analysis.snapshot()
    photometer.close()


class _DarkFrames:
    """A frame of nothing for every position."""

    def some(self, scan_index: NDArray[np.int64]) -> Iterator[tuple[NDArray[np.int64], NDArray[Any]]]:
        frames = np.zeros((scan_index.size, *_SHAPE), np.uint16)
        frames.flags.writeable = False
        yield scan_index, frames


def _found_disks() -> DetectedBatch:
    """What detection would find in the frames of a small crystal."""
    n = _SCAN[0] * _SCAN[1]
    spots = np.tile(np.array(_SPOTS), (n, 1)) + np.random.default_rng(0).normal(0, 0.05, (n * len(_SPOTS), 3))
    qx, qy, intensity = spots.T.astype(np.float32)
    error = np.full(qx.size, 0.1, np.float32)
    peaks = BraggPeaks(
        qx=qx,
        qy=qy,
        intensity=intensity,
        intensity_error=error,
        position_error=error,
        offsets=np.arange(0, qx.size + 1, len(_SPOTS)),
    )
    beam = np.tile(np.array([*_SPOTS[0][:2], 0.05], np.float32), (n, 1))
    return DetectedBatch(
        scan_index=np.arange(n),
        peaks=peaks,
        direct_beam=beam,
        virtual=np.ones((n, len(VIRTUAL_IMAGES)), np.float32),
        sum_pattern=np.ones(_SHAPE, np.float32),
    )
