"""Analyst process: owns all running state of the analysis, publishes it, and answers requests."""

from __future__ import annotations

import logging
import signal
import sys
import threading
import time
from types import FrameType
from typing import Any

from livebragg.pipeline.frame_lookup import LogLookup
from livebragg.pipeline.health import Notices, losses
from livebragg.pipeline.named_files import FilesOfScans, NamedFiles
from livebragg.pipeline.publisher import Publisher
from livebragg.pipeline.requests.geometry import find_missed_triggers, guess_lines
from livebragg.pipeline.requests.router import answer
from livebragg.pipeline.runtime import Runtime
from livebragg.pipeline.scan.run import ScanRun
from livebragg.pipeline.settings import LiveSettings
from livebragg.pipeline.status import Standing, make_status
from livebragg.pipeline.warm_up import warm_up_analysis
from livebragg.storage.frame_log import FrameLogReader
from livebragg.wire import sockets
from livebragg.wire.messages import (
    AcquisitionDrained,
    AcquisitionOpened,
    AnalystFinished,
    DetectResult,
    EndReason,
    GeometryChanged,
    PipelineStatus,
    ProbeChosen,
    ReceiverReport,
    ResultAccepted,
    StopAll,
)

logger = logging.getLogger(__name__)

IDLE_WAIT_S = 0.05
SWITCH_S = 0.001
"""Threads that measure light let the one that publishes go on after this time."""
MESSAGES_PER_TURN = 200
REQUESTS_PER_TURN = 50
"""Results and maps come in between, however fast somebody asks."""
PUBLISH_SHARE = 0.35
"""Largest part of a core that bringing the maps up to date may take while frames wait for workers."""
PROMPT_SHARE = 0.5
"""The same when none wait: results are shown as they come."""
TRIGGERS_GAP_S, TRIGGERS_SHARE = 5.0, 0.05
"""Missed triggers are looked for this often, and mapping everything anew for them takes this part of the time."""
PROMPT_GAP_S = 0.08
"""Results that come this soon after others are shown together with them."""

_STATUS_OF = {EndReason.FINISHED: "complete", EndReason.STOPPED: "stopped", EndReason.ABORTED: "aborted"}


class Analyst:
    """Sockets around the scans under way.

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
        self._settings = LiveSettings(config)
        self._files = FilesOfScans()
        self._config = config
        self._notices = Notices()
        self._log = FrameLogReader(runtime.log_directory)
        self._publisher = Publisher(ctx, config.publish.feed)
        self._control = sockets.open_socket(ctx, sockets.ROUTER, bind=config.publish.control)
        self._results = sockets.open_socket(ctx, sockets.PULL, bind=runtime.results)
        self._receiver = sockets.open_socket(ctx, sockets.PUSH, connect=runtime.accepted)
        self._poller = sockets.Poller()
        for socket in (self._publisher.socket, self._control, self._results):
            self._poller.add(socket)
        self._opened: dict[int, AcquisitionOpened] = {}
        self._waiting: dict[int, list[DetectResult]] = {}
        self._runs: dict[int, ScanRun] = {}
        self._lookups: dict[int, LogLookup] = {}
        self._report: ReceiverReport | None = None
        self._reported_at = time.time()
        self._revision = 0
        self._next_publish = 0.0
        self._next_maps = 0.0
        self._next_triggers = 0.0
        self._finishing = False
        self._begun = 0
        self._fruitless: dict[int, str] = {}
        """Acquisitions that ended without results, and why."""
        self._cautions: dict[int, list[str]] = {}
        """Acquisitions that go on without something that was asked for, and what."""
        self._stop = False
        self._warm_up = threading.Thread(target=self._prepare, daemon=True)

    # -------------------------------------------------------------------------------------------- the loop
    def run(self) -> None:
        """Analyse until the receiver says that nothing more will come."""
        signal.signal(signal.SIGTERM, self._on_sigterm)
        self._warm_up.start()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
        while not self._stop:
            if self._runtime.orphaned:
                logger.error("the parent process is gone; the analyst ends")
                return
            if self._warm_up.is_alive():
                self._warm_up.join(IDLE_WAIT_S)
            ready = self._poller.wait(min(IDLE_WAIT_S, max(0.0, self._due() - time.time())))
            if self._publisher.socket in ready:
                self._publisher.greet()
            if self._results in ready and not self._warm_up.is_alive():
                self._take_results()
            if self._control in ready:
                self._answer_requests()
            if time.time() >= self._due():
                self._publish()

    def close(self) -> None:
        """Save what is known of scans that did not come to their end: something else failed."""
        for run in self._runs.values():
            try:
                if not run.complete:
                    health = self._receiver_counters(run.opened.serial)
                    run.finish(self._revision, "aborted", "the pipeline failed", health)
            except Exception:  # whatever it is, it must not keep the other scans and files from being closed
                logger.exception("acquisition %d could not be finished", run.opened.serial)
            finally:
                run.close()
        self._log.close()

    def _prepare(self) -> None:
        """Compile, and read the named files as they were when the start checked them; results wait until then."""
        warm_up_analysis(self._config)
        self._files.read(self._config)

    def _on_sigterm(self, _number: int, _frame: FrameType | None) -> None:
        self._stop = True

    # ----------------------------------------------------------------------------------------- what comes in
    def _take_results(self) -> None:
        for _ in range(MESSAGES_PER_TURN):
            message = sockets.receive(self._results)
            if message is None:
                return
            if isinstance(message, DetectResult):
                self._take_result(message)
            elif isinstance(message, ReceiverReport):
                self._report, self._reported_at = message, time.time()
            elif isinstance(message, AcquisitionOpened):
                self._opened[message.serial] = message
            elif isinstance(message, ProbeChosen):
                self._begin(message)
            elif isinstance(message, AcquisitionDrained):
                self._finish(message)
            elif isinstance(message, StopAll):
                self._stop = True
                return

    def _begin(self, message: ProbeChosen) -> None:
        opened = self._opened[message.serial]
        probe = message.probe
        logger.info(
            "acquisition %s: probe radius %.2f px, edge %.2f px, centre (%.1f, %.1f), %s",
            opened.acquisition.acquisition_id,
            probe.radius,
            probe.edge_width,
            *probe.center,
            "measured" if message.measured else "configured",
        )
        self._begun = max(self._begun, message.serial)
        self._forget_finished()
        self._opened = {s: o for s, o in self._opened.items() if s >= message.serial or s in self._runs}
        self._publisher.forget()
        files = self._read_files(message.serial)
        lookup = LogLookup(self._log, opened.acquisition, opened.geometry)
        self._lookups[message.serial] = lookup
        self._runs[message.serial] = ScanRun(
            opened,
            probe,
            self._settings.for_scan(self._settings.config),
            lookup,
            self._notices,
            live=True,
            files=files,
        )
        for result in self._waiting.pop(message.serial, []):
            self._take_result(result)

    def _read_files(self, serial: int) -> NamedFiles:
        """What the named files say; that one became unusable since the start is told, and ends nothing."""
        files = self._files.read(self._settings.config)
        self._cautions = {serial: self._files.problems} if self._files.problems else {}
        for problem in self._files.problems:
            self._notices.add(problem)
        self._settings.filed = files.calibration
        return files

    def _take_result(self, result: DetectResult) -> None:
        run = self._runs.get(result.serial)
        if run is None:
            if result.serial > self._begun:
                # Workers and receiver are separate peers: a result may overtake the news of its acquisition.
                self._waiting.setdefault(result.serial, []).append(result)
                return
        elif not run.complete:
            self._lookups[result.serial].add(result.pieces)
            run.add(result, time.time())
            self._move(guess_lines(run))
        sockets.send(self._receiver, ResultAccepted(job_id=result.job_id, serial=result.serial))

    def _forget_finished(self) -> None:
        for serial in [s for s, run in self._runs.items() if run.complete]:
            self._runs[serial].close()
            del self._runs[serial], self._lookups[serial]
            self._opened.pop(serial, None)

    # ------------------------------------------------------------------------------------------ what goes out
    def _receiver_counters(self, serial: int) -> dict[str, float]:
        """What the receiver last said, if it spoke of this acquisition."""
        about_it = self._report is not None and self._report.serial == serial
        return dict(self._report.counters) if self._report is not None and about_it else {}

    def _current(self) -> ScanRun | None:
        return self._runs[max(self._runs)] if self._runs else None

    def _due(self) -> float:
        """When to publish next: at the interval, sooner when there is news and no work waits."""
        run = self._current()
        if run is None or run.complete or self._behind or not (run.has_news or run.is_calibrating):
            return self._next_publish
        return min(self._next_publish, self._next_maps)

    @property
    def _behind(self) -> bool:
        """Whether frames wait for workers, whom a busy analyst may hold up: more than the job being filled."""
        waiting = 0.0 if self._report is None else self._report.counters.get("backlog_frames", 0.0)
        return waiting > self._config.dispatch.batch_frames

    def _publish(self) -> None:
        started, used = time.time(), time.thread_time()
        run = self._current()
        self._revision += 1
        self._log.forget_dropped()
        if run is not None and not run.complete and started >= self._next_triggers:
            self._move(find_missed_triggers(run))
            run = self._runs[run.opened.serial]
            now = time.time()
            self._next_triggers = now + max(TRIGGERS_GAP_S, (now - started) / TRIGGERS_SHARE)
        if run is not None and not run.complete:
            if (run.has_news or run.is_calibrating) and started >= self._next_maps:
                self._publish_run(run, hurried=self._behind)
                share = PUBLISH_SHARE if self._behind else PROMPT_SHARE
                # By what it computed: on a machine with other work, what it waited takes nothing from the workers.
                pause = (time.thread_time() - used) * (1 / share - 1)
                self._next_maps = time.time() + max(PROMPT_GAP_S, pause)
            run.results.flush()
        if started >= self._next_publish:
            self._publisher.publish(self._status())
            self._next_publish = max(started + self._config.publish.interval_s, time.time())

    def _publish_run(self, run: ScanRun, *, hurried: bool) -> None:
        """Maps if there is news, then what they need not wait for."""
        if run.has_news:
            for message in run.publish(self._revision, time.time(), hurried=hurried):
                self._publisher.publish(message)
        for message in run.publish_details(self._revision, time.time(), hurried=hurried):
            self._publisher.publish(message)

    @property
    def _report_age_s(self) -> float:
        """Time since the receiver's last report; those that come while kernels are compiled wait unread."""
        return 0.0 if self._warm_up.is_alive() else time.time() - self._reported_at

    def _status(self) -> PipelineStatus:
        serial = max(self._opened, default=0)
        standing = Standing(
            revision=self._revision,
            opened=self._opened.get(serial),
            run=self._runs.get(serial),
            report=self._report,
            report_age_s=self._report_age_s,
            finishing=self._finishing,
            problem=self._fruitless.get(serial, ""),
            cautions=self._cautions.get(serial, []),
            notices=self._notices.snapshot(),
            settings=self._settings.values,
        )
        return make_status(standing, time.time())

    def _answer_requests(self) -> None:
        for _ in range(REQUESTS_PER_TURN):
            parts = sockets.receive_parts(self._control)
            if parts is None:
                return
            reply, order = answer(parts[1:], self._current(), self._status, self._settings)
            if isinstance(order, GeometryChanged):
                self._move(order)
            elif order is not None:
                sockets.send(self._receiver, order)
            sockets.send(self._control, reply, prefix=(bytes(parts[0]), b""), wait=False)

    def _move(self, change: GeometryChanged | None) -> None:
        """Map everything anew, if there is a reason."""
        if change is None:
            return
        serial = change.serial
        if change.geometry != self._runs[serial].opened.geometry:
            sockets.send(self._receiver, change)
        lookup = self._lookups[serial] = self._lookups[serial].moved(change.geometry)
        run = self._runs[serial] = self._runs[serial].moved(change.geometry, lookup)
        self._opened[serial] = run.opened

    # ------------------------------------------------------------------------------------------------- the end
    def _finish(self, message: AcquisitionDrained) -> None:
        run = self._runs.get(message.serial)
        path = problem = ""
        if run is not None:
            self._move(find_missed_triggers(run, final=True))
            run = self._runs[message.serial]
            self._finishing = True
            self._publisher.publish(self._status())
            self._revision += 1
            if run.has_news:  # the last positions are shown at once: refining the whole takes a while
                self._publish_run(run, hurried=True)
            self._revision += 1
            status = _STATUS_OF[message.reason]
            health = self._receiver_counters(message.serial) | message.counters
            reason = "; ".join([message.note, *losses(message.counters)])
            for update in run.finish(self._revision, status, reason, health, message.notices):
                self._publisher.publish(update)
            path, problem = run.results_path, run.problem
            self._finishing = False
        elif message.reason is not EndReason.STOPPED:
            problem = self._fruitless[message.serial] = f"there are no results: {message.note}"
        logger.info("acquisition %d: %s; results: %s", message.serial, message.note, path or problem or "none")
        self._publisher.publish(self._status())
        sockets.send(self._receiver, AnalystFinished(serial=message.serial, results_path=path, problem=problem))


def run_analyst(runtime: Runtime) -> None:
    """Be the analyst process."""
    sys.setswitchinterval(SWITCH_S)
    with sockets.context() as ctx:
        analyst = Analyst(runtime, ctx)
        runtime.bound_file.touch()
        try:
            analyst.run()
        finally:
            analyst.close()
