"""How well, and how fast, classes are found: seeded stress scenes and, where present, simulated scans with truth.

    python benchmarks/classification.py                      # stress scenes (disks, no frames)
    python benchmarks/classification.py --scans A.h5 B.h5    # from frames, truth/label in the file

For each: the adjusted Rand index (ARI) over the positions seen at 25/50/75/100 % of the scan and after the final
refinement, the classes found, the offline batch NMF (scikit-learn, number of classes given, on the same features;
labels by argmax, and by k-means on the direction of the weights), and the cost per position.
"""

from __future__ import annotations

import argparse
import time
import warnings
from dataclasses import dataclass, replace
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.decomposition import NMF
from sklearn.metrics import adjusted_rand_score

from livebragg.detect import FrameAnalyzer, measure_probe
from livebragg.model import VIRTUAL_IMAGES, BraggPeaks, DetectedBatch, ProbeShape
from livebragg.pipeline.scan.analysis import ScanAnalysis

FRAME_SHAPE = (128, 128)
CENTER = (63.0, 65.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A raster of grains, each with its own reflections."""

    name: str
    grains: int = 12
    size: int = 96
    late: int = 3
    """Grains that only exist in the last quarter."""
    reflections: int = 24
    shared: float = 0.0
    """Part of the reflections that all grains have in common."""
    detection: float = 0.85
    """Probability that a disk is found."""
    false_disks: float = 1.0
    """Wrong disks per frame."""
    localisation: float = 0.25
    """Standard error of a position along one axis, in pixels."""
    seed: int = 0


SCENES = [
    Scene(name="12 grains"),
    Scene(name="12 grains, p .60", detection=0.6),
    Scene(name="12 grains, p .45", detection=0.45),
    Scene(name="12 grains, 10 false disks", false_disks=10),
    Scene(name="12 grains, 40 % shared", shared=0.4),
    Scene(name="30 grains", grains=30, late=6),
    Scene(name="60 grains", grains=60, late=12),
]


def grain_map(scene: Scene, rng: np.random.Generator) -> NDArray[np.int64]:
    """Voronoi cells; the seeds of the late grains lie in the last quarter and win only there."""
    n, size = scene.grains, scene.size
    seeds = rng.uniform(0, size, (n, 2))
    seeds[: scene.late, 0] = rng.uniform(0.8 * size, size, scene.late)
    place = np.stack(np.mgrid[:size, :size], axis=-1).reshape(-1, 1, 2)
    distance = np.hypot(*(place - seeds).transpose(2, 0, 1))
    early = place[:, 0, 0] < 0.75 * size
    distance[np.ix_(early, np.arange(scene.late))] = np.inf
    return distance.argmin(axis=1)


def reflections(scene: Scene, rng: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Positions (grains, reflections, 2) about the origin, and expected counts."""
    common = int(scene.shared * scene.reflections)
    shape = (scene.grains, scene.reflections)
    radius, angle = 55 * np.sqrt(rng.uniform(0.05, 1, shape)), rng.uniform(0, 2 * np.pi, shape)
    places = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=-1)
    places[:, :common] = places[0, :common]
    counts = 100 * rng.lognormal(0, 0.7, shape)
    return places, counts


def scene_batches(scene: Scene) -> tuple[list[DetectedBatch], NDArray[np.int64]]:
    """One batch per scan line, and the true grain of each position."""
    rng = np.random.default_rng(scene.seed)
    label = grain_map(scene, rng)
    places, counts = reflections(scene, rng)
    n = label.size
    rows, cols = np.divmod(np.arange(n), scene.size)
    drift = np.stack([2.0 * (rows / scene.size) ** 2, -1.5 * cols / scene.size], axis=1)
    origin = CENTER + drift + rng.normal(0, 0.1, (scene.size, 2))[rows]
    found = rng.random((n, scene.reflections)) < scene.detection
    owner = np.nonzero(found)[0]
    q = places[label][found] + rng.normal(0, scene.localisation, (owner.size, 2)) + origin[owner]
    intensity = rng.poisson(counts[label][found]) + 1.0
    wrong = np.repeat(np.arange(n), rng.poisson(scene.false_disks, n))
    owner = np.concatenate([np.arange(n), owner, wrong])
    q = np.concatenate([origin, q, rng.uniform(0, 128, (wrong.size, 2))])
    intensity = np.concatenate([np.full(n, 1e4), intensity, rng.exponential(40, wrong.size) + 10])
    beam = np.column_stack([origin + rng.normal(0, 0.03, (n, 2)), np.full(n, 0.03)])
    order = np.argsort(owner, kind="stable")
    return _as_batches(owner[order], q[order], intensity[order], beam, scene), label


def _as_batches(
    owner: NDArray[np.int64],
    q: NDArray[np.float64],
    intensity: NDArray[np.float64],
    beam: NDArray[np.float64],
    scene: Scene,
) -> list[DetectedBatch]:
    ends = np.concatenate([[0], np.cumsum(np.bincount(owner, minlength=scene.size**2))])
    batches = []
    for first in range(0, scene.size**2, scene.size):
        stop = first + scene.size
        disks = slice(ends[first], ends[stop])
        value = intensity[disks].astype(np.float32)
        peaks = BraggPeaks(
            qx=q[disks, 0].astype(np.float32),
            qy=q[disks, 1].astype(np.float32),
            intensity=value,
            intensity_error=np.sqrt(value),
            position_error=np.full(value.size, scene.localisation, np.float32),
            offsets=ends[first : stop + 1] - ends[first],
        )
        batch = DetectedBatch(
            scan_index=np.arange(first, stop),
            peaks=peaks,
            direct_beam=beam[first:stop].astype(np.float32),
            virtual=np.zeros((scene.size, len(VIRTUAL_IMAGES)), np.float32),
            sum_pattern=np.zeros(FRAME_SHAPE, np.float32),
        )
        batches.append(batch)
    return batches


def scan_batches(path: Path) -> tuple[list[DetectedBatch], NDArray[np.int64], ProbeShape, tuple[int, int]]:
    """Detect the disks of a recorded scan, one batch per scan line."""
    with h5py.File(path) as file:
        data, label = file["data"][:], file["truth/label"][:].astype(np.int64)
    rows, cols, *frame_shape = data.shape
    probe = measure_probe(data.reshape(-1, *frame_shape)[:256])
    analyzer = FrameAnalyzer(probe, (frame_shape[0], frame_shape[1]))
    index = np.arange(rows * cols).reshape(rows, cols)
    batches = [analyzer.analyze(data[row], index[row]) for row in range(rows)]
    return batches, label.ravel(), probe, (frame_shape[0], frame_shape[1])


def run(
    batches: list[DetectedBatch], label: NDArray[np.int64], probe: ProbeShape, frame_shape: tuple[int, int]
) -> tuple[ScanAnalysis, list[float], float]:
    """Feed a scan line by line; ARI at the quarters and at the end, and seconds per position."""
    cols = len(batches[0])
    analysis = ScanAnalysis((len(batches), cols), frame_shape, probe)
    quarters = {len(batches) * q // 4 for q in (1, 2, 3, 4)}
    scores: list[float] = []
    spent = 0.0
    for line, batch in enumerate(batches, start=1):
        start = time.perf_counter()
        analysis.add(batch)
        analysis.refresh()
        spent += time.perf_counter() - start
        if line in quarters:
            labels = analysis.snapshot().labels.ravel()[: line * cols]
            scores.append(float(adjusted_rand_score(label[: line * cols], labels)))
    start = time.perf_counter()
    analysis.finish()
    spent += time.perf_counter() - start
    scores.append(float(adjusted_rand_score(label, analysis.snapshot().labels.ravel())))
    return analysis, scores, spent / label.size


def batch_labels(analysis: ScanAnalysis, n: int, components: int) -> list[NDArray[np.int64]]:
    """Labels by scikit-learn's NMF on the same features, by argmax and by k-means on the direction; -1 without."""
    features = analysis.features
    rows = np.flatnonzero(features.tracked >= 3)
    matrix = features.dense(rows) * features.norm[rows, None]
    matrix = matrix[:, matrix.any(axis=0)] / features.norm[rows].mean()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        weights = NMF(components, init="nndsvda", max_iter=400, random_state=0).fit_transform(matrix)
        unit = weights / np.maximum(np.linalg.norm(weights, axis=1, keepdims=True), 1e-9)
        groups = KMeans(components, n_init=5, random_state=0).fit_predict(unit)
    labels = [np.full(n, -1) for _ in range(2)]
    labels[0][rows], labels[1][rows] = weights.argmax(axis=1), groups
    return labels


def report(
    name: str,
    batches: list[DetectedBatch],
    label: NDArray[np.int64],
    probe: ProbeShape,
    frame_shape: tuple[int, int],
    true_classes: int,
) -> None:
    """Print one line of the table."""
    analysis, scores, seconds = run(batches, label, probe, frame_shape)
    snapshot = analysis.snapshot()
    found = sum(family == "crystal" for family in snapshot.class_families)
    offline = [adjusted_rand_score(label, found) for found in batch_labels(analysis, label.size, true_classes)]
    columns = " ".join(f"{score:.3f}" for score in (*scores, *offline))
    print(f"{name:28s} {found:3d}/{true_classes:<3d} {columns}  {seconds * 1e3:6.3f}", flush=True)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scans", type=Path, nargs="*", default=[], help="recorded scans with truth/label")
    parser.add_argument("--seeds", type=int, default=1, help="stress scenes are repeated with this many seeds")
    options = parser.parse_args()
    print(f"{'scene':28s} found   25 %  50 %  75 % 100 % final  batch k-means ms/position")
    for path in options.scans:
        batches, label, probe, frame_shape = scan_batches(path)
        report(path.stem[:28], batches, label, probe, frame_shape, np.unique(label).size - 1)
    probe = ProbeShape(radius=3.0, edge_width=0.5, center=CENTER)
    for scene in SCENES if not options.scans else []:
        for seed in range(options.seeds):
            batches, label = scene_batches(replace(scene, seed=seed))
            report(f"{scene.name} #{seed}", batches, label, probe, FRAME_SHAPE, np.unique(label).size)


if __name__ == "__main__":
    main()
