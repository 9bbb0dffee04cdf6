"""The newest message of one kind from a program that this server has started, kept up to date in a thread."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from livebragg.errors import LiveBraggError, WireError
from livebragg.wire import sockets
from livebragg.wire.codec import decode

logger = logging.getLogger(__name__)

T = TypeVar("T")
POLL_S = 0.5


class Newest(Generic[T]):
    """Listens until it is closed.

    Parameters
    ----------
    endpoint : str
        Feed of the program.
    kind : type
        Class of the messages.
    problem_of : callable
        What is wrong with a message, in words; empty when it can be used.
    every : callable
        Called from the thread now and then.
    """

    def __init__(
        self,
        endpoint: str,
        kind: type[T],
        problem_of: Callable[[T], str] = lambda message: "",
        every: Callable[[], None] = lambda: None,
    ) -> None:
        self._endpoint, self._kind, self._problem_of, self._every = endpoint, kind, problem_of, every
        self._message: T | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"livebragg-{kind.__name__}", daemon=True)
        self._thread.start()

    def get(self) -> T | None:
        """The newest message; ``None`` before the first."""
        return self._message

    def close(self) -> None:
        """End the thread."""
        self._stop.set()
        self._thread.join(5.0)

    def _run(self) -> None:
        try:
            with sockets.context() as ctx:
                feed = sockets.open_socket(ctx, sockets.SUB, connect=self._endpoint, linger_ms=0)
                sockets.subscribe(feed, self._kind)
                poller = sockets.Poller()
                poller.add(feed)
                while not self._stop.is_set():
                    poller.wait(POLL_S)
                    self._take(feed)
                    self._every()
                feed.close(0)
        except LiveBraggError as error:
            logger.error("%s are not followed any more: %s", self._kind.__name__, error)

    def _take(self, feed: Any) -> None:
        while (parts := sockets.receive_parts(feed)) is not None:
            try:
                message = decode(parts[1:])
            except WireError as error:
                logger.warning("a %s cannot be read: %s", self._kind.__name__, error)
                continue
            if isinstance(message, self._kind) and not self._problem_of(message):
                self._message = message
