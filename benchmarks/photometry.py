"""Accuracy and cost of forced photometry on seeded frames: 256 x 256, disks and as many empty places listed.

    python benchmarks/photometry.py [--quick]

All disks of a frame have the same electrons, on a background that falls to a fifth at the edge; the empty places
lie at least 1.3 diameters from every disk and 1.2 radii from each other. Columns: radius; electrons per disk;
background in the middle of the frame as a part of the disk's plateau, and its electrons under a disk there; disks
measured; mean of (measured - true) over true for the disks, and in electrons for the empty places; mean and
standard deviation of (measured - true) / stated error of the disks, then of the empty places (below a few
electrons of background under a disk the stated error of an empty place is that of a posterior, 1 electron or more,
on purpose, and the deviation small); true positive rate at 1 % false positives of ``intensity / error`` as a
test of presence; microseconds per position; and the time per frame relative to one FFT correlation (scipy rfft2 +
irfft2, float32, one worker) of the same frame in the same run.

The last table: two listed disks of 1.2 radii distance, 0 electrons being an empty listed place.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Callable

import numpy as np
import scipy.fft
from numpy.typing import NDArray
from scenes import Scene, make_scene, stamp_disk

from livebragg.detect import DiskDetector, ProbeTemplate

EDGE_WIDTH = 0.5
DISKS = {3: 40, 5: 40, 8: 40}
SHAPE = (256, 256)
FIRST_SEED = 9000
HEADER = (
    f"{'r':>2} {'dose':>5} {'ground':>6} {'under':>6} {'disks':>6} {'bias':>7} {'empty':>7} {'mean z':>7} "
    f"{'sd z':>5} {'mean z0':>7} {'sd z0':>5} {'TPR':>5} {'us/pos':>6} {'x FFT':>5}"
)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer frames, one radius")
    quick = parser.parse_args().quick
    radii, n = ((5,), 30) if quick else ((3, 5, 8), 100)
    print(HEADER)
    for radius, dose, background in itertools.product(radii, (2, 5, 20, 100, 1000), (0.02, 0.1, 0.3)):
        print(_cell(radius, dose, background, n), flush=True)
    print("\ntwo disks 1.2 radii apart, radius 5, background 0.1 of the plateau of the first")
    print(f"{'first':>6} {'second':>6} {'mean z':>14} {'sd z':>11}")
    for first, second in ((5, 5), (100, 100), (1000, 1000), (1000, 5), (1000, 0), (10000, 0)):
        print(_pair(first, second, 40 * n), flush=True)


def _cell(radius: int, dose: int, background: float, n: int) -> str:
    scenes = [
        make_scene(
            FIRST_SEED + s,
            frame_shape=SHAPE,
            radius=radius,
            edge_width=EDGE_WIDTH,
            dose=dose,
            n_disks=DISKS[radius],
            background=background,
            spread=1.0,
        )
        for s in range(n)
    ]
    places = [np.concatenate([scene.positions, empty_places(scene, radius, s)]) for s, scene in enumerate(scenes)]
    k = min(map(len, places))
    positions = np.stack([place[:k] for place in places])
    frames = np.stack([scene.frame for scene in scenes])
    detector = DiskDetector(ProbeTemplate.disk(radius, EDGE_WIDTH), SHAPE)
    measured = detector.measure_at(frames, positions)
    full = min(len(scene.positions) for scene in scenes)
    disks, empty = (slice(None), slice(0, full)), (slice(None), slice(max(len(s.positions) for s in scenes), k))
    truth = np.array([scene.intensities[:full] for scene in scenes])
    error = measured.intensity[disks] - truth
    z, z_empty = error / measured.error[disks], measured.significance[empty]
    found = (measured.significance[disks] > np.quantile(z_empty, 0.99)).mean()
    microseconds, ratio = _cost(detector, frames, positions)
    return (
        f"{radius:2d} {dose:5d} {background:6.2f} {background * dose:6.1f} {z.size:6d} {error.mean() / dose:7.4f} "
        f"{measured.intensity[empty].mean():7.3f} {z.mean():7.3f} {z.std():5.2f} {z_empty.mean():7.3f} "
        f"{z_empty.std():5.2f} {found:5.3f} {microseconds:6.2f} {ratio:5.2f}"
    )


def empty_places(scene: Scene, radius: float, seed: int) -> NDArray[np.float64]:
    """As many places as there are disks, away from them and inside the frame."""
    rng = np.random.default_rng([FIRST_SEED, seed])
    shape, margin, placed = np.array(scene.frame.shape), radius + 3.0, []
    for _ in range(100_000):
        if len(placed) == len(scene.positions):
            break
        place = rng.uniform(margin, shape - 1 - margin)
        gaps = np.hypot(*(scene.positions - place).T)
        if gaps.min() > 2.6 * radius and all(np.hypot(*(place - other)) > 1.2 * radius for other in placed):
            placed.append(place)
    return np.array(placed)


def _pair(first: float, second: float, n: int, radius: float = 5.0) -> str:
    """Two overlapping disks, which never are in a seeded scene."""
    rng, shape = np.random.default_rng(FIRST_SEED), (64, 64)
    probe, z = ProbeTemplate.disk(radius, EDGE_WIDTH), []
    detector = DiskDetector(probe, shape)
    for angle in rng.uniform(0.0, 2.0 * np.pi, 20):
        one = rng.uniform(28.0, 36.0, 2)
        two = one + 1.2 * radius * np.array([np.sin(angle), np.cos(angle)])
        expected = np.full(shape, 0.1 * first / (np.pi * radius**2))
        for place, intensity in ((one, first), (two, second)):
            stamp_disk(expected, probe, place, intensity)
        frames = rng.poisson(expected, (n // 20, *shape)).astype(np.uint16)
        measured = detector.measure_at(frames, np.stack([one, two]))
        z.append((measured.intensity - [first, second]) / measured.error)
    mean, deviation = np.concatenate(z).mean(axis=0), np.concatenate(z).std(axis=0)
    return f"{first:6d} {second:6d} {mean[0]:7.3f} {mean[1]:7.3f} {deviation[0]:5.2f} {deviation[1]:5.2f}"


def _cost(
    detector: DiskDetector, frames: NDArray[np.uint16], positions: NDArray[np.float64]
) -> tuple[float, float]:
    """Microseconds per position, and the median ratio to the FFT timed alternately with it."""
    single = [frame.astype(np.float32) for frame in frames[:20]]

    def correlate() -> None:
        for frame in single:
            scipy.fft.irfft2(scipy.fft.rfft2(frame, workers=1), s=frame.shape, workers=1)

    def measure() -> None:
        detector.measure_at(frames[:20], positions[:20])

    ours, fft = np.array([(_timed(measure), _timed(correlate)) for _ in range(9)]).T
    per_frame = float(np.median(ours)) / len(single)
    return per_frame / positions.shape[1] * 1e6, float(np.median(ours / fft))


def _timed(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
