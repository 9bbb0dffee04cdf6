"""Receiver process: the only one that talks to the detector; runs intake and dispatcher on its sockets."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import logging
import os
import signal
import time
from collections import Counter, deque
from collections.abc import Iterable
from types import FrameType
from typing import Any

from livebragg.detectors import Decoded, KeptFrames
from livebragg.errors import FrameLogFullError, WireError
from livebragg.pipeline.health import Notices, RateMeter
from livebragg.pipeline.receiving.account import Account
from livebragg.pipeline.receiving.dispatcher import ANALYST, Dispatcher, Outgoing
from livebragg.pipeline.receiving.intake import Ended, Intake, IntakeEvent
from livebragg.pipeline.receiving.report import make_report
from livebragg.pipeline.receiving.scan_path import RepeatedScans
from livebragg.pipeline.receiving.source import make_decoder, open_source
from livebragg.pipeline.receiving.tee import Tee
from livebragg.pipeline.runtime import Runtime
from livebragg.storage.frame_log import FrameLogWriter
from livebragg.wire import sockets
from livebragg.wire.messages import (
    AcquisitionDrained,
    AcquisitionOpened,
    AnalystFinished,
    DetectionChanged,
    FrameBatch,
    GeometryChanged,
    ProbeMeasured,
    ResultAccepted,
    StopAll,
    WorkerExit,
    WorkerReady,
)

logger = logging.getLogger(__name__)

MESSAGES_PER_TURN = 256
REPORT_EVERY_S = 0.2
IDLE_WAIT_S = 0.05
REST_S = 0.004
"""While frames wait for others to fill a job, the socket is looked at only so often: each look costs as much as
some frames."""


class Receiver:
    """Sockets around intake and dispatcher.

    `now` is the time of day, which frames and jobs bear. When it is time for the receiver's own work the monotonic
    clock says, which nobody sets.

    Parameters
    ----------
    runtime : Runtime
        Where the processes meet, and what they are configured with.
    ctx : zmq.Context
        Not closed here.
    """

    def __init__(self, runtime: Runtime, ctx: Any) -> None:
        config = runtime.config
        self._runtime = runtime
        self._config = config
        self._notices = Notices()
        self._decoder = make_decoder(config.stream, config.dispatch.batch_frames, self._notices.add)
        self._log = FrameLogWriter(
            runtime.log_directory, config.frame_log.segment_mb << 20, config.frame_log.capacity_mb << 20
        )
        drop = config.frame_log.when_full == "drop"
        self._intake = Intake(config.scan, self._log, drop_when_full=drop, notices=self._notices)
        self._repeats = RepeatedScans(config.scan, self._notices.add)
        self._dispatcher = Dispatcher(
            config.dispatch, config.probe, self._log, self._notices, config.detection.false_disks_per_frame
        )
        self._jobs = sockets.open_socket(ctx, sockets.ROUTER, bind=runtime.jobs)
        self._analyst = sockets.open_socket(ctx, sockets.PUSH, connect=runtime.results)
        self._answers = sockets.open_socket(ctx, sockets.PULL, bind=runtime.accepted)
        self._tee = Tee(ctx, config.stream)  # first: once the source is connected, frames are on their way here
        self._source = open_source(ctx, config.stream)
        self._poller = sockets.Poller()
        for socket in (self._jobs, self._answers):
            self._poller.add(socket)
        self._had_workers = False
        self._pidfds: dict[int, tuple[str, int]] = {}
        self._held: deque[Decoded] = deque()
        self._kept_back = self._file_until = 0.0
        """When the first of the frames came that the decoder holds back, by the time of day, and when they are
        filed at the latest, by the monotonic clock; 0 while there are none."""
        self._rest_until = 0.0
        self._counters: Counter[str] = Counter()
        self._account = Account([self._counters, self._tee.counters], self._notices)
        self._rate = RateMeter()
        self._started_at = self._last_message_at = time.monotonic()
        self._next_report = 0.0
        self._stop_requests = 0
        self._stopping = False
        self._finished_serials = 0

    # -------------------------------------------------------------------------------------------- the loop
    def run(self) -> None:
        """Receive until told to stop (or, once, until the first acquisition is finished)."""
        signal.signal(signal.SIGTERM, self._on_sigterm)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
        while not self._done():
            if self._runtime.orphaned:
                logger.error("the parent process is gone; the receiver ends")
                self._runtime.remove()
                break
            self._turn()
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        self._send([(worker, WorkerExit()) for worker in self._dispatcher.workers])
        sockets.send(self._analyst, StopAll())

    def close(self) -> None:
        """Delete the frame log's files."""
        for descriptor in self._pidfds:
            os.close(descriptor)
        self._source.close()
        self._tee.close()
        self._log.close()

    def _done(self) -> bool:
        idle = not (self._held or self._dispatcher.busy) and self._finished_serials == self._intake.serial
        return idle and (self._stopping or (self._runtime.once and self._intake.serial > 0))

    def _turn(self) -> None:
        if self._looks:
            self._source.watch(self._poller)
        else:
            self._source.ignore(self._poller)
        ready = self._poller.wait(self._patience_s(time.time()))
        now = time.time()
        if self._stop_requests:
            self._stop(now)
        for descriptor in ready & self._pidfds.keys():
            self._on_worker_death(descriptor, now)
        if self._jobs in ready:
            self._take_from_workers(now)
        if self._answers in ready:
            self._take_answers(now)
        if self._held:
            self._retry_held(now)
            self._end_stopped(now)
        elif self._looks:
            self._take_stream(now)
        self._file_kept_back()
        self._send(self._dispatcher.assign(now))
        if time.monotonic() >= self._next_report:
            self._check_hung(now)
            self._look_for_silence(now)
            self._report(now)

    def _patience_s(self, now: float) -> float:
        """Until something has to be done although nothing comes."""
        due, clock = [IDLE_WAIT_S], time.monotonic()
        if self._file_until:
            due.append(max(0.0, self._file_until - clock))
        if self._rest_until > clock:
            due.append(self._rest_until - clock)
        flush = self._dispatcher.jobs.seconds_to_flush(now)
        return min([*due, *([] if flush is None else [flush])])

    @property
    def _held_back(self) -> str:
        """What the detector has to wait for; empty when it need not."""
        if self._held:
            return "the frame log is full"
        return "" if self._tee.ready() else "the program at stream.forward does not take the stream"

    @property
    def _listens(self) -> bool:
        return not (self._stopping or self._held_back)

    @property
    def _looks(self) -> bool:
        """Whether the stream is looked at now: it may be taken, and does not rest."""
        return self._listens and time.monotonic() >= self._rest_until

    def _look_for_silence(self, now: float) -> None:
        """Whether the detector is silent; one that is held back, or not listened to, is not."""
        clock = time.monotonic()
        if not self._listens:
            self._last_message_at = clock
        silent_s = clock - self._last_message_at
        self._take_events(self._intake.silent(silent_s, self._config.stream.end_after_s), now)

    # ------------------------------------------------------------------------------------------- the stream
    def _take_stream(self, now: float) -> None:
        clock = time.monotonic()
        for _ in range(MESSAGES_PER_TURN):
            if not self._tee.ready():
                break
            try:
                parts = self._source.receive()
                if parts is None:
                    self._rest()
                    break
                self._last_message_at = clock
                self._counters["messages_received"] += 1
                self._tee.pass_on(parts)
                messages = self._decoder.decode(parts)
            except WireError as error:
                self._refuse(error)
                continue
            if messages:
                self._handle_all(messages, self._kept_back or now)
                self._kept_back = self._file_until = 0.0
            if not self._kept_back and self._decoder.waiting:
                self._kept_back = now
                self._file_until = clock + self._config.dispatch.flush_ms / 1000
            if self._held:
                break

    def _rest(self) -> None:
        """Leave what comes where it is for a moment, where that costs no time: frames wait for others anyway."""
        if self._source.buffers and not self._tee.passes and (self._kept_back or self._dispatcher.jobs.filling):
            self._rest_until = time.monotonic() + REST_S

    def _file_kept_back(self, *, at_once: bool = False) -> None:
        """File what the decoder holds back, when its time is up or nothing will join it."""
        if not self._kept_back:
            return
        if at_once or self._held or not self._listens or time.monotonic() >= self._file_until:
            since, self._kept_back, self._file_until = self._kept_back, 0.0, 0.0
            self._handle_all(self._decoder.flush(), since)

    def _handle_all(self, messages: Iterable[Decoded], now: float) -> None:
        """Handle messages in order; from the first on for which there is no room they are held."""
        for message in itertools.chain.from_iterable(map(self._repeats.handle, messages)):
            if self._held or not self._handle(message, now):
                self._held.append(message)

    def _handle(self, message: Decoded, now: float) -> bool:
        try:
            events = self._intake.handle(message, now)
        except FrameLogFullError:
            return False
        except WireError as error:
            self._refuse(error)
            return True
        if isinstance(message, FrameBatch | KeptFrames):
            self._rate.add(now, message.n_frames)
        self._take_events(events, now)
        return True

    def _take_events(self, events: list[IntakeEvent], now: float) -> None:
        for event in events:
            if isinstance(event, Ended):
                self._account.ended(event.stream.serial)
        self._send(self._dispatcher.on_stream(events, now))

    def _refuse(self, error: WireError) -> None:
        self._counters["messages_malformed"] += 1
        self._counters[f"messages_{type(error).__name__}"] += 1
        self._notices.add(str(error))

    def _retry_held(self, now: float) -> None:
        while self._held and self._handle(self._held[0], now):
            self._held.popleft()
        if self._held:
            self._send(self._dispatcher.on_log_full(now))

    # --------------------------------------------------------------------------------- workers and analyst
    def _take_from_workers(self, now: float) -> None:
        while (message := sockets.receive(self._jobs, prefix=1)) is not None:
            if isinstance(message, WorkerReady):
                if self._watch(message):
                    self._send(self._dispatcher.on_ready(message, now))
            elif isinstance(message, ProbeMeasured):
                self._send(self._dispatcher.on_probe(message, now))

    def _watch(self, message: WorkerReady) -> bool:
        """Notice the worker's end; False when it has ended already, after this last message."""
        known = self._dispatcher.workers.get(message.worker_id)
        if known is not None and known.pid == message.pid:
            return True
        try:
            descriptor = os.pidfd_open(message.pid)
        except ProcessLookupError:
            return False
        self._had_workers = True
        self._pidfds[descriptor] = message.worker_id, message.pid
        self._poller.add(descriptor)
        logger.info("worker %s (pid %d) is ready", message.worker_id, message.pid)
        return True

    def _on_worker_death(self, descriptor: int, now: float) -> None:
        worker, pid = self._pidfds.pop(descriptor)
        self._poller.remove(descriptor)
        os.close(descriptor)
        if not self._stopping or self._dispatcher.busy:
            self._counters["worker_restarts"] += 1
            self._notices.add(f"worker {worker} ended unexpectedly; its frames were given to others")
        known = self._dispatcher.workers.get(worker)
        if known is None or known.pid == pid:  # else its successor was quicker, and took over
            self._send(self._dispatcher.worker_lost(worker, now))

    def _check_hung(self, now: float) -> None:
        for worker in self._dispatcher.hung_workers(now):
            pid = self._dispatcher.workers[worker].pid
            self._notices.add(
                f"worker {worker} has not answered for {self._config.dispatch.job_timeout_s} s; restarted"
            )
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def _take_answers(self, now: float) -> None:
        while (message := sockets.receive(self._answers)) is not None:
            if isinstance(message, ResultAccepted):
                self._send(self._dispatcher.on_accepted(message, now))
            elif isinstance(message, AnalystFinished):
                self._finished_serials = max(self._finished_serials, message.serial)
            elif isinstance(message, StopAll):
                self._stop_requests += 2 if message.immediately else 1
            elif isinstance(message, GeometryChanged):
                self._dispatcher.change_geometry(message.serial, message.geometry)
            elif isinstance(message, DetectionChanged):
                self._dispatcher.false_disks_per_frame = message.false_disks_per_frame

    # ---------------------------------------------------------------------------------------------- ending
    def _on_sigterm(self, _number: int, _frame: FrameType | None) -> None:
        self._stop_requests += 1

    def _stop(self, now: float) -> None:
        self._file_kept_back(at_once=True)
        at_once = self._stopping or self._stop_requests > 1
        self._stop_requests, self._stopping = 0, True
        if at_once:
            self._intake.drop_when_full = True  # what was taken in is not waited for, but counted
            self._retry_held(now)
        self._end_stopped(now)
        if at_once:
            self._send(self._dispatcher.discard_backlog(now))

    def _end_stopped(self, now: float) -> None:
        """Once stopped, end the acquisition under way as soon as everything that was taken in is filed."""
        if self._stopping and not self._held:
            self._take_events(self._intake.stop("stopped by the operator"), now)

    # ----------------------------------------------------------------------------------------------- output
    def _send(self, out: Outgoing) -> None:
        for destination, message in out:
            if destination == ANALYST:
                sockets.send(self._analyst, self._with_account(message))
            else:
                sockets.send(self._jobs, message, prefix=(destination.encode(),))

    def _with_account(self, message: object) -> object:
        """Counters and notices belong to the acquisition during which, or before which, they arose."""
        if isinstance(message, AcquisitionOpened):
            self._account.opened(message.serial)
        elif isinstance(message, AcquisitionDrained):
            self._report(time.time())  # so that the results are written with the last counters
            counters, notices = self._account.settled(message.serial)
            return dataclasses.replace(message, counters=counters | message.counters, notices=notices)
        return message

    def _report(self, now: float) -> None:
        clock = time.monotonic()
        self._next_report = clock + REPORT_EVERY_S
        report = make_report(
            intake=self._intake,
            dispatcher=self._dispatcher,
            log=self._log,
            counters=self._counters + self._repeats.counters + self._tee.counters,
            notices=self._notices,
            rate_hz=self._rate.rate(now),
            silent_s=clock - self._last_message_at,
            quiet_warning_s=self._config.stream.quiet_warning_s,
            endpoint=self._config.stream.endpoint,
            held_back=self._held_back,
            stopping=self._stopping,
            running_s=clock - self._started_at,
            had_workers=self._had_workers,
            now=now,
        )
        sockets.send(self._analyst, report, wait=False)


def run_receiver(runtime: Runtime) -> None:
    """Be the receiver process, once somebody can take what is received."""
    while not runtime.bound_file.exists():
        if runtime.orphaned:
            return
        time.sleep(IDLE_WAIT_S)
    with sockets.context() as ctx:
        receiver = Receiver(runtime, ctx)
        try:
            receiver.run()
        finally:
            receiver.close()
