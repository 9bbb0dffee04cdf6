"""Supervisor: starts the pipeline's processes, restarts workers, and ends everything cleanly."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from collections import deque

from livebragg.config.schema import Config
from livebragg.errors import PipelineError
from livebragg.pipeline.runtime import Runtime, create_runtime
from livebragg.wire import sockets

logger = logging.getLogger(__name__)

KILL_AFTER_S = 30.0
"""Time for the analyst to save what it knows when another part failed."""
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")


def worker_count(config: Config) -> int:
    """Worker processes to start: as configured, else one for each free processor but one."""
    return config.dispatch.workers or max(1, len(os.sched_getaffinity(0)) - 1)


class Supervisor:
    """The processes of one pipeline; a context manager that leaves nothing behind.

    Parameters
    ----------
    config : Config
        For every part.
    once : bool
        End after the first acquisition.
    """

    def __init__(self, config: Config, *, once: bool = False) -> None:
        self._config = config
        self._once = once
        self._runtime: Runtime | None = None
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._restarts: deque[float] = deque()
        self._later = [f"w{k}" for k in range(1, worker_count(config))]
        """Workers that start once the first one has compiled the kernels for all."""
        self.worker_restarts = 0
        self._stopped = False

    def __enter__(self) -> Supervisor:
        _require_free(self._config)
        self._runtime = create_runtime(self._config, once=self._once)
        try:
            for name in ("analyst", "receiver", "w0"):
                self._start(name)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def publishes(self) -> bool:
        """Whether the feed is this pipeline's; before, what comes from its endpoint is somebody else's."""
        return self._runtime is not None and self._runtime.bound_file.exists()

    @property
    def pids(self) -> dict[str, int]:
        """Process id of each part."""
        return {name: child.pid for name, child in self._children.items()}

    def poll(self) -> bool:
        """Look after the processes; False once the pipeline has ended as it should.

        Raises
        ------
        PipelineError
            A part failed; the text says which and why.
        """
        if self._later and self._runtime is not None and self._runtime.compiled_file.exists():
            for name in self._later:
                self._start(name)
            self._later = []
        for name, child in list(self._children.items()):
            code = child.poll()
            if code is None:
                continue
            del self._children[name]
            if name in ("analyst", "receiver"):
                if code not in ((0, -signal.SIGTERM) if self._stopped else (0,)):
                    raise PipelineError(self._problem() or f"the {name} ended unexpectedly ({_how(code)})")
            elif code != 0 and "receiver" in self._children:
                self._restart(name, code)
        return "analyst" in self._children or "receiver" in self._children

    def stop(self) -> None:
        """Finish the acquisition under way and end; asked again, without the frames that still wait."""
        self._stopped = True
        receiver = self._children.get("receiver")
        if receiver is not None:
            receiver.send_signal(signal.SIGTERM)

    def close(self) -> None:
        """End every process and delete the run's folders."""
        analyst = self._children.get("analyst")
        if analyst is not None:
            analyst.terminate()
        for child in self._children.values():
            if child is not analyst:  # they own nothing that is not deleted below
                child.kill()
                child.wait()
        if analyst is not None:
            try:
                analyst.wait(KILL_AFTER_S)
            except subprocess.TimeoutExpired:
                analyst.kill()
                analyst.wait()
        self._children.clear()
        if self._runtime is not None:
            self._runtime.remove()

    def _start(self, name: str) -> None:
        assert self._runtime is not None
        kind = name if name in ("analyst", "receiver") else "worker"
        command = [sys.executable, "-m", "livebragg.pipeline.processes", kind, str(self._runtime.directory)]
        if kind == "worker":
            command.append(name)
        # The child inherits the blocked SIGTERM, and lets it through once it can act on it.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        try:
            # A process group of its own: the terminal's Ctrl-C is for the supervisor alone.
            self._children[name] = subprocess.Popen(command, env=os.environ | _ONE_THREAD, process_group=0)
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})

    def _restart(self, name: str, code: int) -> None:
        now = time.monotonic()
        self._restarts.append(now)
        while self._restarts[0] < now - 60:
            self._restarts.popleft()
        self.worker_restarts += 1
        problem = self._problem(forget=True)
        if len(self._restarts) > self._config.dispatch.max_restarts:
            raise PipelineError(
                f"workers ended {len(self._restarts)} times within a minute, the limit is "
                f"{self._config.dispatch.max_restarts}; the last one: {problem or _how(code)}"
            )
        logger.warning("worker %s ended (%s); a new one is started", name, problem or _how(code))
        self._start(name)

    def _problem(self, *, forget: bool = False) -> str:
        assert self._runtime is not None
        path = self._runtime.problem_file
        try:
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return ""
        if forget:
            path.unlink()
        return text


def _require_free(config: Config) -> None:
    """Refuse what another pipeline uses, before anything that could take frames from it is started.

    Raises
    ------
    PipelineError
        An endpoint is in use; the text names it and the remedies.
    """
    for flag, endpoint in (
        ("--feed", config.publish.feed),
        ("--control", config.publish.control),
        ("--forward", config.stream.forward),
    ):
        if endpoint and not sockets.is_free(endpoint):
            raise PipelineError(
                f"a pipeline, or another program, already runs at {endpoint}: stop it, or give another endpoint "
                f"with {flag} (a second pipeline needs a --feed and a --control of its own). Two programs on one "
                "stream take frames from each other: let the first one pass the stream on with --forward"
            )


def _how(code: int) -> str:
    return f"killed by signal {-code}" if code < 0 else f"exit code {code}"
