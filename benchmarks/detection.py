"""Accuracy and cost of disk detection on seeded frames it was not tuned on.

    python benchmarks/detection.py [--quick]

Columns: recall and precision (a disk counts as found within 0.6 radii + 1 pixel), F1; rms error of a position
along one axis, its Cramer-Rao bound (from the Fisher information of Poisson counts about row, column,
intensity and local background; see `scenes.cramer_rao`), both over the found disks, and their ratio; false
disks per frame that lie near no true disk (0.1 was asked); sum of intensities over truth; standard deviation
of the intensities' errors in units of the stated error; milliseconds per frame, and that time relative to one
FFT correlation (scipy rfft2 + irfft2, float32, one worker) of the same frame in the same run.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Callable

import numpy as np
import scipy.fft
from numpy.typing import NDArray
from scenes import Scene, cramer_rao, make_scene, match

from livebragg.detect import DiskDetector, ProbeTemplate

EDGE_WIDTH = 0.5
DISKS = {3: 40, 5: 40, 8: 25}
FIRST_SEED = 7000
HEADER = (
    f"{'size':>5} {'r':>2} {'dose':>5} {'recall':>7} {'precis':>7} {'F1':>6} {'rms':>6} {'CRLB':>6} {'ratio':>6} "
    f"{'false':>6} {'I/true':>7} {'sd(z)':>6} {'ms':>7} {'x FFT':>6}"
)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer frames and only two cells per frame size")
    quick = parser.parse_args().quick
    radii, doses = ((5,), (20, 1000)) if quick else ((3, 5, 8), (5, 20, 100, 1000))
    frames = 10 if quick else 30
    print(HEADER)
    for size, radius, dose in itertools.product((128, 256), radii, doses):
        print(_cell(size, radius, dose, frames), flush=True)
    print("\nfalse disks per frame on empty 128 x 128 frames, asked: 0.1")
    for radius, density in itertools.product(radii, (0.01, 0.1, 1.0, 10.0)):
        print(f"  r {radius}  {density:6.2f} electrons/pixel  {_false_disks(radius, density, 20 * frames):.3f}")


def _cell(size: int, radius: int, dose: int, n: int) -> str:
    detector = DiskDetector(ProbeTemplate.disk(radius, EDGE_WIDTH), (size, size))
    scenes = [
        make_scene(
            FIRST_SEED + s,
            frame_shape=(size, size),
            radius=radius,
            edge_width=EDGE_WIDTH,
            dose=dose,
            n_disks=DISKS[radius],
        )
        for s in range(n)
    ]
    accuracy = _accuracy(detector, scenes, radius)
    frames = np.stack([scene.frame for scene in scenes])
    milliseconds, ratio = _cost(detector, frames)
    return f"{size:5d} {radius:2d} {dose:5d} {accuracy} {milliseconds:7.3f} {ratio:6.2f}"


def _accuracy(detector: DiskDetector, scenes: list[Scene], radius: float) -> str:
    true = found = hits = false = 0
    errors, bounds, pulls, intensities = [], [], [], np.zeros(2)
    for scene in scenes:
        peaks = detector.detect(scene.frame)
        places = np.stack([peaks.qx, peaks.qy], axis=1)
        i, j = match(places, scene.positions, 0.6 * radius + 1.0)
        true, found, hits = true + len(scene.positions), found + len(peaks), hits + len(i)
        false += len(places) - len(match(places, scene.positions, 2.0 * radius)[0])
        errors.append(places[i] - scene.positions[j])
        bounds.append(cramer_rao(scene, radius, EDGE_WIDTH)[j])
        pulls.append((peaks.intensity[i] - scene.intensities[j]) / peaks.intensity_error[i])
        intensities += peaks.intensity[i].sum(), scene.intensities[j].sum()
    recall, precision = hits / true, hits / max(found, 1)
    rms, bound = (float(np.sqrt((np.concatenate(x) ** 2).mean())) for x in (errors, bounds))
    return (
        f"{recall:7.3f} {precision:7.3f} {2 * recall * precision / max(recall + precision, 1e-9):6.3f} {rms:6.3f} "
        f"{bound:6.3f} {rms / bound:6.2f} {false / len(scenes):6.2f} "
        f"{intensities[0] / max(intensities[1], 1):7.3f} {np.concatenate(pulls).std():6.2f}"
    )


def _cost(detector: DiskDetector, frames: NDArray[np.uint16]) -> tuple[float, float]:
    """Milliseconds per frame, and the median ratio to the FFT timed alternately with it."""
    single = [frame.astype(np.float32) for frame in frames]

    def correlate() -> None:
        for frame in single:
            scipy.fft.irfft2(scipy.fft.rfft2(frame, workers=1), s=frame.shape, workers=1)

    detector.detect_many(frames)
    pairs = [(_timed(lambda: detector.detect_many(frames)), _timed(correlate)) for _ in range(15)]
    ours, fft = np.array(pairs).T
    return float(np.median(ours)) / len(frames) * 1e3, float(np.median(ours / fft))


def _timed(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def _false_disks(radius: float, density: float, n: int) -> float:
    detector = DiskDetector(ProbeTemplate.disk(radius, EDGE_WIDTH), (128, 128))
    frames = np.random.default_rng(FIRST_SEED).poisson(density, (n, 128, 128)).astype(np.uint16)
    return sum(len(detector.detect(frame)) for frame in frames) / n


if __name__ == "__main__":
    main()
