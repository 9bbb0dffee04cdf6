"""Worker: payloads in, peaks and numbers out. A stage without sockets; `processes` runs it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from livebragg.config.schema import Config
from livebragg.detect import FrameAnalyzer, measure_probe
from livebragg.errors import FrameError, LiveBraggError, ProbeError, WireError
from livebragg.model import DetectedBatch, ProbeShape
from livebragg.pipeline.payloads import (
    empty_batch,
    frames_to_positions,
    no_profiles,
    read_piece,
    stack_frames,
)
from livebragg.pipeline.pixel_health import PixelHealth
from livebragg.pipeline.vacuum_file import vacuum_template
from livebragg.storage.frame_log import FrameLogReader
from livebragg.wire.messages import DetectJob, DetectResult, MeasureJob, ProbeMeasured

MAX_PROBLEMS = 5
_ODD_PIXELS = ("nonfinite_pixels", "negative_pixels", "hot_pixels")
"""What the analyzer counts over its life and a result tells of one job."""


@dataclass(slots=True)
class _Loaded:
    """Frames of a job's pieces, and what could not be used of them."""

    frames: list[NDArray[Any]] = field(default_factory=list)
    numbers: list[NDArray[np.int64]] = field(default_factory=list)
    failed: int = 0
    problems: list[str] = field(default_factory=list)
    timed: list[NDArray[np.int64]] = field(default_factory=list)
    times: list[NDArray[np.float64]] = field(default_factory=list)
    """Frames whose start the detector told, and when it was, in seconds from somewhere."""


class WorkerStage:
    """Answers jobs; keeps one analyzer for each probe and frame shape it met.

    Parameters
    ----------
    worker_id : str
        Name that goes into results.
    config : Config
        Detection, probe and virtual detectors are used.
    log : FrameLogReader
        Where the payloads lie; not closed here.

    Raises
    ------
    ConfigError
        The configured file of vacuum frames cannot be used.
    """

    def __init__(self, worker_id: str, config: Config, log: FrameLogReader) -> None:
        self._worker_id = worker_id
        self._config = config
        self._log = log
        self._analyzer_key: tuple[ProbeShape, tuple[int, int], int, int, float] | None = None
        self._analyzer: FrameAnalyzer | None = None
        self._template = vacuum_template(config)
        self._pixels: tuple[int, PixelHealth] | None = None
        """Serial of the newest acquisition, and its pixels."""

    def handle(self, job: DetectJob | MeasureJob) -> DetectResult | ProbeMeasured:
        """Do one job. Bad payloads are counted in the result, never raised."""
        self._log.forget_dropped()
        loaded = self._load(job)
        if isinstance(job, MeasureJob):
            return self._measure(job, loaded)
        return self._detect(job, loaded)

    def _load(self, job: DetectJob | MeasureJob) -> _Loaded:
        loaded, pixels, timed = _Loaded(), self._pixels_of(job), self._looks_at_times(job)
        for piece in job.pieces:
            times = np.full(piece.n_frames, np.nan) if timed else None
            try:
                frames, failed = read_piece(self._log, piece, job.acquisition, times)
            except (WireError, LookupError) as error:
                loaded.failed += piece.n_frames - len(piece.skip)
                loaded.problems.append(f"frames {piece.first_frame} and on: {error}")
                continue
            loaded.failed += len(failed)
            loaded.problems += [f"frame {piece.first_frame + at}: {problem}" for at, problem in failed.items()]
            numbers = np.arange(piece.first_frame, piece.first_frame + piece.n_frames, dtype=np.int64)
            if times is not None:
                loaded.timed.append(numbers[np.isfinite(times)])
                loaded.times.append(times[np.isfinite(times)])
            if piece.skip or failed:
                keep = np.setdiff1d(np.arange(piece.n_frames), (*piece.skip, *failed))
                frames, numbers = frames[keep], numbers[keep]
            if numbers.size:
                loaded.frames.append(pixels.clean(frames))
                loaded.numbers.append(numbers)
        return loaded

    def _pixels_of(self, job: DetectJob | MeasureJob) -> PixelHealth:
        if self._pixels is None or self._pixels[0] != job.serial:
            self._pixels = job.serial, PixelHealth(job.acquisition)
        return self._pixels[1]

    def _measure(self, job: MeasureJob, loaded: _Loaded) -> ProbeMeasured:
        probe, problem = None, "; ".join(loaded.problems[:1])
        if loaded.frames:
            try:
                probe = measure_probe(
                    stack_frames(loaded.frames),
                    known=self._config.probe,
                    detection=self._config.detection,
                    template=self._template,
                )
            except (ProbeError, FrameError) as error:
                problem = str(error)
        return ProbeMeasured(
            worker_id=self._worker_id, job_id=job.job_id, serial=job.serial, probe=probe, problem=problem
        )

    def _detect(self, job: DetectJob, loaded: _Loaded) -> DetectResult:
        started = time.process_time()
        shape = job.acquisition.frame_shape
        analyzed_frames = unmapped = 0
        odd = dict.fromkeys(_ODD_PIXELS, 0)
        batch = empty_batch(shape)
        if loaded.frames:
            frames = stack_frames(loaded.frames)
            numbers = np.concatenate(loaded.numbers)
            frames, index = frames_to_positions(frames, numbers, job.geometry)
            analyzed_frames = int((job.geometry.scan_index(numbers) >= 0).sum())
            unmapped = numbers.size - analyzed_frames
            if index.size:
                try:
                    analyzer = self._analyzer_for(job)
                    before = analyzer.health
                    batch = analyzer.analyze(frames, index)
                    odd = {key: getattr(analyzer.health, key) - getattr(before, key) for key in _ODD_PIXELS}
                except LiveBraggError as error:  # say, a configured probe that does not fit these frames
                    loaded.failed += analyzed_frames
                    analyzed_frames = 0
                    loaded.problems.append(str(error))
        return _result(
            job,
            batch,
            worker_id=self._worker_id,
            frames_analysed=analyzed_frames,
            frames_unmapped=unmapped,
            frames_failed=loaded.failed,
            **odd,
            problems=loaded.problems[:MAX_PROBLEMS],
            timed_frames=np.concatenate([np.zeros(0, np.int64), *loaded.timed]),
            start_times=np.concatenate([np.zeros(0), *loaded.times]),
            busy_s=time.process_time() - started,
        )

    def _looks_at_times(self, job: DetectJob | MeasureJob) -> bool:
        """Whether anybody looks for lines or missed triggers in the times of the frames."""
        return isinstance(job, DetectJob) and (self._config.scan.find_missed_triggers or job.geometry.open_ended)

    def _analyzer_for(self, job: DetectJob) -> FrameAnalyzer:
        pixels, shape = self._pixels_of(job), job.acquisition.frame_shape
        serial = job.serial if pixels.bad.any() else 0
        key = job.probe, shape, serial, pixels.revision, job.false_disks_per_frame
        if self._analyzer is None or self._analyzer_key != key:
            self._analyzer = FrameAnalyzer(
                job.probe,
                shape,
                replace(self._config.detection, false_disks_per_frame=job.false_disks_per_frame),
                self._config.virtual,
                template=self._template,
                profile=self._config.profile,
                bad_pixels=pixels.bad,
            )
            self._analyzer_key = key
        return self._analyzer


def _result(job: DetectJob, batch: DetectedBatch, **fields: Any) -> DetectResult:
    peaks, profiles = batch.peaks, batch.profiles or no_profiles(len(batch))
    return DetectResult(
        job_id=job.job_id,
        serial=job.serial,
        pieces=job.pieces,
        geometry=job.geometry,
        newest_sent_at=max(p.sent_at for p in job.pieces),
        scan_index=batch.scan_index,
        offsets=peaks.offsets,
        qx=peaks.qx,
        qy=peaks.qy,
        intensity=peaks.intensity,
        intensity_error=peaks.intensity_error,
        position_error=peaks.position_error,
        direct_beam=batch.direct_beam,
        virtual=batch.virtual,
        sum_pattern=batch.sum_pattern,
        profile_radii=profiles.radii,
        profile_mean=profiles.mean,
        profile_variance=profiles.variance,
        profile_pixels=profiles.pixels,
        **fields,
    )
