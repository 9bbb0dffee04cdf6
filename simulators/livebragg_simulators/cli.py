"""``livebragg-simulate``: a detector to try livebragg with."""

from __future__ import annotations

import argparse
import contextlib
import functools
import itertools
import json
import queue
import signal
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from livebragg.errors import ConfigError, LiveBraggError
from livebragg.model import ScanOrder
from livebragg.storage.recordings import open_recording
from livebragg.wire import sockets
from livebragg.wire.messages import ChecksumKind, Encoding
from livebragg_simulators.dcu import Dcu, SwitchingWriter, rest_server
from livebragg_simulators.dectris_writers import (
    Compression,
    DectrisV1Writer,
    DectrisV2Writer,
    HeaderDetail,
    SeriesFacts,
)
from livebragg_simulators.faults import KINDS, Faults, FaultyOutlet
from livebragg_simulators.merlin_control import MerlinControl, control_server
from livebragg_simulators.merlin_writer import DEPTHS, LAYOUTS, MerlinWriter
from livebragg_simulators.outlets import Outlet, PushOutlet, TcpOutlet
from livebragg_simulators.sender import Sender, SendOptions
from livebragg_simulators.simplon import Simplon
from livebragg_simulators.sources import FrameSource, RecordedSource, ScanPath, SpecimenSource
from livebragg_simulators.specimen import PRESETS, Specimen, SpecimenConfig
from livebragg_simulators.writers import NativeWriter, StreamWriter

_PROTOCOLS = ("native", "dectris-v1", "dectris-v2", "merlin")

DEFAULT_ENDPOINT = "tcp://127.0.0.1:7550"

_EPILOG = """\
examples:
  livebragg-simulate specimen                          the built-in specimen, as fast as it is taken
  livebragg-simulate specimen --preset gold --rate 500
  livebragg-simulate replay scan.h5 --rate 200         a recorded scan, 200 frames per second
  livebragg-simulate replay scan.h5 --dataset entry/data --loop 0
  livebragg-simulate specimen --protocol dectris-v2 --rest 127.0.0.1:8910
                                                   a DECTRIS detector that waits to be armed
  livebragg-simulate record specimen.h5 --preset gold  a specimen with its truth, as a file

Then, in another terminal:  livebragg attach tcp://127.0.0.1:7550
"""


def main(argv: list[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    console = Console(stderr=True)
    args = _parser().parse_args(argv)
    try:
        return int(args.run(args, console))
    except LiveBraggError as error:
        _say(console, f"livebragg-simulate: {error}", style="red")
        return 1
    except KeyboardInterrupt:  # before sending began: while frames are loaded or rendered
        return 130


def _say(console: Console, text: str, style: str | None = None) -> None:
    """One line as it is: neither coloured by its words nor wrapped where there is no terminal."""
    console.print(text, style=style, markup=False, highlight=False, soft_wrap=True)


def _replay(args: argparse.Namespace, console: Console) -> int:
    with open_recording(args.file, args.dataset, _shape(args.scan_shape)) as recording:
        where = f"{recording.path.name}:{recording.name}" if recording.name else recording.path.name
        _say(console, f"{where}  scan {recording.scan_shape}, frames {recording.frame_shape} {recording.dtype}")
        if recording.alternatives:
            _say(console, f"also in this file: {', '.join(recording.alternatives)} (choose with --dataset)")
        return _send(RecordedSource(recording, preload=args.cache), args, console, recording.path.stem)


def _specimen(args: argparse.Namespace, console: Console) -> int:
    _refuse_existing(args.truth, args.force)
    specimen = _make_specimen(args, console)
    if args.truth:
        specimen.write_truth(args.truth)
        _say(console, f"truth written to {args.truth}")
    if args.cache:
        with _bar(console) as bar:
            task = bar.add_task("rendering")
            specimen.prepare(lambda done, total: bar.update(task, completed=done, total=total))
    return _send(SpecimenSource(specimen), args, console, f"specimen-{args.preset}")


def _refuse_existing(path: Path | None, force: bool) -> None:
    if path is not None and path.exists() and not (force and path.is_file()):
        raise ConfigError(f"{path} exists; choose another name, or --force to replace a file")


def _record(args: argparse.Namespace, console: Console) -> int:
    _refuse_existing(args.file, args.force)
    specimen = _make_specimen(args, console)
    with _bar(console) as bar:
        task = bar.add_task("rendering")
        specimen.write_recording(
            args.file, progress=lambda done, total: bar.update(task, completed=done, total=total)
        )
    _say(console, f"{args.file}: data and truth written")
    return 0


def _make_specimen(args: argparse.Namespace, console: Console) -> Specimen:
    changes: dict[str, Any] = {} if args.seed is None else {"seed": args.seed}
    for key in ("scan_shape", "frame_shape"):
        if (shape := _shape(getattr(args, key))) is not None:
            changes[key] = shape
    if args.electrons is not None:
        changes["electrons_per_frame"] = args.electrons
    config = SpecimenConfig.preset(args.preset, **changes)
    _say(console, f"specimen {args.preset!r}: scan {config.scan_shape}, frames {config.frame_shape}")
    return Specimen(config)


def _send(source: FrameSource, args: argparse.Namespace, console: Console, name: str) -> int:
    path = ScanPath(
        source,
        scan_order=ScanOrder.SNAKE if args.snake else ScanOrder.RASTER,
        flyback_frames=args.flyback_frames,
    )
    options = SendOptions(rate_hz=args.rate, batch_frames=args.batch, start=args.start, stop=args.stop)
    if args.control is not None:
        if args.protocol != "merlin":
            raise ConfigError("--control is the command socket of a Merlin; add --protocol merlin")
        return _serve_merlin(path, options, args, console)
    if args.rest is not None:
        return _serve(path, options, args, console)
    with sockets.context() as ctx, _bar(console) as bar, contextlib.ExitStack() as stack:
        writer = _writer(args)
        outlet = stack.enter_context(contextlib.closing(_outlet(ctx, args, writer)))
        sender = Sender(outlet, writer)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: sender.stop())
        _say(console, f"sending on {sender.endpoint}; attach with: livebragg attach {sender.endpoint}")
        for repeat in itertools.count(1):
            acquisition_id = args.id or (name if args.loop == 1 else f"{name}-{repeat}")
            show = functools.partial(_show, bar, bar.add_task(acquisition_id))
            sent = sender.send(path, acquisition_id, options, show)
            _say(console, f"{acquisition_id}: {sent.frames} frames in {sent.seconds:.2f} s, {sent.rate_hz:.0f}/s")
            if not sent.complete:
                return 130
            if repeat == args.loop:
                break
        # What waits in the socket may take a while; Ctrl-C ends that at once.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
    return 0


def _serve_merlin(path: ScanPath, options: SendOptions, args: argparse.Namespace, console: Console) -> int:
    """Be a Merlin that does nothing until a client starts an acquisition."""
    shape, writer = path.acquisition("merlin").frame_shape, _writer(args)
    control = MerlinControl(shape, path.geometry.n_frames, args.depth)
    stopped = False
    with (
        contextlib.closing(_outlet(None, args, writer)) as outlet,
        control_server(control, args.control) as address,
    ):
        sender = Sender(outlet, writer)

        def stop(*_: object) -> None:
            nonlocal stopped
            stopped = True
            sender.stop()

        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, stop)
        _say(console, f"commands {address}, data {outlet.endpoint}; waiting for STARTACQUISITION, Ctrl-C ends")
        while not stopped:
            try:
                command = control.commands.get(timeout=0.2)
            except queue.Empty:
                continue
            if command == "STARTACQUISITION":
                n_frames = control.n_frames or path.geometry.n_frames
                sender.begin(path.acquisition("merlin"), n_frames)
                if control.values["TRIGGERSTART"] == "5":
                    while not stopped and control.commands.get() not in (
                        "SOFTTRIGGER",
                        "STOPACQUISITION",
                        "ABORT",
                    ):
                        pass
                sender.send_frames(path, 0, n_frames, options, lambda *_: None)
                _say(console, f"{n_frames} frames sent")
    return 0


def _writer(args: argparse.Namespace) -> StreamWriter:
    if args.protocol == "merlin":
        frame_time_s = 1.0 / args.rate if args.rate else 1e-3
        return MerlinWriter(args.depth, args.layout, args.raw_counters, frame_time_s)
    if args.protocol == "native":
        if args.encoding == "lz4":
            raise ConfigError("the native stream has no lz4; use --encoding raw or bslz4")
        encoding = Encoding(args.encoding or "raw")
        return NativeWriter(encoding, ChecksumKind(args.checksum))
    facts = _facts(args)
    return DectrisV1Writer(facts) if args.protocol == "dectris-v1" else DectrisV2Writer(facts, _channels(args))


def _outlet(ctx: Any, args: argparse.Namespace, writer: StreamWriter) -> Outlet:
    tcp = args.protocol == "merlin"
    faults = Faults.parse(args.fault, args.fault_seed)
    outlet: Outlet = TcpOutlet(args.bind) if tcp else PushOutlet(ctx, args.bind, writer.linger_frames)
    return FaultyOutlet(outlet, faults) if faults.rates else outlet


def _facts(args: argparse.Namespace) -> SeriesFacts:
    packed = {"raw": "none", None: "bslz4"}.get(args.encoding, args.encoding)
    return SeriesFacts(
        compression=Compression(packed),
        header_detail=HeaderDetail(args.header_detail),
        header_appendix=args.header_appendix,
        image_appendix=args.image_appendix,
        frame_time_s=1.0 / args.rate if args.rate else 1e-3,
    )


def _channels(args: argparse.Namespace) -> tuple[str, ...]:
    return tuple(f"threshold_{k + 1}" for k in range(args.thresholds))


def _serve(path: ScanPath, options: SendOptions, args: argparse.Namespace, console: Console) -> int:
    """Be a detector that does nothing until a client arms it."""
    if args.protocol not in ("dectris-v1", "dectris-v2"):
        raise ConfigError("--rest is the interface of DECTRIS detectors; add --protocol dectris-v1 or dectris-v2")
    facts, cbor = _facts(args), args.protocol == "dectris-v2"
    simplon = Simplon(path.acquisition("series"), path.geometry.n_frames, facts, cbor=cbor)
    writer = SwitchingWriter(DectrisV1Writer(facts), DectrisV2Writer(facts, _channels(args)), cbor)
    with sockets.context() as ctx, rest_server(simplon, args.rest) as address:
        sender = Sender(_outlet(ctx, args, writer), writer)
        dcu = Dcu(simplon, sender, writer, path, options, functools.partial(_say, console))
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: dcu.stop())
        _say(console, f"REST {address}, stream {sender.endpoint}; waiting to be armed, Ctrl-C ends")
        dcu.run()
    return 0


def _show(bar: Progress, task: TaskID, done: int, total: int) -> None:
    bar.update(task, completed=done, total=total)


def _bar(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
    )


def _shape(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    try:
        rows, cols = (int(part) for part in text.replace("x", ",").split(","))
    except ValueError:
        raise SystemExit(f"livebragg-simulate: {text!r} is no shape; write ROWS,COLS") from None
    return rows, cols


def _repeats(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no number of acquisitions; write 1 or more, or 0 for no end"
        )
    return int(text)


def _appendix(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _name(text: str) -> str:
    if not text.strip():
        raise argparse.ArgumentTypeError(
            "an acquisition cannot have an empty name; leave --id out for the usual one"
        )
    return text


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="livebragg-simulate",
        description="A simulated 4D-STEM detector: replays recorded scans or scans a synthetic specimen.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    replay = commands.add_parser("replay", help="send a recorded scan: HDF5, .npy, .mib, .blo, .dm4 ...")
    replay.add_argument("file", type=Path, help="file with a 4-D dataset (scan rows, scan cols, rows, cols)")
    replay.add_argument("--dataset", help="name of the dataset (default: the largest 4-D one)")
    replay.add_argument("--scan-shape", metavar="R,C", help="scan shape of a 3-D dataset (n, rows, cols)")
    _add_send_options(replay)
    replay.set_defaults(run=_replay)

    specimen = commands.add_parser("specimen", help="scan a synthetic specimen")
    _add_specimen_options(specimen)
    specimen.add_argument("--truth", type=Path, help="write the ground truth to this HDF5 file")
    specimen.add_argument("--force", action="store_true", help="replace the truth file if it exists")
    _add_send_options(specimen)
    specimen.set_defaults(run=_specimen)

    record = commands.add_parser("record", help="write a synthetic specimen with its truth to a file")
    record.add_argument("file", type=Path, help="HDF5 file to write")
    record.add_argument("--force", action="store_true", help="replace the file if it exists")
    _add_specimen_options(record)
    record.set_defaults(run=_record)
    return parser


def _add_specimen_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--preset", default="demo", choices=sorted(PRESETS), help="which specimen (default: demo)")
    parser.add_argument("--seed", type=int, help="another seed is another specimen (default: the preset's)")
    parser.add_argument("--scan-shape", metavar="R,C", help="scan positions")
    parser.add_argument("--frame-shape", metavar="R,C", help="detector pixels")
    parser.add_argument("--electrons", type=float, help="mean electrons per frame")


def _add_send_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--bind", default=DEFAULT_ENDPOINT, metavar="ENDPOINT", help="(default: %(default)s)")
    parser.add_argument("--rate", type=float, default=0.0, metavar="HZ", help="frames per second (0: no limit)")
    parser.add_argument("--batch", type=int, default=0, metavar="N", help="frames in a message (0: automatic)")
    parser.add_argument("--protocol", default="native", choices=_PROTOCOLS, help="(default: native)")
    parser.add_argument(
        "--encoding",
        choices=["raw", "bslz4", "lz4"],
        help="(default: raw; bslz4 for DECTRIS, which alone has lz4)",
    )
    parser.add_argument(
        "--checksum", default="xxh3_64", choices=[c.value for c in ChecksumKind], help="(default: xxh3_64)"
    )
    parser.add_argument("--rest", metavar="HOST:PORT", help="DECTRIS: wait to be armed through the REST interface")
    parser.add_argument(
        "--control", metavar="HOST:PORT", help="Merlin: wait to be started through the command socket"
    )
    parser.add_argument(
        "--header-detail", default="basic", choices=[d.value for d in HeaderDetail], help="(default: basic)"
    )
    parser.add_argument("--header-appendix", default="", type=_appendix, metavar="JSON", help="DECTRIS: user data")
    parser.add_argument("--image-appendix", default="", type=_appendix, metavar="JSON", help="DECTRIS: user data")
    parser.add_argument(
        "--thresholds", type=int, default=1, metavar="N", help="channels of DECTRIS V2 (default: 1)"
    )
    parser.add_argument(
        "--depth", type=int, default=12, choices=DEPTHS, help="Merlin: bits of a counter (default: 12)"
    )
    parser.add_argument("--layout", default="1x1", choices=LAYOUTS, help="Merlin: chips (default: 1x1)")
    parser.add_argument("--raw-counters", action="store_true", help="Merlin: frames as they leave the chips (R64)")
    parser.add_argument(
        "--fault",
        action="append",
        default=[],
        metavar="KIND=P",
        help=f"something to go wrong with each message with probability P: {', '.join(KINDS)} (may be repeated)",
    )
    parser.add_argument("--fault-seed", type=int, default=0, metavar="N", help="other faults (default: 0)")
    parser.add_argument("--loop", type=_repeats, default=1, metavar="N", help="acquisitions to send (0: no end)")
    parser.add_argument("--start", type=int, default=0, metavar="FRAME", help="first frame to send")
    parser.add_argument("--stop", type=int, metavar="FRAME", help="frame to stop before")
    parser.add_argument("--snake", action="store_true", help="odd lines run backwards")
    parser.add_argument("--flyback-frames", type=int, default=0, metavar="N", help="empty frames after each line")
    parser.add_argument("--id", type=_name, help="name of the acquisition")
    parser.add_argument("--cache", action="store_true", help="hold all frames in memory before sending")


if __name__ == "__main__":
    sys.exit(main())
