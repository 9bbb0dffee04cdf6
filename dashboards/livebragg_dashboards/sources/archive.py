"""Finished scans of a folder: their list, and the programs that read those that are opened."""

from __future__ import annotations

import threading
from collections import OrderedDict
from pathlib import Path

from livebragg.errors import PipelineError
from livebragg.wire.messages import ScanHistory
from livebragg_dashboards.listening.hub import Hub
from livebragg_dashboards.sources.newest import Newest
from livebragg_dashboards.sources.served import Served

MAX_OPEN = 6
"""Files that are open at once; the one whose page was opened longest ago is closed for another."""
MAX_SCANS = 200


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
        self._open: OrderedDict[str, tuple[Served, Hub]] = OrderedDict()
        self._ending: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._newest = Newest(self._lister.feed, ScanHistory, problem_of_history, every=self._look_after_readers)

    def history(self) -> ScanHistory | None:
        """The newest list; ``None`` before the first."""
        return self._newest.get()

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
        self._newest.close()
        for name in list(self._open):
            self._close(name)
        for thread in self._ending:
            thread.join()
        self._lister.close()

    def _close(self, name: str) -> None:
        """Let go of a file, without waiting: other pages are served meanwhile."""
        with self._lock:
            served, hub = self._open.pop(name)
        hub.problem = hub.problem or "this file was closed, since others were opened; load the page again"
        self._ending = [thread for thread in self._ending if thread.is_alive()]
        self._ending.append(threading.Thread(target=_end, args=(served, hub), name=f"end of {name}", daemon=True))
        self._ending[-1].start()

    def _look_after_readers(self) -> None:
        with self._lock:
            opened = list(self._open.values())
        for served, hub in opened:
            if not hub.problem:
                hub.problem = served.problem()


def _end(served: Served, hub: Hub) -> None:
    hub.close()
    served.close()


def problem_of_history(m: ScanHistory) -> str:
    """What is wrong with a list, in words; empty when it can be shown."""
    if len(m.scans) > MAX_SCANS or m.labels.shape != m.families.shape or m.labels.ndim != 3:
        return f"{len(m.scans)} scans with pictures of shapes {m.labels.shape} and {m.families.shape}"
    return "" if len(m.scans) == len(m.labels) else f"{len(m.labels)} pictures for {len(m.scans)} scans"


_archive: Archive | None = None


def current_archive() -> Archive | None:
    """The folder of this server process, if it was given one: what was opened last and not closed."""
    return _archive


def open_archive(folder: str) -> Archive:
    """Open the folder for all sessions.

    Raises
    ------
    livebragg.errors.PipelineError
        It cannot be listed.
    """
    global _archive
    _archive = Archive(folder)
    return _archive


def close_archive() -> None:
    """End what reads it."""
    global _archive
    if _archive is not None:
        _archive.close()
    _archive = None
