"""Where the receiver's messages come from: a ZeroMQ socket, or a detector's TCP stream."""

from __future__ import annotations

from typing import Any, Protocol

from livebragg.config.pipeline import StreamConfig
from livebragg.detectors import DectrisDecoder, MerlinDecoder, NativeDecoder, Notice, StreamDecoder
from livebragg.pipeline.receiving.merlin_source import MerlinSource
from livebragg.wire import sockets
from livebragg.wire.mpx import parse_address

STREAM_HIGH_WATER = {"native": 64, "dectris": 1024}
"""Messages that may wait in the socket: batches of frames, or single ones. The frame log is the buffer, not the
socket; but a socket that is full all the time costs more than taking the messages."""


class StreamSource(Protocol):
    """One detector's socket."""

    buffers: bool
    """Whether it takes what comes while nobody asks for it, so that the detector need not wait."""

    def watch(self, poller: sockets.Poller) -> None:
        """Let the poller wait for it; called before every wait, and may (re)connect."""

    def ignore(self, poller: sockets.Poller) -> None:
        """Let the poller wait for it no longer."""

    def receive(self) -> list[Any] | None:
        """Parts of the next message, ``None`` when there is none.

        Raises
        ------
        livebragg.errors.WireError
            What came is no message.
        """

    def close(self) -> None:
        """Close what was opened."""


class ZmqSource:
    """A PULL socket."""

    buffers = True

    def __init__(self, ctx: Any, config: StreamConfig) -> None:
        self._socket = sockets.open_socket(
            ctx,
            sockets.PULL,
            connect=config.endpoint,
            receive_high_water=STREAM_HIGH_WATER[config.detector],
        )
        self._watched = False

    def watch(self, poller: sockets.Poller) -> None:
        """See `StreamSource.watch`."""
        if not self._watched:
            poller.add(self._socket)
            self._watched = True

    def ignore(self, poller: sockets.Poller) -> None:
        """See `StreamSource.ignore`."""
        if self._watched:
            poller.remove(self._socket)
            self._watched = False

    def receive(self) -> list[Any] | None:
        """See `StreamSource.receive`."""
        return sockets.receive_parts(self._socket)

    def close(self) -> None:
        """See `StreamSource.close`: the socket ends with its context."""


def open_source(ctx: Any, config: StreamConfig) -> StreamSource:
    """Connect to the configured detector."""
    if config.detector == "merlin":
        return MerlinSource(*parse_address(config.endpoint, "stream.endpoint"))
    return ZmqSource(ctx, config)


def make_decoder(stream: StreamConfig, batch_frames: int, notice: Notice) -> StreamDecoder:
    """What understands the configured detector."""
    if stream.detector == "dectris":
        return DectrisDecoder(stream.channel, batch_frames, notice)
    if stream.detector == "merlin":
        return MerlinDecoder(batch_frames, notice)
    return NativeDecoder()
