"""How fast the synthetic specimen makes frames, next to copying the same frames.

Run ``python benchmarks/simulator.py``; each line is the best of a few rounds on one core.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np

from livebragg_simulators.specimen import Specimen, SpecimenConfig

_BATCH = 64


def best_seconds(work: Callable[[], object], rounds: int) -> float:
    """CPU seconds of the fastest round."""
    times = []
    for _ in range(rounds):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times)


def stream(specimen: Specimen, start: int, stop: int, *, exact: bool = False) -> None:
    """Ask for frames as a sender does, batch after batch."""
    for first in range(start, stop, _BATCH):
        specimen.frames(first, min(first + _BATCH, stop), exact=exact)


def copy(frames: np.ndarray) -> None:
    """Copy the same frames in the same batches."""
    for first in range(0, len(frames), _BATCH):
        frames[first : first + _BATCH].copy()


def measure(side: int, dose: float, n_frames: int, rounds: int) -> None:
    """Print one line for square frames of `side` pixels."""
    scale = side / 128
    config = SpecimenConfig.preset(
        "demo",
        frame_shape=(side, side),
        electrons_per_frame=dose,
        probe_radius=5.0 * scale,
        q_pixel_size_inv_angstrom=0.02 / scale,
    )
    started = time.process_time()
    specimen = Specimen(config)
    specimen.frames(0, 1)
    build = time.process_time() - started
    middle = (config.n_positions - n_frames) // 2
    frames = specimen.frames(middle, middle + n_frames)
    fast = best_seconds(lambda: stream(specimen, middle, middle + n_frames), rounds)
    exact = best_seconds(lambda: stream(specimen, middle, middle + n_frames // 8, exact=True), rounds)
    memcpy = best_seconds(lambda: copy(frames), rounds)
    print(
        f"{side:4d} px {dose:8.0f} e  build {build:5.2f} s  streamed {n_frames / fast:7.0f} frames/s "
        f"({fast / memcpy:5.0f} x memcpy)  exact {n_frames // 8 / exact:6.0f} frames/s "
        f"({8 * exact / memcpy:5.0f} x memcpy)  memcpy {n_frames / memcpy:8.0f} frames/s"
    )


def main() -> None:
    """Measure frame sizes and doses."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=1024, help="frames per round")
    parser.add_argument("--rounds", type=int, default=3, help="rounds; the fastest counts")
    arguments = parser.parse_args()
    for side in (128, 192, 256):
        for dose in (1500.0, 5000.0, 20_000.0):
            measure(side, dose, min(arguments.frames, 4096), arguments.rounds)


if __name__ == "__main__":
    main()
