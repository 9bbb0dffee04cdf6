"""Finished scans of a folder: their list, and the programs that read those that are opened."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from pathlib import Path
from typing import Any

from livebragg.errors import LiveBraggError, PipelineError, WireError
from livebragg.wire import sockets
from livebragg.wire.codec import decode
from livebragg.wire.messages import ScanHistory
from livebragg_dashboards.hub import Hub
from livebragg_dashboards.served import Served

logger = logging.getLogger(__name__)

MAX_OPEN = 6
"""Files that are open at once; the one that was opened first is closed for another."""
MAX_SCANS = 200
POLL_S = 0.5


class Archive:
    """A folder of results files.

    Parameters
    ----------
    folder : str
        Only files directly in it can be opened.

    Raises
    ------
    PipelineError
        The folder cannot be listed.
    """

    def __init__(self, folder: str) -> None:
        self._folder = Path(folder)
        self._lister = Served("serve", folder)
        self._history: ScanHistory | None = None
        self._open: OrderedDict[str, tuple[Served, Hub]] = OrderedDict()
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="livebragg-archive", daemon=True)
        self._thread.start()

    def history(self) -> ScanHistory | None:
        """The newest list; ``None`` before the first."""
        with self._lock:
            return self._history

    def hub(self, name: str) -> Hub:
        """What listens to one file of the list; it is started without waiting, and says so if it fails.

        Raises
        ------
        PipelineError
            The list has no such file.
        """
        history = self.history()
        if history is None or name not in {scan.name for scan in history.scans}:
            raise PipelineError("there is no such results file in the list of scans; choose one from it")
        with self._lock:
            opened = self._open.get(name)
            if opened is not None and opened[0].alive:
                self._open.move_to_end(name)
                return opened[1]
        if opened is not None:
            self._close(name)
        while len(self._open) >= MAX_OPEN:
            self._close(next(iter(self._open)))
        served = Served("serve", str(self._folder / name), wait=False)
        hub = Hub(served.feed, served.control)
        hub.start()
        with self._lock:
            self._open[name] = (served, hub)
        return hub

    def close(self) -> None:
        """End everything."""
        self._stop.set()
        self._thread.join(5.0)
        for name in list(self._open):
            self._close(name)
        self._lister.close()

    def _close(self, name: str) -> None:
        with self._lock:
            served, hub = self._open.pop(name)
        hub.problem = hub.problem or "this file was closed, since others were opened; load the page again"
        hub.close()
        served.close()

    # --------------------------------------------------------------------------------------- the thread
    def _run(self) -> None:
        try:
            with sockets.context() as ctx:
                feed = sockets.open_socket(ctx, sockets.SUB, connect=self._lister.feed, linger_ms=0)
                sockets.subscribe(feed, ScanHistory)
                poller = sockets.Poller()
                poller.add(feed)
                while not self._stop.is_set():
                    poller.wait(POLL_S)
                    self._take(feed)
                    self._look_after_readers()
                feed.close(0)
        except LiveBraggError as error:
            logger.error("the list of scans is not kept up to date: %s", error)

    def _take(self, feed: Any) -> None:
        while (parts := sockets.receive_parts(feed)) is not None:
            try:
                message = decode(parts[1:])
            except WireError as error:
                logger.warning("a list of scans cannot be read: %s", error)
                continue
            if isinstance(message, ScanHistory) and not problem_of_history(message):
                with self._lock:
                    self._history = message

    def _look_after_readers(self) -> None:
        with self._lock:
            opened = list(self._open.values())
        for served, hub in opened:
            if not hub.problem:
                hub.problem = served.problem()


def problem_of_history(m: ScanHistory) -> str:
    """What is wrong with a list, in words; empty when it can be shown."""
    if len(m.scans) > MAX_SCANS or m.labels.shape != m.families.shape or m.labels.ndim != 3:
        return f"{len(m.scans)} scans with pictures of shapes {m.labels.shape} and {m.families.shape}"
    return "" if len(m.scans) == len(m.labels) else f"{len(m.labels)} pictures for {len(m.scans)} scans"
