"""Accuracy and cost of disk detection on seeded frames it was not tuned on, with its one untuned setting.

    python benchmarks/detection.py [--quick] [--background .3]

Columns: recall and precision (a disk counts as found within 0.6 radii + 1 pixel), F1; recall at precision .98,
from a second run that keeps 10 false disks per frame, ranked by intensity over its error; rms error of a position
along rows and columns, its Cramer-Rao bound (from the Fisher information of Poisson counts about row, column,
intensity and local background; see `scenes.cramer_rao`), both over the found disks, and their ratio; disks per
frame that lie near no true disk; sum of intensities over truth; mean and standard deviation of the intensities'
errors in units of the stated error; milliseconds per frame in a batch; that time, and the time of one `detect`
call per frame, relative to one FFT correlation (scipy rfft2 + irfft2, float32, one worker) of the same frame in
the same run (medians of 15 turns).

Then: false disks on empty frames over how many were asked for; how the cost grows with pixels and with disks,
as a straight-line fit; speed of each of two processes that run together, relative to one alone; memory.
"""

from __future__ import annotations

import argparse
import itertools
import multiprocessing
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
    f"{'size':>5} {'r':>2} {'dose':>5} {'recall':>7} {'prec':>7} {'F1':>6} {'R@.98':>6} {'rms r':>6} {'rms c':>6} "
    f"{'CRLB':>6} {'ratio':>6} {'false':>6} {'I/true':>7} {'mean z':>6} {'sd z':>5} {'ms':>7} {'x FFT':>6} "
    f"{'single':>6}"
)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer frames and only two cells per frame size")
    parser.add_argument("--background", type=float, default=0.02, help="parts of a mean disk's plateau")
    options = parser.parse_args()
    quick = options.quick
    radii, doses = ((5,), (20, 1000)) if quick else ((3, 5, 8), (5, 20, 100, 1000))
    frames = 10 if quick else 30
    print(HEADER)
    for size, radius, dose in itertools.product((128, 192, 256, 512), radii, doses):
        n = frames if size < 512 else frames // 3
        print(_cell(size, radius, dose, n, options.background), flush=True)
    print("\nfalse disks on empty 128 x 128 frames over those asked for, by electrons of background under a disk")
    for radius, electrons in itertools.product(radii, (0.06, 0.2, 0.8, 8.0, 80.0, 800.0)):
        found = [_false_disks(radius, electrons, asked, 10 * frames) for asked in (0.1, 1.0)]
        print(f"  r {radius}  {electrons:6.2f} electrons   asked 0.1: {found[0]:.2f}   asked 1: {found[1]:.2f}")
    _growth()
    _two_processes()


def _cell(size: int, radius: int, dose: int, n: int, background: float) -> str:
    detector = DiskDetector(ProbeTemplate.disk(radius, EDGE_WIDTH), (size, size))
    scenes = [
        make_scene(
            FIRST_SEED + s,
            frame_shape=(size, size),
            radius=radius,
            edge_width=EDGE_WIDTH,
            dose=dose,
            n_disks=DISKS[radius],
            background=background,
        )
        for s in range(n)
    ]
    loose = DiskDetector(detector.probe, (size, size), 10.0)
    accuracy = _accuracy(detector, loose, scenes, radius)
    frames = np.stack([scene.frame for scene in scenes])
    milliseconds, ratio, single = _cost(detector, frames)
    return f"{size:5d} {radius:2d} {dose:5d} {accuracy} {milliseconds:7.3f} {ratio:6.2f} {single:6.2f}"


def _accuracy(detector: DiskDetector, loose: DiskDetector, scenes: list[Scene], radius: float) -> str:
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
    axes = np.sqrt((np.concatenate(errors) ** 2).mean(axis=0)) if hits else np.full(2, np.nan)
    bound = float(np.sqrt((np.concatenate(bounds) ** 2).mean())) if hits else np.nan
    z = np.concatenate(pulls)
    return (
        f"{recall:7.3f} {precision:7.3f} {2 * recall * precision / max(recall + precision, 1e-9):6.3f} "
        f"{_recall_at(loose, scenes, radius):6.3f} {axes[0]:6.3f} {axes[1]:6.3f} {bound:6.3f} "
        f"{np.sqrt((axes**2).mean()) / bound:6.2f} {false / len(scenes):6.2f} "
        f"{intensities[0] / max(intensities[1], 1):7.3f} {z.mean():6.2f} {z.std():5.2f}"
    )


def _recall_at(detector: DiskDetector, scenes: list[Scene], radius: float, precision: float = 0.98) -> float:
    """Largest recall at a precision, over all thresholds on intensity over its error."""
    ratings, hits, true = [], [], 0
    for scene in scenes:
        peaks = detector.detect(scene.frame)
        i, _ = match(np.stack([peaks.qx, peaks.qy], axis=1), scene.positions, 0.6 * radius + 1.0)
        hit = np.zeros(len(peaks), bool)
        hit[i] = True
        ratings.append(peaks.intensity / peaks.intensity_error)
        hits.append(hit)
        true += len(scene.positions)
    order = np.argsort(-np.concatenate(ratings))
    right = np.cumsum(np.concatenate(hits)[order])
    good = right >= precision * np.arange(1, right.size + 1)
    return float(right[good].max(initial=0) / true)


def _cost(detector: DiskDetector, frames: NDArray[np.uint16]) -> tuple[float, float, float]:
    """Milliseconds per frame, and the median ratios of a batch and of single calls to the FFT timed with them."""
    single = [frame.astype(np.float32) for frame in frames]

    def correlate() -> None:
        for frame in single:
            scipy.fft.irfft2(scipy.fft.rfft2(frame, workers=1), s=frame.shape, workers=1)

    def one_by_one() -> None:
        for frame in frames:
            detector.detect(frame)

    detector.detect_many(frames)
    calls = (lambda: detector.detect_many(frames), correlate, one_by_one)
    batch, fft, alone = np.array([[_timed(call) for call in calls] for _ in range(15)]).T
    milliseconds = float(np.median(batch)) / len(frames) * 1e3
    return milliseconds, float(np.median(batch / fft)), float(np.median(alone / fft))


def _timed(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def _false_disks(radius: float, electrons: float, asked: float, n: int) -> float:
    """Disks found on empty frames with so many electrons under a disk, over those asked for."""
    detector = DiskDetector(ProbeTemplate.disk(radius, EDGE_WIDTH), (128, 128), asked)
    density = electrons / (np.pi * radius**2)
    frames = np.random.default_rng(FIRST_SEED).poisson(density, (n, 128, 128)).astype(np.uint16)
    return len(detector.detect_many(frames)) / n / asked


def _growth() -> None:
    """Time against pixels and disks, and the straight lines through them."""
    print("\ngrowth of the cost, radius 5, 1000 electrons per disk: microseconds per frame")
    pixels, times = [], []
    for size in (128, 192, 256, 384, 512, 768, 1024):
        pixels.append(size**2 / 1e3)
        times.append(_microseconds(size, 40))
    _print_line("thousand pixels (40 disks)", pixels, times)
    disks = [10, 20, 40, 80, 160, 320]
    _print_line("disks (512 x 512)", disks, [_microseconds(512, n) for n in disks])


def _microseconds(size: int, disks: int) -> float:
    frames = _frames(size, disks)
    detector = DiskDetector(ProbeTemplate.disk(5.0, EDGE_WIDTH), (size, size))
    detector.detect_many(frames)
    return min(_timed(lambda: detector.detect_many(frames)) for _ in range(7)) / len(frames) * 1e6


def _frames(size: int, disks: int) -> NDArray[np.uint16]:
    scenes = [make_scene(s, frame_shape=(size, size), dose=1000, n_disks=disks) for s in range(8)]
    return np.stack([scene.frame for scene in scenes])


def _print_line(what: str, x: list[float], y: list[float]) -> None:
    slope, base = np.polyfit(x, y, 1)
    rest = np.abs(np.polyval([slope, base], x) - y).max() / max(y)
    points = "  ".join(f"{a:.0f}: {b:.0f}" for a, b in zip(x, y, strict=True))
    print(
        f"  {what}: {base:.0f} + {slope:.2f} each; farthest from the line {rest:.0%} of the largest\n    {points}"
    )


def _two_processes() -> None:
    """Speed of each of two processes together, relative to one alone; of the FFT too, which tells the machine."""
    ours, fft = (_together(rate) for rate in (_rate, _fft_rate))
    print(f"\ntwo processes together, 256 x 256: each {ours:.2f} times as fast as one alone (FFT pair: {fft:.2f})")
    detector = DiskDetector(ProbeTemplate.disk(5.0, EDGE_WIDTH), (256, 256))
    print(f"memory for 256 x 256 frames: {detector.memory / 2**20:.1f} MiB; none is allocated per frame")


def _together(rate: Callable[[int], float]) -> float:
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        alone = pool.map(rate, [256])
    with context.Pool(2) as pool:
        together = pool.map(rate, [256, 256], chunksize=1)
    return float(np.mean(together)) / alone[0]


def _rate(size: int) -> float:
    """Frames per second, after the compiler is done."""
    frames = _frames(size, 40)
    detector = DiskDetector(ProbeTemplate.disk(5.0, EDGE_WIDTH), (size, size))
    return _per_second(lambda: detector.detect_many(frames)) * len(frames)


def _fft_rate(size: int) -> float:
    frame = _frames(size, 40)[0].astype(np.float32)
    return _per_second(lambda: scipy.fft.irfft2(scipy.fft.rfft2(frame, workers=1), s=frame.shape, workers=1))


def _per_second(call: Callable[[], object]) -> float:
    """Calls per second, over three seconds."""
    call()
    start, n = time.perf_counter(), 0
    while time.perf_counter() - start < 3.0:
        call()
        n += 1
    return n / (time.perf_counter() - start)


if __name__ == "__main__":
    main()
