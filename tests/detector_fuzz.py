"""Mutated messages of every detector protocol, through decoder, intake, frame log and the workers' decoding.

    python tests/detector_fuzz.py --messages 100000      (a part of make soak)

Whatever comes, nothing but an error of our own may be raised, every message is accounted for, and the memory stays
bounded.
"""

from __future__ import annotations

import argparse
import random
import resource
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from livebragg.config.pipeline import ScanConfig
from livebragg.detectors import DectrisDecoder, MerlinDecoder, StreamDecoder
from livebragg.errors import WireError
from livebragg.model import Acquisition
from livebragg.pipeline.health import Notices
from livebragg.pipeline.payloads import read_piece
from livebragg.pipeline.pixel_health import PixelHealth
from livebragg.pipeline.receiving.intake import Intake, Stored
from livebragg.pipeline.receiving.scan_path import RepeatedScans
from livebragg.storage.frame_log import FrameLogReader, FrameLogWriter
from livebragg.wire.messages import EndReason
from livebragg.wire.mpx import PREFIX_BYTES
from livebragg_simulators.dectris.series import Compression, HeaderDetail, SeriesFacts
from livebragg_simulators.dectris.v1 import DectrisV1Writer
from livebragg_simulators.dectris.v2 import DectrisV2Writer
from livebragg_simulators.merlin.writer import MerlinWriter

PROTOCOLS = ("dectris-v1", "dectris-v2", "merlin")
N_FRAMES = 12
LOG_BYTES = 1 << 26

Message = list[bytes]


@dataclass
class Report:
    """What became of the messages."""

    messages: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    received: int = 0
    analysed: int = 0
    failed: int = 0
    slowest_s: float = 0.0


def seeds(protocol: str) -> list[Message]:
    """Good messages of several kinds of series."""
    frames = np.random.default_rng(1).poisson(2, (N_FRAMES, 16, 24)).astype(np.uint16)
    acquisition = Acquisition(acquisition_id="a", scan_shape=(3, 4), frame_shape=(16, 24), dtype="uint16")
    found: list[Message] = []
    for writer in _writers(protocol):
        series = [*writer.start(acquisition, N_FRAMES), *writer.frames(0, frames)]
        series += writer.end(N_FRAMES, EndReason.FINISHED)
        found += [[bytes(part) for part in parts] for parts in series]
    if protocol == "merlin":
        found = [[parts[0][PREFIX_BYTES:]] for parts in found]
    return found


def _writers(protocol: str) -> list[Any]:
    if protocol == "merlin":
        return [MerlinWriter(depth, raw=raw) for depth in (1, 6, 12, 24) for raw in (False, True)]
    kind = DectrisV1Writer if protocol == "dectris-v1" else DectrisV2Writer
    return [
        kind(SeriesFacts(compression, detail, {"scan_shape": [3, 4]}))
        for compression in Compression
        for detail in (HeaderDetail.BASIC, HeaderDetail.ALL)
    ]


def mutated(message: Message, rng: random.Random) -> Message:
    """The message with something wrong, most of the time in one part."""
    parts = [bytearray(part) for part in message]
    for _ in range(rng.choice((0, 0, 0, 1, 1, 2, 5))):
        at = rng.randrange(len(parts)) if parts else 0
        if parts:
            _mutate(parts[at], rng)
    if rng.random() < 0.03 and parts:
        del parts[rng.randrange(len(parts))]
    if rng.random() < 0.02:
        parts.append(bytearray(rng.randbytes(rng.randrange(64))))
    return [bytes(part) for part in parts]


def _mutate(part: bytearray, rng: random.Random) -> None:
    """Change a part: bits, bytes, numbers, lengths; headers more often than pixels."""
    if not part:
        part += rng.randbytes(3)
        return
    at = rng.randrange(min(len(part), rng.choice((16, 64, 256, len(part)))))
    what = rng.randrange(7)
    if what == 0:
        part[at] ^= 1 << rng.randrange(8)
    elif what == 1:
        part[at] = rng.choice((0x00, 0x1F, 0x5B, 0x7F, 0x80, 0x9B, 0xBF, 0xD8, 0xFF, rng.randrange(256)))
    elif what == 2:
        del part[at:]
    elif what == 3:
        del part[at : at + rng.randrange(1, 9)]
    elif what == 4:
        part[at:at] = rng.randbytes(rng.randrange(1, 9))
    elif what == 5:
        part[at : at + 4] = rng.choice((b"\xff\xff\xff\xff", b"\x00\x00\x00\x00", b"\x7f\xff\xff\xff", b"9999"))
    else:
        other = rng.randrange(len(part))
        part[at : at + 8] = part[other : other + 8]


def run(protocol: str, n_messages: int, seed: int, folder: Path) -> Report:
    """Feed mutated messages, with good series between them."""
    rng, report, good = random.Random(seed), Report(), seeds(protocol)
    notices, position = Notices(), 0
    decoder: StreamDecoder = (
        MerlinDecoder(8, notices.add) if protocol == "merlin" else DectrisDecoder("", 8, notices.add)
    )
    scans = RepeatedScans(ScanConfig(shape=(3, 4), repeat=bool(seed % 2)), notices.add)
    with FrameLogWriter(folder, LOG_BYTES // 4, LOG_BYTES) as log, FrameLogReader(folder) as reader:
        intake = Intake(ScanConfig(shape=(3, 4)), log, drop_when_full=True, notices=notices)
        for _ in range(n_messages):
            position = (position + 1) % len(good) if rng.random() < 0.95 else rng.randrange(len(good))
            began = time.perf_counter()
            report.messages += 1
            try:
                out = decoder.decode([memoryview(p) for p in mutated(good[position], rng)] or [b""])
            except WireError as error:
                report.refused[type(error).__name__] += 1
                out = []
            for message in [*out, *(decoder.flush() if rng.random() < 0.3 else [])]:
                for part in scans.handle(message):
                    _take(part, intake, log, reader, report)
            reader.forget_dropped()
            report.slowest_s = max(report.slowest_s, time.perf_counter() - began)
    return report


def _take(message: Any, intake: Intake, log: FrameLogWriter, reader: FrameLogReader, report: Report) -> None:
    try:
        events = intake.handle(message, 1.0)
    except WireError as error:
        report.refused[f"{type(error).__name__} at intake"] += 1
        return
    for event in events:
        if isinstance(event, Stored):
            piece, acquisition = event.piece, event.stream.acquisition
            wanted = piece.n_frames - len(piece.skip)
            report.received += wanted
            try:
                frames, failed = read_piece(reader, piece, acquisition)
            except WireError:
                report.failed += wanted
            else:
                keep = np.setdiff1d(np.arange(piece.n_frames), (*piece.skip, *failed))
                if keep.size and frames[keep].nbytes < 1 << 24:
                    PixelHealth(acquisition).clean(frames[keep])
                report.failed += len(failed)
                report.analysed += keep.size
            log.release(piece.segment)


def main() -> None:
    """Run all protocols and print what became of the messages."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    for protocol in PROTOCOLS:
        began = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            report = run(protocol, args.messages, args.seed, Path(folder))
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
        print(
            f"{protocol}: {report.messages} messages in {time.perf_counter() - began:.0f} s, the slowest "
            f"{report.slowest_s:.2f} s, at most {memory} MiB; refused {dict(report.refused)}; frames received "
            f"{report.received} = analysed {report.analysed} + failed {report.failed}"
        )
        if report.received != report.analysed + report.failed:
            raise SystemExit(f"{protocol}: {report.received} frames received, but {report}")


if __name__ == "__main__":
    main()
