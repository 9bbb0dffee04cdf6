"""Sends a scan the way a detector does: on its own clock, without asking anyone."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from livebragg.errors import ConfigError
from livebragg.model import Acquisition
from livebragg.wire.messages import EndReason
from livebragg_simulators.outlets import Outlet
from livebragg_simulators.sources import ScanPath
from livebragg_simulators.writers import Parts, StreamWriter

BATCH_TIME_S = 0.02
"""At a set rate, frames wait at most this long for others to share their message."""

HEARTBEAT_S = 0.5
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
        Frames that are sent together; 0: as many as come within 20 ms, at most as many as the protocol likes.
    start, stop : int
        First frame, and the one after the last; ``None``: to the end.
    """

    rate_hz: float = 0.0
    batch_frames: int = 0
    start: int = 0
    stop: int | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.rate_hz < 1e7:
            raise ConfigError(f"--rate must be between 0 (no limit) and 1e7 frames/s, not {self.rate_hz}")
        if not 0 <= self.batch_frames <= 65536:
            raise ConfigError(f"--batch must be between 0 (automatic) and 65536 frames, not {self.batch_frames}")

    def range_of(self, n_frames: int) -> tuple[int, int]:
        """First frame of a scan of so many, and the one after the last."""
        stop = n_frames if self.stop is None else self.stop
        if not 0 <= self.start < stop <= n_frames:
            raise ConfigError(
                f"--start {self.start} and --stop {stop} must lie within the {n_frames} frames of the scan, "
                "in order"
            )
        return self.start, stop

    def frames_per_message(self, most: int) -> int:
        """Frames that are sent together."""
        if self.batch_frames:
            return self.batch_frames
        return most if not self.rate_hz else max(1, min(most, round(self.rate_hz * BATCH_TIME_S)))


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


def _seconds(path: ScanPath, options: SendOptions, start: int, stop: int) -> float:
    """What a detector needs for some frames, at a set rate."""
    return (stop - start) / options.rate_hz + path.pauses.before(stop - 1) - path.pauses.before(start)


class Sender:
    """The detector's socket.

    Parameters
    ----------
    outlet : Outlet
        Where messages leave; not closed here.
    writer : StreamWriter
        The detector's language.
    """

    def __init__(self, outlet: Outlet, writer: StreamWriter) -> None:
        self._outlet = outlet
        self.endpoint = outlet.endpoint
        self._writer = writer
        self._stopped = False
        self._sent = 0

    def stop(self) -> None:
        """End the acquisition after the message being sent."""
        self._stopped = True

    def resume(self) -> None:
        """Forget that `stop` was called: another acquisition may begin."""
        self._stopped = False

    def send(self, path: ScanPath, acquisition_id: str, options: SendOptions, progress: Progress) -> Sent:
        """Send one acquisition; returns when everything was taken or `stop` was called."""
        total, began = path.geometry.n_frames, time.monotonic()
        start, stop = options.range_of(total)
        self.begin(path.acquisition(acquisition_id), total)
        self.send_frames(path, start, stop, options, progress)
        complete = self.end(stop - start)
        return Sent(self._sent, time.monotonic() - began, complete)

    def begin(self, acquisition: Acquisition, n_frames: int) -> None:
        """Announce an acquisition."""
        self._sent = 0
        self._put(self._writer.start(acquisition, n_frames))

    def send_frames(self, path: ScanPath, start: int, stop: int, options: SendOptions, progress: Progress) -> int:
        """Send some frames of the acquisition that was announced; a scan that is over begins again.

        Returns
        -------
        int
            Frames sent: fewer than asked for when `stop` was called.
        """
        began, before = time.monotonic(), self._sent
        step, total = options.frames_per_message(self._writer.linger_frames), path.geometry.n_frames
        first = start
        while first < stop:
            at = first % total
            frames = path.frames(at, path.pauses.within(at, min(at + step, at + stop - first, total)))
            due = began + _seconds(path, options, start, first + len(frames)) if options.rate_hz else 0.0
            self._wait_until(due)  # before they are worded: some messages tell when the frames were read out
            if self._stopped or not self._put(self._word(first, frames)):
                break
            first += len(frames)
            self._sent += len(frames)
            progress(self._sent, before + stop - start)
        return self._sent - before

    def end(self, expected: int) -> bool:
        """End the acquisition; False when it ends before all `expected` frames were sent."""
        complete = self._sent >= expected
        complete &= self.say_end(EndReason.FINISHED if complete else EndReason.STOPPED)
        return self.leave(complete)

    def say_end(self, reason: EndReason) -> bool:
        """Tell that the acquisition ends; False when nobody takes it."""
        return self._put(self._writer.end(self._sent, reason), patience_s=self._patience_s)

    def leave(self, complete: bool) -> bool:
        """Let go of everything that was sent; False when clients leave some of it."""
        deadline = math.inf
        while not self._outlet.settle() and complete:
            if self._stopped:
                deadline = min(deadline, time.monotonic() + STOP_PATIENCE_S)
            complete = time.monotonic() < deadline
            time.sleep(0.001)
        # A receiver that holds the stream back still wants what waits in the socket.
        self._outlet.linger(LAST_MESSAGES_S if complete else STOP_PATIENCE_S)
        return complete

    def reopen(self) -> None:
        """Be gone for a moment; see `Outlet.reopen`."""
        self._outlet.reopen()

    @property
    def _patience_s(self) -> float:
        return STOP_PATIENCE_S if self._stopped else math.inf

    def _word(self, first: int, frames: NDArray[Any]) -> list[Parts]:
        """Messages of consecutive frames."""
        return self._writer.frames(first, frames)

    def _wait_until(self, due: float) -> None:
        while not self._stopped and (left := due - time.monotonic()) > 0:
            time.sleep(min(left, HEARTBEAT_S))
            if left > HEARTBEAT_S:
                for parts in self._writer.alive(self._sent):
                    self._outlet.offer(parts)

    def _put(self, messages: list[Parts], patience_s: float = math.inf) -> bool:
        """Send, waiting for the receiver as long as nobody says stop."""
        deadline = time.monotonic() + patience_s
        for parts in messages:
            while not self._outlet.offer(parts):
                if time.monotonic() > deadline or (self._stopped and patience_s == math.inf):
                    return False
                time.sleep(0.001)
        return True
