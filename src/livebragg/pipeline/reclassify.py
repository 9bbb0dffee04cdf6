"""Classes of a scan that was analysed before, with other parameters: its disks are kept, not found again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from livebragg.classify import LockedPattern
from livebragg.config.analysis import AnalysisConfig
from livebragg.config.render import to_table
from livebragg.errors import ClassRequestError, ResultsError
from livebragg.model import AnalysisEvent, AnalysisSnapshot, BraggPeaks, Calibration, DetectedBatch
from livebragg.pipeline.scan import feed_messages as feed
from livebragg.pipeline.scan.analysis import ScanAnalysis
from livebragg.storage.results import ResultsWriter
from livebragg.storage.results_content import FinalResults
from livebragg.storage.results_reader import Results, read_results
from livebragg.storage.stored_vectors import PEAK_COLUMNS, StoredVectors


def reclassify(source: Path, config: AnalysisConfig, output: Path, locked: Sequence[int] = ()) -> AnalysisSnapshot:
    """Analyse the stored disks and radial profiles again, and write a new results file.

    Light at tracked peaks and mean patterns need frames, which a results file does not hold: classes follow from
    the disks that were found, and the new file has no mean patterns. The calibration is taken over.

    Parameters
    ----------
    source : Path
        A finished results file; only read.
    config : AnalysisConfig
        New parameters; those of detection stay as they were.
    output : Path
        File to write; must not exist.
    locked : sequence of int
        Crystalline classes of `source` that stay: their patterns are not learned again, and they keep id and name.

    Raises
    ------
    ClassRequestError
        A class to lock is not in `source`, or not crystalline.
    ResultsError
        `source` is no finished results file, or `output` cannot be written.
    """
    old = read_results(source)
    if old.final is None or old.final.probe is None or old.acquisition.scan_shape is None:
        raise ResultsError(
            f"{source} ended as {old.status!r} and has no classes to redo: process the recording again"
        )
    if len(old.vectors) == 0:
        raise ResultsError(f"{source} holds no disks; nothing was scanned")
    profiles = old.vectors.profiles
    known, names = _locked(old.final, locked)
    with ResultsWriter(
        output,
        old.acquisition,
        old.acquisition.scan_shape,
        old.acquisition.frame_shape,
        parameters=old.parameters | {"analysis": to_table(config)},
        profile_radii=None if profiles is None else profiles.radii,
    ) as writer:
        analysis = ScanAnalysis(old.acquisition.scan_shape, old.acquisition.frame_shape, old.final.probe, config)
        for number, pattern in known.items():
            analysis.know_class(number, pattern)
        for batch in _lines(old):
            analysis.add(batch)
            analysis.refresh()
            writer.append(batch)
        analysis.finish()
        snapshot = _noted(analysis.snapshot(), source, locked)
        calibration = old.final.calibration or Calibration()
        writer.finalize(
            snapshot,
            probe=old.final.probe,
            features=analysis.features.sparse(snapshot.labels.size),
            class_names=feed.class_names(snapshot, names),
            health=old.final.health,
            notices=old.final.notices,
            calibration=calibration,
            calibrated_map=analysis.region_map(None, calibration.shape_matrix)[0],
            status=old.status,
            reason=f"classified again from {source.name}; it was: {old.reason}",
        )
    return snapshot


def _locked(old: FinalResults, locked: Sequence[int]) -> tuple[dict[int, LockedPattern], dict[int, str]]:
    """Patterns and names of the classes that stay, by id."""
    snapshot = old.snapshot
    crystals = {int(c): k for k, c in enumerate(snapshot.class_ids) if snapshot.class_families[k] == "crystal"}
    for number in locked:
        if number not in crystals:
            there = ", ".join(map(str, crystals)) or "none"
            raise ClassRequestError(f"there is no crystalline class {number} to lock; there are {there}")
    places = np.stack([snapshot.peaks.qx, snapshot.peaks.qy], axis=1)
    patterns = {}
    for number in sorted(set(locked)):
        values = snapshot.class_patterns[crystals[number]]
        patterns[number] = LockedPattern(places=places[values > 0], values=values[values > 0])
    return patterns, {number: old.class_names[crystals[number]] for number in patterns}


def _noted(snapshot: AnalysisSnapshot, source: Path, locked: Sequence[int]) -> AnalysisSnapshot:
    kept = "".join(f", class {number} locked" for number in sorted(set(locked)))
    event = AnalysisEvent(
        positions_seen=int(snapshot.seen.sum()), kind="classified_again", subject=0, detail=source.name + kept
    )
    return replace(snapshot, events=(*snapshot.events, event))


def _lines(old: Results) -> Iterator[DetectedBatch]:
    """The stored positions, a scan line at a time; the sum of the frames comes with the first."""
    assert old.final is not None and old.acquisition.scan_shape is not None
    vectors = old.vectors.in_scan_order()
    total = old.final.snapshot.sum_pattern.astype(np.float32)
    edges = np.flatnonzero(np.diff(vectors.scan_index // old.acquisition.scan_shape[1])) + 1
    bounds = [0, *edges.tolist(), len(vectors)]
    for first, last in pairwise(bounds):
        yield batch_of(vectors, first, last, total if first == 0 else np.zeros_like(total))


def batch_of(vectors: StoredVectors, first: int, last: int, total: np.ndarray) -> DetectedBatch:
    """Some records as a worker would have sent them, with the sum of their frames."""
    offsets = vectors.peaks.offsets[first : last + 1]
    disks = slice(int(offsets[0]), int(offsets[-1]))
    columns = {name: getattr(vectors.peaks, name)[disks] for name in PEAK_COLUMNS}
    profiles = vectors.profiles
    return DetectedBatch(
        scan_index=vectors.scan_index[first:last],
        peaks=BraggPeaks(**columns, offsets=offsets - offsets[0]),
        direct_beam=vectors.direct_beam[first:last],
        virtual=vectors.virtual[first:last],
        sum_pattern=total,
        profiles=None if profiles is None else profiles.take(np.arange(first, last)),
    )
