"""How well amorphous phases, polycrystals, vacuum and crystals are told apart, end to end from frames.

    python benchmarks/classification_families.py                    # synthetic specimens, several seeds and doses
    python benchmarks/classification_families.py --scans A.h5 B.h5  # recorded scans with truth/label
    python benchmarks/classification_families.py --scans A.h5 --doses 0.5 0.1   # thinned: fewer electrons

For each: the adjusted Rand index (ARI) of the class map over the positions seen at 25/50/75/100 % of the scan and
after the final pass, classes found and true, the mean and smallest overlap (intersection over union) of a true
class with the class that matches it best, label flips (part of the positions seen at half of the scan whose class
is another one at its end), and the time of the analysis per position. Nothing is given to the analysis.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import adjusted_rand_score

from livebragg.detect import FrameAnalyzer, measure_probe
from livebragg.pipeline.scan.analysis import ScanAnalysis
from livebragg_simulators.specimen.config import SpecimenConfig
from livebragg_simulators.specimen.scene import Specimen

SPECIMENS = [
    ("three_amorphous", {}),
    ("three_amorphous", {"electrons_per_frame": 2000.0}),
    ("three_amorphous", {"electrons_per_frame": 500.0}),
    ("demo", {}),
    ("low_dose", {}),
    ("gold", {}),
]
"""Presets of the simulator, and what is changed."""

Scan = tuple[str, NDArray[Any], NDArray[np.int64]]


def synthetic(preset: str, changes: dict[str, Any], seed: int) -> Scan:
    """Frames and truth of a specimen of ours."""
    config = SpecimenConfig.preset(preset, seed=seed, **changes)
    specimen = Specimen(config)
    frames = specimen.frames(0, config.n_positions).reshape(*config.scan_shape, *config.frame_shape)
    return (
        f"{preset} {config.electrons_per_frame:.0f} e seed {seed}",
        frames,
        specimen.layout.label.astype(np.int64),
    )


def recorded(path: Path, dose: float, seed: int) -> Scan:
    """Frames and truth of a file; with a part of the electrons taken at random."""
    with h5py.File(path) as file:
        frames, label = file["data"][:], file["truth/label"][:].astype(np.int64)
    if dose < 1:
        frames = np.random.default_rng(seed).binomial(frames, dose).astype(frames.dtype)
    return f"{path.stem[:24]} x{dose:g}", frames, label


def run(frames: NDArray[Any], label: NDArray[np.int64]) -> dict[str, Any]:
    """Analyse line by line as it would arrive; scores and seconds."""
    rows, cols, *frame_shape = frames.shape
    shape = (int(frame_shape[0]), int(frame_shape[1]))
    probe = measure_probe(frames.reshape(-1, *shape)[:64])
    analyzer, analysis = FrameAnalyzer(probe, shape), ScanAnalysis((rows, cols), shape, probe)
    scores, seconds, half = [], 0.0, np.zeros(0, np.int16)
    for row in range(rows):
        batch = analyzer.analyze(frames[row], np.arange(row * cols, (row + 1) * cols))
        start = time.perf_counter()
        analysis.add(batch)
        analysis.refresh()
        seconds += time.perf_counter() - start
        if row + 1 in [rows * q // 4 for q in (1, 2, 3, 4)]:
            labels = analysis.snapshot().labels[: row + 1].ravel()
            scores.append(adjusted_rand_score(label[: row + 1].ravel(), labels))
            half = labels if row + 1 == rows // 2 else half
    live = analysis.snapshot().labels.ravel()
    start = time.perf_counter()
    analysis.finish()
    seconds += time.perf_counter() - start
    snapshot = analysis.snapshot()
    scores.append(adjusted_rand_score(label.ravel(), snapshot.labels.ravel()))
    return {
        "scores": scores,
        "found": int((snapshot.class_positions > 0).sum()),
        "true": np.unique(label).size,
        "overlap": overlaps(label.ravel(), snapshot.labels.ravel()),
        "flips": float((half != live[: half.size]).mean()),
        "ms": 1e3 * seconds / label.size,
    }


def overlaps(truth: NDArray[np.int64], labels: NDArray[np.int16]) -> list[float]:
    """Intersection over union of each true class and the class that matches it best."""
    found = np.unique(labels[labels >= 0])
    return [
        max((float(((truth == t) & (labels == c)).sum() / ((truth == t) | (labels == c)).sum()) for c in found),
            default=0.0)
        for t in np.unique(truth)
    ]  # fmt: skip


def report(scan: Scan) -> None:
    """Print one line of the table."""
    name, frames, label = scan
    result = run(frames, label)
    scores = " ".join(f"{score:.3f}" for score in result["scores"])
    mean, least = np.mean(result["overlap"]), min(result["overlap"])
    print(
        f"{name:38s} {scores}  {result['found']:2d}/{result['true']:<2d}  {mean:.2f} {least:.2f}"
        f"  {result['flips']:6.2%}  {result['ms']:.2f}",
        flush=True,
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scans", type=Path, nargs="*", default=[], help="recorded scans with truth/label")
    parser.add_argument("--doses", type=float, nargs="*", default=[1.0], help="parts of their electrons")
    parser.add_argument("--seeds", type=int, default=2, help="specimens of each kind")
    options = parser.parse_args()
    print(f"{'scan':38s} 25 %  50 %  75 %  100 % final  found  overlap    flips   ms/position")
    for path in options.scans:
        for dose in options.doses:
            report(recorded(path, dose, seed=1))
    for preset, changes in SPECIMENS if not options.scans else []:
        for seed in range(101, 101 + options.seeds):
            report(synthetic(preset, changes, seed))


if __name__ == "__main__":
    main()
