"""Shows what is on disk as a pipeline shows what is live: the same feed, the same requests."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from livebragg.errors import WireError
from livebragg.pipeline.publisher import Publisher
from livebragg.pipeline.requests.reading import NOT_THERE, read_request, speaks_of
from livebragg.pipeline.requests.regions import RegionRequest, answer_region
from livebragg.pipeline.requests.rings import answer_ring
from livebragg.pipeline.stored.scan import StoredScan
from livebragg.wire import sockets
from livebragg.wire.messages import (
    FeedMessage,
    FrameRequest,
    PipelineStatus,
    PositionRequest,
    Refused,
    RegionPatternRequest,
    StatusRequest,
    VirtualImageRequest,
)

Question = FrameRequest | PositionRequest | VirtualImageRequest | RegionRequest
"""What can be asked of the scan in a file."""

STATUS_S = 1.0
"""Seconds between two statuses, by which a reader knows that somebody is there."""


class Served(Protocol):
    """Something on disk that can be shown."""

    def messages(self) -> list[FeedMessage]:
        """What is new since the last call."""
        ...

    def answer(self, request: object) -> object:
        """Reply to a request."""
        ...


class ServedScan:
    """One results file.

    Parameters
    ----------
    scan : StoredScan
    """

    def __init__(self, scan: StoredScan) -> None:
        self._scan = scan
        self._revision = 0
        self._maps = scan.messages()

    def messages(self) -> list[FeedMessage]:
        """All maps at first, then the status alone."""
        self._revision += 1
        maps, self._maps = self._maps, []
        return [*maps, self._status()]

    def answer(self, request: object) -> object:
        """What can be told from a file; a class is not changed any more."""
        if isinstance(request, StatusRequest):
            return self._status()
        if isinstance(request, Question):
            return self._about_scan(request) if speaks_of(request.serial, self._scan.opened) else NOT_THERE
        return Refused(reason="this is a results file, not a running scan: it can be looked at, not changed")

    def _about_scan(self, request: Question) -> object:
        if isinstance(request, FrameRequest):
            return self._scan.frame(request.scan_index)
        if isinstance(request, PositionRequest):
            return self._scan.position(request.scan_index)
        if isinstance(request, VirtualImageRequest):
            return answer_ring(request, self._scan)
        if isinstance(request, RegionPatternRequest) and not self._scan.has_frames:
            return Refused(reason="a results file holds no frames: name the recording with --recording")
        return answer_region(request, self._scan)

    def _status(self) -> PipelineStatus:
        return self._scan.status(self._revision, time.time())


def answer_parts(parts: Sequence[Any], served: Served) -> object:
    """Reply to the parts of a request, whatever they are."""
    try:
        request = read_request(parts)
    except WireError as error:
        return Refused(reason=str(error))
    return served.answer(request)


def serve(
    ctx: Any,
    served: Served,
    feed: str,
    control: str,
    ready: Callable[[str, str], None],
    end_with: int | None = None,
) -> None:
    """Publish and answer until `end_with`, a file descriptor, has something to read or is closed.

    Parameters
    ----------
    ctx : zmq.Context
        Not closed here.
    served : Served
    feed, control : str
        Endpoints to bind.
    ready : callable
        Called with the endpoints that were bound.
    end_with : int, optional
        Without it until interrupted.
    """
    publisher = Publisher(ctx, feed)
    requests = sockets.open_socket(ctx, sockets.ROUTER, bind=control)
    poller = sockets.Poller()
    for source in (publisher.socket, requests, *(() if end_with is None else (end_with,))):
        poller.add(source)
    ready(sockets.bound_endpoint(publisher.socket), sockets.bound_endpoint(requests))
    try:
        _serve(served, publisher, requests, poller, end_with)
    finally:
        publisher.socket.close()
        requests.close()


def _serve(
    served: Served, publisher: Publisher, requests: Any, poller: sockets.Poller, end_with: int | None
) -> None:
    due = 0.0
    while True:
        found = poller.wait(max(0.0, due - time.monotonic()))
        if end_with is not None and end_with in found:
            return
        publisher.greet()
        while (parts := sockets.receive_parts(requests)) is not None:
            sockets.send(requests, answer_parts(parts[1:], served), prefix=(bytes(parts[0]), b""), wait=False)
        if time.monotonic() >= due:
            for message in served.messages():
                publisher.publish(message)
            due = time.monotonic() + STATUS_S
