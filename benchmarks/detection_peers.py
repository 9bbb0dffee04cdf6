"""Disk detection beside py4DSTEM's, on the same frames.

    python benchmarks/detection_peers.py --peer-python PEER/bin/python [--data FOLDER] [--size 128] [--quick]

Synthetic scenes: ours with its one setting left alone (balanced frames); py4DSTEM `find_Bragg_disks`
(multicorr, 16-fold upsampling) with kernel, smoothing and threshold tuned to the best F1 on training scenes of the
very same kind, for each radius and dose anew. "R.98" is the recall at precision .98: ours over the setting
"false disks per frame", py4DSTEM's over its threshold. Milliseconds are medians of single frames, one thread.

Real frames (with --data): py4DSTEM with the kernel and smoothing of its tutorials is asked for as many disks as
we find; residuals of Friedel pairs and of the best lattice, robust and per axis (see `symmetry`), once of all
disks and once of those both found.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from peer import HOW_TO, Found, Job, Peer, PeerError, probe_picture
from real_frames import Loaded, available, load
from scenes import Scene, make_scene, match
from scoring import Score, bounds_of, curve, score
from symmetry import TooFewPeaksError, friedel_residual, lattice_residual

from livebragg.detect import DiskDetector, ProbeTemplate
from livebragg.model import BraggPeaks

EDGE_WIDTH = 0.5
DISKS = {3: 40, 5: 40, 8: 25}
TRAINING_SEED, TEST_SEED = 3000, 7000
SWEEP = 0.001 * 2.0 ** np.arange(18)
SMOOTHING = (0, 1, 2)


def main() -> int:
    """Print the tables; 0 also where there is no peer."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer-python", type=Path, help="interpreter of an environment with py4DSTEM")
    parser.add_argument("--data", type=Path, help="folder with real/, for the second table")
    parser.add_argument("--size", type=int, default=128, help="rows and columns of the synthetic frames")
    parser.add_argument("--background", type=float, default=0.02, help="parts of a mean disk's plateau")
    parser.add_argument("--quick", action="store_true", help="two cells and fewer frames")
    options = parser.parse_args()
    if options.peer_python is None:
        print(HOW_TO)
        return 0
    try:
        peer = Peer(options.peer_python)
        print(f"py4DSTEM {peer.version}, {options.size} x {options.size}, background {options.background}")
        _synthetic(peer, options.size, options.background, options.quick)
        if options.data is not None:
            _real(peer, options.data)
    except PeerError as error:
        print(f"{error}\n\n{HOW_TO}", file=sys.stderr)
        return 1
    return 0


def _synthetic(peer: Peer, size: int, background: float, quick: bool) -> None:
    radii, doses, n = ((5,), (20, 1000), 8) if quick else ((3, 5, 8), (5, 20, 100, 1000), 20)
    print(
        f"{'r':>2} {'dose':>5} {'':9} {'recall':>7} {'precis':>7} {'F1':>6} {'R.98':>6} "
        f"{'rms':>6} {'/CRLB':>6} {'ms':>8}"
    )
    for radius, dose in itertools.product(radii, doses):
        kind = {"radius": radius, "dose": dose, "background": background, "n_disks": DISKS[radius]}
        test = _scenes(TEST_SEED, n, size, kind)
        bounds = bounds_of(test, radius, EDGE_WIDTH)
        ours, r98, f1 = _ours(test, radius)
        line = _row(radius, dose, "livebragg", score(test, ours.positions, radius, bounds), r98, ours.milliseconds)
        print(f"{line}  best F1 of the setting {f1:.3f}")
        theirs, r98, how = _tuned(peer, _scenes(TRAINING_SEED, n // 2, size, kind), test, radius)
        line = _row(
            radius, dose, "py4DSTEM", score(test, theirs.positions, radius, bounds), r98, theirs.milliseconds
        )
        print(f"{line}  {how}", flush=True)


def _row(radius: int, dose: int, who: str, s: Score, r98: float, ms: float) -> str:
    return (
        f"{radius:2d} {dose:5d} {who:9} {s.recall:7.3f} {s.precision:7.3f} {s.f1:6.3f} {r98:6.3f} "
        f"{s.rms:6.3f} {s.rms / s.bound:6.2f} {ms:8.3f}"
    )


def _scenes(seed: int, n: int, size: int, kind: dict[str, float]) -> list[Scene]:
    return [make_scene(seed + s, frame_shape=(size, size), edge_width=EDGE_WIDTH, **kind) for s in range(n)]


def _places(peaks: BraggPeaks) -> list[NDArray[np.float64]]:
    both = np.stack([peaks.qx, peaks.qy], axis=1).astype(np.float64)
    return np.split(both, peaks.offsets[1:-1])


def _ours(scenes: list[Scene], radius: int) -> tuple[Found, float, float]:
    """Disks at the one setting; recall at precision .98 and best F1 over that setting."""
    frames = np.stack([scene.frame for scene in scenes])
    probe = ProbeTemplate.disk(radius, EDGE_WIDTH)
    swept = []
    for false in SWEEP:
        found = _places(DiskDetector(probe, frames.shape[1:], float(false)).detect_many(frames))
        swept.append(score(scenes, found, radius, [np.ones(len(s.positions)) for s in scenes]))
    strict = max((s.recall for s in swept if s.precision >= 0.98), default=0.0)
    detector = DiskDetector(probe, frames.shape[1:])
    peaks = detector.detect_many(frames)
    ms = _median_ms(detector.detect, frames)
    return Found(positions=_places(peaks), intensities=[], milliseconds=ms), strict, max(s.f1 for s in swept)


def _median_ms(call: Callable[[NDArray[np.generic]], object], frames: NDArray[np.generic]) -> float:
    times = []
    for frame in frames:
        start = time.perf_counter()
        call(frame)
        times.append(time.perf_counter() - start)
    return float(np.median(times)) * 1e3


def _settings(radius: float, **other: object) -> dict[str, object]:
    common = {"minPeakSpacing": 1.1 * radius, "edgeBoundary": max(int(radius), 1), "minRelativeIntensity": 0}
    return {**common, "maxNumPeaks": 400, **other}


def _kernels(radius: float) -> list[dict[str, object]]:
    """Those of py4DSTEM: as it is, minus a Gaussian, and minus narrow or wide trenches."""
    trenches = [{"mode": "sigmoid", "radii": [0.0, reach * radius]} for reach in (2.0, 4.0)]
    return [{"mode": "flat"}, {"mode": "gaussian", "sigma": 2.0}, *trenches]


def _tuned(peer: Peer, training: list[Scene], test: list[Scene], radius: int) -> tuple[Found, float, str]:
    train_frames = np.stack([s.frame for s in training])
    probe = probe_picture(ProbeTemplate.disk(radius, EDGE_WIDTH), train_frames.shape[1:])
    variants = list(itertools.product(_kernels(radius), SMOOTHING))
    loose = [
        Job(frames=train_frames, probe=probe, kernel=k, settings=_settings(radius, sigma_cc=s, subpixel="pixel"))
        for k, s in variants
    ]
    tuned = [curve(training, f.positions, f.intensities, radius).best_threshold() for f in peer.run(loose)]
    best = max(range(len(tuned)), key=lambda k: tuned[k][1])
    (kernel, sigma), threshold = variants[best], tuned[best][0]
    frames = np.stack([s.frame for s in test])
    whole = _settings(radius, sigma_cc=sigma, subpixel="pixel")
    fine = _settings(
        radius, sigma_cc=sigma, subpixel="multicorr", upsample_factor=16, minAbsoluteIntensity=threshold
    )
    swept, found = peer.run([Job(frames=frames, probe=probe, kernel=kernel, settings=s) for s in (whole, fine)])
    r98 = curve(test, swept.positions, swept.intensities, radius).recall_at(0.98)
    return found, r98, f"{kernel['mode']} {kernel.get('radii', kernel.get('sigma', ''))} smoothing {sigma}"


def _real(peer: Peer, folder: Path) -> None:
    print(
        f"\n{'frames':>14} {'':9} {'disks':>5}   all: {'pairs':>5} {'Friedel':>7} {'index':>5} {'lattice':>7}   "
        f"common: {'disks':>5} {'pairs':>5} {'Friedel':>7} {'index':>5} {'lattice':>7} {'ms':>8}"
    )
    for item in available(folder):
        if not item.has_lattice:
            continue
        loaded = load(item, folder)
        ours, theirs = _both(peer, loaded)
        near = ours.positions[0][int(np.argmax(ours.intensities[0]))]
        radius = loaded.probe.radius
        i, j = match(ours.positions[0], theirs.positions[0], radius)
        for who, found, chosen in (("livebragg", ours, i), ("py4DSTEM", theirs, j)):
            places = found.positions[0]
            all_of_them, common = (_residuals(p, near, radius) for p in (places, places[chosen]))
            print(
                f"{item.name:>14} {who:9} {len(places):5d}        {all_of_them}           "
                f"{len(chosen):5d} {common} {found.milliseconds:8.2f}",
                flush=True,
            )


def _both(peer: Peer, loaded: Loaded) -> tuple[Found, Found]:
    frame = loaded.frames[0]
    detector = DiskDetector(loaded.probe, frame.shape, bad_pixels=loaded.bad_pixels)
    peaks = detector.detect(frame)
    ms = _median_ms(detector.detect, np.stack([frame] * 5))
    ours = Found(positions=_places(peaks), intensities=[peaks.intensity.astype(float)], milliseconds=ms)
    radius = loaded.probe.radius
    settings = _settings(radius, sigma_cc=2, subpixel="multicorr", upsample_factor=16)
    job = Job(
        frames=frame[np.newaxis],
        probe=probe_picture(loaded.probe, frame.shape),
        kernel={"mode": "sigmoid", "radii": [0.0, 4.0 * radius]},
        settings={**settings, "maxNumPeaks": len(peaks)},
    )
    return ours, peer.run([job])[0]


def _residuals(places: NDArray[np.float64], near: NDArray[np.float64], radius: float) -> str:
    try:
        friedel = friedel_residual(places, (near[0], near[1]), reach=max(5.0, radius))
        pairs = f"{friedel.pairs:5d} {friedel.residual:7.3f}"
    except TooFewPeaksError:
        pairs = f"{'-':>5} {'-':>7}"
    try:
        # The lens distorts these patterns by several pixels at the edge of the frame: hence the third order.
        tolerance = max(2.0, 0.3 * radius)
        lattice = lattice_residual(places, tolerance=tolerance, least_spacing=1.5 * radius, order=3)
        return f"{pairs} {lattice.indexed:5d} {lattice.residual:7.3f}"
    except TooFewPeaksError:
        return f"{pairs} {'-':>5} {'-':>7}"


if __name__ == "__main__":
    sys.exit(main())
