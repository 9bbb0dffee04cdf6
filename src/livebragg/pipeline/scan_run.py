"""One acquisition in the analyst: analysis, look-up of frames, class patterns, results file, and lag."""

from __future__ import annotations

import logging
import os
import time
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from livebragg.classify import UserClasses
from livebragg.config.render import to_table
from livebragg.config.schema import Config
from livebragg.detect import profile_radii
from livebragg.errors import ConfigError, ResultsError
from livebragg.model import (
    AnalysisSnapshot,
    BraggPeaks,
    Calibration,
    DetectedBatch,
    ProbeShape,
    ScanGeometry,
    unpack_mask,
)
from livebragg.pipeline import feed_messages as feed
from livebragg.pipeline.calibrator import Calibrator
from livebragg.pipeline.class_patterns import DiskMask, MeanPatterns, PatternSampler, all_patterns
from livebragg.pipeline.frame_lookup import FrameLookup
from livebragg.pipeline.health import Notices, RateMeter
from livebragg.pipeline.line_finder import LineFinder
from livebragg.pipeline.payloads import batch_of, moved
from livebragg.pipeline.photometer import FramePhotometer
from livebragg.pipeline.pixel_health import PixelHealth
from livebragg.pipeline.scan_analysis import ScanAnalysis
from livebragg.pipeline.trigger_finder import TriggerFinder
from livebragg.pipeline.user_log import UserLog
from livebragg.pipeline.vacuum_file import vacuum_template
from livebragg.storage.results import ResultsWriter, unique_path
from livebragg.wire.messages import AcquisitionOpened, DetectResult, FeedMessage

logger = logging.getLogger(__name__)

PATTERN_BUDGET_S = 0.03
"""Time for reading sample frames each time that patterns are published."""
PATTERN_GAP_S = 0.4
"""Class patterns and profiles are published no more often than this."""

MAX_LAGS = 20_000

_COUNTED = (
    "frames_analysed",
    "frames_unmapped",
    "frames_failed",
    "nonfinite_pixels",
    "negative_pixels",
    "hot_pixels",
)


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
    ) -> None:
        self.opened = opened
        self.probe = probe
        self._config = config
        self._notices = notices
        self._live = live
        self._mark = notices.mark()
        acquisition, geometry = opened.acquisition, opened.geometry
        self._photometer = FramePhotometer(
            lookup,
            probe,
            acquisition.frame_shape,
            config.detection,
            pixels=PixelHealth(acquisition),
            template=vacuum_template(config),
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
        self._mask = DiskMask(peaks_at=self.analysis.peaks_at, probe=probe, beam_radius=beam_radius)
        self._sampler = PatternSampler(lookup, acquisition.frame_shape, mask=self._mask)
        self.calibrator = Calibrator(
            config.analysis.calibration,
            lookup,
            self._mask,
            acquisition.frame_shape,
            acquisition.metadata.q_pixel_size_inv_angstrom,
        )
        self.counters: Counter[str] = Counter(dict.fromkeys(_COUNTED, 0))
        self.rate = RateMeter()
        self.lags: deque[float] = deque(maxlen=MAX_LAGS)
        self._unpublished: list[float] = []
        self._newest: tuple[int, BraggPeaks] | None = None
        self._jobs_seen: set[int] = set()
        self._next_patterns = 0.0
        self.lines = LineFinder() if config.scan.guess and geometry.open_ended else None
        """Looks for scan lines while nobody has said how long they are."""
        one_each = geometry.frames_per_position == 1
        self.triggers = TriggerFinder() if config.scan.find_missed_triggers and one_each else None
        self.newest_sent_at = 0.0
        self.snapshot: AnalysisSnapshot | None = None
        self.user_classes = UserClasses(clock=time.time)
        self.log = UserLog()
        self._user_news = False
        self.problem = ""
        self.complete = False
        self.ended_as = ""
        """``complete``, ``stopped`` or ``aborted`` once it is complete."""
        self.end_reason = ""
        self._next_flush = time.monotonic() + config.results.flush_s
        self._writer = self._open_results(results_path)

    @property
    def usable_pixels(self) -> NDArray[np.bool_]:
        """False at pixels that the detector or the configuration says not to use, shape frame_shape."""
        acquisition = self.opened.acquisition
        usable = ~unpack_mask(acquisition.bad_pixels, acquisition.frame_shape)
        usable[tuple(np.array(self._config.detection.bad_pixels, np.int64).reshape(-1, 2).T)] = False
        return usable

    # -------------------------------------------------------------------------------------------- results in
    def add(self, result: DetectResult, now: float) -> None:
        """Take a worker's result; one that came before is ignored."""
        if result.job_id in self._jobs_seen:
            self.counters["results_duplicate"] += 1
            return
        self._jobs_seen.add(result.job_id)
        for name in _COUNTED:
            self.counters[name] += getattr(result, name)
        for problem in result.problems:
            self._notices.add(problem)
        self.rate.add(now, result.frames_analysed)
        self._unpublished += [piece.sent_at for piece in result.pieces]
        self.newest_sent_at = max(self.newest_sent_at, result.newest_sent_at)
        for finder in (self.lines, self.triggers):
            if finder is not None:
                finder.add(result.timed_frames, result.start_times)
        self.add_batch(moved(batch_of(result), result.geometry, self.opened.geometry))

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
        self._write(batch)

    # ------------------------------------------------------------------------------------------- messages out
    @property
    def has_news(self) -> bool:
        """Whether results came, or the user changed something, since the last publication, or is not done with."""
        return bool(self._unpublished) or self._user_news or self.analysis.has_light or self.calibrator.is_busy

    @property
    def shown(self) -> AnalysisSnapshot:
        """The newest maps with everything the user did to them, also since they were published."""
        return self.log.apply(self.user_classes.apply(self.analysis.snapshot()))

    @property
    def calibration(self) -> Calibration:
        """From the detector to reciprocal space, as far as it is known."""
        return self.calibrator.calibration

    def user_changed(self) -> None:
        """The user did something to the classes: publish, even if no results come."""
        self._user_news = True

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
        path, before = self._set_results_aside()
        opened = replace(self.opened, geometry=geometry)
        new = ScanRun(opened, self.probe, self._config, lookup, self._notices, path, self._live)
        new._take_over(self)
        self.close()
        if before is not None and not new.problem:
            before.unlink(missing_ok=True)
        return new

    def _set_results_aside(self) -> tuple[Path | None, Path | None]:
        if self._writer is None:
            return None, None
        path = self._writer.path
        self._writer.close()
        self._writer = None
        before = path.with_name(f"{path.name}.before")
        try:
            return path, path.rename(before)
        except OSError as error:
            self._notices.add(f"{path} cannot be renamed ({error.strerror}); results go on in another file")
            return None, None

    def _take_over(self, old: ScanRun) -> None:
        """Know and have done what another run has."""
        for name in ("_mark", "rate", "lags", "_unpublished", "_jobs_seen", "newest_sent_at", "log", "triggers"):
            setattr(self, name, getattr(old, name))
        was, now = old.opened.geometry, self.opened.geometry
        only_shifted = now != was and replace(now, missed_triggers=was.missed_triggers) == was
        self.lines = old.lines if only_shifted else None  # else somebody has said how long they are
        again = {name: old.counters[name] for name in ("disks", "positions_analysed")}
        self.counters = old.counters - Counter(again)
        self.counters.update(dict.fromkeys(_COUNTED, 0))
        for batch in old.analysis.batches():
            self.add_batch(moved(batch, old.opened.geometry, self.opened.geometry))
        self.save()
        self._user_news = True

    def say(self, text: str) -> None:
        """Show a line among the notices."""
        self._notices.add(text, exact=True)

    def publish(self, revision: int, now: float, *, hurried: bool = False) -> list[FeedMessage]:
        """Bring everything up to date and make the feed's messages; `hurried` when frames wait for the cores."""
        self.analysis.refresh(hurried=hurried)
        self.snapshot, self._user_news = self.shown, False
        self.calibrator.update(self.snapshot)
        patterns = None
        if now >= self._next_patterns:
            self._next_patterns = now + PATTERN_GAP_S
            patterns = self._sampler.update(
                self.snapshot.labels, self.snapshot.class_ids, PATTERN_BUDGET_S, self.snapshot.class_families
            )
        return self._messages(self.snapshot, patterns, revision, now)

    def _messages(
        self, snapshot: AnalysisSnapshot, patterns: MeanPatterns | None, revision: int, now: float
    ) -> list[FeedMessage]:
        published_at = max(time.time(), now)
        stamp = feed.Stamp(
            serial=self.opened.serial,
            revision=revision,
            published_at=published_at,
            newest_sent_at=self.newest_sent_at,
        )
        self.lags.extend(published_at - sent for sent in self._unpublished)
        self._unpublished.clear()
        messages: list[FeedMessage] = [
            feed.class_maps(snapshot, stamp, self.user_classes.names, self.user_classes.locked),
            feed.virtual_images(snapshot, stamp),
            feed.vector_map(snapshot, stamp),
        ]
        if patterns is not None:
            messages += [feed.class_patterns(patterns, stamp), feed.class_profiles(snapshot, stamp)]
        if self._newest is not None:
            index, peaks = self._newest
            frame = self.lookup.frame(index)
            if frame is not None:
                messages.append(feed.latest_frame(index, frame, peaks, stamp))
        return messages

    def numbers(self, now: float) -> dict[str, float]:
        """Counters of this acquisition for the status."""
        lags = np.fromiter(self.lags, np.float64) if self.lags else np.zeros(1)
        p50, p99 = np.percentile(lags, [50, 99])
        positions = max(self.counters["positions_analysed"], 1)
        shape = self.analysis.scan_shape
        numbers = {key: float(value) for key, value in self.counters.items()}
        numbers |= {
            "rate_analysed_hz": self.rate.rate(now),
            "lag_p50_s": float(p50),
            "lag_p99_s": float(p99),
            "lag_s": float(lags[-1]),
            "disks_per_frame": self.counters["disks"] / positions,
            "positions_total": float(shape[0] * shape[1]),
        }
        if self.snapshot is not None:
            numbers["n_peaks"] = float(len(self.snapshot.peaks))
            numbers["n_classes"] = float(self.snapshot.class_ids.size)
            numbers |= _calibration_numbers(self.calibrator.calibration, self.analysis.origin_error)
            numbers["nmf_residual"] = float(self.snapshot.residual)
        return numbers

    # ---------------------------------------------------------------------------------------------- the end
    def finish(
        self, revision: int, status: str, reason: str, health: dict[str, float], notices: Sequence[str] = ()
    ) -> list[FeedMessage]:
        """Refine to the batch solution, write the results file, and make the last messages."""
        self.analysis.finish()
        self.snapshot, self._user_news = self.shown, False
        self._finish_calibration()
        shape = self.opened.acquisition.frame_shape
        patterns = all_patterns(
            self.lookup,
            shape,
            self.snapshot.labels,
            self.snapshot.class_ids,
            self.snapshot.class_families,
            self._mask,
        )
        messages = self._messages(self.snapshot, patterns, revision, time.time())
        if self._writer is not None:
            try:
                self._writer.finalize(
                    self.snapshot,
                    probe=self.probe,
                    calibration=self.calibrator.calibration,
                    calibrated_map=self.analysis.region_map(None, self.calibrator.calibration.shape_matrix)[0],
                    patterns=patterns.patterns,
                    pattern_frames=patterns.n_frames,
                    features=self.analysis.features.sparse(self.snapshot.labels.size),
                    class_names=feed.class_names(self.snapshot, self.user_classes.names),
                    health=self._final_health(health),
                    notices=[*notices, *self._notices.since(self._mark)],
                    status=status,
                    reason=reason,
                )
            except ResultsError as error:
                self._results_failed(error)
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

    # --------------------------------------------------------------------------------------------- the file
    @property
    def results_path(self) -> str:
        """Where the results are written; empty when they are not."""
        return "" if self._writer is None else str(self._writer.path)

    def flush(self) -> None:
        """Bring the results file up to date on disk, every few seconds."""
        if time.monotonic() >= self._next_flush:
            self.save()

    def save(self) -> None:
        """Bring the results file up to date on disk now."""
        if self._writer is None:
            return
        self._next_flush = time.monotonic() + self._config.results.flush_s
        try:
            self._writer.flush()
        except ResultsError as error:
            self._results_failed(error)

    def close(self) -> None:
        """Close the results file as it is, and end the threads."""
        self._photometer.close()
        self.calibrator.close()
        if self._writer is not None:
            self._writer.close()

    def _open_results(self, path: Path | None) -> ResultsWriter | None:
        acquisition, config = self.opened.acquisition, self._config.results
        if not config.write:
            return None
        try:
            return ResultsWriter(
                path or unique_path(self._default_path()),
                acquisition,
                self.opened.geometry.scan_shape,
                acquisition.frame_shape,
                parameters=to_table(self._config),
                profile_radii=profile_radii(acquisition.frame_shape, self.probe, self._config.profile),
            )
        except ResultsError as error:
            self._results_failed(error)
            return None

    def _default_path(self) -> Path:
        acquisition = self.opened.acquisition
        safe_id = "".join(
            c if c.isascii() and (c.isalnum() or c in "-_.") else "_" for c in acquisition.acquisition_id
        )
        name = self._config.results.name.format(
            acquisition_id=safe_id[:80],
            time=time.strftime("%Y%m%d-%H%M%S", time.localtime(self.opened.opened_at)),
            serial=self.opened.serial,
        )
        return Path(self._config.results.directory) / name

    def _write(self, batch: DetectedBatch) -> None:
        if self._writer is None:
            return
        try:
            self._writer.append(batch)
        except ResultsError as error:
            self._results_failed(error)

    def _results_failed(self, error: ResultsError) -> None:
        self.problem = str(error)
        self._notices.add(f"results are not written: {error}")
        self._writer = None


def _calibration_numbers(calibration: Calibration, origin_error: float) -> dict[str, float]:
    """What the status says of the calibration; what is not known is left out."""
    numbers = {"origin_model_error_px": origin_error}
    ellipse = calibration.ellipse
    if ellipse is not None:
        numbers["ellipse_ratio"], numbers["ellipse_angle_deg"] = ellipse.ratio, ellipse.angle_deg
        numbers["ellipse_ratio_error"] = 2 * ellipse.error * ellipse.ratio
    if calibration.q_pixel_size_inv_angstrom is not None:
        numbers["q_pixel_size_inv_angstrom"] = calibration.q_pixel_size_inv_angstrom
    return numbers
