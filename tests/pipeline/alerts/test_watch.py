"""Feed in, alerts out, over sockets."""

from __future__ import annotations

import os
import threading
import time
from typing import Any

from livebragg.config.alerts import AlertsConfig
from livebragg.pipeline.alerts.watch import watch
from livebragg.pipeline.publisher import Publisher
from livebragg.wire import sockets
from livebragg.wire.messages import Alerts, PipelineStatus


def status(lost: float, revision: int) -> PipelineStatus:
    return PipelineStatus(
        revision=revision, published_at=0.0, phase="running", light="green", reasons=[], serial=1,
        acquisition=None, scan_shape=None, probe=None, positions_seen=0, newest_sent_at=0.0,
        counters={"frames_dropped": lost}, workers=[], notices=[], results_path="",
    )  # fmt: skip


def until(socket: Any) -> Any:
    """The next message."""
    assert socket.poll(10_000), "nothing came"
    return sockets.receive(socket, prefix=1)


def test_an_alert_is_raised_published_and_found_by_who_comes_later() -> None:
    reader, writer = os.pipe()
    raised: list[Any] = []
    with sockets.context() as ctx:
        pipeline = Publisher(ctx, "inproc://feed")
        alerts = watch(ctx, AlertsConfig(), "inproc://feed", "inproc://alerts", reader)
        thread = threading.Thread(target=lambda: raised.extend(alerts))
        thread.start()
        for revision in range(5):
            pipeline.greet()
            pipeline.publish(status(lost=3.0 * (revision > 2), revision=revision))
            sockets.send_parts(pipeline.socket, [b"class_maps", b"no message"], wait=False)
            time.sleep(0.05)
        page = sockets.open_socket(ctx, sockets.SUB, connect="inproc://alerts", linger_ms=0)
        sockets.subscribe(page, Alerts)
        found = until(page)
        while not found.alerts:
            found = until(page)
        assert [(a.rule, a.active) for a in found.alerts] == [("lost", True)]
        os.close(writer)
        thread.join(10)
        assert not thread.is_alive() and [a.rule for a in raised] == ["lost"]
        for socket in (page, pipeline.socket):
            socket.close(0)
    os.close(reader)
