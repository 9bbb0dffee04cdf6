"""Labels from the direction of the weights, and the families that have no Bragg features."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from livebragg.classify.by_light import NO_CRYSTAL, NOT_ASKED, LightLabels
from livebragg.classify.class_maps import ClassMaps
from livebragg.classify.features import FEATURE_POWER as _POWER
from livebragg.classify.features import FeatureView
from livebragg.classify.nmf import Factors
from livebragg.config.analysis import ClassifyConfig
from livebragg.model import NOT_CLASSIFIED, AnalysisEvent, ClassFamily

_SPREADS = 5.0
"""Standard deviations below the typical intensity of a class that still belong to it: thickness varies."""

_SAMPLE = 4096
"""Positions from which the typical intensity and direction of each class are learned."""

_UNEXPLAINED = 0.85
"""Novelty of positions that no class describes: not classified rather than put with the least unlike class."""


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
        self._typical = np.zeros((0, 0), np.float32)
        self._variants: frozenset[int] = frozenset()
        self._ids: list[int] = []
        self._families: list[ClassFamily] = []
        self._patterns = np.zeros((0, 0), np.float32)
        self._labels = np.zeros(0, np.int16)
        self._confidence = np.zeros(0, np.float32)
        self._weights = np.zeros((0, 0), np.float32)

    def update(
        self,
        features: FeatureView,
        factors: Factors,
        seen: NDArray[np.bool_],
        order: NDArray[np.float32] | None = None,
        variants: Mapping[int, NDArray[np.int64]] = MappingProxyType({}),
        *,
        others: bool = True,
        positions: NDArray[np.int64] | None = None,
        rounds: int = 1,
        light: LightLabels | None = None,
    ) -> bool:
        """Label positions anew; returns whether those were all, as when a component is gone.

        Parameters
        ----------
        order : NDArray[np.float32], shape (n_positions,), optional
            Part of a position that is the class itself and not its variant, NaN where there is none: below a
            half, the position belongs to the variant.
        variants : mapping of int to NDArray[np.int64]
            The components that have a variant, by id, with the feature columns that the variant lacks: none where
            it only lies differently.
        seen : NDArray[np.bool_], shape (n_positions,)
            Positions that have arrived.
        others : bool
            Make classes of the positions that are no crystals as well.
        positions : NDArray[np.int64], shape (n,), optional
            Those to label, by default all that are seen.
        rounds : int
            Steps of the directions of the classes before.
        light : LightLabels, optional
            What the light of faint positions says; it outweighs features and directions.
        """
        self._make_room(seen.size)
        everything = np.flatnonzero(seen)
        alive, divided = {int(c) for c in factors.component_ids}, frozenset(variants)
        if positions is None or not self._component_ids.keys() <= alive or divided != self._variants:
            positions = everything
        self._component_ids = {c: number for c, number in self._component_ids.items() if c in alive}
        self._variants, self._seen = divided, everything.size
        whole = positions is everything
        sample = everything[:: max(1, -(-everything.size // _SAMPLE))]
        limits = self._limits(features, factors, sample)
        least = self._config.min_peaks
        few = ~features.crystalline(least, positions) | self._faint(features, factors, positions, limits)
        told = np.full(positions.size, NOT_ASKED) if light is None else light.component[positions]
        few = (few | (told == NO_CRYSTAL)) & (told < 0)
        rows: list[tuple[int, ClassFamily, NDArray[np.float32], NDArray[np.float32]]] = []
        labels = np.full(positions.size, NOT_CLASSIFIED, np.int16)
        confidence = np.where(few, 1.0, np.nan).astype(np.float32)
        none = np.zeros(features.n_columns, np.float32)
        for family, where in self._without_peaks(few, features.loose[positions], whole) if others else []:
            number = self._family_id(family)
            labels[where] = number
            rows.append((number, family, where.astype(np.float32), none))
        for component in sorted(alive - self._component_ids.keys()):
            self._component_ids[component] = self.new_id("crystal")
        if alive:
            self._move_directions(features, factors, sample, limits, rounds)
            self._label_crystals(factors, positions, few, labels, confidence)
        if light is not None:
            for component in alive.intersection(told.tolist()):
                labels[told == component] = self._component_ids[component]
            confidence = np.where(told >= 0, light.confidence[positions], confidence)
        for index, component in enumerate(factors.component_ids):
            number = self._component_ids[int(component)]
            weight, pattern = factors.weights[positions, index] * features.norm[positions], factors.patterns[index]
            if order is not None and int(component) in variants:
                mine = order[positions]
                lacks = variants[int(component)]
                variant, part, faded = self._divide(int(component), number, mine, labels, pattern, lacks)
                rows.append((variant, "crystal", weight * (1 - part), faded))
                weight = weight * part
            rows.append((number, "crystal", weight, pattern))
        self._store(rows, positions, labels, confidence, features.n_columns)
        return whole

    @property
    def maps(self) -> ClassMaps:
        """The present classes without a copy: they change with the next update, and are not to be written to."""
        return ClassMaps(
            class_ids=np.array(self._ids, np.int16),
            families=tuple(self._families),
            labels=self._labels,
            confidence=self._confidence,
            weights=self._weights,
            patterns=self._patterns,
        )

    def _without_peaks(
        self, few: NDArray[np.bool_], loose: NDArray[np.int32], whole: bool
    ) -> list[tuple[ClassFamily, NDArray[np.bool_]]]:
        """Classes of the positions that are no crystals, once there are enough of them."""
        poly = few & (loose >= self._config.polycrystal_min_disks)
        if "polycrystal" not in self._family_ids and poly.sum() < self._config.min_class_positions:
            poly[:] = False  # too few for a phase: speckle that happens to be strong
        both: list[tuple[ClassFamily, NDArray[np.bool_]]] = [("no_bragg", few & ~poly), ("polycrystal", poly)]
        return [
            (family, where)
            for family, where in both
            if where.sum() >= (1 if family in self._family_ids else self._config.min_class_positions)
            or (family in self._families and not whole)
        ]

    def _store(
        self,
        rows: list[tuple[int, ClassFamily, NDArray[np.float32], NDArray[np.float32]]],
        positions: NDArray[np.int64],
        labels: NDArray[np.int16],
        confidence: NDArray[np.float32],
        n_columns: int,
    ) -> None:
        """Put what was found at some positions into the maps."""
        rows = sorted(rows, key=lambda row: row[0])
        ids = [row[0] for row in rows]
        if ids != self._ids:
            weights = np.zeros((len(ids), self._labels.size), np.float32)
            for k, number in enumerate(ids):
                if number in self._ids:
                    weights[k] = self._weights[self._ids.index(number)]
            self._ids, self._families, self._weights = ids, [row[1] for row in rows], weights
        for k, row in enumerate(rows):
            self._weights[k, positions] = row[2]
        self._patterns = np.array([row[3] for row in rows], np.float32).reshape(len(rows), n_columns)
        self._labels[positions], self._confidence[positions] = labels, confidence

    def _make_room(self, n: int) -> None:
        more = n - self._labels.size
        if more > 0:
            self._labels = np.pad(self._labels, (0, more), constant_values=NOT_CLASSIFIED)
            self._confidence = np.pad(self._confidence, (0, more), constant_values=np.nan)
            self._weights = np.pad(self._weights, ((0, 0), (0, more)))

    def _divide(
        self,
        component: int,
        number: int,
        order: NDArray[np.float32],
        labels: NDArray[np.int16],
        pattern: NDArray[np.float32],
        lacks: NDArray[np.int64],
    ) -> tuple[int, NDArray[np.float32], NDArray[np.float32]]:
        """Give the positions of a class that show its variant a label of their own; returns its id, the part of
        each position that is the class itself, and the pattern of the variant."""
        if component not in self._variant_ids:
            kind = "disordered variant of" if lacks.size else "turned or stretched against"
            self._variant_ids[component] = self.new_id("crystal", f"{kind} {number}")
        variant = self._variant_ids[component]
        labels[(labels == number) & (order < 0.5)] = variant
        faded = pattern.copy()
        faded[lacks] = 0.0
        return variant, np.nan_to_num(order, nan=1.0), faded / max(float(np.sqrt((faded**2).sum())), 1e-9)

    def _limits(self, features: FeatureView, factors: Factors, sample: NDArray[np.int64]) -> NDArray[np.float64]:
        """Logarithm of the Bragg intensity below which a position is faint, for each leading component."""
        limits = np.full(factors.component_ids.size, -np.inf)
        if limits.size == 0:
            return limits
        known = sample[features.crystalline(self._config.min_peaks, sample)]
        weights = factors.weights[known]
        lead = np.where(weights.any(axis=1), weights.argmax(axis=1), -1)
        for component in range(limits.size):
            light = self._light(features, known[lead == component])
            if light.size:
                low, middle = np.quantile(light, [0.16, 0.5])
                least = min(np.log(max(self._config.min_share, 1e-9)), -_SPREADS * (middle - low))
                limits[component] = middle + least
        return limits

    def _faint(
        self,
        features: FeatureView,
        factors: Factors,
        positions: NDArray[np.int64],
        limits: NDArray[np.float64],
    ) -> NDArray[np.bool_]:
        """Positions with much less Bragg intensity than their class and its spread: mostly something else."""
        if limits.size == 0:
            return np.zeros(positions.size, np.bool_)
        weights = factors.weights[positions]
        faint = self._light(features, positions) < limits[weights.argmax(axis=1)]
        return np.asarray(faint & weights.any(axis=1))

    def _light(self, features: FeatureView, positions: NDArray[np.int64]) -> NDArray[np.float64]:
        power = 1 / max(_POWER[self._config.feature], 0.25)
        return np.asarray(power * np.log(np.maximum(features.norm[positions], 1e-9)), np.float64)

    def _unit_weights(
        self, factors: Factors, positions: NDArray[np.int64], few: NDArray[np.bool_]
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Which of some positions are explained by crystals, and the direction of their weights."""
        where = np.flatnonzero(~few)
        novelty, weights = factors.novelty[positions[where]], factors.weights[positions[where]]
        explained = (weights.max(axis=1, initial=0.0) > 0) & ~(novelty > _UNEXPLAINED)
        where, weights = where[explained], weights[explained]
        return where, _unit_rows(weights)

    def _label_crystals(
        self,
        factors: Factors,
        positions: NDArray[np.int64],
        few: NDArray[np.bool_],
        labels: NDArray[np.int16],
        confidence: NDArray[np.float32],
    ) -> None:
        numbers = np.array([self._component_ids[int(c)] for c in factors.component_ids], np.int16)
        where, unit = self._unit_weights(factors, positions, few)
        closeness = unit @ self._typical.T
        labels[where] = numbers[closeness.argmax(axis=1)]
        ordered = np.partition(closeness, closeness.shape[1] - 2, axis=1) if closeness.shape[1] > 1 else closeness
        second = ordered[:, -2] if ordered.shape[1] > 1 else np.zeros(where.size, np.float32)
        gap = (ordered[:, -1] - second) / np.maximum(ordered[:, -1], 1e-9)
        confidence[where] = gap * (1 - np.nan_to_num(factors.novelty[positions[where]], nan=1.0))

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

    def _move_directions(
        self,
        features: FeatureView,
        factors: Factors,
        sample: NDArray[np.int64],
        limits: NDArray[np.float64],
        rounds: int,
    ) -> None:
        """Steps of k-means on the sphere, from where the last update left it; each class is held half-way to its
        own component, so that a component which only explains noise does not carve out a class."""
        few = ~features.crystalline(self._config.min_peaks, sample)
        few |= self._faint(features, factors, sample, limits)
        _, unit = self._unit_weights(factors, sample, few)
        self._typical = self._known_directions(factors)
        ids = [int(c) for c in factors.component_ids]
        for component, rows in factors.kinds.items():
            self._typical[ids.index(component)] = _unit_rows(_unit_rows(factors.weights[rows]).mean(axis=0))
        for step in range(rounds):
            if step > 0:
                self._typical = self._known_directions(factors)
            self._follow_members(unit, ids, factors.kinds)

    def _follow_members(
        self, unit: NDArray[np.float32], ids: list[int], kinds: Mapping[int, NDArray[np.int64]]
    ) -> None:
        nearest = (unit @ self._typical.T).argmax(axis=1)
        self._direction_ids, self._directions = ids, {}
        for index, component in enumerate(ids):
            members = nearest == index
            if members.sum() >= (1 if component in kinds else self._config.min_class_positions):
                own = np.zeros(len(ids), np.float32)
                own[index] = component not in kinds
                self._directions[component] = unit[members].mean(axis=0) + own

    def _family_id(self, family: ClassFamily) -> int:
        if family not in self._family_ids:
            self._family_ids[family] = self.new_id(family)
        return self._family_ids[family]

    def component_of(self, class_id: int) -> int | None:
        """Id of the component behind a crystalline class, also behind a variant; ``None`` for other classes."""
        for known in (self._component_ids, self._variant_ids):
            for component, number in known.items():
                if number == class_id and component in self._component_ids:
                    return component
        return None

    def classes_of(self, component: int) -> list[int]:
        """The class of a component, and its disordered variant if it fades."""
        variant = [self._variant_ids[component]] if component in self._variants else []
        return [self._component_ids[component], *variant]

    def adopt(self, component: int, class_id: int | None = None) -> int:
        """Give a new component its class before it is labelled, with a given id or a new one; returns the id."""
        number = self.new_id("crystal") if class_id is None else class_id
        self._component_ids[component], self._next_id = number, max(self._next_id, number + 1)
        return number

    def new_id(self, family: ClassFamily, detail: str = "") -> int:
        """Permanent id of a new class."""
        event = AnalysisEvent(
            positions_seen=self._seen, kind="class_born", subject=self._next_id, detail=detail or family
        )
        self.events.append(event)
        self._next_id += 1
        return self._next_id - 1


def _unit_rows(weights: NDArray[np.float32]) -> NDArray[np.float32]:
    length = np.sqrt((weights**2).sum(axis=-1, keepdims=True))
    return np.asarray(weights / np.maximum(length, 1e-9), np.float32)
