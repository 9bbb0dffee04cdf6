"""Labels from the direction of the weights, and the families that have no Bragg features."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from livebragg.classify.features import FEATURE_POWER as _POWER
from livebragg.classify.features import FeatureView
from livebragg.classify.nmf import Factors
from livebragg.classify.order import Fading
from livebragg.config.analysis import ClassifyConfig
from livebragg.model import NOT_CLASSIFIED, AnalysisEvent, ClassFamily

_SPREADS = 5.0
"""Standard deviations below the typical intensity of a class that still belong to it: thickness varies."""

_UNEXPLAINED = 0.85
"""Novelty of positions that no class describes: not classified rather than put with the least unlike class."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassMaps:
    """Classes of a scan, flat over positions.

    Parameters
    ----------
    class_ids : NDArray[np.int16], shape (n_classes,)
        Permanent ids, rising.
    families : tuple of str
        Family of each class.
    labels : NDArray[np.int16], shape (n_positions,)
        Class id, `NOT_CLASSIFIED` where there is none.
    confidence : NDArray[np.float32], shape (n_positions,)
        0 to 1.
    weights : NDArray[np.float32], shape (n_classes, n_positions)
        In units of the features; 1 or 0 for families without Bragg features.
    patterns : NDArray[np.float32], shape (n_classes, n_columns)
        Unit rows; 0 for families without Bragg features.
    """

    class_ids: NDArray[np.int16]
    families: tuple[ClassFamily, ...]
    labels: NDArray[np.int16]
    confidence: NDArray[np.float32]
    weights: NDArray[np.float32]
    patterns: NDArray[np.float32]


class ClassLabeler:
    """Gives every position a class and every class a permanent id.

    Parameters
    ----------
    config : ClassifyConfig
        Limits of the families.
    """

    def __init__(self, config: ClassifyConfig) -> None:
        self._config = config
        self.reset()

    def reset(self) -> None:
        """Forget all classes; ids start again at 0."""
        self._next_id = 0
        self._seen = 0
        self.events: deque[AnalysisEvent] = deque(maxlen=1000)
        self._family_ids: dict[ClassFamily, int] = {}
        self._component_ids: dict[int, int] = {}
        self._variant_ids: dict[int, int] = {}
        self._directions: dict[int, NDArray[np.float32]] = {}
        self._direction_ids: list[int] = []
        self._maps = ClassMaps(
            class_ids=np.zeros(0, np.int16),
            families=(),
            labels=np.zeros(0, np.int16),
            confidence=np.zeros(0, np.float32),
            weights=np.zeros((0, 0), np.float32),
            patterns=np.zeros((0, 0), np.float32),
        )

    def update(
        self,
        features: FeatureView,
        factors: Factors,
        seen: NDArray[np.bool_],
        order: NDArray[np.float32] | None = None,
        fadings: Mapping[int, Fading] = MappingProxyType({}),
        *,
        others: bool = True,
    ) -> None:
        """Label all positions anew.

        Parameters
        ----------
        order : NDArray[np.float32], shape (n_positions,), optional
            Order parameter, NaN where there is none: below a half, the position belongs to the disordered
            variant of its class.
        fadings : mapping of int to Fading
            The components that fade, by id.
        seen : NDArray[np.bool_], shape (n_positions,)
            Positions that have arrived.
        others : bool
            Make classes of the positions that are no crystals as well.
        """
        few = seen & (~features.crystalline(self._config.min_peaks) | self._faint(features, factors))
        poly = few & (features.loose >= self._config.polycrystal_min_disks)
        if "polycrystal" not in self._family_ids and poly.sum() < self._config.min_class_positions:
            poly[:] = False  # too few for a phase: speckle that happens to be strong
        crystal = seen & ~few
        labels = np.full(seen.size, NOT_CLASSIFIED, np.int16)
        confidence = np.where(few, 1.0, np.nan).astype(np.float32)
        rows: list[tuple[int, ClassFamily, NDArray[np.float32], NDArray[np.float32]]] = []
        none = np.zeros(features.n_columns, np.float32)
        without_peaks: list[tuple[ClassFamily, NDArray[np.bool_]]] = [
            ("no_bragg", few & ~poly),
            ("polycrystal", poly),
        ]
        self._seen = int(seen.sum())
        for family, where in without_peaks if others else []:
            known = family in self._family_ids
            if where.sum() >= (1 if known else self._config.min_class_positions):
                number = self._family_id(family)
                labels[where] = number
                rows.append((number, family, where.astype(np.float32), none))
        self._label_crystals(factors, crystal, labels, confidence)
        for index, component in enumerate(factors.component_ids):
            number = self._component_ids[int(component)]
            weight, pattern = factors.weights[:, index] * features.norm, factors.patterns[index]
            if order is not None and int(component) in fadings:
                variant, part, faded = self._divide(int(component), number, order, labels, pattern, fadings)
                rows.append((variant, "crystal", weight * (1 - part), faded))
                weight = weight * part
            rows.append((number, "crystal", weight, pattern))
        rows.sort(key=lambda row: row[0])
        self._maps = ClassMaps(
            class_ids=np.array([row[0] for row in rows], np.int16),
            families=tuple(row[1] for row in rows),
            labels=labels,
            confidence=confidence,
            weights=np.array([row[2] for row in rows], np.float32).reshape(len(rows), seen.size),
            patterns=np.array([row[3] for row in rows], np.float32).reshape(len(rows), features.n_columns),
        )

    def snapshot(self) -> ClassMaps:
        """The present classes."""
        return self._maps

    def _divide(
        self,
        component: int,
        number: int,
        order: NDArray[np.float32],
        labels: NDArray[np.int16],
        pattern: NDArray[np.float32],
        fadings: Mapping[int, Fading],
    ) -> tuple[int, NDArray[np.float32], NDArray[np.float32]]:
        """Give the disordered positions of a class a label of their own; returns its id, the ordered part of
        every position, and the pattern without what fades."""
        if component not in self._variant_ids:
            self._variant_ids[component] = self.new_id("crystal", f"disordered variant of {number}")
        variant = self._variant_ids[component]
        labels[(labels == number) & (order < 0.5)] = variant
        faded = pattern.copy()
        faded[fadings[component].fading] = 0.0
        return variant, np.nan_to_num(order, nan=1.0), faded / max(float(np.sqrt((faded**2).sum())), 1e-9)

    def _faint(self, features: FeatureView, factors: Factors) -> NDArray[np.bool_]:
        """Positions with much less Bragg intensity than their class and its spread: mostly something else."""
        faint = np.zeros(features.norm.size, np.bool_)
        lead = factors.weights.argmax(axis=1) if factors.component_ids.size else np.zeros(faint.size, np.int64)
        known = features.crystalline(self._config.min_peaks) & (factors.weights.sum(axis=1) > 0)
        power = 1 / max(_POWER[self._config.feature], 0.25)
        for component in range(factors.component_ids.size):
            members = np.flatnonzero(known & (lead == component))
            if members.size:
                share = power * np.log(np.maximum(features.norm[members], 1e-9))
                low, middle = np.quantile(share, [0.16, 0.5])
                limit = min(np.log(max(self._config.min_share, 1e-9)), -_SPREADS * (middle - low))
                faint[members] = share - middle < limit
        return faint

    def _label_crystals(
        self,
        factors: Factors,
        crystal: NDArray[np.bool_],
        labels: NDArray[np.int16],
        confidence: NDArray[np.float32],
    ) -> None:
        for component in factors.component_ids:
            if int(component) not in self._component_ids:
                self._component_ids[int(component)] = self.new_id("crystal")
        if factors.component_ids.size == 0:
            return
        numbers = np.array([self._component_ids[int(c)] for c in factors.component_ids], np.int16)
        where = np.flatnonzero(crystal)
        where = where[(factors.weights[where].max(axis=1) > 0) & ~(factors.novelty[where] > _UNEXPLAINED)]
        length = np.sqrt((factors.weights[where] ** 2).sum(axis=1, keepdims=True))
        unit = factors.weights[where] / length
        closeness = unit @ self._known_directions(factors).T
        nearest = closeness.argmax(axis=1)
        self._move_directions(factors, unit, nearest)
        labels[where] = numbers[nearest]
        ordered = np.sort(closeness, axis=1)
        second = ordered[:, -2] if ordered.shape[1] > 1 else np.zeros(where.size, np.float32)
        gap = (ordered[:, -1] - second) / np.maximum(ordered[:, -1], 1e-9)
        confidence[where] = gap * (1 - np.nan_to_num(factors.novelty[where], nan=1.0))

    def _known_directions(self, factors: Factors) -> NDArray[np.float32]:
        """Typical direction of the weights in each class, shape (n_components, n_components), unit rows."""
        ids = [int(c) for c in factors.component_ids]
        directions = np.eye(len(ids), dtype=np.float32)
        for index, component in enumerate(ids):
            known = self._directions.get(component)
            if known is not None:
                directions[index] = 0.0
                for other, share in zip(self._direction_ids, known, strict=True):
                    if other in ids:
                        directions[index, ids.index(other)] = share
        length = np.sqrt((directions**2).sum(axis=1, keepdims=True))
        return np.where(length > 0, directions / np.maximum(length, 1e-9), np.eye(len(ids), dtype=np.float32))

    def _move_directions(self, factors: Factors, unit: NDArray[np.float32], nearest: NDArray[np.int64]) -> None:
        """One step of k-means on the sphere, where the last update left it; each class is held half-way to its
        own component, so that a component which only explains noise does not carve out a class."""
        ids = [int(c) for c in factors.component_ids]
        self._direction_ids, self._directions = ids, {}
        for index, component in enumerate(ids):
            members = nearest == index
            if members.sum() >= self._config.min_class_positions:
                own = np.eye(len(ids), dtype=np.float32)[index]
                self._directions[component] = unit[members].mean(axis=0) + own

    def _family_id(self, family: ClassFamily) -> int:
        if family not in self._family_ids:
            self._family_ids[family] = self.new_id(family)
        return self._family_ids[family]

    def new_id(self, family: ClassFamily, detail: str = "") -> int:
        """Permanent id of a new class."""
        event = AnalysisEvent(
            positions_seen=self._seen, kind="class_born", subject=self._next_id, detail=detail or family
        )
        self.events.append(event)
        self._next_id += 1
        return self._next_id - 1
