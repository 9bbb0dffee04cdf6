"""How few electrons are enough: a recorded scan whose truth is known, thinned binomially.

    python benchmarks/classification_low_dose.py gold.h5 --electrons 100 22 10 5 --seeds 0 11

The dose is that of a strong disk: the median over the positions of the mean of their six brightest, by the true
intensities in the file. For each dose and seed of the thinning: electrons per frame, classes found and true, the
adjusted Rand index when the last line came, at the end, and at the end over the crystals alone. All from frames,
with nothing given.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from classification_frames import Memory, Scan, recorded
from numpy.typing import NDArray
from sklearn.metrics import adjusted_rand_score

from livebragg.config.detection import DetectionConfig
from livebragg.detect import FrameAnalyzer, measure_probe
from livebragg.pipeline.scan.analysis import ScanAnalysis
from livebragg.pipeline.scan.photometer import FramePhotometer

_STRONG = 6
"""Brightest disks of a position."""


def electrons_of_a_strong_disk(path: Path, frames: NDArray[Any]) -> float:
    """As in the file, before thinning."""
    with h5py.File(path) as file:
        disks = file["truth/disks"]
        intensity, offsets = disks["intensity"][:], disks["frame_offsets"][:]
        bragg = np.any([disks[axis][:] != 0 for axis in "hkl"], axis=0)
    each = [np.sort(intensity[a:b][bragg[a:b]])[-_STRONG:] for a, b in pairwise(offsets)]
    return float(np.median([of.mean() for of in each if of.size == _STRONG]) * frames.sum(axis=(2, 3)).mean())


def thinned(scan: Scan, share: float, seed: int) -> Scan:
    """The same scan with a share of its electrons."""
    if share >= 1:
        return scan
    frames = np.random.default_rng(seed).binomial(scan.frames, share)
    return replace(scan, frames=frames.astype(scan.frames.dtype))


def scores(scan: Scan) -> tuple[int, list[float]]:
    """Classes found, and the three indices."""
    rows, cols, *shape = scan.frames.shape
    frame_shape = (shape[0], shape[1])
    flat, truth, crystal = scan.frames.reshape(-1, *frame_shape), scan.label.ravel(), scan.crystal.ravel()
    probe = measure_probe(flat[:256])
    analyzer = FrameAnalyzer(probe, frame_shape)
    photometer = FramePhotometer(Memory(flat), probe, frame_shape, DetectionConfig(), threads=2)
    analysis = ScanAnalysis((rows, cols), frame_shape, probe, photometer=photometer)
    for row in range(rows):
        analysis.add(analyzer.analyze(scan.frames[row], np.arange(row * cols, row * cols + cols)))
        analysis.refresh()
    live = analysis.snapshot().labels.ravel()
    analysis.finish()
    photometer.close()
    snapshot = analysis.snapshot()
    final = snapshot.labels.ravel()
    pairs = [(truth, live), (truth, final), (truth[crystal], final[crystal])]
    return len(snapshot.class_ids), [adjusted_rand_score(*pair) for pair in pairs]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scan", type=Path)
    parser.add_argument("--electrons", type=float, nargs="*", default=[100.0, 22.0, 10.0, 5.0])
    parser.add_argument("--seeds", type=int, nargs="*", default=[0])
    options = parser.parse_args()
    scan = recorded(options.scan, None)
    full = electrons_of_a_strong_disk(options.scan, scan.frames)
    print(f"{scan.name}: {full:.0f} electrons per strong disk")
    print("per disk  per frame  seed  classes   live  final  crystals")
    for electrons in options.electrons:
        for seed in options.seeds:
            few = thinned(scan, electrons / full, seed)
            found, (live, final, crystals) = scores(few)
            dose, true = few.frames.sum(axis=(2, 3)).mean(), np.unique(few.label).size
            head = f"{min(electrons, full):8.0f} {dose:10.0f} {seed:5d} {found:5d}/{true:<3d}"
            print(f"{head} {live:.3f}  {final:.3f}     {crystals:.3f}", flush=True)


if __name__ == "__main__":
    main()
