"""What it costs to take a detector's stream: CPU per frame to receive, and to receive and decode.

For every protocol and compression, in one run: copying the frame (yardstick), a plain pyzmq loop that looks at
nothing, our receiver into the frame log, and the decoding that workers do. The sender is a process of its own with
messages made beforehand; CPU times are those of the receiving process, its ZeroMQ thread included.

    python benchmarks/ingest.py [--frames 20000] [--size 192] [--receivers N]

With ``--receivers`` it measures only how rates add up: 1 to N receivers, each with an endpoint, a frame log and a
sender of its own, begin together. (One pipeline has one receiver; several are several pipelines.)
"""

from __future__ import annotations

import argparse
import itertools
import multiprocessing
import os
import re
import resource
import socket
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from livebragg.config.pipeline import FrameLogConfig, StreamConfig
from livebragg.config.schema import Config
from livebragg.detectors import decode_kept
from livebragg.model import Acquisition
from livebragg.pipeline.receiving.receiver import Receiver
from livebragg.pipeline.runtime import Runtime
from livebragg.storage.frame_log import FrameLogReader
from livebragg.wire import sockets
from livebragg.wire.mpx import PREFIX_BYTES, parse_address
from livebragg_simulators.dectris.series import Compression, SeriesFacts
from livebragg_simulators.dectris.v1 import DectrisV1Writer
from livebragg_simulators.dectris.v2 import DectrisV2Writer
from livebragg_simulators.merlin.writer import MerlinWriter
from livebragg_simulators.outlets import TcpOutlet

UNIQUE = 64
ELECTRONS = 20_000


def diffraction(n: int, size: int) -> np.ndarray:
    """Frames of a hexagonal lattice of disks, Poisson noise."""
    rng, (rows, cols) = np.random.default_rng(0), np.indices((size, size))
    expected = np.full((size, size), 0.02)
    for a in range(-3, 4):
        for b in range(-3, 4):
            row, col = size / 2 + size / 6 * a * 0.87, size / 2 + size / 6 * (b + a / 2)
            weight = np.exp(-(a * a + b * b + a * b) / 4.0)
            expected += weight * (np.hypot(rows - row, cols - col) < size / 24)
    return rng.poisson(expected * ELECTRONS / expected.sum(), (n, size, size)).astype(np.uint16)


def messages_of(protocol: str, compression: Compression, size: int, n: int) -> list[list[bytes]]:
    """A whole series; images repeat after `UNIQUE`."""
    if protocol == "merlin":
        return _merlin_units(size, n)
    facts = SeriesFacts(compression=compression)
    writer = DectrisV1Writer(facts) if protocol == "dectris-v1" else DectrisV2Writer(facts)
    acquisition = Acquisition(acquisition_id="b", scan_shape=None, frame_shape=(size, size), dtype="uint16")
    start = writer.start(acquisition, n)
    base = 1 << 20  # numbers of one length, so that they can be exchanged
    images = writer.frames(base, diffraction(UNIQUE, size))
    return [*start, *(numbered(images[k % UNIQUE], base + k % UNIQUE, k, protocol) for k in range(n))]


def _merlin_units(size: int, n: int) -> list[list[bytes]]:
    writer = MerlinWriter(12)
    acquisition = Acquisition(acquisition_id="b", scan_shape=None, frame_shape=(size, size), dtype="uint16")
    units = [parts[0] for parts in writer.frames(0, diffraction(UNIQUE, size))]
    number = slice(PREFIX_BYTES + 4, PREFIX_BYTES + 10)
    frames = ([unit[: number.start] + b"%06d" % (k + 1) + unit[number.stop :]] for k, unit in _turns(units, n))
    return [*writer.start(acquisition, n), *frames]


def _turns(units: list[bytes], n: int) -> Iterator[tuple[int, bytes]]:
    return zip(range(n), itertools.cycle(units), strict=False)


def numbered(parts: list[bytes], old: int, new: int, protocol: str) -> list[bytes]:
    """An image message with another number of the same length."""
    first = bytes(parts[0])
    if protocol == "dectris-v1":
        return [re.sub(rb'"frame": \d+', b'"frame": %d' % new, first), *parts[1:]]
    mark = b"\x68image_id\x1a"
    return [first.replace(mark + old.to_bytes(4, "big"), mark + new.to_bytes(4, "big"), 1)]


def _send(say: Any, protocol: str, compression: str, size: int, n: int) -> None:
    made = messages_of(protocol, Compression(compression), size, n)
    if protocol == "merlin":
        outlet = TcpOutlet("tcp://127.0.0.1:0")
        say.send(outlet.endpoint)
        for parts in made:
            while not outlet.offer(parts):
                time.sleep(0.0002)
        outlet.linger(60.0)
        outlet.close()
        return
    with sockets.context() as ctx:
        push = sockets.open_socket(
            ctx, sockets.PUSH, bind="tcp://127.0.0.1:*", send_high_water=1000, linger_ms=60_000
        )
        say.send(sockets.bound_endpoint(push))
        for parts in made:
            sockets.send_parts(push, parts)


def cpu_s() -> float:
    """CPU of this process, all threads."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


class Sending:
    """A sender in its own process."""

    def __init__(self, *what: Any) -> None:
        spawn = multiprocessing.get_context("spawn")
        self._hear, say = spawn.Pipe(duplex=False)
        self._process = spawn.Process(target=_send, args=(say, *what), daemon=True)
        self.endpoint = ""

    def __enter__(self) -> Sending:
        self._process.start()
        if not self._hear.poll(120):
            raise SystemExit("the sender did not start within 120 s")
        self.endpoint = self._hear.recv()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.join(60)
        self._process.kill()


def plain(*what: Any) -> tuple[float, float]:
    """Frames/s and CPU us per frame of a loop that takes messages and looks at nothing."""
    n = what[-1]
    if what[0] == "merlin":
        return _plain_tcp(*what)
    with Sending(*what) as sending, sockets.context() as ctx:
        pull = sockets.open_socket(ctx, sockets.PULL, connect=sending.endpoint, receive_high_water=1000)
        pull.recv_multipart()
        began, cpu = time.perf_counter(), cpu_s()
        for _ in range(n):
            pull.recv_multipart()
        return n / (time.perf_counter() - began), (cpu_s() - cpu) / n * 1e6


def _plain_tcp(*what: Any) -> tuple[float, float]:
    size, n = what[-2:]
    unit_bytes = PREFIX_BYTES + 384 + 2 * size * size
    with Sending(*what) as sending, socket.create_connection(parse_address(sending.endpoint, "")) as client:
        left, buffer = n * unit_bytes, bytearray(unit_bytes)
        client.recv_into(memoryview(buffer)[: PREFIX_BYTES + 2048], 0, socket.MSG_WAITALL)
        began, cpu = time.perf_counter(), cpu_s()
        while left:
            left -= client.recv_into(buffer, min(left, unit_bytes))
        return n / (time.perf_counter() - began), (cpu_s() - cpu) / n * 1e6


def ours(*what: Any, begin: Callable[[], object] = lambda: None) -> tuple[float, float, float]:
    """The same of our receiver into the frame log; and CPU us per frame of decoding what it filed."""
    n = what[-1]
    with Sending(*what) as sending, sockets.context() as ctx, tempfile.TemporaryDirectory() as run:
        log_directory = Path(tempfile.mkdtemp(dir="/dev/shm"))
        config = Config(
            stream=StreamConfig(endpoint=sending.endpoint, detector=what[0].partition("-")[0]),
            frame_log=FrameLogConfig(capacity_mb=4096),
        )
        runtime = Runtime(Path(run), log_directory, config, False, 0)
        receiver = Receiver(runtime, ctx)
        try:
            while receiver._intake.serial == 0:
                receiver._turn()
            begin()
            began, cpu = time.perf_counter(), cpu_s()
            first = receiver._intake.stream.counters["frames_received"]
            while receiver._intake.stream.counters["frames_received"] < n:
                receiver._turn()
            took, used, n_timed = time.perf_counter() - began, cpu_s() - cpu, n - first
            return n_timed / took, used / n_timed * 1e6, _decode(receiver, log_directory)
        finally:
            receiver.close()
            runtime.remove()


def _one_of_many(barrier: Any, answers: Any, *what: Any) -> None:
    answers.put(ours(*what, begin=barrier.wait)[:2])


def side_by_side(n_receivers: int, *what: Any) -> tuple[float, float]:
    """Frames/s of some receivers together, and CPU us per frame."""
    spawn = multiprocessing.get_context("spawn")
    barrier, answers = spawn.Barrier(n_receivers), spawn.Queue()
    receivers = [spawn.Process(target=_one_of_many, args=(barrier, answers, *what)) for _ in range(n_receivers)]
    for receiver in receivers:
        receiver.start()
    measured = [answers.get(timeout=600) for _ in receivers]
    for receiver in receivers:
        receiver.join()
    return sum(rate for rate, _ in measured), statistics.mean(cpu for _, cpu in measured)


def scaling(most: int, n: int, size: int) -> None:
    """How the rates of several receivers add up."""
    print(f"STREAM V2 bslz4, {size}x{size}, {os.cpu_count()} cores; each receiver has a sender process beside it")
    for n_receivers in range(1, most + 1):
        rate, cpu = side_by_side(n_receivers, "dectris-v2", "bslz4", size, n)
        print(
            f"{n_receivers} receiver(s): {rate:.0f} frames/s together, {cpu:.1f} us of CPU per frame", flush=True
        )


def _decode(receiver: Receiver, log_directory: Path, most: int = 2000) -> float:
    acquisition, done, times = receiver._intake.stream.acquisition, 0, []
    with FrameLogReader(log_directory) as log:
        for job in receiver._dispatcher.jobs._waiting:
            for piece in job.pieces:
                payload = log.read(piece.segment, piece.offset, piece.nbytes)
                cpu = time.process_time()
                _, failed = decode_kept(payload, piece, acquisition)
                times.append((time.process_time() - cpu) / piece.n_frames * 1e6)
                assert not failed
                done += piece.n_frames
            if done > most:
                break
    return statistics.median(times)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=20_000)
    parser.add_argument("--size", type=int, default=192)
    parser.add_argument("--receivers", type=int, default=0, metavar="N", help="only: several receivers at once")
    args = parser.parse_args()
    if args.receivers:
        scaling(args.receivers, args.frames, args.size)
        return
    frame = diffraction(1, args.size)[0]
    target, began = np.empty_like(frame), time.perf_counter()
    for _ in range(2000):
        target[:] = frame
    print(
        f"{args.size}x{args.size} uint16; copying a frame: {(time.perf_counter() - began) / 2000 * 1e6:.1f} us\n"
    )
    print("| protocol | compression | pyzmq alone: frames/s | CPU us | ours: frames/s | CPU us | decode: CPU us |")
    print("|---|---|---|---|---|---|---|")
    for protocol in ("dectris-v2", "dectris-v1", "merlin"):
        for compression in Compression if protocol != "merlin" else (Compression.NONE,):
            n = args.frames if compression is not Compression.NONE else args.frames // 4
            what = (protocol, compression.value, args.size, n)
            rate, cpu = plain(*what)
            our_rate, our_cpu, decode = ours(*what)
            print(
                f"| {protocol} | {compression.value} | {rate:.0f} | {cpu:.1f} | {our_rate:.0f} | {our_cpu:.1f} "
                f"| {decode:.1f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
