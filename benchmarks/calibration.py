"""Origin and ellipse against the truth of simulated scans, the whole chain from frames, nothing given.

    python benchmarks/calibration.py                        # synthetic specimens
    python benchmarks/calibration.py --scans A.h5 B.h5      # recorded scans with truth/origin and ellipse_matrix

For each: range of the true origin, root mean square error of the measured one along one axis about its mean error,
and that mean (pixels); true and measured ratio of the axes with its standard error; the same of the direction of
the long axis; what it was measured from, how far it is from the truth (as a difference of axes), and the two
components of that in standard errors.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from livebragg.config.schema import Config
from livebragg.detect import FrameAnalyzer, measure_probe
from livebragg.model import EllipseEstimate
from livebragg.pipeline.scan.analysis import ScanAnalysis
from livebragg.pipeline.scan.calibrator import Calibrator
from livebragg.pipeline.scan.class_patterns import DiskMask
from livebragg_simulators.specimen import Specimen, SpecimenConfig

SPECIMENS: list[tuple[str, dict[str, Any]]] = [
    ("gold", {}),
    ("gold", {"ellipse_ratio": 1.05, "ellipse_angle_deg": -20.0}),
    ("gold", {"electrons_per_frame": 1500.0}),
    ("many_grains", {}),
    ("three_amorphous", {"ellipse_ratio": 1.05, "ellipse_angle_deg": 60.0}),
    ("demo", {}),
    ("gold", {"stop": 9.0}),
    ("gold", {"stop": 9.0, "electrons_per_frame": 1500.0}),
]
"""Presets of the simulator, and what is changed; `stop`: radius of a beam stop in pixels."""


class Memory:
    """Frames at hand, as the calibrator asks for them."""

    def __init__(self, frames: NDArray[Any]) -> None:
        self._frames = frames

    def some(self, scan_index: NDArray[np.int64]) -> Iterator[tuple[NDArray[np.int64], NDArray[Any]]]:
        """See `livebragg.pipeline.frame_lookup.FrameLookup.some`."""
        yield scan_index, self._frames[scan_index]


def beam_stop(shape: tuple[int, int], center: tuple[float, float], radius: float) -> NDArray[np.bool_]:
    """Pixels behind a round stop that a bar holds from below."""
    rows, cols = np.indices(shape)
    bar = (np.abs(cols - center[1]) < 3) & (rows > center[0])
    return np.asarray((np.hypot(rows - center[0], cols - center[1]) < radius) | bar)


def analyse(frames: NDArray[Any], stop: float = 0.0) -> tuple[ScanAnalysis, Calibrator]:
    """Detection, analysis and calibration of frames, shape (scan_rows, scan_cols, rows, cols); behind a stop the
    probe is told: what it was before the stop came in."""
    config, scan, shape = Config(), frames.shape[:2], frames.shape[2:]
    flat = frames.reshape(-1, *shape)
    probe, hidden = measure_probe(flat[:64]), None
    if stop:
        hidden = beam_stop((shape[0], shape[1]), probe.center, stop)
        flat = np.where(hidden, 0, flat).astype(flat.dtype)
    analyzer = FrameAnalyzer(probe, shape, bad_pixels=hidden)
    analysis = ScanAnalysis(scan, shape, probe)
    mask = DiskMask(peaks_at=analysis.peaks_at, probe=probe, beam_radius=1.5 * probe.radius)
    usable = None if hidden is None else (lambda: ~hidden)
    memory = Memory(flat)
    calibrator = Calibrator(config.analysis.calibration, memory, mask, shape, usable_pixels=usable)  # type: ignore[arg-type]
    for first in range(0, len(flat), scan[1]):
        analysis.add(analyzer.analyze(flat[first : first + scan[1]], np.arange(first, first + scan[1])))
        analysis.refresh()
    analysis.finish()
    return analysis, calibrator


def report(
    name: str, frames: NDArray[Any], origin: NDArray[Any], matrix: NDArray[np.float64], stop: float = 0.0
) -> None:
    """One line of the table."""
    analysis, calibrator = analyse(frames, stop)
    snapshot = analysis.snapshot()
    calibration = calibrator.update(snapshot, final=True)
    error = (snapshot.origin - origin).reshape(-1, 2)
    rms = float(np.sqrt(np.nanmean((error - np.nanmean(error, axis=0)) ** 2)))
    bias = float(np.abs(np.nanmean(error, axis=0)).max())
    drift = float((origin.reshape(-1, 2).max(axis=0) - origin.reshape(-1, 2).min(axis=0)).max())
    long, short = np.linalg.eigvalsh(matrix)[::-1]
    axis = np.linalg.eigh(matrix)[1][:, 1]
    true = EllipseEstimate.from_axes(long / short, float(np.rad2deg(np.arctan2(axis[1], axis[0]))), "truth")
    line = f"| {name} | {drift:.1f} | {rms:.3f} | {bias:.3f} | {true.ratio:.4f} |"
    found = calibration.ellipse
    if found is None:
        print(f"{line} refused | {calibration.ellipse_note} |", flush=True)
        return
    away = np.array([found.e1 - true.e1, found.e2 - true.e2])
    errors = away / np.sqrt(np.diag(found.covariance))
    print(
        f"{line} {found.ratio:.4f} +- {found.ratio_error:.4f} | {true.angle_deg:.0f} | {found.angle_deg:.0f} +- "
        f"{found.angle_error_deg:.0f} | {found.source}, {100 * 2 * np.hypot(*away):.2f} %, {errors[0]:+.1f} "
        f"{errors[1]:+.1f} |",
        flush=True,
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scans", type=Path, nargs="*", default=[])
    parser.add_argument("--seeds", type=int, nargs="*", default=[31])
    parser.add_argument("--only", default="", help="specimens that have this in their name or changes")
    args = parser.parse_args()
    print("| scan | drift | origin rms | bias | ratio | measured | angle | measured | from, distance, in errors |")
    for path in args.scans:
        with h5py.File(path) as file:
            report(path.stem, file["data"][:], file["truth/origin"][:], file.attrs["ellipse_matrix"][:])
    for preset, changes in [] if args.scans else SPECIMENS:
        for seed in args.seeds if args.only in f"{preset} {changes}" else []:
            other = {name: value for name, value in changes.items() if name != "stop"}
            specimen = Specimen(SpecimenConfig.preset(preset, seed=seed, **other))
            config = specimen.config
            frames = specimen.frames(0, config.n_positions).reshape(*config.scan_shape, *config.frame_shape)
            truth = specimen_origin(specimen), specimen.scatterer.distortion
            report(f"{preset} {changes} {seed}", frames, *truth, stop=changes.get("stop", 0.0))


def specimen_origin(specimen: Specimen) -> NDArray[np.float64]:
    """True origin of every position, shape (scan_rows, scan_cols, 2)."""
    return np.asarray(specimen.layout.origin, np.float64).reshape(*specimen.config.scan_shape, 2)


if __name__ == "__main__":
    main()
