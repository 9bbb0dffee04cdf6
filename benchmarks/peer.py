"""Talks to py4DSTEM in an environment of its own, through files: it needs numpy < 2 and cannot share ours."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from livebragg.detect import ProbeTemplate

HOW_TO = """\
No other interpreter with py4DSTEM was given, so there is nothing to compare with. Make one and name it:

    python3.11 -m venv peer-env
    peer-env/bin/pip install "py4DSTEM==0.14.18" "numpy<2"
    python benchmarks/detection_peers.py --peer-python peer-env/bin/python"""

RUNNER = Path(__file__).with_name("py4dstem_runner.py")


class PeerError(RuntimeError):
    """The peer's interpreter did not do its work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One run of `find_Bragg_disks` over some frames."""

    frames: NDArray[np.generic]
    probe: NDArray[np.float64]
    kernel: dict[str, object]
    """Arguments of py4DSTEM's `Probe.get_kernel`."""
    settings: dict[str, object] = field(default_factory=dict)
    """Arguments of `find_Bragg_disks`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Disks of some frames, ours or the peer's."""

    positions: list[NDArray[np.float64]]
    intensities: list[NDArray[np.float64]]
    milliseconds: float
    """Median per frame."""


class Peer:
    """An interpreter that has py4DSTEM.

    Raises
    ------
    PeerError
        It does not start, or has no py4DSTEM.
    """

    def __init__(self, python: Path) -> None:
        self._python = python
        self.version = self._run(["-c", "import py4DSTEM; print(py4DSTEM.__version__)"]).split()[-1]

    def run(self, jobs: list[Job]) -> list[Found]:
        """Run all jobs in one process."""
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            inputs: dict[tuple[int, int], str] = {}
            table = []
            for job in jobs:
                key = (id(job.frames), id(job.probe))
                if key not in inputs:
                    inputs[key] = f"input{len(inputs)}.npz"
                    np.savez(folder / inputs[key], frames=job.frames, probe=job.probe)
                table.append({"input": inputs[key], "kernel": job.kernel, "settings": job.settings})
            (folder / "jobs.json").write_text(json.dumps(table))
            self._run([str(RUNNER), name])
            return [_found(folder / f"{i}.npz") for i in range(len(jobs))]

    def _run(self, arguments: list[str]) -> str:
        own = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
        environment = own | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
        try:
            done = subprocess.run(
                [str(self._python), *arguments], capture_output=True, text=True, env=environment, check=False
            )
        except OSError as error:
            raise PeerError(f"{self._python} does not start: {error}") from error
        if done.returncode:
            raise PeerError(f"{self._python} failed: {done.stderr.strip().splitlines()[-1:]}")
        return done.stdout


def probe_picture(probe: ProbeTemplate, shape: tuple[int, int]) -> NDArray[np.float64]:
    """The probe in the middle of an empty frame, the noise-free vacuum picture py4DSTEM wants."""
    picture = np.zeros(shape)
    reach = probe.patch_radius
    row, col = shape[0] // 2, shape[1] // 2
    picture[row - reach : row + reach + 1, col - reach : col + reach + 1] = probe.image()
    return picture


def _found(path: Path) -> Found:
    with np.load(path) as data:
        cuts = data["offsets"][1:-1]
        places = np.stack([data["rows"], data["cols"]], axis=1)
        return Found(
            positions=np.split(places, cuts),
            intensities=np.split(data["intensity"], cuts),
            milliseconds=float(data["seconds"]) * 1e3,
        )
