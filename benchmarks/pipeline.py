"""The whole pipeline on this machine: frames per second, CPU of each process, overhead, and lag.

::

    python benchmarks/pipeline.py [--quick] [--workers 1 2] [--sizes 128 256] [--protocol dectris-v2]

The simulator streams a specimen from memory over loopback; receiver, workers and analyst run as they do at a
microscope. CPU times are the operating system's, read from ``/proc``. The yardstick for the overhead is the
CPU time of detection alone on the same frames in the same run; for the rate it is one scipy rfft2 + irfft2
pair a frame. The lag is that of frames sent once the first maps were published; before them, at the start, frames
wait for the probe to be measured, and the longest wait of these is printed by itself.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from scipy import fft

from livebragg.cli.demo import free_ports
from livebragg.cli.status import ask_status
from livebragg.config.loader import from_table
from livebragg.config.schema import Config
from livebragg.detect import FrameAnalyzer, measure_probe
from livebragg.errors import PipelineError
from livebragg.pipeline.supervisor import Supervisor
from livebragg.wire import sockets
from livebragg.wire.codec import decode
from livebragg.wire.messages import PipelineStatus
from livebragg_simulators.specimen import Specimen, SpecimenConfig

TICKS = os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a small scan")
    parser.add_argument("--sizes", type=int, nargs="+", default=[128, 256])
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--protocol", default="native", choices=["native", "dectris-v1", "dectris-v2", "merlin"])
    parser.add_argument(
        "--rates", type=float, nargs="+", default=[20.0], metavar="HZ", help="low ones, for the lag"
    )
    parser.add_argument("--frames", type=int, default=1500, help="sent at each of these")
    parser.add_argument("--slow", action="store_true", help="only these")
    args = parser.parse_args()
    side = 32 if args.quick else 64
    print(f"{os.cpu_count()} cores, scan {side}x{side}, preset demo, {args.protocol}")
    for size in args.sizes:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "specimen.h5"
            record(path, size, side)
            detect_us, fft_us = yardsticks(path)
            print(
                f"\n{size}x{size}: detection {detect_us:.0f} us/frame on one core, {detect_us / fft_us:.2f} of an "
                f"rfft2+irfft2 pair ({fft_us:.0f} us)"
            )
            for workers in [] if args.slow else args.workers:
                top = run(path, workers, 0.0, protocol=args.protocol)
                report(f"{workers} worker(s), no limit", top, detect_us)
                half = run(path, workers, top["frames_s"] / 2, protocol=args.protocol)
                report(f"{workers} worker(s), half of that", half, detect_us)
            for rate in args.rates:
                slow = run(path, 1, rate, stop=args.frames, protocol=args.protocol)
                report(f"1 worker, {rate:g} frames/s", slow, detect_us)


def record(path: Path, size: int, side: int) -> None:
    """A specimen as a recording, so that the simulator's rendering costs nothing."""
    scale = size / 128
    config = SpecimenConfig.preset(
        "demo", scan_shape=(side, side), frame_shape=(size, size), probe_radius=4.0 * scale
    )
    Specimen(config).write_recording(path, exact=False)


def yardsticks(path: Path) -> tuple[float, float]:
    """Microseconds per frame of detection and of one FFT pair, the two in turn."""
    with h5py.File(path) as file:
        frames = file["data"][: 512 // file["data"].shape[1] + 1].reshape(-1, *file["data"].shape[2:])
    frames.flags.writeable = False
    analyzer = FrameAnalyzer(measure_probe(frames[:64]), frames.shape[1:])
    index = np.arange(32)
    one = frames[0].astype(np.float32)
    analyzer.analyze(frames[:32], index)
    times: list[list[float]] = [[], []]
    for start in range(0, len(frames) - 31, 32):
        began = time.perf_counter()
        analyzer.analyze(frames[start : start + 32], index)
        middle = time.perf_counter()
        for _ in range(32):
            fft.irfft2(fft.rfft2(one, workers=1), workers=1)
        times[0].append((middle - began) / 32)
        times[1].append((time.perf_counter() - middle) / 32)
    return float(np.median(times[0]) * 1e6), float(np.median(times[1]) * 1e6)


def run(
    path: Path,
    workers: int,
    rate_hz: float,
    stop: int | None = None,
    protocol: str = "native",
    endpoints: tuple[str, str] | None = None,
) -> dict[str, Any]:
    """One acquisition through the real processes; `endpoints` are those of its feed and of requests."""
    stream, *others = (f"tcp://127.0.0.1:{port}" for port in free_ports(3))
    feed, control = endpoints or others
    with h5py.File(path) as file:
        scan_shape = list(file["data"].shape[:2])
    with tempfile.TemporaryDirectory() as folder:
        table = {
            "stream": {"endpoint": stream, "detector": protocol.partition("-")[0], "end_after_s": 3.0},
            "scan": {"shape": scan_shape},
            "publish": {"feed": feed, "control": control},
            "dispatch": {"workers": workers},
            "results": {"directory": folder},
        }
        with Supervisor(from_table(Config, table), once=True) as supervisor:
            wait_for_workers(supervisor, control, workers)
            idle = cpu_seconds(supervisor.pids)
            command = [sys.executable, "-m", "livebragg_simulators.cli", "replay", str(path), "--cache"]
            command += ["--protocol", protocol, "--bind", stream, "--rate", str(rate_hz)] + (
                [] if stop is None else ["--stop", str(stop)]
            )
            sender = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            began, analysed, cpu, status = watch(supervisor, feed, idle)
            sender.wait()
        return {
            "frames": status.counters["frames_analysed"],
            "frames_s": status.counters["frames_analysed"] / (analysed - began),
            "lag_p50": status.counters["lag_p50_s"],
            "lag_p99": status.counters["lag_p99_s"],
            "lag_start": status.counters["lag_start_s"],
            "cpu": cpu,
        }


def wait_for_workers(supervisor: Supervisor, control: str, workers: int) -> None:
    """Wait until every worker has asked for work."""
    while supervisor.poll():
        with contextlib.suppress(PipelineError):
            if len(ask_status(control, 1.0).workers) == workers:
                return
        time.sleep(0.2)


def watch(supervisor: Supervisor, feed: str, idle: dict[str, float]) -> tuple[float, float, dict[str, float], Any]:
    """Times of the first and the last analysed frame, CPU seconds of each process, last status.

    From the feed: while the analyst refines a whole scan it answers no request.
    """
    began = analysed = 0.0
    cpu: dict[str, float] = {}
    status: Any = None
    seen = -1.0
    with sockets.context() as ctx:
        source = sockets.open_socket(ctx, sockets.SUB, connect=feed, linger_ms=0)
        sockets.subscribe(source, PipelineStatus)
        while supervisor.poll():
            cpu |= {name: used - idle.get(name, 0.0) for name, used in cpu_seconds(supervisor.pids).items()}
            while (parts := sockets.receive_parts(source)) is not None:
                status = decode(parts[1:])
                received, done = (status.counters.get(k, 0.0) for k in ("frames_received", "frames_analysed"))
                if received and not began:
                    began = time.monotonic()
                if done != seen:
                    analysed, seen = time.monotonic(), done
            time.sleep(0.02)
        source.close(0)
    return began, analysed, cpu, status


def cpu_seconds(pids: dict[str, int]) -> dict[str, float]:
    """User and system time of some processes."""
    used = {}
    for name, pid in pids.items():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            used[name] = (int(fields[11]) + int(fields[12])) / TICKS
    return used


def report(title: str, result: dict[str, Any], detect_us: float) -> None:
    """One block of the table."""
    per_frame = {name: seconds / result["frames"] * 1e6 for name, seconds in result["cpu"].items()}
    workers = sum(us for name, us in per_frame.items() if name.startswith("w"))
    moving = per_frame["receiver"] + max(0.0, workers - detect_us)
    print(
        f"  {title:28s} {result['frames_s']:7.0f} frames/s   lag p50 {result['lag_p50']:.2f} p99 "
        f"{result['lag_p99']:.2f} s, at the start {result['lag_start']:.2f} s   CPU us/frame: receiver "
        f"{per_frame['receiver']:.0f}, workers {workers:.0f}, analyst {per_frame['analyst']:.0f}   "
        f"moving/detection {moving / detect_us:.2f}, everything else/detection "
        f"{(moving + per_frame['analyst']) / detect_us:.2f}",
        flush=True,
    )


if __name__ == "__main__":
    main()
