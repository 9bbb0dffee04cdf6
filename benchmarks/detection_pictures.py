"""Pictures of found disks over real and simulated frames, and counts of what looks wrong in them.

    python benchmarks/detection_pictures.py DATA [--out FOLDER] [--only NAME ...] [--sheets FOLDER] [--beside]

One PNG a set of frames (at least 1200 pixels wide, log scale). Circles have the probe's radius; blue: less than
5 standard errors of intensity, green: less than 8, yellow: less than 20, red: more. Masked pixels are tinted.
--sheets writes the three rows of pictures that the documentation shows.

Counts: disks; those below 5 standard errors; within 3 radii of the brightest ("ring"); pairs nearer than 1.7
radii ("double"); centres nearer to the frame's edge than a radius ("edge"); disks with a tenth of their area
masked ("mask"); for single crystals, disks on no point of the best lattice ("off").
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from drawing import Panel, beside, compact, draw
from numpy.typing import NDArray
from real_frames import FrameSet, Loaded, available, load
from symmetry import TooFewPeaksError, lattice_residual

from livebragg.detect import DiskDetector
from livebragg.model import BraggPeaks

SHEETS = {
    "real_camera_frames.png": ("nbd512", "dd020", "moo3"),
    "scans_with_truth.png": ("sim_gold", "sim_gold_low", "oxide"),
    "hard_frames.png": ("medipix_rings", "medipix_film", "blo"),
}
SHEET_PANEL = 560
COLUMNS = ("frames", "radius", "blur", "disks", "<5s", "ring", "double", "edge", "mask", "off")
HEADER = "{:>14} {:>6} {:>5} {:>5} {:>4} {:>4} {:>6} {:>4} {:>4} {:>4}".format(*COLUMNS)


def main() -> None:
    """Draw what is there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder with real/, sim/ and semireal/")
    parser.add_argument("--out", type=Path, help="folder for one picture a set")
    parser.add_argument("--only", nargs="+", help="names of sets")
    parser.add_argument("--sheets", type=Path, help="folder for the documentation's three pictures")
    parser.add_argument("--beside", action="store_true", help="the frame without circles on the left")
    parser.add_argument("--probe", nargs=2, type=float, metavar=("RADIUS", "EDGE"), help="instead of measuring it")
    parser.add_argument("--false-disks", type=float, default=0.1, help="false disks per frame")
    options = parser.parse_args()
    panels = {}
    print(HEADER)
    for known in available(options.data, options.only):
        item = known if options.probe is None else replace(known, probe=tuple(options.probe))
        loaded = load(item, options.data)
        peaks = _detect(loaded, options.false_disks)
        print(_counts(item, loaded, peaks), flush=True)
        panels[item.name] = _panel(item, loaded, peaks)
        if options.out is not None:
            _save(panels[item.name], options.out / f"{item.name}.png", options.beside)
    if options.sheets is not None:
        _save_sheets(panels, options.sheets)


def _detect(loaded: Loaded, false_disks: float) -> BraggPeaks:
    """Disks of the middle frame."""
    frame = _shown(loaded)
    return DiskDetector(loaded.probe, frame.shape, false_disks, bad_pixels=loaded.bad_pixels).detect(frame)


def _shown(loaded: Loaded) -> NDArray[np.generic]:
    return np.asarray(loaded.frames[len(loaded.frames) // 2])


def _places(peaks: BraggPeaks) -> NDArray[np.float64]:
    return np.stack([peaks.qx, peaks.qy], axis=1).astype(np.float64)


def _significance(peaks: BraggPeaks) -> NDArray[np.float64]:
    return np.asarray(peaks.intensity / np.maximum(peaks.intensity_error, 1e-9), np.float64)


def _panel(item: FrameSet, loaded: Loaded, peaks: BraggPeaks) -> Panel:
    probe = loaded.probe
    note = loaded.probe_note.split(":")[0]
    return Panel(
        frame=_shown(loaded),
        positions=_places(peaks),
        significance=_significance(peaks),
        radius=probe.radius,
        caption=(
            item.title,
            f"{note} radius {probe.radius:.2f} px, edge {probe.edge_width:.2f} px, {len(peaks)} disks",
        ),
        bad_pixels=loaded.bad_pixels,
    )


def _save(panel: Panel, path: Path, with_plain: bool) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = draw(panel, 1200)
    if with_plain:
        picture = beside([draw(panel, 1200, circles=False), picture])
    picture.save(path)


def _save_sheets(panels: dict[str, Panel], folder: Path) -> None:
    for name, members in SHEETS.items():
        if all(m in panels for m in members):
            pictures = [draw(panels[m], SHEET_PANEL, exact=True) for m in members]
            compact(beside(pictures)).save(folder / name, optimize=True)


def _counts(item: FrameSet, loaded: Loaded, peaks: BraggPeaks) -> str:
    places, radius, shape = _places(peaks), loaded.probe.radius, _shown(loaded).shape
    first = f"{item.name:>14} {radius:6.2f} {loaded.probe.edge_width:5.2f} {len(peaks):5d}"
    if len(peaks) == 0:
        return first
    weak = int((_significance(peaks) < 5.0).sum())
    beam = np.hypot(*(places - places[int(np.argmax(peaks.intensity))]).T)
    ring = int(((beam > 0) & (beam < 3.0 * radius)).sum())
    gaps = np.hypot(*(places[:, None] - places[None]).transpose(2, 0, 1))
    double = int(((gaps > 0) & (gaps < 1.7 * radius)).sum()) // 2
    room = np.minimum(places, np.array(shape) - 1 - places).min(axis=1)
    masked = _masked(places, radius, loaded.bad_pixels)
    off = _off_lattice(places, radius) if item.has_lattice else "-"
    return f"{first} {weak:4d} {ring:4d} {double:6d} {int((room < radius).sum()):4d} {masked:4d} {off:>4}"


def _masked(places: NDArray[np.float64], radius: float, bad_pixels: NDArray[np.bool_] | None) -> int:
    """Disks that lose a tenth of their area or more to bad pixels."""
    if bad_pixels is None:
        return 0
    rows, cols = np.indices(bad_pixels.shape)
    inside = [np.hypot(rows - r, cols - c) <= radius for r, c in places]
    return sum(bool(bad_pixels[disk].mean() >= 0.1) for disk in inside)


def _off_lattice(places: NDArray[np.float64], radius: float) -> str:
    try:
        tolerance = max(2.0, 0.3 * radius)
        fit = lattice_residual(places, tolerance=tolerance, least_spacing=1.5 * radius, order=3)
        return str(len(places) - fit.indexed)
    except TooFewPeaksError:
        return "-"


if __name__ == "__main__":
    main()
