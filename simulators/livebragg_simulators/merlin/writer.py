"""Merlin's data stream: acquisition headers and frames, in plain and raw counters."""

from __future__ import annotations

import datetime
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from livebragg.errors import ConfigError
from livebragg.model import Acquisition
from livebragg.wire.messages import EndReason
from livebragg.wire.mpx import unit
from livebragg_simulators.pauses import Pauses
from livebragg_simulators.writers import Parts

DEPTHS = (1, 6, 12, 24)
"""Bits of a counter."""

LAYOUTS = ("1x1", "2x2", "2x2G")
CHIP = 256
OFFSETS = {1: 384, 4: 768}
"""Bytes of a frame's header, by the number of chips."""

_TYPES = {1: ("U08", ">u1"), 6: ("U08", ">u1"), 12: ("U16", ">u2"), 24: ("U32", ">u4")}


@dataclass(slots=True)
class MerlinWriter:
    """Words the units of Merlin's data socket.

    Parameters
    ----------
    depth : int
        Bits of a counter; counts beyond it stay at its largest.
    layout : str
        Of the chips. Raw frames of four chips travel chip by chip.
    raw : bool
        Send counters as they leave the chips (R64).
    """

    depth: int = 12
    layout: str = "1x1"
    raw: bool = False
    frame_time_s: float = 1e-3
    pauses: Pauses = field(default_factory=Pauses)
    linger_frames: int = 4
    _began: datetime.datetime = field(default_factory=lambda: _now())

    def start(self, acquisition: Acquisition, n_frames: int) -> list[Parts]:
        """See `StreamWriter.start`."""
        self._began = _now()
        rows, cols = acquisition.frame_shape
        side = 2 * CHIP + (2 if self.layout.endswith("G") else 0)
        if self.raw and self.layout != "1x1" and (rows, cols) != (side, side):
            raise ConfigError(
                f"raw frames of four chips ({self.layout}) have {side}x{side} pixels, not {rows}x{cols}"
            )
        if self.raw and self.layout == "1x1" and rows * cols % 64:
            raise ConfigError(f"raw frames are words of 64 bits; {rows}x{cols} pixels do not fill them")
        scan = acquisition.scan_shape
        lines = {
            "Time and Date Stamp (day, mnth, yr, hr, min, s)": _now().strftime("%d/%m/%Y %H:%M:%S"),
            "Chip ID": "W000_A0,-,-,-",
            "Chip Type (Medipix 3.0, Medipix 3.1, Medipix 3RX)": "Medipix 3RX",
            "Assembly Size (NX1, 2X2)": f"   {self.layout[:3]}",
            "Chip Mode  (SPM, CSM, CM, CSCM)": "SPM",
            "Counter Depth (number)": str(self.depth),
            "Acquisition Type (Normal, Th_scan, Config)": "Normal",
            "Frames in Acquisition (Number)": str(n_frames),
            "Frames per Trigger (Number)": "1",
            "Frame Time (ms)": f"{self.frame_time_s * 1e3:E}",
        }
        if scan is not None:
            lines |= {"ScanX": str(scan[1]), "ScanY": str(scan[0])}
        text = "HDR,\t\n" + "".join(f"{key}:\t{value}\n" for key, value in lines.items()) + "End\t"
        return [[unit(text.encode("latin-1").ljust(2048))]]

    def frames(self, first: int, frames: NDArray[Any]) -> list[Parts]:
        """See `StreamWriter.frames`."""
        if frames.dtype.kind == "f":
            raise ConfigError(
                f"Merlin counts in whole numbers, these frames are {frames.dtype}; save them as integers"
            )
        counts = np.clip(frames, 0, (1 << self.depth) - 1)
        return [
            [unit(self._header(first + k, frame.shape) + self._pixels(frame))] for k, frame in enumerate(counts)
        ]

    def end(self, frames_sent: int, reason: EndReason) -> list[Parts]:
        """See `StreamWriter.end`: Merlin does not tell."""
        return []

    def alive(self, frames_sent: int) -> list[Parts]:
        """See `StreamWriter.alive`."""
        return []

    def _header(self, number: int, shape: tuple[int, ...]) -> bytes:
        chips = 1 if self.layout == "1x1" else 4
        rows, cols = (CHIP, 4 * CHIP) if self.raw and chips == 4 else shape
        kind = "R64" if self.raw else _TYPES[self.depth][0]
        shutter = self.frame_time_s
        now = self._began + datetime.timedelta(seconds=number * shutter + self.pauses.before(number))
        text = (
            f"MQ1,{number + 1:06d},{OFFSETS[chips]:05d},{chips:02d},{cols:04d},{rows:04d},{kind},{self.layout:>6},"
            f"{(1 << chips) - 1:02X},{now:%Y-%m-%d %H:%M:%S.%f},{shutter:.6f},0,0,0,"
            "1.200000E+2,5.110000E+2,"
            f"{'0.000000E+0,' * 6}3RX,175,511,000,000,000,000,000,000,125,255,125,125,100,100,082,100,087,030,128,"
            "004,255,129,128,176,168,"
            f"511,511,MQ1A,{now:%Y-%m-%dT%H:%M:%S.%f}000Z,{round(shutter * 1e9)}ns,{self.depth},"
        )
        return text.encode().ljust(OFFSETS[chips], b"\0")

    def _pixels(self, frame: NDArray[Any]) -> bytes:
        if not self.raw:
            return frame.astype(_TYPES[self.depth][1]).tobytes()
        chips = frame if self.layout == "1x1" else _chip_by_chip(frame)
        if self.depth == 24:
            return _words(chips >> 12, 16) + _words(chips & 0xFFF, 16)
        return _words(chips, {1: 1, 6: 8, 12: 16}[self.depth])


def _chip_by_chip(frame: NDArray[Any]) -> NDArray[Any]:
    """Four chips beside each other, the last first; the lower two stand upside down, and the gap is left out."""
    first, second = frame[:CHIP, :CHIP], frame[:CHIP, -CHIP:]
    third, fourth = frame[-CHIP:, :CHIP], frame[-CHIP:, -CHIP:]
    return np.concatenate([fourth[::-1, ::-1], third[::-1, ::-1], second, first], axis=1)


def _words(counts: NDArray[Any], bits: int) -> bytes:
    """Big-endian words of 64 bits with the first pixel in the lowest bits."""
    if bits == 1:
        packed = np.packbits(counts.astype(np.uint8).reshape(-1), bitorder="little")
    else:
        packed = counts.astype(f"<u{bits // 8}").reshape(-1).view(np.uint8)
    return packed.view("<u8").astype(">u8").tobytes()


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)
