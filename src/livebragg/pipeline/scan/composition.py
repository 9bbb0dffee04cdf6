"""The classes of all families: crystals by their peaks, the others by what they scatter between the disks."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from livebragg.accumulate import ProfileStore, RegionProfile, VectorView
from livebragg.classify import (
    ClassLabeler,
    ClassMaps,
    Factors,
    FamilyClassifier,
    FeatureTable,
    LightLabels,
    Scattering,
)
from livebragg.config.analysis import AnalysisConfig, FamiliesConfig
from livebragg.model import NOT_CLASSIFIED, VIRTUAL_IMAGES, AnalysisEvent, DetectedBatch, ProbeShape, RadialBatch

_PROFILES_PER_CLASS = 2000
"""Positions behind the mean profile of a class: more change nothing that could be seen."""

_TOTAL = VIRTUAL_IMAGES.index("total")


class Composition:
    """Classes of a scan, composed from labels of crystals and radial profiles.

    Without profiles (they are switched off, or the batches have none) positions without peaks are one class.

    Parameters
    ----------
    scan_shape : tuple of int
        ``(scan_rows, scan_cols)``.
    probe : ProbeShape
        The scale of disks and speckle.
    config : AnalysisConfig
        Thresholds.
    """

    def __init__(self, scan_shape: tuple[int, int], probe: ProbeShape, config: AnalysisConfig) -> None:
        self.labeler = ClassLabeler(config.classify)
        self._profiles = ProfileStore(scan_shape[0] * scan_shape[1])
        self._scattering = Scattering(
            scan_shape,
            probe_radius=probe.radius,
            center_radius=config.tracker.exclude_center * probe.radius,
            granular_disks=config.families.granular_disks,
        )
        self._families = FamilyClassifier(config.families, scan_shape[1])
        self.reset()

    def reset(self) -> None:
        """Forget the scan."""
        for part in (self.labeler, self._profiles, self._scattering, self._families):
            part.reset()
        self._new: list[NDArray[np.int64]] = []
        self._sort_again = False
        """Whether the disks of all positions are to be looked at, as another limit holds for them."""
        self._maps = self._crystals = self._composed = self.labeler.maps

    def change_families(self, config: FamiliesConfig) -> None:
        """Use other thresholds for the classes without peaks, for everything that was seen."""
        self._families.change(config)
        self._sort_again |= self._scattering.change(config.granular_disks)

    @property
    def events(self) -> list[AnalysisEvent]:
        """Births and deaths of classes."""
        return [*self.labeler.events, *self._families.events]

    @property
    def has_profiles(self) -> bool:
        """Whether batches came with radial profiles."""
        return self._profiles.radii.size > 0

    def add(self, batch: DetectedBatch, new: NDArray[np.bool_]) -> None:
        """Take the profiles of those positions of a batch that are new."""
        if batch.profiles is None or batch.profiles.radii.size == 0 or not new.any():
            return
        index, profiles = batch.scan_index[new], batch.profiles.take(new)
        self._profiles.update(index, profiles)
        self._scattering.add(index, profiles, batch.virtual[new, _TOTAL])
        self._new.append(index)

    def update(
        self,
        features: FeatureTable,
        factors: Factors,
        vectors: VectorView,
        origins: NDArray[np.float32],
        changed: NDArray[np.int64],
        *,
        order: NDArray[np.float32] | None = None,
        variants: Mapping[int, NDArray[np.int64]] = MappingProxyType({}),
        final: bool = False,
        positions: NDArray[np.int64] | None = None,
        rounds: int = 1,
        light: LightLabels | None = None,
    ) -> None:
        """Label positions anew.

        Parameters
        ----------
        origins : NDArray[np.float32], shape (n_positions, 2)
            In detector pixels; NaN where not seen.
        changed : NDArray[np.int64], shape (n,)
            Positions whose disks belong to other peaks than before.
        order, variants, light
            Classes with a variant, and those of faint positions, as for `ClassLabeler.update`.
        final : bool
            Take all positions again.
        positions : NDArray[np.int64], shape (m,), optional
            Those whose features or weights may have changed, by default all.
        rounds : int
            As for `ClassLabeler.update`.
        """
        seen = vectors.count >= 0
        whole = self.labeler.update(
            features.view,
            factors,
            seen,
            order,
            variants,
            others=not self.has_profiles,
            positions=None if final else positions,
            rounds=rounds,
            light=light,
        )
        self._maps = self.labeler.maps
        if not self.has_profiles:
            return
        new = np.concatenate([*self._new, np.zeros(0, np.int64)])
        self._new.clear()
        self._scattering.average(self._scattering.lines_of(new), self._profiles.at)
        moved = np.flatnonzero(seen) if final or self._sort_again else np.union1d(new, changed)
        self._sort_again = False
        around = self._follow(moved, vectors, features, origins)
        self._crystals = self._maps.resized(self._scattering.n_positions)
        on_lines = np.zeros(self._scattering.n_positions, np.bool_)
        on_lines[: seen.size] = seen
        maps = self._families.update(
            self._scattering.view,
            self._crystals,
            on_lines,
            around,
            self.labeler.new_id,
            final=final,
            labelled=None if whole else positions,
            certain=None if light is None else light.inside[: on_lines.size],
        )
        self._composed, self._maps = maps, maps.resized(seen.size)

    @property
    def maps(self) -> ClassMaps:
        """The present classes, which change with the next update; not to be written to."""
        return self._maps

    def shares(self) -> NDArray[np.float32]:
        """Part of each position that is each class, shape (n_classes, n_positions)."""
        maps = self._maps
        if self.has_profiles:
            return self._families.shares(self._composed, self._crystals)[:, : maps.labels.size]
        weights = np.where(maps.labels == NOT_CLASSIFIED, 0.0, maps.weights)
        return np.asarray(weights / np.maximum(weights.sum(axis=0), 1e-9), np.float32)

    def profiles_at(self, scan_index: NDArray[np.int64]) -> RadialBatch | None:
        """Radial profiles of some positions; ``None`` where batches came without."""
        return self._profiles.at(scan_index) if self.has_profiles else None

    def class_profiles(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Middles of the bins (bins,), and mean and variance of each class (n_classes, 2, bins)."""
        radii = self._profiles.radii
        profiles = np.full((self._maps.class_ids.size, 2, radii.size), np.nan, np.float32)
        for k, number in enumerate(self._maps.class_ids):
            members = np.flatnonzero(self._maps.labels == number)
            region = self._profiles.region(members[:: max(1, members.size // _PROFILES_PER_CLASS)])
            profiles[k] = region.mean, region.variance
        return radii.copy(), profiles

    def region_profile(self, scan_index: NDArray[np.int64]) -> RegionProfile:
        """Radial profile of a set of positions."""
        return self._profiles.region(scan_index)

    def between_disks(self, pixels: NDArray[np.float64]) -> NDArray[np.float32]:
        """Counts in so many pixels of each bin of the profiles; see `ProfileStore.weighted`."""
        return self._profiles.weighted(pixels)

    @property
    def profile_radii(self) -> NDArray[np.float32]:
        """Middles of the profiles' bins, in pixels; none without profiles."""
        return self._profiles.radii

    def _follow(
        self,
        positions: NDArray[np.int64],
        vectors: VectorView,
        features: FeatureTable,
        origins: NDArray[np.float32],
    ) -> NDArray[np.int64]:
        """Bring the signals up to date; returns all positions whose signal may have changed."""
        scattering = self._scattering
        scattering.look_at_disks(positions, vectors, features.matched, origins[positions])
        lines = scattering.lines_of(positions)
        scattering.average_disks(lines)
        cols = scattering.n_positions // scattering.n_lines
        around = (lines[:, None] * cols + np.arange(cols)).reshape(-1)
        around = around[around < vectors.count.size]
        return np.asarray(around[vectors.count[around] >= 0])
