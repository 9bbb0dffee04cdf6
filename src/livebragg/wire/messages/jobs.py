"""Between receiver, workers and analyst. Internal: both ends are always of one version.

A *job* is a list of *pieces* (payloads in the frame log) that one worker analyses in one go. The receiver
owns the job table; a worker asks, computes, and sends the result to the analyst; the analyst tells the
receiver that it has accepted the result, and only then is the job retired. A job whose worker dies,
hangs, or whose result is lost is therefore given to another worker, and the analyst ignores
what it already has.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from livebragg.model import Acquisition, ProbeShape, ScanGeometry
from livebragg.wire.messages.stream import ChecksumKind, EndReason


class PieceEncoding(StrEnum):
    """How the frames of a payload in the frame log are packed."""

    RAW = "raw"
    """As in the native stream."""
    BSLZ4 = "bslz4"
    """As in the native stream."""
    DECTRIS_V1 = "dectris-v1"
    """Images of a DECTRIS detector, of each the parts that say what and when it is and what is in it
    (`livebragg.detectors.kept`)."""
    MERLIN = "merlin"
    """Units of a Merlin's data stream (`livebragg.detectors.kept`)."""
    DECTRIS_V2 = "dectris-v2"
    """Messages of a DECTRIS detector as they were received (`livebragg.detectors.kept`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """One payload in the frame log."""

    first_frame: int
    n_frames: int
    segment: int
    """Number of the frame log's segment file."""
    offset: int
    """Bytes from the start of the segment."""
    nbytes: int
    encoding: PieceEncoding
    checksum_kind: ChecksumKind
    checksum: int
    sent_at: float
    """Sender's clock if it gave one, else the receiver's; seconds since 1970-01-01 UTC."""
    skip: tuple[int, ...] = ()
    """Frames of the payload that were received before (counted from `first_frame`): not to be analysed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerReady:
    """A worker asks for work, and tells what it finished. Also its sign of life."""

    worker_id: str
    pid: int
    credits: int
    """Jobs the worker holds at most."""
    finished: list[int]
    """Jobs whose results were sent since the last message."""
    jobs_done: int
    frames_done: int
    busy_s: float
    """CPU time spent on jobs since the worker started, in seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectJob:
    """Analyse the frames of some pieces."""

    job_id: int
    acquisition: Acquisition
    serial: int
    """Running number of the acquisition in this pipeline: ids may repeat, serials never."""
    geometry: ScanGeometry
    probe: ProbeShape
    false_disks_per_frame: float
    """Sensitivity of the detection: the only setting of it that may change while frames come."""
    pieces: list[Piece]


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasureJob:
    """Measure the probe from the first frames."""

    job_id: int
    acquisition: Acquisition
    serial: int
    pieces: list[Piece]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeMeasured:
    """Answer to a `MeasureJob`."""

    worker_id: str
    job_id: int
    serial: int
    probe: ProbeShape | None
    problem: str = ""
    """Why there is no probe."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectResult:
    """What a worker found in the frames of one job; to the analyst."""

    worker_id: str
    job_id: int
    serial: int
    pieces: list[Piece]
    """The job's pieces: where the raw frames lie."""
    geometry: ScanGeometry
    """The job's: what `scan_index` refers to."""
    newest_sent_at: float
    frames_analysed: int
    frames_unmapped: int
    """Fly-back frames, and frames beyond the end of the scan."""
    frames_failed: int
    """Frames of payloads that could not be used."""
    nonfinite_pixels: int
    """NaN and infinite pixels, counted as 0."""
    negative_pixels: int
    """Negative pixels, counted as 0."""
    hot_pixels: int
    """Single pixels too sharp for a disk, replaced by their neighbours' mean."""
    problems: list[str]
    """What was wrong with the payloads that could not be used."""
    busy_s: float
    timed_frames: NDArray[np.int64]
    """(m,); numbers of the frames whose start the detector tells, when it is asked for."""
    start_times: NDArray[np.float64]
    """(m,); when these began, in seconds from somewhere."""
    scan_index: NDArray[np.int64]
    offsets: NDArray[np.int64]
    qx: NDArray[np.float32]
    qy: NDArray[np.float32]
    intensity: NDArray[np.float32]
    intensity_error: NDArray[np.float32]
    position_error: NDArray[np.float32]
    direct_beam: NDArray[np.float32]
    virtual: NDArray[np.float32]
    sum_pattern: NDArray[np.float32]
    profile_radii: NDArray[np.float32]
    """(bins,): middles of the bins in pixels; no bins where profiles are not measured."""
    profile_mean: NDArray[np.float32]
    """(n, bins); counts."""
    profile_variance: NDArray[np.float32]
    profile_pixels: NDArray[np.int32]


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultAccepted:
    """The analyst has a result and will not lose it."""

    job_id: int
    serial: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerExit:
    """The receiver has no more work, ever."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AcquisitionOpened:
    """Receiver to analyst: results with this serial follow."""

    acquisition: Acquisition
    serial: int
    geometry: ScanGeometry
    n_frames_expected: int | None
    opened_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeChosen:
    """Receiver to analyst: the probe that detection uses for this acquisition."""

    serial: int
    probe: ProbeShape
    measured: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AcquisitionDrained:
    """Receiver to analyst: the acquisition ended and every job is retired."""

    serial: int
    reason: EndReason
    note: str
    """In words: "the sender finished", "stopped by the operator with 120 frames not analysed"."""
    counters: dict[str, float]
    """Frames of this acquisition by fate, as far as receiver and dispatcher know."""
    notices: list[str] = field(default_factory=list)
    """Warnings of receiver and dispatcher since it began."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiverReport:
    """Receiver to analyst, a few times a second: counters for the status."""

    serial: int
    """Newest acquisition; 0 before the first."""
    phase: str
    light: str
    reasons: list[str]
    counters: dict[str, float]
    """Of the newest acquisition, and of the stream as a whole."""
    workers: list[dict[str, float | str]]
    notices: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalystFinished:
    """Analyst to receiver: the results of an acquisition are complete (or could not be written)."""

    serial: int
    results_path: str
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class GeometryChanged:
    """Analyst to receiver: the frames of an acquisition lie elsewhere, also those that came. Jobs that are given
    out from now on have this geometry."""

    serial: int
    geometry: ScanGeometry


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectionChanged:
    """Analyst to receiver: jobs that are given out from now on detect like this."""

    false_disks_per_frame: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StopAll:
    """Finish the acquisition under way and end. `immediately` skips the frames not analysed yet."""

    immediately: bool = False
