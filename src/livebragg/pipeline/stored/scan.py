"""A results file as the feed and the requests see it: the messages of a scan that is over."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from livebragg.model import (
    NOT_CLASSIFIED,
    VIRTUAL_IMAGES,
    BraggPeaks,
    Calibration,
    ProbeShape,
    ScanGeometry,
)
from livebragg.pipeline.frame_lookup import FrameLookup
from livebragg.pipeline.requests.reading import outside
from livebragg.pipeline.scan import feed_messages as feed
from livebragg.pipeline.scan.class_patterns import MeanPatterns
from livebragg.pipeline.scan.user_log import marks_of
from livebragg.pipeline.stored.analysis import StoredAnalysis
from livebragg.pipeline.stored.checks import check_shapes, usable_pixels
from livebragg.pipeline.stored.disk_drawing import draw_disks
from livebragg.pipeline.stored.features import found_at
from livebragg.pipeline.stored.verdict import numbers, stored_settings, verdict
from livebragg.storage.results_content import FinalResults
from livebragg.storage.results_reader import Results
from livebragg.storage.results_summary import stored_time
from livebragg.wire.messages import (
    AcquisitionOpened,
    ClassMaps,
    FeedMessage,
    FrameReply,
    PipelineStatus,
    PositionReply,
    Refused,
    VectorMap,
    VirtualImageSet,
)

SERIAL, REVISION = 1, 1


class NoFrames:
    """Stands for the frames that a results file does not hold; see `FrameLookup`."""

    def frame(self, scan_index: int) -> NDArray[np.float32] | None:
        """None of them is there."""
        return None

    def blocks(self) -> Iterator[tuple[NDArray[np.int64], NDArray[Any]]]:
        """Nothing."""
        return iter(())

    def some(self, scan_index: NDArray[np.int64]) -> Iterator[tuple[NDArray[np.int64], NDArray[Any]]]:
        """Nothing."""
        return iter(())


class StoredScan:
    """Publishes and answers from a results file.

    Parameters
    ----------
    results : Results
    lookup : FrameLookup, optional
        Frames of its recording; without them disks are drawn where a frame is asked for.

    Raises
    ------
    ResultsError
        The parts of the file do not fit together.
    """

    def __init__(self, results: Results, lookup: FrameLookup | None = None) -> None:
        check_shapes(results)
        self._results = results
        self.analysis = StoredAnalysis(results)
        self.lookup: FrameLookup = lookup or NoFrames()
        self.has_frames = lookup is not None
        self.usable_pixels = usable_pixels(results)
        acquisition = results.acquisition
        self.opened = AcquisitionOpened(
            acquisition=acquisition,
            serial=SERIAL,
            geometry=ScanGeometry(scan_shape=self.analysis.scan_shape),
            n_frames_expected=None,
            opened_at=stored_time(results.created_at),
        )

    @property
    def calibration(self) -> Calibration:
        """As stored."""
        final = self._results.final
        return (final.calibration if final else None) or Calibration()

    @property
    def probe(self) -> ProbeShape | None:
        """As stored; ``None`` in a file that was not finished."""
        return self._results.final.probe if self._results.final else None

    # ------------------------------------------------------------------------------------------- messages
    def messages(self) -> list[FeedMessage]:
        """Everything but the status, once."""
        at = stored_time(self._results.finished_at or self._results.created_at)
        stamp = feed.Stamp(serial=SERIAL, revision=REVISION, published_at=at, newest_sent_at=at)
        final = self._results.final
        return self._unfinished(stamp) if final is None else self._finished(final, stamp)

    def _finished(self, final: FinalResults, stamp: feed.Stamp) -> list[FeedMessage]:
        snapshot = final.snapshot
        names = dict(zip((int(c) for c in snapshot.class_ids), final.class_names, strict=True))
        made: list[FeedMessage] = [
            feed.class_maps(snapshot, stamp, names),
            feed.virtual_images(snapshot, stamp),
            feed.vector_map(snapshot, stamp),
            feed.class_profiles(snapshot, stamp),
        ]
        if final.patterns is not None:
            numbers = final.pattern_frames if final.pattern_frames is not None else snapshot.class_positions
            means = MeanPatterns(class_ids=snapshot.class_ids, patterns=final.patterns, n_frames=numbers)
            made.append(feed.class_patterns(means, stamp))
        return made

    def _unfinished(self, stamp: feed.Stamp) -> list[FeedMessage]:
        """What the vectors alone can tell: no classes."""
        shape, vectors = self.analysis.scan_shape, self._results.vectors
        values = np.full((len(VIRTUAL_IMAGES) + 1, shape[0] * shape[1]), np.nan, np.float32)
        values[:-1, vectors.scan_index] = vectors.virtual.T
        values[-1, vectors.scan_index] = np.diff(vectors.peaks.offsets)
        counts, geometry, _ = self.analysis.region_map()
        row, col = geometry.origin_bin
        peaks = self.analysis.peaks
        return [
            ClassMaps(
                **stamp.fields(),
                labels=np.full(shape, NOT_CLASSIFIED, np.int16),
                confidence=np.zeros(shape, np.float32),
                class_ids=[],
                class_names=[],
                class_families=[],
                class_counts=[],
                second=np.full(shape, NOT_CLASSIFIED, np.int16),
                parts=np.zeros((2, *shape), np.uint8),
            ),
            VirtualImageSet(
                **stamp.fields(), names=[*VIRTUAL_IMAGES, "n_disks"], images=values.reshape(-1, *shape)
            ),
            VectorMap(
                **stamp.fields(),
                map=counts,
                bins_per_pixel=geometry.sampling,
                origin_row=float(row),
                origin_col=float(col),
                peak_ids=peaks.peak_id,
                peak_qx=peaks.qx,
                peak_qy=peaks.qy,
                peak_support=peaks.support,
            ),
        ]

    def status(self, revision: int, now: float) -> PipelineStatus:
        """What the file says about its scan; `phase` is ``file``."""
        results, final = self._results, self._results.final
        light, reasons = verdict(results)
        return PipelineStatus(
            revision=revision,
            published_at=now,
            phase="file",
            light=light,
            reasons=reasons,
            serial=SERIAL,
            acquisition=results.acquisition,
            scan_shape=self.analysis.scan_shape,
            probe=final.probe if final else None,
            positions_seen=len(results.vectors),
            newest_sent_at=stored_time(results.finished_at or results.created_at),
            counters=numbers(final),
            workers=[],
            notices=list(final.notices) if final else [],
            results_path=str(results.path),
            calibration=final.calibration if final else None,
            settings=stored_settings(results.parameters),
            marks=marks_of(final.snapshot.events) if final else [],
        )

    def frame(self, scan_index: int) -> FrameReply | Refused:
        """Frame of a position: from the recording, else drawn from its disks."""
        absent = self._absent(scan_index)
        if absent is not None:
            return absent
        peaks = self.analysis.peaks_at(scan_index)
        frame = self.lookup.frame(scan_index)
        drawn = self._drawn(peaks) if frame is None else frame
        return FrameReply(
            serial=SERIAL,
            scan_index=scan_index,
            label=self._label(scan_index),
            frame=drawn,
            qx=peaks.qx,
            qy=peaks.qy,
            intensity=peaks.intensity,
            origin=self.analysis.origin_at(scan_index),
            drawn=frame is None,
        )

    def position(self, scan_index: int) -> PositionReply | Refused:
        """Disks, features, weights and shares of a position."""
        absent = self._absent(scan_index)
        if absent is not None:
            return absent
        peaks = self.analysis.peaks_at(scan_index)
        return PositionReply(
            serial=SERIAL,
            scan_index=scan_index,
            label=self._label(scan_index),
            qx=peaks.qx,
            qy=peaks.qy,
            intensity=peaks.intensity,
            origin=self.analysis.origin_at(scan_index),
            **found_at(self._results.final, scan_index),
        )

    def _absent(self, scan_index: int) -> Refused | None:
        refused = outside(scan_index, self.analysis.scan_shape)
        if refused is not None:
            return refused
        if not self.analysis.was_seen(np.array([scan_index]))[0]:
            return Refused(reason="this position is not in the file: it was not scanned, or its frame was lost")
        return None

    def _label(self, scan_index: int) -> int:
        final = self._results.final
        return int(final.snapshot.labels.reshape(-1)[scan_index]) if final else NOT_CLASSIFIED

    def _drawn(self, peaks: BraggPeaks) -> NDArray[np.float32]:
        radius = self.probe.radius if self.probe else 3.0
        return draw_disks(peaks, self._results.acquisition.frame_shape, radius)
