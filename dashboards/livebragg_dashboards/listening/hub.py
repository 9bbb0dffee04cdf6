"""The one thread of a server process that listens to the pipeline, and keeps the newest for all sessions."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from typing import Any

import numpy as np
from numpy.typing import NDArray

from livebragg.errors import LiveBraggError, WireError
from livebragg.wire import sockets
from livebragg.wire.codec import decode, topic_of
from livebragg.wire.messages import (
    ClassMaps,
    ClassPatterns,
    ClassProfiles,
    FrameRequest,
    LatestFrame,
    PipelineStatus,
    VectorMap,
    VirtualImageSet,
)
from livebragg_dashboards.asking.acts import ActClient, Outcome
from livebragg_dashboards.asking.frames import ControlClient, FrameAnswer
from livebragg_dashboards.asking.inquiries import Inquiries
from livebragg_dashboards.feed.shared import Shared
from livebragg_dashboards.feed.state import FeedState, Snapshot
from livebragg_dashboards.listening.floor import Floor

logger = logging.getLogger(__name__)

POLL_S = 0.02
MESSAGES_PER_TURN = 500
QUEUE = 50
"""Feed messages that may wait in ZeroMQ; the hub drains them many times a second."""

TOPICS: dict[bytes, type[Any]] = {
    topic_of(kind): kind
    for kind in (
        PipelineStatus,
        ClassMaps,
        VirtualImageSet,
        VectorMap,
        LatestFrame,
        ClassPatterns,
        ClassProfiles,
    )
}


class Hub:
    """Reads the feed and asks for frames, in its own thread.

    Parameters
    ----------
    feed, control : str
        Endpoints of the pipeline; it may be started later, stopped and started again.

    Examples
    --------
    >>> with Hub("inproc://feed", "inproc://control") as hub:
    ...     hub.snapshot().status is None
    True
    """

    def __init__(self, feed: str, control: str) -> None:
        self.feed = sockets.check_endpoint(feed, "dashboard.feed")
        self.control = sockets.check_endpoint(control, "dashboard.control")
        self.inquiries = Inquiries(self.control)
        self._state = FeedState()
        self._questions: dict[str, FrameRequest] = {}
        self._answers: dict[str, FrameAnswer] = {}
        self._acts: deque[tuple[str, int, object]] = deque()
        self._outcomes: dict[str, Outcome] = {}
        self.floor = Floor()
        self.shared = Shared()
        """Pictures of the newest messages; for sessions only, which share one thread."""
        self.owners: set[str] = set()
        """Sessions that show this pipeline."""
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="livebragg-hub", daemon=True)
        self.problem = ""

    def start(self) -> None:
        """Begin to listen."""
        self._thread.start()

    def close(self) -> None:
        """End the thread and its sockets."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5.0)

    def __enter__(self) -> Hub:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    # ------------------------------------------------------------------------------- called by sessions
    def snapshot(self) -> Snapshot:
        """The newest of everything."""
        with self._lock:
            return self._state.snapshot()

    def trend_columns(self, now: float) -> dict[str, NDArray[np.float64]]:
        """Columns of the trends, see `livebragg_dashboards.feed.trends.Trends.columns`."""
        with self._lock:
            return self._state.trends.columns(now)

    def ask_frame(self, owner: str, serial: int, scan_index: int) -> None:
        """Ask for the frame of a position; the answer comes to `answer` of the same owner."""
        with self._lock:
            self._answers.pop(owner, None)
            self._questions[owner] = FrameRequest(serial=serial, scan_index=scan_index)

    def answer(self, owner: str) -> FrameAnswer | None:
        """Answer to the owner's newest question; ``None`` while there is none."""
        with self._lock:
            return self._answers.get(owner)

    def forget(self, owner: str) -> None:
        """Drop the questions and answers of a session that ended, or went back to live."""
        with self._lock:
            self._questions.pop(owner, None)
            self._answers.pop(owner, None)

    def act(self, owner: str, number: int, request: object) -> None:
        """Ask the pipeline to do something; what became of it comes to `outcome` of the same owner."""
        with self._lock:
            self._acts.append((owner, number, request))

    def outcome(self, owner: str) -> Outcome | None:
        """What became of the owner's newest act, told once."""
        with self._lock:
            return self._outcomes.pop(owner, None)

    def leave(self, owner: str) -> None:
        """A session ended."""
        self.forget(owner)
        self.floor.release(owner)
        self.owners.discard(owner)
        with self._lock:
            self._outcomes.pop(owner, None)

    # --------------------------------------------------------------------------------------- the thread
    def _run(self) -> None:
        try:
            with sockets.context() as ctx:
                self._listen(ctx)
        except LiveBraggError as error:
            self.problem = str(error)
            logger.error("the dashboard stopped listening: %s", error)

    def _listen(self, ctx: Any) -> None:
        feed = sockets.open_socket(ctx, sockets.SUB, connect=self.feed, receive_high_water=QUEUE, linger_ms=0)
        sockets.subscribe(feed, *TOPICS.values())
        client, acts = ControlClient(ctx, self.control), ActClient(ctx, self.control)
        self.inquiries.open(ctx)
        poller = sockets.Poller()
        poller.add(feed)
        try:
            while not self._stop.is_set():
                poller.wait(POLL_S)
                self._drain(feed)
                self._talk(client)
                self._carry_out(acts)
                self.inquiries.step(time.monotonic())
        finally:
            self.inquiries.close()
            client.close()
            acts.close()
            feed.close(0)

    def _drain(self, feed: Any) -> None:
        newest: dict[bytes, list[Any]] = {}
        overtaken: list[bytes] = []
        for _ in range(MESSAGES_PER_TURN):
            parts = sockets.receive_parts(feed)
            if parts is None:
                break
            topic = bytes(parts[0][:64])
            if newest.pop(topic, None) is not None:
                overtaken.append(topic)
            newest[topic] = parts
        if newest:
            self._take(list(newest.items()), overtaken)

    def _take(self, messages: list[tuple[bytes, list[Any]]], overtaken: list[bytes]) -> None:
        decoded = [_decode(topic, parts) for topic, parts in messages]
        now = time.monotonic()
        with self._lock:
            for topic in overtaken:
                if topic in TOPICS:
                    self._state.superseded(TOPICS[topic])
            for message in decoded:
                if isinstance(message, str):
                    self._state.reject(message)
                else:
                    self._state.update(message, now)

    def _talk(self, client: ControlClient) -> None:
        with self._lock:
            questions, self._questions = self._questions, {}
        for owner, request in questions.items():
            client.ask(owner, request)
        for owner, answer in client.step(time.monotonic()):
            with self._lock:
                self._answers[owner] = answer

    def _carry_out(self, client: ActClient) -> None:
        with self._lock:
            acts, self._acts = self._acts, deque()
        outcomes = [(owner, client.ask(owner, number, request)) for owner, number, request in acts]
        for owner, outcome in [*outcomes, *client.step(time.monotonic())]:
            if outcome is not None:
                with self._lock:
                    self._outcomes[owner] = outcome


def _decode(topic: bytes, parts: list[Any]) -> Any:
    """The message, or what is wrong with it."""
    kind = TOPICS.get(topic)
    if kind is None:
        return f"unknown topic {topic[:40]!r}; is another program's stream at this endpoint?"
    try:
        message = decode(parts[1:])
    except WireError as error:
        return str(error)
    return message if type(message) is kind else f"a {type(message).__name__} under the topic {topic.decode()!r}"
