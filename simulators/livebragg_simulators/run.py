"""Runs a simulated detector as the command line asks: its language, its sockets, on its own or led by clients."""

from __future__ import annotations

import argparse
import contextlib
import functools
import itertools
import signal
from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from livebragg.errors import ConfigError
from livebragg.model import ScanOrder
from livebragg.wire import sockets
from livebragg.wire.messages import ChecksumKind, Encoding
from livebragg_simulators.dectris.dcu import Dcu, SwitchingWriter, rest_server
from livebragg_simulators.dectris.series import Compression, HeaderDetail, SeriesFacts
from livebragg_simulators.dectris.simplon import Simplon
from livebragg_simulators.dectris.v1 import DectrisV1Writer
from livebragg_simulators.dectris.v2 import DectrisV2Writer
from livebragg_simulators.faults.faulty_outlet import FaultyOutlet
from livebragg_simulators.faults.faulty_sender import FaultySender
from livebragg_simulators.faults.plan import Faults, ScanFault
from livebragg_simulators.merlin.control import MerlinControl, control_server
from livebragg_simulators.merlin.unit import MerlinUnit
from livebragg_simulators.merlin.writer import MerlinWriter
from livebragg_simulators.outlets import Outlet, PushOutlet, TcpOutlet
from livebragg_simulators.sender import Sender, SendOptions
from livebragg_simulators.sources import FrameSource, ScanPath
from livebragg_simulators.writers import NativeWriter, StreamWriter

PROTOCOLS = ("native", "dectris-v1", "dectris-v2", "merlin")
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def say(console: Console, text: str, style: str | None = None) -> None:
    """One line as it is: neither coloured by its words nor wrapped where there is no terminal."""
    console.print(text, style=style, markup=False, highlight=False, soft_wrap=True)


def progress_bar(console: Console) -> Progress:
    """A bar, where there is a terminal."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
    )


def _show(bar: Progress, task: TaskID, done: int, total: int) -> None:
    bar.update(task, completed=done, total=total)


def send(source: FrameSource, args: argparse.Namespace, console: Console, name: str) -> int:
    """Send the acquisitions that were asked for; returns the exit code."""
    path = ScanPath(
        source,
        scan_order=ScanOrder.SNAKE if args.snake else ScanOrder.RASTER,
        flyback_frames=args.flyback_frames,
        flyback_pause_s=args.flyback_pause / 1e3,
        tells_shape=not args.unknown_shape,
    )
    options = SendOptions(rate_hz=args.rate, batch_frames=args.batch, start=args.start, stop=args.stop)
    if args.control is not None:
        return _serve_merlin(path, options, args, console)
    if args.rest is not None:
        return _serve_dectris(path, options, args, console)
    return _send_by_itself(path, options, args, console, name)


def _attach(endpoint: str, path: ScanPath, protocol: str) -> str:
    """The command that attaches; detectors do not announce the shape of a scan."""
    detector = "" if protocol == "native" else f" --detector {protocol.split('-')[0]}"
    rows, cols = path.geometry.scan_shape
    shape = f" --scan-shape {rows},{cols}" if detector and path.tells_shape else ""
    return f"livebragg attach {endpoint}{detector}{shape}"


def _send_by_itself(
    path: ScanPath, options: SendOptions, args: argparse.Namespace, console: Console, name: str
) -> int:
    """Be a detector that sends one acquisition after the other, whoever listens."""
    faults = _faults(args)
    with sockets.context() as ctx, progress_bar(console) as bar, contextlib.ExitStack() as stack:
        writer = _writer(args, path)
        outlet = stack.enter_context(contextlib.closing(_outlet(ctx, args, writer, faults)))
        sender = FaultySender(outlet, writer, faults)
        _end_with(sender.stop)
        say(console, f"sending on {sender.endpoint}; attach with: {_attach(sender.endpoint, path, args.protocol)}")
        for repeat in itertools.count(1):
            acquisition_id = args.id or (name if args.loop == 1 else f"{name}-{repeat}")
            show = functools.partial(_show, bar, bar.add_task(acquisition_id))
            sent = sender.send(path, acquisition_id, options, show)
            say(console, f"{acquisition_id}: {sent.frames} frames in {sent.seconds:.2f} s, {sent.rate_hz:.0f}/s")
            if not sent.complete:
                return 130
            if repeat == args.loop:
                break
        # What waits in the socket may take a while; Ctrl-C ends that at once.
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_DFL)
    return 0


def _serve_dectris(path: ScanPath, options: SendOptions, args: argparse.Namespace, console: Console) -> int:
    """Be a detector that does nothing until a client arms it."""
    if args.protocol not in ("dectris-v1", "dectris-v2"):
        raise ConfigError("--rest is the interface of DECTRIS detectors; add --protocol dectris-v1 or dectris-v2")
    facts, cbor = _facts(args, path), args.protocol == "dectris-v2"
    simplon = Simplon(path.acquisition("series"), path.geometry.n_frames, facts, cbor=cbor)
    writer = SwitchingWriter(DectrisV1Writer(facts), DectrisV2Writer(facts, _channels(args)), cbor)
    with (
        sockets.context() as ctx,
        contextlib.closing(_outlet(ctx, args, writer, _faults(args))) as outlet,
        rest_server(simplon, args.rest) as address,
    ):
        sender = Sender(outlet, writer)
        dcu = Dcu(simplon, sender, writer, path, options, functools.partial(say, console))
        _end_with(dcu.stop)
        say(console, f"REST {address}, stream {sender.endpoint}; waiting to be armed, Ctrl-C ends")
        dcu.run()
    return 0


def _serve_merlin(path: ScanPath, options: SendOptions, args: argparse.Namespace, console: Console) -> int:
    """Be a Merlin that does nothing until a client starts an acquisition."""
    if args.protocol != "merlin":
        raise ConfigError("--control is the command socket of a Merlin; add --protocol merlin")
    shape, writer = path.acquisition("merlin").frame_shape, _writer(args, path)
    control = MerlinControl(shape, path.geometry.n_frames, args.depth)
    with (
        contextlib.closing(_outlet(None, args, writer, _faults(args))) as outlet,
        control_server(control, args.control) as address,
    ):
        unit = MerlinUnit(control, Sender(outlet, writer), path, options, functools.partial(say, console))
        _end_with(unit.stop)
        say(console, f"commands {address}, data {outlet.endpoint}; waiting for STARTACQUISITION, Ctrl-C ends")
        unit.run()
    return 0


def _end_with(stop: Callable[[], None]) -> None:
    for number in _SIGNALS:
        signal.signal(number, lambda *_: stop())


def _writer(args: argparse.Namespace, path: ScanPath) -> StreamWriter:
    if args.protocol == "merlin":
        frame_time_s = 1.0 / args.rate if args.rate else 1e-3
        return MerlinWriter(args.depth, args.layout, args.raw_counters, frame_time_s, path.pauses)
    if args.protocol == "native":
        if args.encoding == "lz4":
            raise ConfigError("the native stream has no lz4; use --encoding raw or bslz4")
        encoding = Encoding(args.encoding or "raw")
        return NativeWriter(encoding, ChecksumKind(args.checksum))
    facts = _facts(args, path)
    return DectrisV1Writer(facts) if args.protocol == "dectris-v1" else DectrisV2Writer(facts, _channels(args))


def _outlet(ctx: Any, args: argparse.Namespace, writer: StreamWriter, faults: Faults) -> Outlet:
    tcp = args.protocol == "merlin"
    outlet: Outlet = TcpOutlet(args.bind) if tcp else PushOutlet(ctx, args.bind, writer.linger_frames)
    return FaultyOutlet(outlet, faults) if faults.rates else outlet


def _faults(args: argparse.Namespace) -> Faults:
    """What is to go wrong, as far as it can."""
    faults = Faults.parse(args.fault, args.fault_seed)
    if (args.rest or args.control) and any(kind in tuple(ScanFault) for kind in faults.rates):
        raise ConfigError(
            f"--fault {', '.join(ScanFault)} cannot be had with --rest or --control, where a client leads"
        )
    if args.raw_counters and faults.rates.get(ScanFault.WRONG_SHAPE):
        raise ConfigError("--fault wrong-shape cannot be had with --raw-counters, which have the shape of a chip")
    return faults


def _facts(args: argparse.Namespace, path: ScanPath) -> SeriesFacts:
    packed = {"raw": "none", None: "bslz4"}.get(args.encoding, args.encoding)
    return SeriesFacts(
        compression=Compression(packed),
        header_detail=HeaderDetail(args.header_detail),
        header_appendix=args.header_appendix,
        image_appendix=args.image_appendix,
        frame_time_s=1.0 / args.rate if args.rate else 1e-3,
        pauses=path.pauses,
    )


def _channels(args: argparse.Namespace) -> tuple[str, ...]:
    return tuple(f"threshold_{k + 1}" for k in range(args.thresholds))
