"""LiberTEM-live, libertem-dectris and libertem-qd-mpx against our simulators and receivers, frame by frame.

They run in an environment of their own: ``make interop`` makes it, or LIVEBRAGG_INTEROP_PYTHON says where it is.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from dectris_stream import Stream
from live_pipeline import free_endpoints
from livebragg.model import Acquisition
from livebragg.wire import sockets
from livebragg.wire.messages import AcquisitionEnd
from livebragg.wire.mpx import PREFIX_BYTES
from livebragg_simulators.merlin.writer import MerlinWriter

PEER = Path(__file__).with_name("peer.py")
PYTHON = os.environ.get("LIVEBRAGG_INTEROP_PYTHON", "")

pytestmark = [
    pytest.mark.interop,
    pytest.mark.timeout(240),
    pytest.mark.skipif(not PYTHON, reason="no environment with LiberTEM-live; run make interop"),
]

ROWS, COLS = 8, 16
FRAMES = np.random.default_rng(5).poisson(3, (ROWS, COLS, 64, 64)).astype(np.uint16)


@contextlib.contextmanager
def process(*command: str, **how: object) -> Iterator[subprocess.Popen[str]]:
    running = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **how)
    try:
        yield running
    finally:
        running.kill()
        running.communicate()


def peer(*arguments: object) -> contextlib.AbstractContextManager[subprocess.Popen[str]]:
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    return process(PYTHON, str(PEER), *map(str, arguments), env=environment)


def simulate(recording: Path, *flags: str) -> contextlib.AbstractContextManager[subprocess.Popen[str]]:
    return process(sys.executable, "-m", "livebragg_simulators.cli", "replay", str(recording), *flags)


def port(endpoint: str) -> str:
    return endpoint.rpartition(":")[2]


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "scan.npy"
    np.save(path, FRAMES)
    return path


@pytest.mark.parametrize("encoding", ["bslz4", "lz4"])
def test_their_client_reads_our_stream_v1_bit_by_bit(tmp_path: Path, recording: Path, encoding: str) -> None:
    (endpoint,) = free_endpoints(1)
    with peer("dectris-lowlevel", port(endpoint), tmp_path / "got.npy") as client:
        assert client.stdout.readline() == "ready\n"
        flags = ("--protocol", "dectris-v1", "--encoding", encoding, "--bind", endpoint, "--rate", "500")
        with simulate(recording, *flags):
            assert client.wait(120) == 0
    assert np.array_equal(np.load(tmp_path / "got.npy"), FRAMES.reshape(-1, 64, 64))


def test_their_active_client_arms_our_detector_and_sums_its_frames(tmp_path: Path, recording: Path) -> None:
    data, api = free_endpoints(2)
    flags = ("--protocol", "dectris-v1", "--bind", data, "--rest", f"127.0.0.1:{port(api)}", "--rate", "1000")
    with (
        simulate(recording, *flags),
        peer("dectris-active", port(api), port(data), ROWS, COLS, tmp_path / "got.npz") as client,
    ):
        assert client.wait(200) == 0
    got = np.load(tmp_path / "got.npz")
    assert np.array_equal(got["sum"], FRAMES.sum(axis=(0, 1)))
    assert np.array_equal(got["per_frame"].reshape(ROWS, COLS), FRAMES.sum(axis=(2, 3)))


def test_our_receiver_reads_their_detector_bit_by_bit() -> None:
    (endpoint,) = free_endpoints(1)
    with peer("dectris-serve", 40, port(endpoint)) as sim, sockets.context() as ctx:
        socket = sockets.open_socket(ctx, sockets.PULL, connect=endpoint, linger_ms=0)
        assert sim.stdout.readline() == "ready\n"
        sim.stdin.write("go\n")
        sim.stdin.flush()
        stream = Stream()
        while not stream.of(AcquisitionEnd):
            assert socket.poll(30_000), "nothing came for 30 s"
            parts = sockets.receive_parts(socket)
            assert parts is not None
            stream.take([bytes(part) for part in parts])
    frames, problems = stream.frames()
    assert not problems
    assert sorted(frames) == list(range(40))
    assert all(frame.shape == (512, 512) and np.all(frame == number) for number, frame in frames.items())


def test_their_client_reads_our_merlin(tmp_path: Path, recording: Path) -> None:
    data, control = free_endpoints(2)
    flags = ("--protocol", "merlin", "--bind", data, "--control", f"127.0.0.1:{port(control)}", "--rate", "1000")
    with (
        simulate(recording, *flags),
        peer("merlin", port(control), port(data), ROWS, COLS, tmp_path / "got.npz") as client,
    ):
        assert client.stdout.readline() == "ready\n"
        start_merlin(int(port(control)))
        assert client.wait(200) == 0
    got = np.load(tmp_path / "got.npz")
    assert np.array_equal(got["sum"], FRAMES.sum(axis=(0, 1)))
    assert np.array_equal(got["per_frame"].reshape(ROWS, COLS), FRAMES.sum(axis=(2, 3)))


def start_merlin(control: int) -> None:
    import socket

    from livebragg.wire.mpx import unit

    with socket.create_connection(("127.0.0.1", control), 10) as client:
        client.sendall(unit(b"CMD,STARTACQUISITION,0"))
        assert client.recv(100).endswith(b"STARTACQUISITION,0")


@pytest.mark.parametrize(("depth", "layout"), [(6, "1x1"), (12, "1x1"), (6, "2x2"), (12, "2x2")])
def test_their_reader_agrees_on_the_order_of_our_raw_counters(tmp_path: Path, depth: int, layout: str) -> None:
    side = 256 if layout == "1x1" else 512
    frames = np.random.default_rng(1).integers(0, 1 << depth, (4, side, side)).astype(np.uint16)
    writer = MerlinWriter(depth, layout, raw=True)
    acquisition = Acquisition(acquisition_id="a", scan_shape=(2, 2), frame_shape=(side, side), dtype="uint16")
    header = tmp_path / "scan.hdr"
    header.write_bytes(writer.start(acquisition, 4)[0][0][PREFIX_BYTES:])
    header.with_suffix(".mib").write_bytes(b"".join(p[0][PREFIX_BYTES:] for p in writer.frames(0, frames)))
    with peer("mib", header, 2, 2, tmp_path / "got.npy") as reader:
        assert reader.wait(120) == 0
    assert np.array_equal(np.load(tmp_path / "got.npy"), frames)
