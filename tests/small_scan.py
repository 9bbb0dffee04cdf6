"""A small recording that every stage can be tried on: three crystals and a hole."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from livebragg.config.loader import from_table
from livebragg.config.schema import Config
from livebragg.pipeline.offline import process_recording
from livebragg.storage.recordings import open_recording

SCAN, SIZE = (15, 20), 48
CONFIG = from_table(
    Config,
    {
        "probe": {"radius": 3.0, "edge_width": 0.5, "center": [24.0, 24.0]},
        "dispatch": {"workers": 1, "batch_frames": 20},
        "analysis": {"classify": {"forced_photometry": False}},
    },
)


def record(path: Path) -> Path:
    """Write the recording."""
    y, x = np.mgrid[:SIZE, :SIZE]
    means = np.full((4, SIZE, SIZE), 0.05)
    for grain, angle in enumerate((0.0, 0.35, 0.7)):
        for k in range(6):
            for radius in (10, 19):
                row, col = radius * np.cos(angle + k * np.pi / 3), radius * np.sin(angle + k * np.pi / 3)
                means[grain][np.hypot(y - 24 - row, x - 24 - col) <= 3] = 10
    means[:, np.hypot(y - 24, x - 24) <= 3] = 60
    row, col = np.indices(SCAN)
    grain = np.where(row < 3, 3, np.where(col < 8, 0, np.where(row < 9, 1, 2)))
    np.save(path, np.random.default_rng(3).poisson(means[grain]).astype(np.float32))
    return path


def process(recording: Path, path: Path) -> Path:
    """Write its results file."""
    with open_recording(recording) as opened:
        process_recording(opened, CONFIG, path, lambda *_: None)
    return path
