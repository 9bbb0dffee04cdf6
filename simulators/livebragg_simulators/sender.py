"""Sends a scan over the native protocol, the way a detector does: on its own clock, without asking anyone."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from livebragg.errors import ConfigError
from livebragg.wire import sockets
from livebragg.wire.messages import (
    AcquisitionEnd,
    AcquisitionStart,
    ChecksumKind,
    Encoding,
    EndReason,
    FrameBatch,
    Heartbeat,
)
from livebragg.wire.packing import checksum, pack
from livebragg_simulators.sources import ScanPath

BATCH_FRAMES = 32
BATCH_TIME_S = 0.02
"""At a set rate, frames wait at most this long for others to share their message."""

HEARTBEAT_S = 0.5
QUEUE_MESSAGES = 8
"""Messages the socket may hold; more would only hide that the receiver is behind."""

STOP_PATIENCE_S = 1.0
"""Time for the last messages once the user said stop."""

LAST_MESSAGES_S = 600.0
"""Time for the last messages of a complete scan: the receiver may be catching up."""

Progress = Callable[[int, int], None]
"""Called with frames sent and frames to send."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SendOptions:
    """How frames are sent.

    Parameters
    ----------
    rate_hz : float
        Frames per second; 0: as fast as they are taken.
    batch_frames : int
        Frames in a message; 0: as many as come within 20 ms, at most 32.
    encoding, checksum_kind
        See `livebragg.wire.messages.stream`.
    start, stop : int
        First frame, and the one after the last; ``None``: to the end.
    """

    rate_hz: float = 0.0
    batch_frames: int = 0
    encoding: Encoding = Encoding.RAW
    checksum_kind: ChecksumKind = ChecksumKind.XXH3_64
    start: int = 0
    stop: int | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.rate_hz < 1e7:
            raise ConfigError(f"--rate must be between 0 (no limit) and 1e7 frames/s, not {self.rate_hz}")
        if not 0 <= self.batch_frames <= 65536:
            raise ConfigError(f"--batch must be between 0 (automatic) and 65536 frames, not {self.batch_frames}")

    def frames_per_message(self) -> int:
        """Frames in one message."""
        if self.batch_frames:
            return self.batch_frames
        if not self.rate_hz:
            return BATCH_FRAMES
        return max(1, min(BATCH_FRAMES, round(self.rate_hz * BATCH_TIME_S)))


@dataclass(frozen=True, slots=True)
class Sent:
    """What was sent of one acquisition."""

    frames: int
    seconds: float
    complete: bool

    @property
    def rate_hz(self) -> float:
        """Frames per second, all waiting included."""
        return self.frames / max(self.seconds, 1e-9)


class Sender:
    """The detector's socket.

    Parameters
    ----------
    ctx : zmq.Context
        Not closed here.
    endpoint : str
        Where to bind.
    """

    def __init__(self, ctx: Any, endpoint: str) -> None:
        self._socket = sockets.open_socket(
            ctx, sockets.PUSH, bind=endpoint, send_high_water=QUEUE_MESSAGES, linger_ms=2000
        )
        self.endpoint = sockets.bound_endpoint(self._socket)
        self._stopped = False

    def stop(self) -> None:
        """End the acquisition after the message being sent."""
        self._stopped = True

    def send(self, path: ScanPath, acquisition_id: str, options: SendOptions, progress: Progress) -> Sent:
        """Send one acquisition; returns when everything was taken or `stop` was called."""
        total = path.geometry.n_frames
        stop = total if options.stop is None else options.stop
        if not 0 <= options.start < stop <= total:
            raise ConfigError(
                f"--start {options.start} and --stop {stop} must lie within the {total} frames of the scan, "
                "in order"
            )
        acquisition = path.acquisition(acquisition_id)
        self._put(AcquisitionStart(acquisition=acquisition, n_frames=total, sent_at=time.time()))
        began, sent = time.monotonic(), 0
        step = options.frames_per_message()
        for first in range(options.start, stop, step):
            frames = path.frames(first, min(first + step, stop))
            payload = pack(frames, options.encoding)
            self._wait_until(began + (sent + len(frames)) / options.rate_hz if options.rate_hz else 0.0, sent)
            if self._stopped or not self._put(
                FrameBatch(
                    acquisition_id=acquisition_id,
                    first_frame=first,
                    n_frames=len(frames),
                    encoding=options.encoding,
                    checksum_kind=options.checksum_kind,
                    checksum=checksum(payload, options.checksum_kind),
                    sent_at=time.time(),
                    payload=payload,
                )
            ):
                break
            sent += len(frames)
            progress(sent, stop - options.start)
        complete = sent == stop - options.start
        reason = EndReason.FINISHED if complete else EndReason.STOPPED
        end = AcquisitionEnd(acquisition_id=acquisition_id, frames_sent=sent, reason=reason)
        complete &= self._put(end, patience_s=STOP_PATIENCE_S if self._stopped else math.inf)
        # A receiver that holds the stream back still wants what waits in the socket.
        sockets.set_linger(self._socket, LAST_MESSAGES_S if complete else STOP_PATIENCE_S)
        return Sent(sent, time.monotonic() - began, complete)

    def _wait_until(self, due: float, sent: int) -> None:
        while not self._stopped and (left := due - time.monotonic()) > 0:
            time.sleep(min(left, HEARTBEAT_S))
            if left > HEARTBEAT_S:
                sockets.send(self._socket, Heartbeat(frames_sent=sent, sent_at=time.time()), wait=False)

    def _put(self, message: object, patience_s: float = math.inf) -> bool:
        """Send, waiting for the receiver as long as nobody says stop."""
        deadline = time.monotonic() + patience_s
        while not sockets.send(self._socket, message, wait=False):
            if time.monotonic() > deadline or (self._stopped and patience_s == math.inf):
                return False
            time.sleep(0.001)
        return True
