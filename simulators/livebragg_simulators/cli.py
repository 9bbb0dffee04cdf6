"""``livebragg-simulate``: a detector to try livebragg with."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from rich.console import Console

from livebragg.errors import ConfigError, LiveBraggError
from livebragg.storage.recordings import open_recording
from livebragg.wire.messages import ChecksumKind
from livebragg_simulators.dectris.series import HeaderDetail
from livebragg_simulators.faults.plan import MessageFault, ScanFault
from livebragg_simulators.merlin.writer import DEPTHS, LAYOUTS
from livebragg_simulators.run import PROTOCOLS, progress_bar, say, send
from livebragg_simulators.sources import RecordedSource, SpecimenSource
from livebragg_simulators.specimen import PRESETS, Specimen, SpecimenConfig

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
        say(console, f"livebragg-simulate: {error}", style="red")
        return 1
    except KeyboardInterrupt:  # before sending began: while frames are loaded or rendered
        return 130


def _replay(args: argparse.Namespace, console: Console) -> int:
    with open_recording(args.file, args.dataset, _shape(args.scan_shape)) as recording:
        where = f"{recording.path.name}:{recording.name}" if recording.name else recording.path.name
        say(console, f"{where}  scan {recording.scan_shape}, frames {recording.frame_shape} {recording.dtype}")
        if recording.alternatives:
            say(console, f"also in this file: {', '.join(recording.alternatives)} (choose with --dataset)")
        return send(RecordedSource(recording, preload=args.cache), args, console, recording.path.stem)


def _specimen(args: argparse.Namespace, console: Console) -> int:
    _refuse_existing(args.truth, args.force)
    specimen = _make_specimen(args, console)
    if args.truth:
        specimen.write_truth(args.truth)
        say(console, f"truth written to {args.truth}")
    if args.cache:
        with progress_bar(console) as bar:
            task = bar.add_task("rendering")
            specimen.prepare(lambda done, total: bar.update(task, completed=done, total=total))
    return send(SpecimenSource(specimen), args, console, f"specimen-{args.preset}")


def _refuse_existing(path: Path | None, force: bool) -> None:
    if path is not None and path.exists() and not (force and path.is_file()):
        raise ConfigError(f"{path} exists; choose another name, or --force to replace a file")


def _record(args: argparse.Namespace, console: Console) -> int:
    _refuse_existing(args.file, args.force)
    specimen = _make_specimen(args, console)
    with progress_bar(console) as bar:
        task = bar.add_task("rendering")
        specimen.write_recording(
            args.file, progress=lambda done, total: bar.update(task, completed=done, total=total)
        )
    say(console, f"{args.file}: data and truth written")
    return 0


def _make_specimen(args: argparse.Namespace, console: Console) -> Specimen:
    changes: dict[str, Any] = {} if args.seed is None else {"seed": args.seed}
    for key in ("scan_shape", "frame_shape"):
        if (shape := _shape(getattr(args, key))) is not None:
            changes[key] = shape
    if args.electrons is not None:
        changes["electrons_per_frame"] = args.electrons
    config = SpecimenConfig.preset(args.preset, **changes)
    say(console, f"specimen {args.preset!r}: scan {config.scan_shape}, frames {config.frame_shape}")
    return Specimen(config)


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
    parser.add_argument("--protocol", default="native", choices=PROTOCOLS, help="(default: native)")
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
        help=f"something to go wrong with each message with probability P ({', '.join(MessageFault)}), or with "
        f"each acquisition ({', '.join(ScanFault)}); may be repeated",
    )
    parser.add_argument("--fault-seed", type=int, default=0, metavar="N", help="other faults (default: 0)")
    parser.add_argument("--loop", type=_repeats, default=1, metavar="N", help="acquisitions to send (0: no end)")
    parser.add_argument("--start", type=int, default=0, metavar="FRAME", help="first frame to send")
    parser.add_argument("--stop", type=int, metavar="FRAME", help="frame to stop before")
    parser.add_argument("--snake", action="store_true", help="odd lines run backwards")
    parser.add_argument("--flyback-frames", type=int, default=0, metavar="N", help="empty frames after each line")
    parser.add_argument(
        "--flyback-pause",
        type=float,
        default=0.0,
        metavar="MS",
        help="milliseconds without a frame after each line",
    )
    parser.add_argument("--unknown-shape", action="store_true", help="do not tell the shape of the scan")
    parser.add_argument("--id", type=_name, help="name of the acquisition")
    parser.add_argument("--cache", action="store_true", help="hold all frames in memory before sending")


if __name__ == "__main__":
    sys.exit(main())
