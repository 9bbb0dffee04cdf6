"""Cost of radial profiles and virtual detectors, on top of finding the disks.

    python benchmarks/radial.py [--quick]

Two tables, for frames of several sizes. Every figure is a median over repetitions in which all columns take
turns, in microseconds per frame on one core; a ratio is the median of the ratios within a repetition.

Radial profiles (bins of 1 pixel, to the edge of the frame; "corner": to its corners; 40 disks of radius 5):
the kernel without disks, and with all disks left out, on a frame that is already loaded; the object's
`measure_many`, which loads the frames first; the kernel with disks relative to one FFT correlation (scipy rfft2 +
irfft2, float32, one worker) of the same frame, and relative to the same profile by three `numpy.bincount`.

Virtual detectors (n rings of equal width, the sum pattern and the centre of mass): dense, a yardstick that
multiplies by one image per detector; `collect`, which follows outlines; the latter relative to its own pass
without any detector, and relative to the FFT correlation; soft: `collect` with n detectors of random sensitivity,
its worst case.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
import scipy.fft
from numpy.typing import NDArray
from scenes import make_scene

from livebragg.detect.radial import RadialProfiler
from livebragg.detect.virtual import pack_masks
from livebragg.kernels.compiled import fast_sums
from livebragg.kernels.radial import radial_profile
from livebragg.kernels.virtual import collect
from livebragg.model import BraggPeaks

RADIUS, DISKS, PAD = 5.0, 40, 12
CALLS = 8
"""Calls per timing, so that the clock's own cost does not matter."""


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer repetitions and sizes")
    quick = parser.parse_args().quick
    sizes, repetitions = ((128, 256), 20) if quick else ((128, 192, 256, 512), 60)
    print(
        f"{'size':>5} {'to':>7} {'bins':>5} {'bare':>7} {'disks':>7} {'object':>7} {'x FFT':>6} {'x bincount':>10}"
    )
    for size in sizes:
        for corner in (False, True):
            print(_radial(size, corner, repetitions), flush=True)
    print(f"\n{'size':>5} {'n':>3} {'dense':>8} {'collect':>8} {'x pass':>7} {'x FFT':>6} {'soft':>8}")
    for size in sizes:
        for n in (1, 2, 4, 8, 16):
            print(_virtual(size, n, repetitions), flush=True)


def _radial(size: int, corner: bool, repetitions: int) -> str:
    scene = make_scene(1, frame_shape=(size, size), radius=RADIUS, n_disks=DISKS)
    middle = (size - 1) / 2
    outer = middle * 2**0.5 if corner else None
    profiler = RadialProfiler((size, size), (middle, middle), outer_radius=outer)
    bins = profiler.radii.size
    image = np.pad(scene.frame.astype(np.float32), PAD)
    loaded = image.copy()
    single = scene.frame.astype(np.float32)
    out = np.empty(bins, np.float32), np.empty(bins, np.float32), np.empty(bins, np.int32)
    qx, qy = np.ascontiguousarray(scene.positions.T.astype(np.float32))
    none, center = np.zeros(0, np.float32), (middle + 1.3, middle - 0.6)

    def kernel(rows: NDArray[np.float32], cols: NDArray[np.float32]) -> None:
        for _ in range(CALLS):
            image[:] = loaded  # disks of the call before are NaN
            radial_profile(image, PAD, profiler.table, profiler.scratch, *center, rows, cols, RADIUS, *out)

    stack, peaks = np.stack([single] * CALLS), _peaks(qx, qy, CALLS)
    bare, disks, whole, fft, plain = _median_microseconds(
        repetitions,
        lambda: kernel(none, none),
        lambda: kernel(qx, qy),
        lambda: profiler.measure_many(stack, peaks, np.tile(center, (CALLS, 1)), mask_radius=RADIUS),
        lambda: _correlate(single),
        _bincounts(single, scene.positions, middle, bins),
    )
    return (
        f"{size:5d} {'corner' if corner else 'edge':>7} {bins:5d} {np.median(bare):7.1f} {np.median(disks):7.1f} "
        f"{np.median(whole):7.1f} {np.median(disks / fft):6.2f} {np.median(disks / plain):10.3f}"
    )


def _virtual(size: int, n: int, repetitions: int) -> str:
    rows, cols = np.indices((size, size)) - (size - 1) / 2
    ring = (np.hypot(rows, cols) / (size / 2) * n).astype(int)
    masks = np.stack([ring == k for k in range(n)]).astype(np.float32)
    soft = pack_masks(np.random.default_rng(0).uniform(size=masks.shape))
    image = np.pad(make_scene(1, frame_shape=(size, size)).frame.astype(np.float32), PAD)
    packed, empty = pack_masks(masks), pack_masks(masks[:0])
    out, total = np.empty(n + 3, np.float32), np.zeros((size, size), np.float32)
    single = image[PAD:-PAD, PAD:-PAD].copy()

    def several(call: Callable[..., None], detectors: object, room: NDArray[np.float32]) -> Callable[[], None]:
        def run() -> None:
            for _ in range(CALLS):
                call(image, PAD, 1.0, detectors, room, total)

        return run

    dense, ours, bare, graded, fft = _median_microseconds(
        repetitions,
        several(_collect_dense, masks, out),
        several(collect, packed, out),
        several(collect, empty, out[:3]),
        several(collect, soft, out),
        lambda: _correlate(single),
    )
    return (
        f"{size:5d} {n:3d} {np.median(dense):8.1f} {np.median(ours):8.1f} {np.median(ours / bare):7.2f} "
        f"{np.median(ours / fft):6.2f} {np.median(graded):8.1f}"
    )


@fast_sums()
def _collect_dense(
    image: NDArray[np.float32],
    pad: int,
    gain: float,
    masks: NDArray[np.float32],
    out_virtual: NDArray[np.float32],
    out_sum: NDArray[np.float32],
) -> None:
    """What `collect` does, with a multiplication for each pixel of each detector."""
    n, rows, cols = masks.shape
    scale = np.float32(gain)
    total = moment_row = moment_col = 0.0
    out_virtual[:] = 0.0
    for r in range(rows):
        pixels, target = image[r + pad, pad : pad + cols], out_sum[r]
        line = line_moment = np.float32(0.0)
        for c in range(cols):
            line += pixels[c]
            line_moment += np.float32(c) * pixels[c]
            target[c] += scale * pixels[c]
        total += float(line)
        moment_row += r * float(line)
        moment_col += float(line_moment)
        for k in range(n):
            seen = np.float32(0.0)
            for c in range(cols):
                seen += masks[k, r, c] * pixels[c]
            out_virtual[k] += scale * seen
    out_virtual[n] = total * gain
    out_virtual[n + 1], out_virtual[n + 2] = moment_row / total, moment_col / total


def _median_microseconds(repetitions: int, *calls: Callable[[], object]) -> NDArray[np.float64]:
    """Microseconds per frame of each call in each repetition, shape (calls, repetitions)."""
    for call in calls:
        call()
    table = [[_timed(call) for call in calls] for _ in range(repetitions)]
    return np.array(table).T / CALLS * 1e6


def _timed(call: Callable[[], object]) -> float:
    start = time.thread_time()  # others on the machine do not count
    call()
    return time.thread_time() - start


def _correlate(frame: NDArray[np.float32]) -> None:
    for _ in range(CALLS):
        scipy.fft.irfft2(scipy.fft.rfft2(frame, workers=1), s=frame.shape, workers=1)


def _bincounts(
    frame: NDArray[np.float32], disks: NDArray[np.float64], middle: float, bins: int
) -> Callable[[], None]:
    """The same by NumPy, with the bins known beforehand; the disks are marked in each frame."""
    rows, cols = np.indices(frame.shape)
    index = np.minimum(np.hypot(rows - middle, cols - middle).astype(np.int64), bins)
    reach = int(RADIUS) + 1

    def run() -> None:
        for _ in range(CALLS):
            use = np.ones(frame.shape, bool)
            for row, col in disks:
                r, c = int(row), int(col)
                window = (slice(max(r - reach, 0), r + reach + 1), slice(max(c - reach, 0), c + reach + 1))
                use[window] &= (rows[window] - row) ** 2 + (cols[window] - col) ** 2 > RADIUS**2
            where, values = index[use], frame[use]
            n = np.maximum(np.bincount(where, minlength=bins + 1), 1)
            mean = np.bincount(where, values, bins + 1) / n
            np.maximum(np.bincount(where, values * values, bins + 1) / n - mean * mean, 0.0)

    return run


def _peaks(qx: NDArray[np.float32], qy: NDArray[np.float32], n: int) -> BraggPeaks:
    one = np.ones(qx.size * n, np.float32)
    return BraggPeaks(
        qx=np.tile(qx, n),
        qy=np.tile(qy, n),
        intensity=one,
        intensity_error=one,
        position_error=one,
        offsets=np.arange(n + 1) * qx.size,
    )


if __name__ == "__main__":
    main()
