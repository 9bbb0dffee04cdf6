"""Classes from frames, with measured light and without, on specimens whose truth is known.

    python benchmarks/classification_frames.py                      # synthetic specimens, seeds of --seeds
    python benchmarks/classification_frames.py --scans A.h5 --dose 1500    # recorded scans, thinned to that dose
    python benchmarks/classification_frames.py --source light --pairs    # which labels change, and when

For each: classes and how many there are in truth; crystals of the truth that a class covers (more than half of
what either has); the adjusted Rand index over the positions seen at 25/50/75/100 % and after the final refinement,
and that over the crystals alone; the same of batch NMF (scikit-learn) on the features of the finished scan, the
true number of crystals given, labels by argmax and by k-means on the direction of the weights; labels of the first
half that the second half changed, these and those that the final refinement changed; and for fading crystals the
rank correlation of the measured with the true order.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from classification import batch_labels
from numpy.typing import NDArray
from scipy.stats import spearmanr
from sklearn.metrics import adjusted_rand_score

from livebragg.config.detection import DetectionConfig
from livebragg.detect import FrameAnalyzer, measure_probe
from livebragg.pipeline.scan.analysis import ScanAnalysis
from livebragg.pipeline.scan.photometer import FramePhotometer
from livebragg_simulators.specimen import Specimen, SpecimenConfig

SPECIMENS: list[tuple[str, dict[str, Any]]] = [
    ("gold", {"electrons_per_frame": 20_000.0}),
    ("gold", {"electrons_per_frame": 1500.0}),
    ("gold", {"electrons_per_frame": 500.0}),
    ("order_disorder", {"electrons_per_frame": 20_000.0}),
    ("order_disorder", {"electrons_per_frame": 3000.0}),
    ("many_grains", {"scan_shape": (96, 96)}),
    ("many_grains", {"scan_shape": (96, 96), "electrons_per_frame": 1500.0}),
]
"""Presets of the simulator, and what is changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """Frames, shape (scan_rows, scan_cols, rows, cols), and what is true about each position."""

    name: str
    frames: NDArray[Any]
    label: NDArray[np.int64]
    crystal: NDArray[np.bool_]
    order: NDArray[np.float64]
    """NaN where there is none."""


class Memory:
    """Frames at hand, as the photometer asks for them."""

    def __init__(self, frames: NDArray[Any]) -> None:
        self._frames = frames

    def some(self, scan_index: NDArray[np.int64]) -> Iterator[tuple[NDArray[np.int64], NDArray[Any]]]:
        """See `livebragg.pipeline.frame_lookup.FrameLookup.some`."""
        for first in range(0, scan_index.size, 256):
            part = scan_index[first : first + 256]
            yield part, self._frames[part]


def synthetic(preset: str, changes: dict[str, Any], seed: int) -> Scan:
    """A specimen of ours."""
    config = SpecimenConfig.preset(preset, seed=seed, **changes)
    specimen = Specimen(config)
    components, weights = specimen.layout.components, specimen.layout.weights
    parts = [specimen.frames(i, min(i + 512, config.n_positions)) for i in range(0, config.n_positions, 512)]
    order = np.full(weights.shape[1:], np.nan)
    for number, component in enumerate(components):
        if component.disordered:
            both = weights[number - 1] + weights[number]
            order = np.where(both > 0.6, weights[number - 1] / np.maximum(both, 1e-6), order)
    label = specimen.layout.label.astype(np.int64)
    return Scan(
        name=f"{preset} {config.electrons_per_frame:.0f} e #{seed}",
        frames=np.concatenate(parts).reshape(*config.scan_shape, *config.frame_shape),
        label=label,
        crystal=np.array([component.family == "crystal" for component in components])[label],
        order=order,
    )


def recorded(path: Path, dose: float | None) -> Scan:
    """A scan of a file; `dose` electrons a frame are left of what it has."""
    with h5py.File(path) as file:
        frames, label = file["data"][:], file["truth/label"][:].astype(np.int64)
        components = json.loads(file.attrs["components"])
    if dose is not None:
        share = min(1.0, dose / float(frames.sum(axis=(2, 3)).mean()))
        frames = np.random.default_rng(0).binomial(frames, share).astype(frames.dtype)
    crystal = np.array([what["phase"] not in ("amorphous", "vacuum") for what in components])[label]
    name = path.stem if dose is None else f"{path.stem} {dose:.0f}"
    return Scan(name=name[:28], frames=frames, label=label, crystal=crystal, order=np.full(label.shape, np.nan))


def report(scan: Scan, light: bool, pairs: bool = False) -> None:
    """Print one line, and with `pairs` one for each pair of classes of which labels changed."""
    rows, cols, *frame_shape = scan.frames.shape
    shape = (frame_shape[0], frame_shape[1])
    flat, truth, crystal = scan.frames.reshape(-1, *shape), scan.label.ravel(), scan.crystal.ravel()
    probe = measure_probe(flat[:256])
    analyzer = FrameAnalyzer(probe, shape)
    photometer = FramePhotometer(Memory(flat), probe, shape, DetectionConfig(), threads=2) if light else None
    analysis = ScanAnalysis((rows, cols), shape, probe, photometer=photometer)
    scores, half, last = [], np.zeros(0, np.int16), np.zeros(0, np.int16)
    later: list[NDArray[np.int16]] = []
    for row in range(rows):
        analysis.add(analyzer.analyze(scan.frames[row], np.arange(row * cols, row * cols + cols)))
        analysis.refresh()
        if row + 1 in (rows // 4, rows // 2, 3 * rows // 4, rows):
            labels = analysis.snapshot().labels.ravel()[: (row + 1) * cols]
            scores.append(adjusted_rand_score(truth[: labels.size], labels))
            half = labels if row + 1 == rows // 2 else half
            last = labels
        if pairs and row + 1 > rows // 2:
            later.append(analysis.snapshot().labels.ravel()[: half.size])
    analysis.finish()
    snapshot = analysis.snapshot()
    labels = snapshot.labels.ravel()
    grains = np.unique(truth[crystal])
    offline = batch_labels(analysis, truth.size, grains.size)
    scores += [adjusted_rand_score(truth, labels)]
    scores += [adjusted_rand_score(truth[crystal], found[crystal]) for found in (labels, *offline)]
    both = np.isfinite(scan.order) & np.isfinite(analysis.order)
    rank = f"{spearmanr(scan.order[both], analysis.order[both]).statistic:6.3f}" if both.sum() > 50 else "     -"
    classes = f"{len(snapshot.class_ids):3d}/{np.unique(truth).size:<3d}"
    covered = f"{sum(overlap(truth == grain, labels) > 0.5 for grain in grains):3d}/{grains.size:<3d}"
    flips = f"{float((last[: half.size] != half).mean()):6.2%} {float((labels[: half.size] != half).mean()):6.2%}"
    columns = " ".join(f"{score:.3f}" for score in scores)
    source = "light" if light else "disks"
    print(f"{scan.name:28s} {source} {classes} {covered} {columns}  {flips} {rank}", flush=True)
    if pairs:
        report_pairs(half, np.array([*later, labels[: half.size]]), rows)


def report_pairs(half: NDArray[np.int16], later: NDArray[np.int16], rows: int) -> None:
    """Print the pairs of classes between which labels changed for good after half of the scan, and the middle of
    the scan lines at which they did."""
    changed = half != later[-1]
    for before, after in np.unique(np.stack([half, later[-1]], axis=1)[changed], axis=0):
        which = changed & (half == before) & (later[-1] == after)
        line = rows // 2 + 1 + int(np.median((later[:, which] != after).sum(axis=0)))
        print(f"    {before:3d} -> {after:3d}: {which.sum():5d}, line {line}", flush=True)


def overlap(where: NDArray[np.bool_], labels: NDArray[np.int16]) -> float:
    """Largest intersection over union of some positions with those of one class."""
    here, everywhere = np.bincount(labels[where] + 1), np.bincount(labels + 1)
    return float((here / (where.sum() + everywhere[: here.size] - here)).max())


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scans", type=Path, nargs="*", default=[])
    parser.add_argument("--dose", type=float, help="electrons per frame to thin recorded scans to")
    parser.add_argument("--seeds", type=int, nargs="*", default=[31])
    parser.add_argument("--only", default="", help="specimens whose preset has this in its name")
    parser.add_argument("--source", choices=("disks", "light"), help="instead of both")
    parser.add_argument("--pairs", action="store_true", help="also list the classes whose labels changed")
    options = parser.parse_args()
    sources = [light for light in (False, True) if options.source in (None, "light" if light else "disks")]
    columns = "classes crystal  25 %  50 %  75 % 100 % final | final batch k-mns   flips  ..end  order"
    print(f"{'scan':28s} from  {columns}")
    for path in options.scans:
        scan = recorded(path, options.dose)
        for light in sources:
            report(scan, light, options.pairs)
    for preset, changes in SPECIMENS if not options.scans else []:
        for seed in options.seeds if options.only in preset else []:
            scan = synthetic(preset, changes, seed)
            for light in sources:
                report(scan, light, options.pairs)


if __name__ == "__main__":
    main()
