"""Runs the real programs in processes of their own, for the tests that need the whole pipeline."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from livebragg.cli.demo import free_ports
from livebragg.cli.status import ask_status
from livebragg.errors import PipelineError

STARTUP_S = 150.0
"""The kernels may have to be compiled first."""


def free_endpoints(count: int) -> list[str]:
    """TCP endpoints of this machine that nobody uses."""
    return [f"tcp://127.0.0.1:{port}" for port in free_ports(count)]


class LivePipeline:
    """``livebragg attach`` in a process of its own."""

    def __init__(self, folder: Path, *flags: str, workers: int = 1, once: bool = True, stream: str = "") -> None:
        self.stream, self.feed, self.control = free_endpoints(3)
        self.stream = stream or self.stream
        self.folder = folder
        self.runtime = Path(tempfile.mkdtemp(prefix="lb-"))  # sockets are in it, whose paths must be short
        self.log = folder / "attach.log"
        command = [sys.executable, "-m", "livebragg.cli.main", "-v", "attach", self.stream]
        command += ["--set", f"publish.feed={self.feed}", "--control", self.control, "--results", str(folder)]
        command += [
            "--workers",
            str(workers),
            "--set",
            "frame_log.segment_mb=8",
            "--set",
            "frame_log.capacity_mb=128",
        ]
        command += ["--set", f"frame_log.directory={self.runtime}", *(["--once"] if once else []), *flags]
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                command, stdout=log, stderr=log, env=os.environ | {"XDG_RUNTIME_DIR": str(self.runtime)}
            )

    def status(self) -> dict[str, Any]:
        """Status of the pipeline, empty while nobody answers."""
        try:
            return asdict(ask_status(self.control, timeout_s=1.0))
        except PipelineError:
            return {}

    def wait_for(
        self, condition: Callable[[dict[str, Any]], bool], timeout_s: float = STARTUP_S
    ) -> dict[str, Any]:
        """The first status that meets the condition."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            status = self.status()
            if status and condition(status):
                return status
            time.sleep(0.05)
            assert self.process.poll() is None, f"the pipeline ended early:\n{self.text()}"
        raise AssertionError(f"no such status within {timeout_s} s; the log:\n{self.text()}")

    def wait_ready(self) -> None:
        """Wait until a worker is ready."""
        self.wait_for(lambda status: len(status["workers"]) > 0)

    def end(self, timeout_s: float = STARTUP_S) -> int:
        """Exit code, once the program has ended."""
        return self.process.wait(timeout_s)

    def text(self) -> str:
        """What the program printed."""
        return self.log.read_text()

    def worker_pids(self) -> dict[str, int]:
        """Process ids of the workers."""
        return {w["worker_id"]: int(w["pid"]) for w in self.status()["workers"]}

    def child_pids(self) -> list[int]:
        """Process ids of everything the program started."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [int(pid) for pid in children.split()]

    def results(self) -> list[Path]:
        """Results files written."""
        return sorted(self.folder.glob("*.h5"))

    def close(self) -> None:
        """End the program, the hard way if it must be."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        shutil.rmtree(self.runtime)


@contextlib.contextmanager
def live_pipeline(
    folder: Path, *flags: str, workers: int = 1, once: bool = True, stream: str = ""
) -> Iterator[LivePipeline]:
    """A running pipeline."""
    pipeline = LivePipeline(folder, *flags, workers=workers, once=once, stream=stream)
    try:
        yield pipeline
    finally:
        pipeline.close()


@contextlib.contextmanager
def simulator(endpoint: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """``livebragg-simulate`` in a process of its own."""
    command = [sys.executable, "-m", "livebragg_simulators.cli", *arguments, "--bind", endpoint]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()
