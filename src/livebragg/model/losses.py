"""Counters of frames that were lost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

LOST = ("frames_dropped", "frames_missing", "frames_failed")
"""Counters of the status whose frames nobody wanted to lose."""


def lost_frames(counters: Mapping[str, Any], *, skipped: bool = False) -> int:
    """Frames that were dropped, never came or failed, and those that an operator skipped if they count too.

    Values that are no numbers count as 0: results files and feeds may hold anything.

    Examples
    --------
    >>> lost_frames({"frames_missing": 3.0, "frames_failed": float("nan"), "frames_skipped": 2}, skipped=True)
    5
    """
    values = (counters.get(name, 0) for name in (*LOST, *(["frames_skipped"] if skipped else [])))
    return sum(int(v) for v in values if isinstance(v, int | float | np.number) and 0 <= v < 1e18)
