"""Found disks against true ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scenes import Scene, cramer_rao, match


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """How one program did on some scenes."""

    recall: float
    precision: float
    rms: float
    """Of a position along one axis, over the disks found, in pixels."""
    bound: float
    """Cramer-Rao bound of the same disks."""

    @property
    def f1(self) -> float:
        """Harmonic mean of recall and precision."""
        return 2 * self.recall * self.precision / max(self.recall + self.precision, 1e-9)


def tolerance(radius: float) -> float:
    """How far from a true disk a found one may be."""
    return 0.6 * radius + 1.0


def score(
    scenes: list[Scene], positions: list[NDArray[np.float64]], radius: float, bounds: list[NDArray[np.float64]]
) -> Score:
    """Recall, precision and scatter over all scenes."""
    pairs = [match(p, s.positions, tolerance(radius)) for p, s in zip(positions, scenes, strict=True)]
    hits = sum(len(i) for i, _ in pairs)
    errors = [p[i] - s.positions[j] for p, s, (i, j) in zip(positions, scenes, pairs, strict=True)] or [
        np.zeros((0, 2))
    ]
    reached = [b[j] for b, (_, j) in zip(bounds, pairs, strict=True)]
    return Score(
        recall=hits / max(sum(len(s.positions) for s in scenes), 1),
        precision=hits / max(sum(map(len, positions)), 1),
        rms=_rms(np.concatenate(errors)),
        bound=_rms(np.concatenate(reached)),
    )


def bounds_of(scenes: list[Scene], radius: float, edge_width: float) -> list[NDArray[np.float64]]:
    """Cramer-Rao bounds of every disk of every scene."""
    return [cramer_rao(scene, radius, edge_width) for scene in scenes]


@dataclass(frozen=True, slots=True)
class Curve:
    """Recall and precision as the threshold falls."""

    threshold: NDArray[np.float64]
    recall: NDArray[np.float64]
    precision: NDArray[np.float64]

    def best_threshold(self) -> tuple[float, float]:
        """Threshold of the highest F1, and that F1."""
        f1 = 2 * self.recall * self.precision / np.maximum(self.recall + self.precision, 1e-9)
        k = int(np.argmax(f1))
        below = self.threshold[k + 1] if k + 1 < len(self.threshold) else 0.0
        return float(0.5 * (self.threshold[k] + below)), float(f1[k])

    def recall_at(self, precision: float) -> float:
        """Highest recall at that precision or better."""
        return float(self.recall[self.precision >= precision].max(initial=0.0))


def curve(
    scenes: list[Scene],
    positions: list[NDArray[np.float64]],
    strengths: list[NDArray[np.float64]],
    radius: float,
) -> Curve:
    """Sweep a threshold on `strengths`; the brightest peak takes a true disk first."""
    hit = [
        _ranked_hits(p, q, s.positions, tolerance(radius))
        for p, q, s in zip(positions, strengths, scenes, strict=True)
    ]
    strength, hits = np.concatenate(strengths), np.concatenate(hit)
    order = np.argsort(-strength)
    found = np.cumsum(hits[order])
    true = max(sum(len(s.positions) for s in scenes), 1)
    return Curve(strength[order], found / true, found / np.arange(1, len(order) + 1))


def _ranked_hits(
    positions: NDArray[np.float64], strength: NDArray[np.float64], truth: NDArray[np.float64], reach: float
) -> NDArray[np.bool_]:
    hits, free = np.zeros(len(positions), bool), np.ones(len(truth), bool)
    for k in np.argsort(-strength):
        gap = np.where(free, np.hypot(*(truth - positions[k]).T), np.inf)
        nearest = int(np.argmin(gap)) if len(gap) else -1
        if nearest >= 0 and gap[nearest] <= reach:
            hits[k], free[nearest] = True, False
    return hits


def _rms(values: NDArray[np.float64]) -> float:
    return float(np.sqrt((values**2).mean())) if values.size else float("nan")
