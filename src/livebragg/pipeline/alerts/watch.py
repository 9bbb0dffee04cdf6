"""The loop of ``livebragg watch``: feed in, alerts out."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from livebragg.config.alerts import AlertsConfig
from livebragg.errors import WireError
from livebragg.model import Alert
from livebragg.pipeline.alerts.engine import AlertEngine
from livebragg.pipeline.publisher import Publisher
from livebragg.wire import sockets
from livebragg.wire.codec import decode
from livebragg.wire.messages import Alerts, ClassMaps, PipelineStatus, VirtualImageSet

TICK_S = 1.0
QUEUE = 50


def watch(
    ctx: Any, config: AlertsConfig, feed: str, publish: str | None, end_with: int | None = None
) -> Iterator[Alert]:
    """Alerts as they are raised, until `end_with`, a file descriptor, has something to read or is closed.

    Parameters
    ----------
    ctx : zmq.Context
        Not closed here.
    config : AlertsConfig
        Rules.
    feed : str
        Endpoint of the pipeline's feed; it may be started later.
    publish : str, optional
        Endpoint to bind, where all alerts are published at every change and once a second.
    end_with : int, optional
        Without it until interrupted.
    """
    source = sockets.open_socket(ctx, sockets.SUB, connect=feed, receive_high_water=QUEUE, linger_ms=0)
    sockets.subscribe(source, *_needed(config))
    publisher = None if publish is None else Publisher(ctx, publish)
    poller = sockets.Poller()
    for watched in (source, publisher and publisher.socket, end_with):
        if watched is not None:
            poller.add(watched)
    return _closing(_watch(AlertEngine(config), source, publisher, poller, end_with), source, publisher)


def _needed(config: AlertsConfig) -> list[type]:
    """Maps are large: only rules that look at them ask for them."""
    needed: list[type] = [PipelineStatus]
    if config.new_class.on or config.area.on:
        needed.append(ClassMaps)
    if config.drift.on or config.trend.on:
        needed.append(VirtualImageSet)
    return needed


def _closing(alerts: Iterator[Alert], source: Any, publisher: Publisher | None) -> Iterator[Alert]:
    try:
        yield from alerts
    finally:
        source.close(0)
        if publisher is not None:
            publisher.socket.close(0)


def _watch(
    engine: AlertEngine, source: Any, publisher: Publisher | None, poller: sockets.Poller, end_with: int | None
) -> Iterator[Alert]:
    due, revision = 0.0, 0
    while True:
        found = poller.wait(max(0.0, due - time.monotonic()))
        if end_with is not None and end_with in found:
            return
        raised = [alert for message in _messages(source) for alert in engine.update(message, time.time())]
        raised += engine.tick(time.time())
        yield from raised
        if publisher is not None:
            publisher.greet()
        if raised or time.monotonic() >= due:
            due, revision = time.monotonic() + TICK_S, revision + 1
            if publisher is not None:
                now = time.time()
                publisher.publish(Alerts(revision=revision, published_at=now, alerts=list(engine.alerts)))


def _messages(source: Any) -> Iterator[Any]:
    """What has come and can be read; a foreign message is no business of the rules."""
    while (parts := sockets.receive_parts(source)) is not None:
        try:
            yield decode(parts[1:])
        except WireError:
            continue
