"""Detectors' own wire formats, each turned into the native stream's messages."""

from livebragg.detectors.base import Decoded, Notice, StreamDecoder
from livebragg.detectors.dectris import DectrisDecoder
from livebragg.detectors.frames import decode_kept
from livebragg.detectors.kept import KeptFrames
from livebragg.detectors.merlin import MerlinDecoder
from livebragg.detectors.native import NativeDecoder

__all__ = [
    "Decoded",
    "DectrisDecoder",
    "KeptFrames",
    "MerlinDecoder",
    "NativeDecoder",
    "Notice",
    "StreamDecoder",
    "decode_kept",
]
