"""What the analysis costs per position, and its memory, as the scan grows: synthetic vectors, no frames.

    python benchmarks/classification_cost.py            # 10^4 to 2.6 * 10^5 positions
    python benchmarks/classification_cost.py --full     # up to 1024 x 1024
    python benchmarks/classification_cost.py --sizes 256 --profile 30   # and where the time goes
    python benchmarks/classification_cost.py --sizes 1024 --light --batch 16384  # memory with light at all peaks

The scene: 12 crystalline grains with 38 of 250 reflections each, two amorphous phases and vacuum; 85 % of the
disks are found, five false disks per frame, about 40 disks in all; radial profiles of 48 bins with the noise of
8,000 electrons; the origin drifts. Positions come 1024 at a time; after each the maps are brought up to date and
copied. With ``--light`` every position is measured at every tracked peak as well: made-up light, so that what it
takes to keep and use is counted (the making of it too, in *add light*), but no photometry.

Per size: microseconds of processor time per position of each stage of the live maps, of the copy for publication,
and of the final pass; peak memory of the process (each size runs in one of its own); the Rand index (ARI) of the
live maps at 25/50/75/100 % of the scan and of the final one; first-half labels that the second half changed.
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import resource
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import adjusted_rand_score

from livebragg.config.analysis import AnalysisConfig, ClassifyConfig
from livebragg.model import (
    VIRTUAL_IMAGES,
    BraggPeaks,
    DetectedBatch,
    ForcedIntensities,
    ProbeShape,
    RadialBatch,
)
from livebragg.pipeline.scan.analysis import ScanAnalysis

FRAME_SHAPE = (128, 128)
CENTER = (63.0, 65.0)
GRAINS = 12
PLACES = 250
REFLECTIONS = 38
DETECTION = 0.85
FALSE_DISKS = 5.0
LOCALISATION = 0.25
ELECTRONS = 8000.0
BACKGROUND = 4.0
"""Counts under each disk, for the noise of its light."""
RADII = np.arange(48, dtype=np.float32) + 6.5

STAGES = {
    "origin": ("origin.py", "origins"),
    "learn": ("origin.py", "learn_from_patterns"),
    "map": ("vector_map.py", "update"),
    "tracker": ("tracker.py", "update"),
    "features": ("features.py", "update"),
    "nmf": ("nmf.py", "update"),
    "refine": ("nmf.py", "refine"),
    "labels": ("labels.py", "update"),
    "fading": ("variants.py", "update"),
    "families": ("families.py", "update"),
    "scattering": ("composition.py", "_follow"),
}
"""Name of each stage: file and function whose time, with all that it calls, is counted."""


@dataclass(frozen=True, slots=True)
class Scene:
    """Classes 0 to 11 are crystals, 12 and 13 amorphous, 14 vacuum."""

    label: NDArray[np.int64]
    places: NDArray[np.float64]
    """(classes, REFLECTIONS, 2); NaN in classes without reflections."""
    counts: NDArray[np.float64]
    profile: NDArray[np.float64]
    """(classes, bins), part of the beam per pixel."""
    size: int
    seed: int


def make_scene(size: int, seed: int) -> Scene:
    """Square scan of `size` lines."""
    rng = np.random.default_rng(seed)
    seeds = rng.uniform(0, size, (GRAINS + 3, 2))
    place = np.stack(np.mgrid[:size, :size], axis=-1).reshape(-1, 2)
    label = np.zeros(size * size, np.int64)
    nearest = np.full(size * size, np.inf)
    for number, middle in enumerate(seeds):
        distance = np.hypot(*(place - middle).T)
        label[distance < nearest] = number
        nearest = np.minimum(nearest, distance)
    radius, angle = 55 * np.sqrt(rng.uniform(0.05, 1, PLACES)), rng.uniform(0, 2 * np.pi, PLACES)
    all_places = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=-1)
    places = np.full((GRAINS + 3, REFLECTIONS, 2), np.nan)
    for grain in range(GRAINS):
        places[grain] = all_places[rng.choice(PLACES, REFLECTIONS, replace=False)]
    counts = 80 * rng.lognormal(0, 0.6, (GRAINS + 3, REFLECTIONS))
    ring = [np.exp(-0.5 * ((RADII - r) / w) ** 2) for r, w in ((22, 5), (28, 6))]
    base = np.exp(-RADII / 15)
    profile = np.stack([base] * GRAINS + [base + ring[0], base + ring[1], 0 * base])
    area = 2 * np.pi * RADII
    share = np.array([0.05] * GRAINS + [0.2, 0.2, 0.0])
    profile *= (share / np.maximum(profile @ area, 1e-9))[:, None]
    return Scene(label, places, counts, profile, size, seed)


def batches(scene: Scene, at_once: int) -> Iterator[DetectedBatch]:
    """The positions in scan order."""
    rng = np.random.default_rng(scene.seed + 1)
    for first in range(0, scene.label.size, at_once):
        yield batch_of(scene, np.arange(first, min(first + at_once, scene.label.size)), rng)


def batch_of(scene: Scene, index: NDArray[np.int64], rng: np.random.Generator) -> DetectedBatch:
    """Disks, beams and profiles of some positions."""
    n, label = index.size, scene.label[index]
    rows, cols = np.divmod(index, scene.size)
    origin = np.asarray(CENTER) + np.stack([2 * (rows / scene.size) ** 2, -1.5 * cols / scene.size], axis=1)
    found = (rng.random((n, REFLECTIONS)) < DETECTION) & np.isfinite(scene.places[label, :, 0])
    owner = np.nonzero(found)[0]
    q = scene.places[label][found] + rng.normal(0, LOCALISATION, (owner.size, 2)) + origin[owner]
    value = rng.poisson(scene.counts[label][found]) + 1.0
    wrong = np.repeat(np.arange(n), rng.poisson(FALSE_DISKS * (label < GRAINS), n))
    owner = np.concatenate([np.arange(n), owner, wrong])
    q = np.concatenate([origin, q, rng.uniform(0, 128, (wrong.size, 2))])
    value = np.concatenate([np.full(n, 5e3), value, rng.exponential(20, wrong.size) + 5])
    order = np.argsort(owner, kind="stable")
    value = value[order].astype(np.float32)
    peaks = BraggPeaks(
        qx=q[order, 0].astype(np.float32),
        qy=q[order, 1].astype(np.float32),
        intensity=value,
        intensity_error=np.sqrt(value),
        position_error=np.full(value.size, LOCALISATION, np.float32),
        offsets=np.concatenate([[0], np.cumsum(np.bincount(owner, minlength=n))]),
    )
    virtual = np.zeros((n, len(VIRTUAL_IMAGES)), np.float32)
    virtual[:, VIRTUAL_IMAGES.index("total")] = ELECTRONS
    pixels = np.broadcast_to((2 * np.pi * RADII).astype(np.int32), (n, RADII.size)).copy()
    mean = (rng.poisson(scene.profile[label] * ELECTRONS * pixels) / pixels).astype(np.float32)
    return DetectedBatch(
        scan_index=index,
        peaks=peaks,
        direct_beam=np.column_stack([origin + rng.normal(0, 0.03, (n, 2)), np.full(n, 0.03)]).astype(np.float32),
        virtual=virtual,
        sum_pattern=np.zeros(FRAME_SHAPE, np.float32),
        profiles=RadialBatch(radii=RADII, mean=mean, variance=mean.copy(), pixels=pixels),
    )


class MadeUpLight:
    """What a photometer would measure in frames of a scene."""

    capacity = 65536

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._rng = np.random.default_rng(scene.seed + 2)
        self.measured = 0

    def measure(
        self,
        scan_index: NDArray[np.int64],
        places: NDArray[np.float32],
        _origins: NDArray[np.float32],
        _wanted: NDArray[np.bool_],
    ) -> Iterator[tuple[NDArray[np.int64], ForcedIntensities]]:
        """See `livebragg.pipeline.scan.backfill.Photometer`."""
        gap = np.hypot(*(places[:, None, None] - self._scene.places).transpose(3, 0, 1, 2))
        expected = np.where(gap < 1.5, self._scene.counts, 0.0).max(axis=2).T.astype(np.float32)
        for first in range(0, scan_index.size, 4096):
            index = scan_index[first : first + 4096]
            light = expected[self._scene.label[index]]
            error = np.sqrt(light + BACKGROUND)
            light = light + error * self._rng.standard_normal(light.shape, np.float32)
            self.measured += index.size
            yield index, ForcedIntensities(intensity=light, error=error, usable=np.ones_like(light))

    def begin(
        self,
        scan_index: NDArray[np.int64],
        places: NDArray[np.float32],
        origins: NDArray[np.float32],
        wanted: NDArray[np.bool_],
    ) -> Iterator[tuple[NDArray[np.int64], Future[ForcedIntensities]]]:
        """The same, done already."""
        for index, values in self.measure(scan_index, places, origins, wanted):
            task: Future[ForcedIntensities] = Future()
            task.set_result(values)
            yield index, task


def arrays_of(part: object, name: str, seen: set[int]) -> Iterator[tuple[int, str]]:
    """Bytes and name of every array that an object keeps, itself or through others."""
    if id(part) in seen or type(part).__module__.split(".")[0] not in (
        "livebragg",
        "builtins",
        "numpy",
        "collections",
    ):
        return
    seen.add(id(part))
    if isinstance(part, np.ndarray):
        if part.base is None:
            yield part.nbytes, f"{name} {part.dtype} {part.shape}"
    elif isinstance(part, dict):
        for key, value in part.items():
            yield from arrays_of(value, f"{name}.{key}", seen)
    elif isinstance(part, (list, tuple, deque)):
        for value in part:
            yield from arrays_of(value, name, seen)
    else:
        yield from arrays_of(getattr(part, "__dict__", {}), name, seen)


def measure(size: int, seed: int, at_once: int, show: int, with_light: bool, arrays: int) -> dict[str, Any]:
    """Analyse one scan; times, memory and scores."""
    warm_up()
    scene = make_scene(size, seed)
    light = MadeUpLight(scene) if with_light else None
    config = AnalysisConfig(classify=ClassifyConfig(backfill=at_once, final_backfill=size * size))
    probe = ProbeShape(radius=3.0, edge_width=0.5, center=CENTER)
    analysis = ScanAnalysis((size, size), FRAME_SHAPE, probe, config, photometer=light)
    profile, seconds = (
        cProfile.Profile(time.process_time),
        dict.fromkeys(("add", "refresh", "copy", "finish"), 0.0),
    )
    total, seen, scores = scene.label.size, 0, []
    half = np.zeros(0, np.int16)
    quarters = [total * q // 4 for q in (1, 2, 3, 4)]
    live = half

    def timed(name: str, action: Any, *args: Any) -> Any:
        start = time.process_time()
        if name == "refresh":
            profile.enable()
        result = action(*args)
        profile.disable()
        seconds[name] += time.process_time() - start
        return result

    for batch in batches(scene, at_once):
        timed("add", analysis.add, batch)
        timed("refresh", analysis.refresh)
        live = timed("copy", analysis.snapshot).labels.ravel()
        seen += len(batch)
        if quarters and seen >= quarters[0]:
            quarters.pop(0)
            scores.append(adjusted_rand_score(scene.label[:seen], live[:seen]))
            half = live[:seen].copy() if len(quarters) == 2 else half
    flips = float((half != live[: half.size]).mean())
    live_peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    timed("finish", analysis.finish)
    snapshot = analysis.snapshot()
    scores.append(adjusted_rand_score(scene.label, snapshot.labels.ravel()))
    stats = pstats.Stats(profile)
    if arrays:
        for size_of, name in sorted(arrays_of(analysis, "", set()), reverse=True)[:arrays]:
            print(f"{size_of / total:8.1f} bytes per position: {name}")
    if show:
        stats.sort_stats("tottime").print_stats(show)
    return {
        "seconds": {name: 1e6 * value / total for name, value in seconds.items()},
        "stages": {name: 1e6 * _spent(stats, *where) / total for name, where in STAGES.items()},
        "peak": (live_peak, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20),
        "scores": scores,
        "flips": flips,
        "measured": light.measured / total if light is not None else 0.0,
        "classes": int((snapshot.class_positions > 0).sum()),
        "peaks": len(snapshot.peaks),
    }


def _spent(stats: pstats.Stats, file: str, function: str) -> float:
    return sum(
        values[3]
        for (path, _, name), values in stats.stats.items()  # type: ignore[attr-defined]
        if name == function and path.endswith("/" + file)
    )


def warm_up() -> None:
    """Compile the kernels before anything is timed."""
    scene = make_scene(24, 0)
    analysis = ScanAnalysis((24, 24), FRAME_SHAPE, ProbeShape(radius=3.0, edge_width=0.5, center=CENTER))
    for batch in batches(scene, 96):
        analysis.add(batch)
        analysis.refresh()
    analysis.finish()


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--sizes", type=int, nargs="*", default=[100, 256, 512], help="scan lines, as many columns"
    )
    parser.add_argument("--full", action="store_true", help="1024 x 1024 as well")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--batch", type=int, default=1024, help="positions between two updates of the maps")
    parser.add_argument("--profile", type=int, default=0, help="show so many functions with the most time")
    parser.add_argument("--light", action="store_true", help="measure every position at every tracked peak")
    parser.add_argument("--arrays", type=int, default=0, help="show so many of the largest arrays that are kept")
    options = parser.parse_args()
    print("microseconds per position")
    print(f"{'positions':>9s}    add refresh   copy finish | " + " ".join(f"{name:>8s}" for name in STAGES))
    for size in [*options.sizes, *([1024] if options.full else [])]:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            how = options.seed, options.batch, options.profile, options.light, options.arrays
            result = pool.submit(measure, size, *how).result()
        seconds = " ".join(f"{value:6.1f}" for value in result["seconds"].values())
        stages = " ".join(f"{value:8.1f}" for value in result["stages"].values())
        print(f"{size**2:9d} {seconds} | {stages}")
        scores = " ".join(f"{score:.3f}" for score in result["scores"])
        print(
            f"          ARI {scores}; {result['classes']} classes of 15; {result['peaks']} peaks; flips "
            f"{result['flips']:.2%}; measured {result['measured']:.2f} times; "
            f"memory {result['peak'][0]:.2f} GiB live, "
            f"{result['peak'][1]:.2f} with the end",
            flush=True,
        )


if __name__ == "__main__":
    main()
