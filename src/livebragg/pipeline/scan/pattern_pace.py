"""Patterns of the classes of a run: sampled now and then while it lasts, of all frames at the end."""

from __future__ import annotations

from livebragg.model import AnalysisSnapshot
from livebragg.pipeline.frame_lookup import FrameLookup
from livebragg.pipeline.scan.class_patterns import DiskMask, MeanPatterns, PatternSampler, all_patterns

BUDGET_S = 0.03
"""Time for reading sample frames each time that patterns are published."""
GAP_S = 0.4
"""Class patterns and profiles are published no more often than this."""


class PatternPace:
    """Says when patterns are due, and makes them.

    Parameters
    ----------
    lookup : FrameLookup
        Where frames come from.
    frame_shape : tuple of int
        ``(frame_rows, frame_cols)``.
    mask : DiskMask
        What is left out of the patterns of classes without Bragg peaks.
    """

    def __init__(self, lookup: FrameLookup, frame_shape: tuple[int, int], mask: DiskMask) -> None:
        self._lookup, self._shape, self._mask = lookup, frame_shape, mask
        self._sampler = PatternSampler(lookup, frame_shape, mask=mask)
        self._next = 0.0

    def due(self, snapshot: AnalysisSnapshot, now: float) -> MeanPatterns | None:
        """Patterns from a few frames of each class; ``None`` when the last ones are too recent."""
        if now < self._next:
            return None
        self._next = now + GAP_S
        return self._sampler.update(snapshot.labels, snapshot.class_ids, BUDGET_S, snapshot.class_families)

    def final(self, snapshot: AnalysisSnapshot) -> MeanPatterns:
        """Patterns from all frames that are left."""
        labels, ids, families = snapshot.labels, snapshot.class_ids, snapshot.class_families
        return all_patterns(self._lookup, self._shape, labels, ids, families, self._mask)
