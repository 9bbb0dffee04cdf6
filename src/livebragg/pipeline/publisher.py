"""Publishes the feed, and greets each new subscriber with the newest message of every topic."""

from __future__ import annotations

from typing import Any

from livebragg.wire import sockets
from livebragg.wire.codec import encode, topic_of
from livebragg.wire.messages import FeedMessage

QUEUE = 12
"""Messages a slow reader may be behind; more would only be stale."""


class Publisher:
    """The XPUB socket of the feed."""

    def __init__(self, ctx: Any, endpoint: str) -> None:
        self.socket = sockets.open_socket(ctx, sockets.XPUB, bind=endpoint, send_high_water=QUEUE)
        self._newest: dict[bytes, list[Any]] = {}
        self.published = 0

    def publish(self, message: FeedMessage) -> None:
        """Send to whoever subscribed, and keep for those who will."""
        topic = topic_of(type(message))
        # Bytes, not views: the arrays may change after this, and a message waits here for late subscribers.
        parts = [topic, *(bytes(part) for part in encode(message))]
        self._newest[topic] = parts
        sockets.send_parts(self.socket, parts, wait=False)
        self.published += 1

    def greet(self) -> None:
        """Answer new subscriptions."""
        while (parts := sockets.receive_parts(self.socket)) is not None:
            subscription = bytes(parts[0])
            if subscription[:1] == b"\x01":
                for topic, newest in self._newest.items():
                    if topic.startswith(subscription[1:]):
                        sockets.send_parts(self.socket, newest, wait=False)

    def forget(self) -> None:
        """A new acquisition: what was published of the old one greets nobody any more."""
        self._newest.clear()
