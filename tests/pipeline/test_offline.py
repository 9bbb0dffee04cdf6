"""What a processed recording says about its frames."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from livebragg.config.loader import from_table
from livebragg.config.schema import Config
from livebragg.pipeline.offline import process_recording
from livebragg.storage.recordings import open_recording

CONFIG = from_table(
    Config,
    {
        "probe": {"radius": 3.0, "center": [16.0, 16.0]},
        "dispatch": {"workers": 2, "batch_frames": 3},
    },
)


def _disks() -> np.ndarray:
    """A scan of 4x5 frames with a direct beam and four disks, as float32."""
    y, x = np.mgrid[:32, :32]
    mean = np.full((32, 32), 0.05)
    for row, col, height in ((16, 16, 60), (16, 25, 15), (16, 7, 15), (7, 16, 15), (25, 16, 15)):
        mean[np.hypot(y - row, x - col) <= 3] = height
    return np.random.default_rng(1).poisson(mean, (4, 5, 32, 32)).astype(np.float32)


def _health(folder: Path, frames: np.ndarray) -> tuple[dict[str, float], list[str]]:
    np.save(folder / "scan.npy", frames)
    with open_recording(folder / "scan.npy") as recording:
        process_recording(recording, CONFIG, folder / "r.h5", lambda *_: None)
    with h5py.File(folder / "r.h5") as file:
        health = file["/livebragg/health"]
        return dict(health.attrs), [str(text) for text in health["notices"].asstr()[:]]


def test_every_frame_of_a_recording_is_counted_as_analysed(tmp_path: Path) -> None:
    counters, notices = _health(tmp_path, _disks())
    assert counters["frames_analysed"] == counters["frames_received"] == 20
    assert counters["nonfinite_pixels"] == counters["negative_pixels"] == 0
    assert notices == []


def test_odd_pixels_of_all_threads_are_counted_and_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    frames = _disks()
    frames[:, :, 0, 0] = np.nan
    frames[1:3, 2, 1, 1:4] = -5
    frames[:, :, 28, 28] = 500
    counters, notices = _health(tmp_path, frames)
    assert (counters["nonfinite_pixels"], counters["negative_pixels"]) == (20, 6)
    assert any("20 NaN or infinite pixels" in text for text in notices)
    assert counters["hot_pixels"] >= 20
    assert any("hot pixels were replaced" in text for text in notices)
    assert any("6 negative pixels" in text for text in caplog.messages)
