"""Classes of a scan that was analysed before, with other parameters: its disks are kept, not found again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from livebragg.config.analysis import AnalysisConfig
from livebragg.config.render import to_table
from livebragg.errors import ResultsError
from livebragg.model import AnalysisEvent, AnalysisSnapshot, BraggPeaks, Calibration, DetectedBatch
from livebragg.pipeline import feed_messages as feed
from livebragg.pipeline.scan_analysis import ScanAnalysis
from livebragg.storage.results import ResultsWriter
from livebragg.storage.results_reader import Results, read_results
from livebragg.storage.stored_vectors import PEAK_COLUMNS, StoredVectors


def reclassify(source: Path, config: AnalysisConfig, output: Path) -> AnalysisSnapshot:
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

    Raises
    ------
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
    with ResultsWriter(
        output,
        old.acquisition,
        old.acquisition.scan_shape,
        old.acquisition.frame_shape,
        parameters=old.parameters | {"analysis": to_table(config)},
        profile_radii=None if profiles is None else profiles.radii,
    ) as writer:
        analysis = ScanAnalysis(old.acquisition.scan_shape, old.acquisition.frame_shape, old.final.probe, config)
        for batch in _lines(old):
            analysis.add(batch)
            analysis.refresh()
            writer.append(batch)
        analysis.finish()
        snapshot = _noted(analysis.snapshot(), source)
        calibration = old.final.calibration or Calibration()
        writer.finalize(
            snapshot,
            probe=old.final.probe,
            features=analysis.features.sparse(snapshot.labels.size),
            class_names=feed.class_names(snapshot),
            health=old.final.health,
            notices=old.final.notices,
            calibration=calibration,
            calibrated_map=analysis.region_map(None, calibration.shape_matrix)[0],
            status=old.status,
            reason=f"classified again from {source.name}; it was: {old.reason}",
        )
    return snapshot


def _noted(snapshot: AnalysisSnapshot, source: Path) -> AnalysisSnapshot:
    event = AnalysisEvent(
        positions_seen=int(snapshot.seen.sum()), kind="classified_again", subject=0, detail=source.name
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
