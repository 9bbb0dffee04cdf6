"""The newest results files of a folder: looked at once each, and again only when they change."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from livebragg.errors import ResultsError
from livebragg.model import FAMILIES
from livebragg.storage.results_summary import THUMBNAIL, Glance, glance
from livebragg.wire.messages import FeedMessage, Refused, ScanHistory

MAX_SCANS = 100
FILES_PER_TURN = 20
"""Files looked at in one turn, so that a first list is soon there."""
SUFFIXES = (".h5", ".hdf5", ".emd")


class ServedFolder:
    """Publishes the list of a folder's results files; see `livebragg.pipeline.stored.server.Served`.

    Parameters
    ----------
    folder : Path
        Only read; folders in it are not.

    Raises
    ------
    ResultsError
        It is no folder that can be read.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[str, tuple[tuple[int, int], Glance | None]] = {}
        self._revision = 0
        self._files()

    def messages(self) -> list[FeedMessage]:
        """The list if it has changed."""
        try:
            files = self._files()
        except ResultsError:  # a network folder that is away for a while
            return []
        changed = self._update(files)
        if not changed and self._revision:
            return []
        self._revision += 1
        return [self._message()]

    def answer(self, request: object) -> object:
        """Nothing can be asked of a folder."""
        return Refused(reason="a folder of results files is served here; open one of them to ask about it")

    def _files(self) -> dict[str, tuple[int, int]]:
        """The newest files: name, and when and how large they were."""
        found = []
        try:
            with os.scandir(self._folder) as entries:
                for entry in entries:
                    if entry.name.endswith(SUFFIXES) and not entry.name.startswith(".") and entry.is_file():
                        facts = entry.stat()
                        found.append((facts.st_mtime_ns, facts.st_size, entry.name))
        except OSError as error:
            raise ResultsError(
                f"{self._folder} cannot be listed ({error.strerror}); name the folder of the results files"
            ) from None
        newest = sorted(found, reverse=True)[:MAX_SCANS]
        return {name: (at, size) for at, size, name in newest}

    def _update(self, files: dict[str, tuple[int, int]]) -> bool:
        gone = [name for name in self._known if name not in files]
        new = [name for name, facts in files.items() if self._known.get(name, (None,))[0] != facts]
        for name in gone:
            del self._known[name]
        for name in new[:FILES_PER_TURN]:
            self._known[name] = (files[name], glance(self._folder / name))
        return bool(gone or new)

    def _message(self) -> ScanHistory:
        glances = [g for _, g in self._known.values() if g is not None]
        glances.sort(key=lambda g: (-g.summary.created_at, g.summary.name))
        shape = (len(glances), THUMBNAIL, THUMBNAIL)
        labels, families = np.full(shape, -1, np.int16), np.zeros(shape, np.uint8)
        for row, one in enumerate(glances):
            small = one.labels
            labels[row, : small.shape[0], : small.shape[1]] = small
            families[row, : small.shape[0], : small.shape[1]] = _family_codes(one)
        return ScanHistory(
            revision=self._revision,
            published_at=time.time(),
            folder=str(self._folder),
            scans=[g.summary for g in glances],
            labels=labels,
            families=families,
        )


def _family_codes(one: Glance) -> NDArray[np.uint8]:
    """1 for a position without a class, 2 and more for the place of its class's family in `FAMILIES`."""
    codes = np.ones(one.labels.shape, np.uint8)
    for class_id, family in one.families.items():
        if family in FAMILIES:
            codes[one.labels == class_id] = 2 + FAMILIES.index(family)
    return codes
