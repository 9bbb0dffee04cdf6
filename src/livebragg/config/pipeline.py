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
    """What it speaks: "native", "dectris" (SIMPLON's stream, V1 or V2), or "merlin" (data socket)."""
    channel: str = ""
    """Channel of the detector (say, "threshold_2") that is analysed; empty: the first one."""
    forward: str = ""
    """Endpoint at which the untouched stream is passed on to the program that was attached before (it connects
    here instead of to the detector); empty: not at all. Not for a Merlin, which takes several clients itself."""
    forward_when_full: str = "drop"
    """What to do when that program does not take the stream: "drop" leaves messages out of it and counts them,
    "block" holds the detector back."""
    quiet_warning_s: float = 5.0
    """Seconds without any message after which the stream counts as silent."""
    end_after_s: float = 0.0
    """Seconds without any message after which an acquisition whose end did not come is ended; 0: never, the next
    start ends it. One whose frames have all come is ended after a second."""

    def __post_init__(self) -> None:
        one_of("stream.forward_when_full", self.forward_when_full, ("drop", "block"))
        if self.forward and self.detector == "merlin":
            raise ConfigError(
                "stream.forward is not for a Merlin; leave it out and connect the other program to it"
            )
        one_of("stream.detector", self.detector, ("native", "dectris", "merlin"))
        at_least("stream.quiet_warning_s", self.quiet_warning_s, 0.1)
        at_least("stream.end_after_s", self.end_after_s, 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanConfig:
    """The scan, where the sender does not say or says it wrong."""

    shape: tuple[int, int] | None = None
    """Positions [rows, columns]; overrides what the sender announces."""
    fallback_cols: int = 256
    """Columns assumed while nobody has said how many there are."""
    guess: bool = True
    """When nobody has said the shape: take the columns from regular pauses in the times of a detector's images;
    when false, they are only suggested."""
    order: str | None = None
    """Way of the beam, "raster" or "snake" (odd lines run backwards); ``None``: as the sender says."""
    frames_per_position: int | None = None
    """Frames at one position, which are added; ``None``: as the sender says."""
    flyback_frames: int | None = None
    """Frames after each line that belong to no position; ``None``: as the sender says."""
    first_frame: int = 0
    """Number of the frame at the first position: frames before it belong to none. Negative: the detector missed so
    many triggers before its first frame."""
    missed_triggers: tuple[int, ...] = ()
    """Frames before which the detector missed a trigger, rising: their position is a hole, and what follows moves
    on."""
    find_missed_triggers: bool = False
    """Look for missed triggers in the times of a detector's images, and leave their positions out as holes."""
    repeat: bool = False
    """A detector's series holds scan after scan: each becomes an acquisition of its own."""
    frames_between_scans: int = 0
    """With repeat: frames after each scan that belong to no position."""

    def __post_init__(self) -> None:
        if self.order is not None:
            one_of("scan.order", self.order, ("raster", "snake"))
        if self.frames_per_position is not None:
            within("scan.frames_per_position", self.frames_per_position, 1, 1 << 16)
        if self.flyback_frames is not None:
            within("scan.flyback_frames", self.flyback_frames, 0, 1 << 20)
        within("scan.frames_between_scans", self.frames_between_scans, 0, 1 << 30)
        within("scan.first_frame", self.first_frame, -(1 << 40), 1 << 40)
        missed = list(self.missed_triggers)
        if missed != sorted(missed) or min(missed, default=0) < 0:
            raise ConfigError(f"scan.missed_triggers must be rising numbers of frames, not {missed}")
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
        if self.capacity_mb < 2 * self.segment_mb:
            raise ConfigError(
                f"frame_log.capacity_mb must be at least {2 * self.segment_mb}, not {self.capacity_mb}: twice "
                "frame_log.segment_mb"
            )
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
    """Seconds between two publications of the maps while frames wait for workers; when none do, results are
    published as they come."""

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
