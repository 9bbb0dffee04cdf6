"""The list of scans as the page gets it: on request, so that a page that does not ask costs nothing."""

from __future__ import annotations

import base64
import time
from typing import Any

import numpy as np
from bokeh.server.views.auth_request_handler import AuthRequestHandler
from numpy.typing import NDArray
from tornado.web import authenticated

from livebragg.model import FAMILIES, ScanSummary
from livebragg.wire.messages import ScanHistory
from livebragg_dashboards.drawing.colours import SLOTS, slot_of
from livebragg_dashboards.sources.archive import Archive
from livebragg_dashboards.words import TIMES, clean, count

OUTSIDE, WITHOUT_CLASS, FIRST_SLOT = 0, 1, 2
"""Indices of a small picture: nothing, no class, then the slot of the class's colour."""

_TONES = {"complete": "good", "running": "live", "stopped": "warn"}


class ScansHandler(AuthRequestHandler):
    """``/scans``: the list as JSON."""

    def initialize(self, archive: Archive) -> None:
        """Keep the archive."""
        self._archive = archive

    @authenticated
    async def get(self) -> None:
        """Answer with the list; never from a cache."""
        self.set_header("Cache-Control", "no-store")
        self.write(scans(self._archive.history()))


def scans(history: ScanHistory | None) -> dict[str, Any]:
    """Everything the page shows of a list: texts, colours, and small pictures of indices into them."""
    if history is None:
        return {"folder": "", "colours": [], "scans": []}
    rows = zip(history.scans, history.labels, history.families, strict=True)
    return {
        "folder": clean(history.folder, 200),
        "colours": list(SLOTS),
        "scans": [_scan(*row) for row in rows],
    }


def _scan(summary: ScanSummary, labels: NDArray[np.int16], families: NDArray[np.uint8]) -> dict[str, Any]:
    rows, cols = summary.scan_shape
    parts = [f"{rows} {TIMES} {cols}"] if rows > 0 else []
    if summary.status in ("complete", "stopped"):
        parts.append(f"{summary.n_classes} class{'es' if summary.n_classes != 1 else ''}")
    if summary.lost > 0:
        parts.append(f"{count(summary.lost)} frames lost")
    pixels = small_picture(labels, families)
    return {
        "file": summary.name,
        "name": clean(summary.acquisition_id, 60) or clean(summary.name, 60),
        "when": _when(summary.created_at),
        "status": clean(summary.status, 20),
        "tone": "warn" if summary.lost > 0 else _TONES.get(summary.status, "bad"),
        "about": " · ".join(parts),
        "reason": clean(summary.reason, 300),
        "rows": pixels.shape[0],
        "cols": pixels.shape[1],
        "pixels": base64.b64encode(pixels.tobytes()).decode(),
    }


def small_picture(labels: NDArray[np.int16], families: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The part of a small map that is there, as indices of `OUTSIDE`, `WITHOUT_CLASS` and slots."""
    inside = families > 0
    rows, cols = int(inside.any(axis=1).sum()), int(inside.any(axis=0).sum())
    labels, families = labels[:rows, :cols], families[:rows, :cols]
    pixels = np.where(families > 0, WITHOUT_CLASS, OUTSIDE).astype(np.uint8)
    for class_id, code in {*zip(labels.ravel().tolist(), families.ravel().tolist(), strict=True)}:
        if class_id >= 0 and 2 <= code < 2 + len(FAMILIES):
            slot = FIRST_SLOT + slot_of(class_id, FAMILIES[code - 2])
            pixels[(labels == class_id) & (families == code)] = slot
    return pixels


def _when(at: float) -> str:
    try:
        then, today = time.localtime(at), time.localtime()
    except (ValueError, OverflowError, OSError):
        return ""
    same_day = then[:3] == today[:3]
    return time.strftime("%H:%M" if same_day else "%Y-%m-%d %H:%M", then) if at > 0 else ""
