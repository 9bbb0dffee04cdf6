"""The private folder in which the processes of one pipeline meet: sockets, frame log, and the configuration."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from livebragg.config.loader import from_table
from livebragg.config.render import to_table
from livebragg.config.schema import Config
from livebragg.errors import PipelineError

RAM_DISK = Path("/dev/shm")
_PREFIX = "livebragg-"


@dataclass(frozen=True, slots=True)
class Runtime:
    """Paths and endpoints of one running pipeline.

    Parameters
    ----------
    directory : Path
        Private folder (mode 0700) for sockets and the run's description.
    log_directory : Path
        Folder for the frame log's segments.
    config : Config
        What everything is configured with.
    once : bool
        End after the first acquisition.
    supervisor_pid : int
        Process that started the others; they end when it is gone.
    """

    directory: Path
    log_directory: Path
    config: Config
    once: bool
    supervisor_pid: int

    @property
    def orphaned(self) -> bool:
        """Whether the supervisor is gone (asked by its children)."""
        return os.getppid() != self.supervisor_pid

    @property
    def jobs(self) -> str:
        """Where workers ask the receiver for jobs."""
        return f"ipc://{self.directory}/jobs"

    @property
    def results(self) -> str:
        """Where the analyst takes results and the receiver's events."""
        return f"ipc://{self.directory}/results"

    @property
    def accepted(self) -> str:
        """Where the receiver takes the analyst's answers."""
        return f"ipc://{self.directory}/accepted"

    @property
    def problem_file(self) -> Path:
        """Where a process that fails says why, in one sentence."""
        return self.directory / "problem.txt"

    def report_problem(self, sentence: str) -> None:
        """Say why this process fails; the first one to fail is the cause of the others."""
        try:
            with self.problem_file.open("x", encoding="utf-8") as file:
                file.write(sentence)
        except FileExistsError:
            pass

    @property
    def bound_file(self) -> Path:
        """Exists once the analyst has its feed and its control socket; nobody takes frames before."""
        return self.directory / "bound"

    @property
    def compiled_file(self) -> Path:
        """Exists once a worker has compiled the kernels (or loaded them from the cache)."""
        return self.directory / "compiled"

    def save(self) -> Path:
        """Write the run's description for the child processes."""
        path = self.directory / "run.json"
        run = {
            "config": to_table(self.config),
            "log_directory": str(self.log_directory),
            "once": self.once,
            "supervisor_pid": self.supervisor_pid,
        }
        path.write_text(json.dumps(run), encoding="utf-8")
        return path

    @classmethod
    def load(cls, directory: Path) -> Runtime:
        """Read the run's description in a child process."""
        run = json.loads((directory / "run.json").read_text(encoding="utf-8"))
        config = from_table(Config, run["config"])
        return cls(directory, Path(run["log_directory"]), config, run["once"], run["supervisor_pid"])

    def remove(self) -> None:
        """Delete everything the run made, whoever is left to do it."""
        shutil.rmtree(self.log_directory, ignore_errors=True)
        shutil.rmtree(self.directory, ignore_errors=True)


def create_runtime(config: Config, *, once: bool) -> Runtime:
    """Make the folders of a new run, and remove those that dead runs left behind."""
    base = Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir())
    remove_dead_runs(base)
    remove_dead_runs(RAM_DISK)
    directory = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=base))
    log_directory = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-log-", dir=_log_base(config, base)))
    runtime = Runtime(directory, log_directory, config, once, os.getpid())
    runtime.save()
    return runtime


def _log_base(config: Config, base: Path) -> Path:
    wanted = config.frame_log.capacity_mb << 20
    if config.frame_log.directory:
        folder = Path(config.frame_log.directory)
        if not folder.is_dir():
            raise PipelineError(f"frame_log.directory {folder} is not a folder; make it or choose another")
        candidates = [folder]
    else:
        candidates = [RAM_DISK, base, Path(tempfile.gettempdir())]
    for folder in candidates:
        if folder.is_dir() and os.access(folder, os.W_OK) and shutil.disk_usage(folder).free > wanted:
            return folder
    places = ", ".join(str(c) for c in candidates)
    raise PipelineError(
        f"no room for a frame log of {config.frame_log.capacity_mb} MiB in {places}; lower frame_log.capacity_mb "
        "or set frame_log.directory"
    )


def remove_dead_runs(base: Path) -> None:
    """Delete folders of pipelines whose process is gone (a power cut, kill -9)."""
    for folder in base.glob(f"{_PREFIX}*-*"):
        pid = folder.name.removeprefix(_PREFIX).split("-")[0]
        if pid.isdigit() and not Path(f"/proc/{pid}").exists() and folder.stat().st_uid == os.getuid():
            shutil.rmtree(folder, ignore_errors=True)
