"""The same analysis over a recorded file: the pipeline's objects, without sockets or processes."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from threading import local

import numpy as np

from livebragg.config.schema import Config
from livebragg.detect import FrameAnalyzer, ProbeTemplate, measure_probe
from livebragg.errors import ProbeError, ResultsError
from livebragg.model import Acquisition, AnalysisSnapshot, DetectedBatch, ProbeShape, ScanGeometry
from livebragg.pipeline.frame_lookup import RecordingLookup
from livebragg.pipeline.health import Notices
from livebragg.pipeline.named_files import read_named_files
from livebragg.pipeline.payloads import stack_frames
from livebragg.pipeline.probe_finder import fixed_probe
from livebragg.pipeline.scan.run import ScanRun
from livebragg.storage.recordings import Recording
from livebragg.wire.messages import AcquisitionOpened

Progress = Callable[[str, int, int], None]
"""Called with what is being done, positions done, and positions in all."""

ODD_PIXELS = {
    "nonfinite_pixels": "NaN or infinite pixels counted as 0",
    "negative_pixels": "negative pixels counted as 0",
    "hot_pixels": "hot pixels were replaced by the mean of their neighbours",
}
"""Health counters of the analyzers, and what they mean."""

PROBE_PLACES = 8
"""The probe is measured from frames spread over the scan when its beginning has no beam."""


def process_recording(
    recording: Recording, config: Config, results_path: Path, progress: Progress
) -> AnalysisSnapshot:
    """Detect, analyse and classify a whole recording, and write its results file.

    Parameters
    ----------
    recording : Recording
        Not closed here.
    config : Config
        As for a live run.
    results_path : Path
        File to write; must not exist.
    progress : callable
        Called from time to time.

    Raises
    ------
    ProbeError
        The probe can neither be measured nor is it configured.
    ConfigError
        The configured file of vacuum frames cannot be used.
    ResultsError
        The results file cannot be written.
    """
    files = read_named_files(config)
    template = files.template
    probe = fixed_probe(config.probe) or _measure(recording, config, template)
    notices = Notices()
    run = ScanRun(
        _opened(recording), probe, config, RecordingLookup(recording), notices, results_path, files=files
    )
    if run.problem:
        raise ResultsError(run.problem)
    try:
        analyzers = _analyse(recording, config, probe, template, run, progress)
        _count_odd_pixels(analyzers, run, notices)
        progress("classifying", recording.n_frames, recording.n_frames)
        run.finish(1, "complete", "processed from a recording", {"frames_received": float(recording.n_frames)})
    finally:
        run.close()
    if run.problem:
        raise ResultsError(run.problem)
    assert run.snapshot is not None
    return run.snapshot


def _analyse(
    recording: Recording,
    config: Config,
    probe: ProbeShape,
    template: ProbeTemplate | None,
    run: ScanRun,
    progress: Progress,
) -> list[FrameAnalyzer]:
    """Detect and analyse all frames; returns the analyzers, which know what was odd about them."""
    analyzers: list[FrameAnalyzer] = []
    done = refreshed = 0
    line = recording.scan_shape[1]
    for batch in _batches(recording, config, probe, template, analyzers):
        run.add_batch(batch)
        run.counters["frames_analysed"] += len(batch)
        done += len(batch)
        if done - refreshed >= max(line, 1):
            run.analysis.refresh()
            refreshed = done
        run.results.flush()
        progress("analysing", done, recording.n_frames)
    return analyzers


def _count_odd_pixels(analyzers: list[FrameAnalyzer], run: ScanRun, notices: Notices) -> None:
    for name, meaning in ODD_PIXELS.items():
        count = sum(getattr(analyzer.health, name) for analyzer in analyzers)
        run.counters[name] += count
        # A Poisson distribution makes a hot pixel now and then; a broken one is there in every frame.
        if count >= (max(run.counters["frames_analysed"], 1) if name == "hot_pixels" else 1):
            notices.add(f"{count} {meaning}")


def _batches(
    recording: Recording,
    config: Config,
    probe: ProbeShape,
    template: ProbeTemplate | None,
    analyzers: list[FrameAnalyzer],
) -> Iterator[DetectedBatch]:
    """Batches in scan order; a few are detected at the same time, since the kernels release the GIL.

    Every thread has an analyzer of its own, which is added to `analyzers`.
    """
    threads = config.dispatch.workers or len(os.sched_getaffinity(0))
    size = config.dispatch.batch_frames
    mine = local()

    def detect(start: int, frames: np.ndarray) -> DetectedBatch:
        if not hasattr(mine, "analyzer"):
            mine.analyzer = FrameAnalyzer(
                probe,
                recording.frame_shape,
                config.detection,
                config.virtual,
                template=template,
                profile=config.profile,
            )
            analyzers.append(mine.analyzer)
        batch: DetectedBatch = mine.analyzer.analyze(frames, np.arange(start, start + len(frames)))
        return batch

    with ThreadPoolExecutor(threads) as pool:
        pending: deque[Future[DetectedBatch]] = deque()
        for start in range(0, recording.n_frames, size):
            frames = stack_frames([recording.read(start, min(start + size, recording.n_frames))])
            pending.append(pool.submit(detect, start, frames))
            if len(pending) > 2 * threads:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()


def _measure(recording: Recording, config: Config, template: ProbeTemplate | None) -> ProbeShape:
    count = min(config.probe.frames, recording.n_frames)
    problem = ProbeError("the recording has no frames")
    for start in np.linspace(0, recording.n_frames - count, PROBE_PLACES).astype(int):
        try:
            frames = stack_frames([recording.read(start, start + count)])
            return measure_probe(frames, known=config.probe, detection=config.detection, template=template)
        except ProbeError as error:
            problem = error
    raise problem


def _opened(recording: Recording) -> AcquisitionOpened:
    dtype = recording.dtype.name
    return AcquisitionOpened(
        acquisition=Acquisition(
            acquisition_id=recording.path.stem[:200],
            scan_shape=recording.scan_shape,
            frame_shape=recording.frame_shape,
            dtype={"int64": "int32", "uint64": "uint32", "float16": "float32"}.get(dtype, dtype),
            metadata=recording.metadata,
        ),
        serial=1,
        geometry=ScanGeometry(scan_shape=recording.scan_shape),
        n_frames_expected=recording.n_frames,
        opened_at=time.time(),
    )
