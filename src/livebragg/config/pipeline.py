"""Configuration of the running pipeline: stream, scan, frame log, dispatch, publishing, results."""

from __future__ import annotations

from dataclasses import dataclass

from livebragg.config.checks import at_least, one_of, within
from livebragg.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamConfig:
    """Where the frames come from."""

    endpoint: str = "tcp://127.0.0.1:7550"
    """Endpoint of the detector or simulator (it binds, livebragg connects)."""
    detector: str = "native"
    """What it speaks: "native", or "dectris" (STREAM V2 of SIMPLON)."""
    channel: str = ""
    """Channel of the detector (say, "threshold_2") that is analysed; empty: the first one."""
    quiet_warning_s: float = 5.0
    """Seconds without any message after which the stream counts as silent."""

    def __post_init__(self) -> None:
        one_of("stream.detector", self.detector, ("native", "dectris"))
        at_least("stream.quiet_warning_s", self.quiet_warning_s, 0.1)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanConfig:
    """The scan, where the sender does not say or says it wrong."""

    shape: tuple[int, int] | None = None
    """Positions [rows, columns]; overrides what the sender announces."""
    fallback_cols: int = 256
    """Columns assumed while nobody has said how many there are."""

    def __post_init__(self) -> None:
        within("scan.fallback_cols", self.fallback_cols, 1, 1 << 20)
        if self.shape is not None and (min(self.shape) < 1 or self.shape[0] * self.shape[1] > 1 << 24):
            raise ConfigError(f"scan.shape must have 1 to {1 << 24} positions, not {list(self.shape)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameLogConfig:
    """Memory-mapped log of received frames."""

    directory: str = ""
    """Folder for the segments; empty: the RAM disk when it has room, else the temporary folder."""
    segment_mb: int = 64
    """Size of one segment file, in MiB."""
    capacity_mb: int = 2048
    """Most the log may hold, in MiB."""
    when_full: str = "block"
    """What to do when nothing can be dropped: "block" holds the sender back, "drop" discards new frames and
    counts them."""

    def __post_init__(self) -> None:
        within("frame_log.segment_mb", self.segment_mb, 1, 4096)
        at_least("frame_log.capacity_mb", self.capacity_mb, 2 * self.segment_mb)
        one_of("frame_log.when_full", self.when_full, ("block", "drop"))


@dataclass(frozen=True, slots=True, kw_only=True)
class DispatchConfig:
    """How frames are given to workers."""

    workers: int = 0
    """Worker processes; 0: one for each processor this program may use, less one, at least one."""
    batch_frames: int = 32
    """Frames in a job, unless the sender's batches are larger."""
    flush_ms: float = 20.0
    """Milliseconds after which a smaller job is sent all the same."""
    credits: int = 3
    """Jobs a worker holds at once."""
    job_timeout_s: float = 30.0
    """Seconds after which a job counts as lost and its worker as hung."""
    max_attempts: int = 3
    """Workers that may die over a job before its frames are given up (and counted)."""
    max_restarts: int = 20
    """Worker restarts in one minute after which the pipeline gives up."""
    probe_wait_s: float = 0.4
    """Seconds to wait for the frames from which the probe is measured; then fewer have to do."""

    def __post_init__(self) -> None:
        within("dispatch.workers", self.workers, 0, 1024)
        within("dispatch.batch_frames", self.batch_frames, 1, 4096)
        within("dispatch.flush_ms", self.flush_ms, 0.0, 10_000.0)
        within("dispatch.credits", self.credits, 1, 64)
        at_least("dispatch.job_timeout_s", self.job_timeout_s, 0.5)
        within("dispatch.max_attempts", self.max_attempts, 1, 100)
        within("dispatch.max_restarts", self.max_restarts, 0, 10_000)
        at_least("dispatch.probe_wait_s", self.probe_wait_s, 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishConfig:
    """The results feed."""

    feed: str = "tcp://127.0.0.1:7551"
    """Endpoint on which results are published."""
    control: str = "tcp://127.0.0.1:7552"
    """Endpoint on which requests are answered."""
    interval_s: float = 0.25
    """Seconds between two publications of the maps."""

    def __post_init__(self) -> None:
        within("publish.interval_s", self.interval_s, 0.02, 60.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultsConfig:
    """The results file."""

    directory: str = "."
    """Folder for results files."""
    name: str = "{acquisition_id}_{time}.h5"
    """File name; {acquisition_id}, {time} and {serial} are filled in."""
    flush_s: float = 5.0
    """Seconds between two flushes of the file to disk."""
    write: bool = True
    """Write a results file at all."""

    def __post_init__(self) -> None:
        within("results.flush_s", self.flush_s, 0.1, 3600.0)
        try:
            self.name.format(acquisition_id="a", time="t", serial=1)
        except (KeyError, IndexError, ValueError, AttributeError, TypeError) as error:
            raise ConfigError(
                f"results.name {self.name!r} cannot be filled in ({error}); only {{acquisition_id}}, {{time}} "
                "and {serial} are known"
            ) from None
