"""Disk detection against the truth of simulated and semi-real scans.

    python benchmarks/detection_truth.py SCAN.h5 [SCAN.h5 ...] [--lines 8] [--true-probe] [--false-disks 0.1]

The layout of a file is described in ``truth.py``; without arguments the files named in LIVEBRAGG_TRUTH (separated
like a PATH) are taken. The probe is measured from 16 frames as a user's would be, unless --true-probe gives it the
true radius.

A true disk counts when its centre lies in the frame and no brighter one lies nearer than the spacing of 1.1
radii; the direct beam is reported apart. "Alone" are those with no other true disk of a tenth of their electrons
within two radii and 4 pixels. A found disk is right when it is nearest to a true one within 0.6 radii + 1 pixel.

Per range of expected electrons: true disks and recall; of those alone and found: mean error along rows and
columns, rms per axis, rms of the stated error, robust standard deviation of error over stated error ("z pos"),
found over expected electrons, median and robust standard deviation of the intensity's error over the stated one
("z int").
"""

from __future__ import annotations

import argparse
import itertools
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scenes import match
from truth import TrueFrame, TrueScan, read_scan

from livebragg.detect import DiskDetector, ProbeTemplate, measure_probe
from livebragg.model import BraggPeaks

RANGES = (2, 5, 10, 20, 50, 100, 300, 1000, 1e9)
TRUE_AT_LEAST = 1.0
"""Expected electrons of a disk that a detection may belong to."""

HEADER = (
    f"{'electrons':>12} {'true':>6} {'recall':>6} {'alone':>6} {'mean error':>15} {'rms':>6} {'stated':>6} "
    f"{'z pos':>6} {'I/true':>6} {'z int':>14}"
)


@dataclass(frozen=True, slots=True)
class Matched:
    """All counted true disks of a scan, and what was found for them; NaN where nothing was."""

    electrons: NDArray[np.float64]
    alone: NDArray[np.bool_]
    error: NDArray[np.float64]
    stated: NDArray[np.float64]
    intensity: NDArray[np.float64]
    intensity_error: NDArray[np.float64]


def main() -> int:
    """Print the tables of every scan."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    given = [Path(p) for p in os.environ.get("LIVEBRAGG_TRUTH", "").split(os.pathsep) if p]
    parser.add_argument("scans", type=Path, nargs="*", default=given)
    parser.add_argument("--lines", type=int, default=8, help="scan lines, evenly spread")
    parser.add_argument("--true-probe", action="store_true", help="the true radius instead of a measured probe")
    parser.add_argument("--false-disks", type=float, default=0.1, help="false disks per frame")
    options = parser.parse_args()
    if not options.scans:
        print("no scan with truth was given; name files, or set LIVEBRAGG_TRUTH")
        return 0
    for path in options.scans:
        scan = read_scan(path, options.lines)
        probe = _probe(scan, options.true_probe)
        detector = DiskDetector(probe, scan.frames.shape[1:], options.false_disks)
        print(
            f"\n{path.stem}: {len(scan.frames)} frames, true radius {scan.radius:.2f} px, "
            f"used {probe.radius:.2f} px, edge {probe.edge_width:.2f} px"
        )
        _report(scan, detector.detect_many(scan.frames))
    return 0


def _probe(scan: TrueScan, use_true: bool) -> ProbeTemplate:
    if use_true:
        return ProbeTemplate.disk(scan.radius, 0.5)
    return ProbeTemplate.from_shape(measure_probe(scan.probe_frames))


def _report(scan: TrueScan, peaks: BraggPeaks) -> None:
    found = [_places(peaks.frame(i)) for i in range(peaks.n_frames)]
    every = _concatenated([_match(f, peaks.frame(i), scan) for i, f in enumerate(scan.truth)])
    print(HEADER)
    for low, high in itertools.pairwise(RANGES):
        line = _line(every, (every.electrons >= low) & (every.electrons < high))
        print(f"{low:5.0f} - {'' if high > 1e8 else f'{high:.0f}':>4} {line}")
    reach = _reach(scan.radius)
    false = [_far_from_all(p, t, reach) for p, t in zip(found, scan.truth, strict=True)]
    n = max(sum(map(len, found)), 1)
    wrong = sum(int(f.sum()) for f in false)
    print(
        f"found {n / len(found):.1f} disks per frame; precision {1 - wrong / n:.4f}: {wrong / len(found):.3f} per "
        f"frame lie farther than {reach:.1f} px\nfrom every true disk of {TRUE_AT_LEAST:.0f} electron or more, "
        f"{_near_beam(scan, found, false) / len(found):.3f} of them within 4 radii of the direct beam"
    )
    print(_beam_line(scan, peaks))
    for kind, pixels in scan.odd_pixels.items():
        at = sum(_near_pixels(p[f], pixels) for p, f in zip(found, false, strict=True))
        print(f"false disks within 2 px of one of {len(pixels)} {kind} pixels: {at} in {len(found)} frames")


def _reach(radius: float) -> float:
    return 0.6 * radius + 1.0


def _places(peaks: BraggPeaks) -> NDArray[np.float64]:
    return np.stack([peaks.qx, peaks.qy], axis=1).astype(np.float64)


def _match(true: TrueFrame, peaks: BraggPeaks, scan: TrueScan) -> Matched:
    """Pair the disks of one frame; all true disks may take a found one, only those that count are kept."""
    shape, radius = scan.frames.shape[1:], scan.radius
    inside = ((true.positions >= -0.5) & (true.positions <= np.array(shape) - 0.5)).all(axis=1)
    diffracted = np.hypot(*(true.positions - true.origin).T) > radius
    counts = inside & diffracted & ~_crowded(true, 1.1 * radius, brighter=1.0) & (true.electrons >= RANGES[0])
    alone = ~_crowded(true, 2.0 * radius + 4.0, brighter=0.1) & _away_from_edge(true.positions, shape, radius)
    i, j = match(_places(peaks), true.positions[counts], _reach(radius))
    # One row a true disk: row, column, stated error, intensity, its error.
    measured = np.full((int(counts.sum()), 5), np.nan)
    columns = (peaks.qx, peaks.qy, peaks.position_error, peaks.intensity, peaks.intensity_error)
    measured[j] = np.stack(columns, axis=1)[i]
    return Matched(
        true.electrons[counts],
        alone[counts],
        measured[:, :2] - true.positions[counts],
        *measured[:, 2:].T,
    )


def _crowded(true: TrueFrame, distance: float, brighter: float) -> NDArray[np.bool_]:
    """Whether another disk of at least `brighter` times the electrons lies nearer than `distance`."""
    gaps = np.hypot(*(true.positions[:, None] - true.positions[None]).transpose(2, 0, 1))
    np.fill_diagonal(gaps, np.inf)
    return np.asarray(
        ((gaps < distance) & (true.electrons[None] >= brighter * true.electrons[:, None])).any(axis=1)
    )


def _away_from_edge(positions: NDArray[np.float64], shape: tuple[int, ...], radius: float) -> NDArray[np.bool_]:
    return np.asarray((np.minimum(positions, np.array(shape) - 1 - positions) > radius + 2.0).all(axis=1))


def _concatenated(parts: list[Matched]) -> Matched:
    names = ("electrons", "alone", "error", "stated", "intensity", "intensity_error")
    return Matched(*(np.concatenate([getattr(p, name) for p in parts]) for name in names))


def _line(every: Matched, chosen: NDArray[np.bool_]) -> str:
    n, hit = int(chosen.sum()), np.isfinite(every.stated)
    recall = f"{n:6d} {hit[chosen].mean() if n else np.nan:6.3f}"
    use = chosen & hit & every.alone
    if use.sum() < 5:
        return f"{recall} {int(use.sum()):6d}"
    error, stated = every.error[use], every.stated[use]
    pull = (every.intensity[use] - every.electrons[use]) / every.intensity_error[use]
    ratio = every.intensity[use].sum() / every.electrons[use].sum()
    rms = " ".join(f"{np.sqrt((x**2).mean()):6.3f}" for x in (error, stated))
    return (
        f"{recall} {int(use.sum()):6d} {error[:, 0].mean():7.3f} {error[:, 1].mean():7.3f} {rms} "
        f"{_robust(error / stated[:, None]):6.2f} {ratio:6.3f} {np.median(pull):6.2f} +-{_robust(pull):5.2f}"
    )


def _robust(values: NDArray[np.float64]) -> float:
    return float(1.4826 * np.median(np.abs(values - np.median(values))))


def _far_from_all(places: NDArray[np.float64], true: TrueFrame, reach: float) -> NDArray[np.bool_]:
    targets = true.positions[true.electrons >= TRUE_AT_LEAST]
    if not len(targets):
        return np.ones(len(places), bool)
    return np.asarray(np.hypot(*(places[:, None] - targets[None]).transpose(2, 0, 1)).min(axis=1) > reach)


def _beam_line(scan: TrueScan, peaks: BraggPeaks) -> str:
    """Nearest disk to the direct beam of each frame: its error, and its electrons over the true ones."""
    rows = []
    for k, true in enumerate(scan.truth):
        frame, target = peaks.frame(k), _beam_place(true, scan.radius)
        gaps = _places(frame) - target
        near = int(np.argmin(np.hypot(*gaps.T))) if len(gaps) else -1
        if near >= 0 and np.hypot(*gaps[near]) < scan.radius:
            rows.append((*gaps[near], frame.intensity[near] / true.beam_electrons, frame.position_error[near]))
    if not rows:
        return "direct beam: never found within a radius"
    error, ratio, stated = np.array(rows)[:, :2], np.array(rows)[:, 2], np.array(rows)[:, 3]
    return (
        f"direct beam: {np.sqrt((error**2).mean()):.3f} px rms per axis "
        f"(stated {np.sqrt((stated**2).mean()):.3f}), "
        f"mean {error.mean(axis=0).round(3).tolist()}, electrons {np.median(ratio):.3f} of the true, "
        f"not found in {len(scan.truth) - len(rows)} of {len(scan.truth)} frames"
    )


def _beam_place(true: TrueFrame, radius: float) -> NDArray[np.float64]:
    """Semi-real frames have their beam where the real one was, not quite at the origin."""
    near = true.positions[np.hypot(*(true.positions - true.origin).T) <= radius]
    return near[0] if len(near) else true.origin


def _near_beam(scan: TrueScan, found: list[NDArray[np.float64]], false: list[NDArray[np.bool_]]) -> int:
    rings = [np.hypot(*(p[f] - t.origin).T) for p, f, t in zip(found, false, scan.truth, strict=True)]
    return int((np.concatenate(rings) < 4.0 * scan.radius).sum())


def _near_pixels(places: NDArray[np.float64], pixels: NDArray[np.int64]) -> int:
    if not len(places):
        return 0
    return int((np.hypot(*(places[:, None] - pixels[None]).transpose(2, 0, 1)).min(axis=1) <= 2.0).sum())


if __name__ == "__main__":
    sys.exit(main())
