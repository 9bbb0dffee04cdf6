"""The scan as configured and announced, and series that hold scan after scan."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace

from livebragg.config.pipeline import ScanConfig
from livebragg.detectors import Decoded, KeptFrames, Notice
from livebragg.model import Acquisition, ScanGeometry, ScanOrder
from livebragg.wire.messages import AcquisitionEnd, AcquisitionStart


def scan_geometry(scan: ScanConfig, acquisition: Acquisition) -> ScanGeometry:
    """How frames map to positions; what is configured overrides what the sender says."""
    shape = scan.shape or acquisition.scan_shape
    return ScanGeometry(
        scan_shape=shape or (1, scan.fallback_cols),
        frames_per_position=scan.frames_per_position or acquisition.frames_per_position,
        flyback_frames=acquisition.flyback_frames if scan.flyback_frames is None else scan.flyback_frames,
        scan_order=acquisition.scan_order if scan.order is None else ScanOrder(scan.order),
        open_ended=shape is None,
        first_frame=scan.first_frame,
        missed_triggers=scan.missed_triggers,
    )


@dataclass(slots=True)
class RepeatedScans:
    """Makes an acquisition of each scan in a detector's series. A stage: messages in, messages out.

    Parameters
    ----------
    scan : ScanConfig
        Nothing is changed unless `ScanConfig.repeat` is set and the scan's shape is known.
    notice : callable
        Takes sentences for the operator.
    """

    scan: ScanConfig
    notice: Notice
    counters: Counter[str] = field(default_factory=Counter)
    """Frames that belong to no scan: ``frames_between_scans``, ``frames_misnumbered``."""
    _start: AcquisitionStart | None = None
    _n_frames: int = 0
    _number: int = -1
    """The scan under way, from 0; -1 before the first."""
    _newest: int = -1
    """Newest frame of the series."""
    _doubtful: KeptFrames | None = None
    """A single frame of a later scan: its number may be damaged, and must not end the scan under way."""

    def handle(self, message: Decoded) -> list[Decoded]:
        """Take one message."""
        if isinstance(message, AcquisitionStart):
            return self._begin(message)
        if self._start is None:
            return [message]
        if isinstance(message, KeptFrames):
            return self._divide(message)
        if isinstance(message, AcquisitionEnd) and message.acquisition_id == self._name(0):
            self._doubtful = None
            number = max(self._number, 0)
            sent = max(0, self._newest + 1 - number * self._period)
            end = replace(message, acquisition_id=self._name(number), frames_sent=min(sent, self._n_frames))
            return [*([] if number == self._number else self._open(number)), end]
        return [message]

    def _begin(self, message: AcquisitionStart) -> list[Decoded]:
        geometry = scan_geometry(self.scan, message.acquisition)
        self._start, self._number, self._newest, self._doubtful = None, -1, -1, None
        if self.scan.repeat and geometry.open_ended:
            self.notice("scan.repeat needs the shape of a scan, which nobody has told: set scan.shape")
        if not self.scan.repeat or geometry.open_ended:
            return [message]
        # Announced with its first frames: which scan they belong to is not known before.
        self._start, self._n_frames = message, geometry.frame_limit
        return []

    @property
    def _period(self) -> int:
        return self._n_frames + self.scan.frames_between_scans

    def _name(self, number: int) -> str:
        assert self._start is not None
        name = self._start.acquisition.acquisition_id
        return f"{name}-scan-{number + 1}" if number else name

    def _divide(self, message: KeptFrames) -> list[Decoded]:
        before, self._doubtful = self._doubtful, None
        if before is not None:
            if self._bears_out(message, before):
                self.counters["frames_misnumbered"] -= before.n_frames
                return self._file(before) + self._file(message)
            self.notice(
                f"image {before.first_frame} lies in a later scan, to which no image next to it belongs: its "
                "number is damaged, and it is not used"
            )
        if self._is_doubtful(message):
            self._doubtful = message
            self.counters["frames_misnumbered"] += message.n_frames  # unless the next one is from there, too
            return []
        return self._file(message)

    def _is_doubtful(self, message: KeptFrames) -> bool:
        later = message.first_frame // self._period > max(self._number, 0)
        return later and message.n_frames == 1 and message.first_frame != self._newest + 1

    def _bears_out(self, message: KeptFrames, doubtful: KeptFrames) -> bool:
        same = message.first_frame // self._period == doubtful.first_frame // self._period
        return same or message.first_frame == doubtful.first_frame + 1

    def _file(self, message: KeptFrames) -> list[Decoded]:
        self._newest = max(self._newest, message.first_frame + message.n_frames - 1)
        out: list[Decoded] = []
        frame, stop = message.first_frame, message.first_frame + message.n_frames
        while frame < stop:
            number, within = divmod(frame, self._period)
            end = min(stop, (number + 1) * self._period)
            if number > self._number:
                out += self._open(number)
            n_scanned = min(end - frame, max(0, self._n_frames - within))
            self.counters["frames_between_scans"] += end - frame - n_scanned
            if n_scanned:
                at = frame - message.first_frame
                out.append(message.part(at, at + n_scanned, self._name(number), within))
            frame = end
        return out

    def _open(self, number: int) -> list[Decoded]:
        """Announce a scan, after the end of the one under way."""
        assert self._start is not None
        out: list[Decoded] = []
        if self._number >= 0:
            out.append(AcquisitionEnd(acquisition_id=self._name(self._number), frames_sent=self._n_frames))
        self._number = number
        acquisition = replace(
            self._start.acquisition, acquisition_id=self._name(number), first_image=number * self._period
        )
        return [*out, AcquisitionStart(acquisition=acquisition, n_frames=self._n_frames)]
