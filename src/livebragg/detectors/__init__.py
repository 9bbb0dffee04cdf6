"""Detectors' own wire formats, each turned into the native stream's messages."""

from livebragg.detectors.base import StreamDecoder
from livebragg.detectors.native import NativeDecoder

__all__ = ["NativeDecoder", "StreamDecoder"]
