"""What the user did to the classes of a scan, also over the times that everything is mapped anew."""

from __future__ import annotations

import time

import numpy as np
from numpy.typing import NDArray

from livebragg.classify import CarriedClasses, UserClasses
from livebragg.model import ScanGeometry
from livebragg.pipeline.scan.analysis import ScanAnalysis


class ClassChanges:
    """Holds the changes of one analysis, and takes those of the analysis over whose place it takes.

    Parameters
    ----------
    analysis : ScanAnalysis
    geometry : ScanGeometry
        Tells which frames lie at a position, by which classes are found again.
    """

    def __init__(self, analysis: ScanAnalysis, geometry: ScanGeometry) -> None:
        self.classes = UserClasses(clock=time.time)
        self._analysis, self._geometry = analysis, geometry
        self._carried: CarriedClasses | None = None
        self.forgets = False
        """Whether the analysis that takes the place of this one begins without the changes."""

    def take_over(self, old: ClassChanges) -> None:
        """Changes of another analysis: at once where a pattern is known, else when the class is found again."""
        self.classes.begin_again(old.classes)
        if old.forgets:
            return
        before = old._analysis
        self._analysis.ask_for_classes(before.n_classes_asked)
        patterns = before.locked_patterns
        for number, pattern in patterns.items():
            self._analysis.know_class(number, pattern)
        self.classes.locked = set(patterns)
        snapshot = before.snapshot()
        first_frames = old._first_frames(snapshot.labels.size)
        self._carried = CarriedClasses(old.classes, snapshot, first_frames, before.divided_classes)
        if old._carried is not None:
            self._carried.take(old._carried)

    def settle(self, *, final: bool = False) -> list[str]:
        """Find the classes again that were changed before everything was mapped anew; what became of them."""
        carried = self._carried
        if carried is None or not carried.left:
            return []
        snapshot = self._analysis.snapshot()
        self.classes.locked = self._analysis.locked_classes
        return list(carried.settle(self.classes, snapshot, self._first_frames(snapshot.labels.size), final=final))

    def _first_frames(self, n_positions: int) -> NDArray[np.int64]:
        return self._geometry.first_frames(np.arange(n_positions))
