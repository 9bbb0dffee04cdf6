"""One acquisition in the analyst: analysis, look-up of frames, class patterns, results file, and lag."""

from __future__ import annotations

import logging
import os
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from livebragg.classify import ClassList
from livebragg.config.schema import Config
from livebragg.detect.bad_pixels import bad_pixel_mask
from livebragg.errors import ConfigError
from livebragg.model import (
    AnalysisSnapshot,
    BraggPeaks,
    Calibration,
    DetectedBatch,
    ProbeShape,
    ScanGeometry,
)
from livebragg.pipeline.frame_lookup import FrameLookup
from livebragg.pipeline.health import Notices
from livebragg.pipeline.named_files import NamedFiles, read_named_files
from livebragg.pipeline.payloads import batch_of, moved
from livebragg.pipeline.pixel_health import PixelHealth
from livebragg.pipeline.scan import feed_messages as feed
from livebragg.pipeline.scan.analysis import ScanAnalysis
from livebragg.pipeline.scan.calibrator import Calibrator
from livebragg.pipeline.scan.class_changes import ClassChanges
from livebragg.pipeline.scan.class_patterns import DiskMask
from livebragg.pipeline.scan.counters import RunCounters, snapshot_numbers
from livebragg.pipeline.scan.line_finder import LineFinder, unsaid
from livebragg.pipeline.scan.pattern_pace import PatternPace
from livebragg.pipeline.scan.photometer import FramePhotometer
from livebragg.pipeline.scan.results import RunResults
from livebragg.pipeline.scan.trigger_finder import TriggerFinder
from livebragg.pipeline.scan.user_log import UserLog
from livebragg.wire.messages import AcquisitionOpened, DetectResult, FeedMessage

logger = logging.getLogger(__name__)


class ScanRun:
    """Everything the analyst keeps about one acquisition.

    Parameters
    ----------
    opened : AcquisitionOpened
        What the receiver said when it began.
    probe : ProbeShape
        What detection uses.
    config : Config
        Analysis and results.
    lookup : FrameLookup
        Where raw frames come from.
    notices : Notices
        Where warnings go.
    results_path : Path, optional
        Results file to write; by default the name follows from the configuration.
    live : bool
        Never wait for what can be measured later.
    files : NamedFiles, optional
        What the files say that the configuration names, by default read now.

    Raises
    ------
    ConfigError
        One of them cannot be used.
    """

    def __init__(
        self,
        opened: AcquisitionOpened,
        probe: ProbeShape,
        config: Config,
        lookup: FrameLookup,
        notices: Notices,
        results_path: Path | None = None,
        live: bool = False,
        files: NamedFiles | None = None,
    ) -> None:
        self._files = files = read_named_files(config) if files is None else files
        self.opened = opened
        self.probe = probe
        self._config = config
        self._notices = notices
        self._live = live
        self._mark = notices.mark()
        acquisition, geometry = opened.acquisition, opened.geometry
        self._pixels = PixelHealth(acquisition)
        self._photometer = FramePhotometer(
            lookup,
            probe,
            acquisition.frame_shape,
            config.detection,
            pixels=self._pixels,
            template=files.template,
            threads=config.dispatch.workers or len(os.sched_getaffinity(0)),
        )
        self.analysis = ScanAnalysis(
            geometry.scan_shape,
            acquisition.frame_shape,
            probe,
            config.analysis,
            open_ended=geometry.open_ended,
            photometer=self._photometer,
            background=live,
        )
        self.lookup = lookup
        beam_radius = config.analysis.tracker.exclude_center * probe.radius
        mask = DiskMask(peaks_at=self.analysis.peaks_at, probe=probe, beam_radius=beam_radius)
        self._patterns = PatternPace(lookup, acquisition.frame_shape, mask)
        self.calibrator = Calibrator(
            config.analysis.calibration,
            lookup,
            mask,
            acquisition.frame_shape,
            acquisition.metadata.q_pixel_size_inv_angstrom,
            files.calibration if config.analysis.calibration.file else None,
            usable_pixels=lambda: self.usable_pixels,
        )
        self._tally = RunCounters()
        self._newest: tuple[int, BraggPeaks] | None = None
        self._jobs_seen: set[int] = set()
        self.lines = LineFinder(acquisition.metadata.dwell_time_s) if geometry.open_ended else None
        """Looks for scan lines while nobody has said how long they are."""
        self.shape_note = unsaid(geometry)
        """What the maps' shape rests on while nobody has said it, in words."""
        one_each = geometry.frames_per_position == 1
        self.triggers = TriggerFinder() if config.scan.find_missed_triggers and one_each else None
        self.snapshot: AnalysisSnapshot | None = None
        self._class_changes = ClassChanges(self.analysis, geometry)
        self.user_classes = self._class_changes.classes
        self.log = UserLog()
        self._user_news = False
        self.complete = False
        self.ended_as = ""
        """``complete``, ``stopped`` or ``aborted`` once it is complete."""
        self.end_reason = ""
        self.results = RunResults(opened, probe, config, notices.add, self.analysis.batches, results_path)

    @property
    def usable_pixels(self) -> NDArray[np.bool_]:
        """False at pixels that are not used, as far as they are known, shape frame_shape."""
        listed = bad_pixel_mask(self._config.detection.bad_pixels, self.opened.acquisition.frame_shape)
        return ~(self._pixels.bad if listed is None else self._pixels.bad | listed)

    @property
    def counters(self) -> Counter[str]:
        """What is counted."""
        return self._tally.counts

    @property
    def newest_sent_at(self) -> float:
        """When the newest frame that was analysed left the detector, in seconds since 1970."""
        return self._tally.newest_sent_at

    @property
    def uses_guess(self) -> bool:
        """Whether lines that the detector's clock shows are to be used."""
        return self._config.scan.guess

    @property
    def problem(self) -> str:
        """Why results are not written."""
        return self.results.problem

    @property
    def results_path(self) -> str:
        """Where the results are written; empty when they are not."""
        return str(self.results.path or "")

    # -------------------------------------------------------------------------------------------- results in
    def add(self, result: DetectResult, now: float) -> None:
        """Take a worker's result; one that came before is ignored."""
        if result.job_id in self._jobs_seen:
            self.counters["results_duplicate"] += 1
            return
        self._jobs_seen.add(result.job_id)
        self._tally.add(result, now)
        for problem in result.problems:
            self._notices.add(problem)
        if self.lines is not None:
            self.lines.take(result.pieces, result.timed_frames, result.start_times)
        if self.triggers is not None:
            self.triggers.add(result.timed_frames, result.start_times)
        self._add_moved(batch_of(result), result.geometry)

    def add_batch(self, batch: DetectedBatch) -> None:
        """Take what was found at some positions."""
        if len(batch) == 0:
            return
        new = self.analysis.add(batch)
        self.counters["disks"] += len(batch.peaks)
        self.counters["positions_analysed"] += new
        if new < len(batch):
            self.counters["positions_repeated"] += len(batch) - new
            self._notices.add("positions came more than once; the first frames of each are the ones that count")
        self._newest = (int(batch.scan_index[-1]), batch.peaks.frame(len(batch) - 1))
        self.results.append(batch)

    # ------------------------------------------------------------------------------------------- messages out
    @property
    def has_news(self) -> bool:
        """Whether results or light came, or the user changed something, since the last maps."""
        return self._tally.has_unpublished or self._user_news or self.analysis.has_light

    @property
    def is_calibrating(self) -> bool:
        """Whether `publish_details` has more of the calibration to measure, also without new maps."""
        return self.calibrator.is_busy and self.snapshot is not None

    @property
    def shown(self) -> AnalysisSnapshot:
        """The newest maps with everything the user did to them, also since they were published."""
        return self.log.apply(self.user_classes.apply(self.analysis.snapshot()))

    @property
    def shown_classes(self) -> ClassList:
        """The classes of `shown` alone, which cost nothing."""
        return self.user_classes.joined(self.analysis.class_list)

    @property
    def calibration(self) -> Calibration:
        """From the detector to reciprocal space, as far as it is known."""
        return self.calibrator.calibration

    def user_changed(self) -> None:
        """The user did something to the classes: publish, even if no results come."""
        self._user_news = True

    def forget_user(self) -> None:
        """When everything is mapped anew, do nothing to the classes that the user did."""
        self._class_changes.forgets = True

    def change(self, config: Config) -> None:
        """Use other settings of the analysis, for everything that was seen.

        Raises
        ------
        CalibrationError
            The ring that the pixel size is to be measured from is not there; nothing has changed.
        """
        before, after = self._config.analysis, config.analysis
        if after.calibration != before.calibration:
            self.calibrator.change(after.calibration, self.snapshot)
        if (after.classify, after.families) != (before.classify, before.families):
            self.analysis.change(after)
        self._user_news |= after != before and self.analysis.n_seen > 0
        self._config = config

    def moved(self, geometry: ScanGeometry, lookup: FrameLookup) -> ScanRun:
        """Everything that came, where another geometry has it: a new run, which takes the place of this one.

        The results file keeps its name; until the new one holds everything the old one lies beside it.
        """
        path, before = self.results.set_aside()
        opened = replace(self.opened, geometry=geometry)
        new = ScanRun(opened, self.probe, self._config, lookup, self._notices, path, self._live, self._files)
        new._take_over(self)
        self.close()
        if before is not None and not new.problem:
            with suppress(OSError):
                before.unlink()
        return new

    def _take_over(self, old: ScanRun) -> None:
        """Know and have done what another run has."""
        for name in ("_mark", "_tally", "_jobs_seen", "log", "triggers", "shape_note"):
            setattr(self, name, getattr(old, name))
        was, now = old.opened.geometry, self.opened.geometry
        if now != was:
            self.log.move(lambda index: int(now.scan_index(was.first_frames(np.array([index])))[0]))
        only_shifted = now != was and replace(now, missed_triggers=was.missed_triggers) == was
        self.lines = old.lines if only_shifted else None  # else somebody has said how long they are
        self._tally.begin_again()
        self.calibrator.calibration = old.calibration  # until it is measured again
        self._class_changes.take_over(old._class_changes)
        for batch in old.analysis.batches():
            self._add_moved(batch, old.opened.geometry)
        self.results.save()
        self._user_news = True

    def _add_moved(self, batch: DetectedBatch, geometry: ScanGeometry) -> None:
        """Take a batch that was placed by what may not be the present geometry."""
        placed = moved(batch, geometry, self.opened.geometry)
        lost = len(batch) - len(placed)
        if lost:
            self.counters["positions_out_of_scan"] += lost
            self._notices.add(f"{lost} positions that were analysed lie outside of the scan as it was said since")
        self.add_batch(placed)

    def say(self, text: str) -> None:
        """Show a line among the notices."""
        self._notices.add(text, exact=True)

    def _say_all(self, texts: Iterable[str]) -> None:
        for text in texts:
            self.say(text)

    def publish(self, revision: int, now: float, *, hurried: bool = False) -> list[FeedMessage]:
        """Bring the maps up to date and make their messages; `hurried` when frames wait for the cores."""
        self.analysis.refresh(hurried=hurried)
        self._say_all(self._class_changes.settle())
        self.snapshot, self._user_news = self.shown, False
        stamp = self._stamp(revision, now)
        self._tally.published(stamp.published_at)
        return self._maps(self.snapshot, stamp)

    def publish_details(self, revision: int, now: float, *, hurried: bool = False) -> list[FeedMessage]:
        """What the maps that were just published need not wait for: calibration, light, class patterns."""
        assert self.snapshot is not None
        self.calibrator.update(self.snapshot)
        if not hurried:
            self.analysis.ask_for_light()
        patterns = self._patterns.due(self.snapshot, now)
        return [] if patterns is None else feed.details(self.snapshot, patterns, self._stamp(revision, now))

    def _stamp(self, revision: int, now: float) -> feed.Stamp:
        return feed.Stamp(
            serial=self.opened.serial,
            revision=revision,
            published_at=max(time.time(), now),
            newest_sent_at=self.newest_sent_at,
        )

    def _maps(self, snapshot: AnalysisSnapshot, stamp: feed.Stamp) -> list[FeedMessage]:
        messages = feed.maps(snapshot, stamp, self.user_classes.names, self.user_classes.locked)
        if self._newest is not None:
            index, peaks = self._newest
            frame = self.lookup.frame(index)
            if frame is not None:
                messages.append(feed.latest_frame(index, frame, peaks, stamp))
        return messages

    def numbers(self, now: float) -> dict[str, float]:
        """Counters of this acquisition for the status."""
        rows, cols = self.analysis.scan_shape
        numbers = self._tally.numbers(now) | {"positions_total": float(rows * cols)}
        if self.snapshot is not None:
            numbers |= snapshot_numbers(self.snapshot, self.calibration, self.analysis.origin_error)
        return numbers

    # ---------------------------------------------------------------------------------------------- the end
    def finish(
        self, revision: int, status: str, reason: str, health: dict[str, float], notices: Sequence[str] = ()
    ) -> list[FeedMessage]:
        """Refine to the batch solution, write the results file, and make the last messages."""
        self.analysis.finish()
        self._say_all(self._class_changes.settle(final=True))
        self.snapshot, self._user_news = self.shown, False
        self._finish_calibration()
        patterns = self._patterns.final(self.snapshot)
        stamp = self._stamp(revision, time.time())
        self._tally.published(stamp.published_at)
        messages = [*self._maps(self.snapshot, stamp), *feed.details(self.snapshot, patterns, stamp)]
        self.results.finalize(
            self.snapshot,
            probe=self.probe,
            calibration=self.calibration,
            calibrated_map=self.analysis.region_map(None, self.calibration.shape_matrix)[0],
            patterns=patterns.patterns,
            pattern_frames=patterns.n_frames,
            features=self.analysis.features.sparse(self.snapshot.labels.size),
            class_names=feed.class_names(self.snapshot, self.user_classes.names),
            health=self._final_health(health),
            notices=[*notices, *self._notices.since(self._mark)],
            status=status,
            reason=reason,
        )
        self.complete, self.ended_as, self.end_reason = True, status, reason
        return messages

    def _finish_calibration(self) -> None:
        assert self.snapshot is not None
        self.calibrator.update(self.snapshot, final=True)
        try:
            self.calibrator.save()
        except ConfigError as error:
            self._notices.add(str(error))

    def _final_health(self, health: dict[str, float]) -> dict[str, float]:
        # Frames fail in workers (damaged payloads) and at the dispatcher (lost workers).
        numbers = self.numbers(time.time())
        return health | numbers | {"frames_failed": numbers["frames_failed"] + health.get("frames_failed", 0.0)}

    def close(self) -> None:
        """Close the results file as it is, and end the threads."""
        self._photometer.close()
        self.calibrator.close()
        self.results.close()
