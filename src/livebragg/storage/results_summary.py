"""A glance at a results file: how its scan went, and a small picture of its classes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from livebragg.errors import ResultsError
from livebragg.model import ScanSummary, lost_frames
from livebragg.storage.results_content import FORMAT
from livebragg.storage.results_reader import DAMAGE, open_results

THUMBNAIL = 48
"""Longest side of the small picture, in pixels."""
MAX_CLASSES = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Glance:
    """A summary and the classes of a few positions.

    Parameters
    ----------
    summary : ScanSummary
    labels : NDArray[np.int16], shape (rows, cols), each at most `THUMBNAIL`
        Class of every n-th position, -1 for none; empty where there are no classes yet.
    families : dict of int to str
        Family of each class.
    """

    summary: ScanSummary
    labels: NDArray[np.int16]
    families: dict[int, str]


def glance(path: Path) -> Glance | None:
    """Look at a file without reading much of it; ``None`` for one that livebragg has not written."""
    try:
        with open_results(path) as file:
            top = file.get("livebragg")
            if top is None or top.attrs.get("format") != FORMAT:
                return None
            return _glance(path, top)
    except DAMAGE as error:  # that includes ResultsError
        reason = str(error) if isinstance(error, ResultsError) else f"damaged or incomplete ({error})"
        summary = ScanSummary(
            name=path.name, acquisition_id="", created_at=_modified(path), status="unreadable", reason=reason[:300]
        )
        return Glance(summary=summary, labels=np.zeros((0, 0), np.int16), families={})


def _glance(path: Path, top: h5py.Group) -> Glance:
    rows, cols = (int(n) for n in top["acquisition"].attrs.get("scan_shape", (0, 0)))
    nothing: tuple[NDArray[np.int16], dict[int, str], int] = (np.zeros((0, 0), np.int16), {}, 0)
    labels, families, used = _classes(top["classes"]) if "classes" in top else nothing
    return Glance(
        summary=ScanSummary(
            name=path.name,
            acquisition_id=str(top["acquisition"].attrs["acquisition_id"])[:200],
            created_at=stored_time(str(top.attrs["created_at"])) or _modified(path),
            status=str(top.attrs["status"])[:20],
            reason=str(top.attrs["reason"])[:300],
            scan_shape=(rows, cols),
            n_classes=used,
            lost=lost_frames(top["health"].attrs, skipped=True) if "health" in top else 0,
        ),
        labels=labels,
        families=families,
    )


def _classes(group: h5py.Group) -> tuple[NDArray[np.int16], dict[int, str], int]:
    labels, ids = group["labels"], group["ids"]
    if labels.ndim != 2 or min(labels.shape) < 1 or ids.size > MAX_CLASSES:
        raise ValueError(f"labels of shape {labels.shape} with {ids.size} classes")
    families = dict(zip(ids[...].tolist(), (group["families"].asstr()[...] if ids.size else ()), strict=True))
    every = -(-max(labels.shape) // THUMBNAIL)
    small = np.asarray(labels[::every, ::every], np.int16)
    return small, families, int(np.count_nonzero(group["positions"][...]))


def stored_time(text: str) -> float:
    """Seconds since 1970 of a time in a results file; 0 for one that cannot be read."""
    try:
        return max(0.0, datetime.fromisoformat(text).timestamp())
    except (ValueError, OverflowError, OSError):
        return 0.0


def _modified(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
