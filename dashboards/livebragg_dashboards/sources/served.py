"""Programs that speak to this server on sockets of its own: started here, and ended with it.

The dashboard knows only the wire. What is on disk is read by ``livebragg serve``, in a process of its own.
"""

from __future__ import annotations

import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from livebragg.errors import PipelineError

START_S = 120.0
"""The first one after an installation compiles."""


class Served:
    """One ``livebragg`` command with a feed that only this server can reach.

    Parameters
    ----------
    command : str
        One that takes `flags` and ``--end-with-input``, and says a line when it is ready.
    arguments : str
        What it works on.
    wait : bool
        Until it speaks; else `problem` tells later whether it could.
    flags : sequence of str
        Options with which it is told its endpoints: the one on which it publishes, the one for requests.

    Raises
    ------
    PipelineError
        It ended at once, or said nothing; the text is what it said.
    """

    def __init__(
        self, command: str, *arguments: str, wait: bool = True, flags: Sequence[str] = ("--feed", "--control")
    ) -> None:
        self._command, self._said = command, ""
        self._folder = tempfile.TemporaryDirectory(prefix="livebragg-page-")
        self.feed, self.control = (f"ipc://{Path(self._folder.name) / name}" for name in ("feed", "control"))
        endpoints = [word for pair in zip(flags, (self.feed, self.control), strict=False) for word in pair]
        # Not a pipe: nobody reads it while all is well, and it would fill.
        self._errors = tempfile.TemporaryFile("w+", errors="replace")  # noqa: SIM115 - see `close`
        words = [command, *arguments, *endpoints, "--end-with-input"]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "livebragg.cli.main", *words],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, text=True,
        )  # fmt: skip
        if not wait:
            return
        try:
            self._wait_until_it_speaks(time.monotonic() + START_S)
        except BaseException:
            self.close()
            raise

    def _wait_until_it_speaks(self, deadline: float) -> None:
        assert self._process.stdout is not None
        ready, _, _ = select.select([self._process.stdout], [], [], deadline - time.monotonic())
        if ready and self._process.stdout.readline():
            return
        if not ready:
            raise PipelineError(f"livebragg {self._command} said nothing for {START_S:.0f} s")
        self._process.wait(START_S)
        raise PipelineError(self.problem())

    def problem(self) -> str:
        """Why it ended, in its own words; empty while it runs."""
        if self.alive or self._errors.closed:
            return ""
        if not self._said:
            self._errors.seek(0)
            said = self._errors.read().strip().removeprefix("livebragg: ")
            self._said = said.splitlines()[-1] if said else f"livebragg {self._command} ended without a word"
        return self._said

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self._process.poll() is None

    def close(self) -> None:
        """End it; it sees that its input is closed."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(3.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for stream in (self._process.stdout, self._errors):
            if stream is not None:
                stream.close()
        self._folder.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
