"""What a position consists of: bars over the tracked peaks that it contains, weights of classes, families."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from livebragg.wire.messages import ClassMaps, PositionReply, VectorMap
from livebragg_dashboards.drawing.colours import SLOTS, slot_of
from livebragg_dashboards.words import clean, lattice_spacing, number, percent

MAX_BARS = 400
"""Bars that can be told apart; a position with more peaks shows its strongest."""
MAX_ROWS = 6
FAMILIES = {
    "crystal": "crystal",
    "polycrystal": "polycrystal",
    "amorphous": "amorphous",
    "no_bragg": "no Bragg peaks",
    "vacuum": "vacuum",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Bars:
    """Features of a position, from the innermost peak to the outermost; those of peaks that are gone come last."""

    peak_id: NDArray[np.int64]
    value: NDArray[np.float64]
    q: NDArray[np.float64]
    """Distance from the beam in detector pixels; NaN for a peak that is not tracked any more."""

    def columns(self) -> dict[str, NDArray[np.float64]]:
        """``x`` and ``top`` of each bar."""
        return {"x": np.arange(self.value.size, dtype=np.float64) + 0.5, "top": self.value}

    def words(self, x: float, size: float | None) -> str:
        """The bar at a place in the figure."""
        if not 0 <= x < self.value.size:
            return ""
        k = int(x)
        q = float(self.q[k])
        where = "not tracked any more" if not math.isfinite(q) else f"q {number(q)} px"
        return f"peak {self.peak_id[k]} · {lattice_spacing(q, size) or where} · {number(float(self.value[k]))}"


NO_BARS = Bars(peak_id=np.zeros(0, np.int64), value=np.zeros(0), q=np.zeros(0))


def bars(reply: PositionReply, vectors: VectorMap | None) -> Bars:
    """Features of a reply in order of the peaks' distance from the beam."""
    values = np.nan_to_num(reply.features.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    strongest = np.sort(np.argsort(-values, kind="stable")[:MAX_BARS])
    ids, values = reply.peak_ids[strongest].astype(np.int64), values[strongest]
    places: dict[int, float] = {}
    if vectors is not None:
        q = np.hypot(vectors.peak_qx.astype(np.float64), vectors.peak_qy.astype(np.float64))
        places = dict(zip(vectors.peak_ids.tolist(), q.tolist(), strict=True))
    distance = np.array([places.get(int(peak), math.nan) for peak in ids], np.float64)
    order = np.argsort(distance, kind="stable")  # NaN comes last
    return Bars(peak_id=ids[order], value=values[order], q=distance[order])


def composition(reply: PositionReply, maps: ClassMaps | None) -> dict[str, Any]:
    """Classes with their weights, the largest first, and the families' parts."""
    if maps is None:
        return {"classes": [], "families": ""}
    names = dict(zip(maps.class_ids, zip(maps.class_names, maps.class_families, strict=True), strict=True))
    rows: list[dict[str, Any]] = [
        {"id": c, "name": clean(names[c][0], 40), "family": names[c][1], "weight": float(w), "share": float(s)}
        for c, w, s in zip(reply.class_ids, reply.weights, reply.shares, strict=True)
        if c in names and (w > 0 or s > 0)
    ]
    rows.sort(key=lambda row: (-_or_zero(row["share"]), -_or_zero(row["weight"])))
    families: dict[str, float] = {}
    for row in rows:
        families[row["family"]] = families.get(row["family"], 0.0) + _or_zero(row["share"])
    parts = [f"{percent(part)} {FAMILIES.get(f, clean(f, 20))}" for f, part in families.items() if part >= 0.005]
    return {"classes": [_row(row) for row in rows[:MAX_ROWS]], "families": " · ".join(parts)}


def _row(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": row["name"],
        "colour": SLOTS[slot_of(row["id"], row["family"])],
        "weight": number(row["weight"]),
        "part": percent(as_in_maps(row["share"])),
        "fraction": min(1.0, max(0.0, _or_zero(row["share"]))),
    }


def as_in_maps(share: float) -> float:
    """A part of a position as the maps of the feed have it, in steps of 1/255: one number wherever it is read."""
    return round(255 * share) / 255 if 0.1 <= share <= 1 else share


def _or_zero(value: float) -> float:
    return value if math.isfinite(value) else 0.0
