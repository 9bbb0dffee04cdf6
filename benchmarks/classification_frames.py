"""Classes from frames, with measured light and without, on specimens whose truth is known.

    python benchmarks/classification_frames.py                      # synthetic specimens, seeds of --seeds
    python benchmarks/classification_frames.py --scans A.h5 --dose 1500    # recorded scans, thinned to that dose

For each: classes found and in truth, the adjusted Rand index over the positions seen at 25/50/75/100 % and
after the final refinement, labels of the first half that the second half changed, these and those that the final
refinement changed, and for fading crystals the
rank correlation of the measured with the true order.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr
from sklearn.metrics import adjusted_rand_score

from livebragg.config.detection import DetectionConfig
from livebragg.detect import FrameAnalyzer, measure_probe
from livebragg.pipeline.scan.analysis import ScanAnalysis
from livebragg.pipeline.scan.photometer import FramePhotometer
from livebragg_simulators.specimen import Specimen, SpecimenConfig

SPECIMENS: list[tuple[str, float]] = [
    ("gold", 20_000),
    ("gold", 1500),
    ("gold", 500),
    ("order_disorder", 20_000),
    ("order_disorder", 3000),
]


class Memory:
    """Frames at hand, as the photometer asks for them."""

    def __init__(self, frames: NDArray[Any]) -> None:
        self._frames = frames

    def some(self, scan_index: NDArray[np.int64]) -> Iterator[tuple[NDArray[np.int64], NDArray[Any]]]:
        """See `livebragg.pipeline.frame_lookup.FrameLookup.some`."""
        for first in range(0, scan_index.size, 256):
            part = scan_index[first : first + 256]
            yield part, self._frames[part]


def synthetic(preset: str, dose: float, seed: int) -> tuple[NDArray[Any], NDArray[np.int64], NDArray[np.float64]]:
    """Frames, true labels, and the true order (NaN where none) of a specimen."""
    specimen = Specimen(SpecimenConfig.preset(preset, seed=seed, electrons_per_frame=dose))
    config, weights = specimen.config, specimen.layout.weights
    parts = [specimen.frames(i, min(i + 512, config.n_positions)) for i in range(0, config.n_positions, 512)]
    order = np.full(weights.shape[1:], np.nan)
    for number, component in enumerate(specimen.layout.components):
        if component.disordered:
            both = weights[number - 1] + weights[number]
            order = np.where(both > 0.6, weights[number - 1] / np.maximum(both, 1e-6), order)
    frames = np.concatenate(parts).reshape(*config.scan_shape, *config.frame_shape)
    return frames, specimen.layout.label.astype(np.int64), order


def recorded(path: Path, dose: float | None) -> tuple[NDArray[Any], NDArray[np.int64], NDArray[np.float64]]:
    """The same of a file; `dose` electrons a frame are left of what it has."""
    with h5py.File(path) as file:
        frames, label = file["data"][:], file["truth/label"][:].astype(np.int64)
    if dose is not None:
        share = min(1.0, dose / float(frames.sum(axis=(2, 3)).mean()))
        frames = np.random.default_rng(0).binomial(frames, share).astype(frames.dtype)
    return frames, label, np.full(label.shape, np.nan)


def report(
    name: str, frames: NDArray[Any], label: NDArray[np.int64], order: NDArray[np.float64], light: bool
) -> None:
    """Print one line."""
    rows, cols, *frame_shape = frames.shape
    shape = (frame_shape[0], frame_shape[1])
    flat, truth = frames.reshape(-1, *shape), label.ravel()
    probe = measure_probe(flat[:256])
    analyzer = FrameAnalyzer(probe, shape)
    photometer = FramePhotometer(Memory(flat), probe, shape, DetectionConfig(), threads=2) if light else None
    analysis = ScanAnalysis((rows, cols), shape, probe, photometer=photometer)
    scores, half, last = [], np.zeros(0, np.int16), np.zeros(0, np.int16)
    for row in range(rows):
        analysis.add(analyzer.analyze(frames[row], np.arange(row * cols, row * cols + cols)))
        analysis.refresh()
        if row + 1 in (rows // 4, rows // 2, 3 * rows // 4, rows):
            labels = analysis.snapshot().labels.ravel()[: (row + 1) * cols]
            scores.append(adjusted_rand_score(truth[: labels.size], labels))
            half = labels if row + 1 == rows // 2 else half
            last = labels
    analysis.finish()
    snapshot = analysis.snapshot()
    labels = snapshot.labels.ravel()
    scores.append(adjusted_rand_score(truth, labels))
    both = np.isfinite(order) & np.isfinite(analysis.order)
    rank = f"{spearmanr(order[both], analysis.order[both]).statistic:6.3f}" if both.sum() > 50 else "     -"
    classes = f"{len(snapshot.class_ids):3d}/{np.unique(truth).size:<3d}"
    live = float((last[: half.size] != half).mean())
    flips = f"{live:6.2%} {float((labels[: half.size] != half).mean()):6.2%}"
    columns = " ".join(f"{score:.3f}" for score in scores)
    print(f"{name:28s} {'light' if light else 'disks'} {classes} {columns}  {flips} {rank}", flush=True)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scans", type=Path, nargs="*", default=[])
    parser.add_argument("--dose", type=float, help="electrons per frame to thin recorded scans to")
    parser.add_argument("--seeds", type=int, nargs="*", default=[31])
    options = parser.parse_args()
    print(f"{'scan':28s} from  found   25 %  50 %  75 % 100 % final   flips  ..end  order")
    for path in options.scans:
        for light in (False, True):
            report(path.stem[:28], *recorded(path, options.dose), light)
    for preset, dose in SPECIMENS if not options.scans else []:
        for seed in options.seeds:
            scene = synthetic(preset, dose, seed)
            for light in (False, True):
                report(f"{preset} {dose:.0f} e #{seed}", *scene, light)


if __name__ == "__main__":
    main()
