"""A long run: repeated acquisitions while workers are killed; every frame is accounted for, memory stays flat.

::

    python benchmarks/soak.py [--acquisitions 20] [--kill-every 10]

Prints, after each acquisition, the frames received, analysed and failed, and the resident memory of each
process; exits with 1 when a frame is unaccounted for.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from livebragg.cli.demo import free_ports
from livebragg.cli.status import ask_status
from livebragg.config.loader import from_table
from livebragg.config.schema import Config
from livebragg.errors import PipelineError
from livebragg.pipeline.supervisor import Supervisor


def main() -> int:
    """Run the soak."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--acquisitions", type=int, default=20)
    parser.add_argument("--kill-every", type=float, default=10.0, metavar="S", help="0: never")
    args = parser.parse_args()
    stream, feed, control = (f"tcp://127.0.0.1:{port}" for port in free_ports(3))
    lost = 0
    with tempfile.TemporaryDirectory() as folder:
        table = {
            "stream": {"endpoint": stream},
            "publish": {"feed": feed, "control": control},
            "dispatch": {"workers": 2, "max_restarts": 1000},
            "results": {"directory": folder},
        }
        command = [sys.executable, "-m", "livebragg_simulators.cli", "specimen", "--cache", "--bind", stream]
        command += ["--loop", str(args.acquisitions), "--rate", "800"]
        with Supervisor(from_table(Config, table)) as supervisor, subprocess.Popen(command) as sender:
            serial, next_kill = 0, time.monotonic() + args.kill_every
            while serial < args.acquisitions and supervisor.poll():
                time.sleep(0.1)
                if args.kill_every and time.monotonic() > next_kill:
                    next_kill += args.kill_every
                    victim = random.choice([n for n in supervisor.pids if n.startswith("w")])
                    os.kill(supervisor.pids[victim], signal.SIGKILL)
                with contextlib.suppress(PipelineError):
                    status = ask_status(control, 2.0)
                    if status.phase == "complete" and status.serial > serial:
                        serial = status.serial
                        lost += report(serial, status.counters, supervisor.pids)
            sender.terminate()
    print("every frame is accounted for" if not lost else f"{lost} frames are unaccounted for")
    return 1 if lost else 0


def report(serial: int, counters: dict[str, float], pids: dict[str, int]) -> int:
    """One line; returns the frames without a fate."""
    fates = [counters.get(key, 0.0) for key in ("frames_analysed", "frames_unmapped", "frames_failed")]
    memory = ", ".join(f"{name} {resident_mb(pid):.0f}" for name, pid in sorted(pids.items()))
    lost = int(counters["frames_received"] - sum(fates))
    print(
        f"{serial:3d}: got {counters['frames_received']:.0f}, analysed {fates[0]:.0f}, failed {fates[2]:.0f}, "
        f"worker restarts {counters.get('worker_restarts', 0):.0f}; resident MB: {memory}",
        flush=True,
    )
    return lost


def resident_mb(pid: int) -> float:
    """Resident memory of a process."""
    with contextlib.suppress(FileNotFoundError):
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
    return 0.0


if __name__ == "__main__":
    sys.exit(main())
