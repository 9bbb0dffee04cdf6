"""Everything known about a scan: the parts of its analysis, and what can be read out of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from livebragg.accumulate import (
    BraggVectorMap,
    ClassVectorMaps,
    RegionProfile,
    ScanImages,
    VectorStore,
    VectorView,
    bragg_image,
    ring_of_disks,
    vector_map,
)
from livebragg.calibrate import OriginTracker, PeakTracker
from livebragg.classify import (
    ClassList,
    FeatureTable,
    FeatureView,
    GrowingNMF,
    LightClasses,
    TurnFinder,
    VariantFinder,
)
from livebragg.classify.agreement import OrderAgreement
from livebragg.config.analysis import AnalysisConfig, TrackerConfig
from livebragg.model import (
    VIRTUAL_IMAGES,
    AnalysisEvent,
    AnalysisSnapshot,
    BraggPeaks,
    DetectedBatch,
    MapGeometry,
    ProbeShape,
    TrackedPeaks,
)
from livebragg.pipeline.scan.composition import Composition

T = TypeVar("T", bound=np.generic)

_TOGETHER = 4096
"""Positions of a batch when everything is read out again."""

_BRAGG_IMAGES = ("n_disks", "bragg_intensity")


class ScanState:
    """The parts of a scan's analysis, for `ScanAnalysis` to fill and for everybody to read.

    Parameters
    ----------
    scan_shape : tuple of int
        ``(scan_rows, scan_cols)``.
    frame_shape : tuple of int
        ``(frame_rows, frame_cols)``.
    probe : ProbeShape
        Direct beam: its centre until it is measured, its radius as the scale of the direct beam.
    config : AnalysisConfig
        All thresholds.
    open_ended : bool
        The number of scan rows is not known; more are accepted.
    """

    def __init__(
        self,
        scan_shape: tuple[int, int],
        frame_shape: tuple[int, int],
        probe: ProbeShape,
        config: AnalysisConfig | None = None,
        open_ended: bool = False,
    ) -> None:
        self._config = config = config or AnalysisConfig()
        self._scan_cols = scan_shape[1]
        self._open_ended = open_ended
        self._center_radius = config.tracker.exclude_center * probe.radius
        self._probe_center = np.asarray(probe.center)
        geometry = MapGeometry.around(frame_shape, probe.center, config.map.sampling)
        n = scan_shape[0] * scan_shape[1]
        self._vectors = VectorStore(n, open_ended=open_ended)
        self._images = ScanImages((*VIRTUAL_IMAGES, *_BRAGG_IMAGES), n, frame_shape)
        self._origin = OriginTracker(
            scan_shape,
            probe.center,
            degree=config.origin.polynomial_degree,
            row_jitter=config.origin.row_jitter,
            systematic_error=config.origin.systematic_error * probe.radius,
        )
        self._map = BraggVectorMap(geometry, tolerance=config.origin.rebin_tolerance)
        self._class_maps = ClassVectorMaps(geometry)
        self._tracker = _peak_tracker(geometry, config.tracker, self._center_radius)
        self._features = FeatureTable(
            geometry,
            config.classify,
            match_radius=config.tracker.match_radius,
            center_radius=self._center_radius,
        )
        self._nmf = GrowingNMF(config.classify)
        self._variants = VariantFinder()
        self._agreement = OrderAgreement(scan_shape[1])
        self._light = LightClasses(config.classify, scan_shape[1])
        self._turned = TurnFinder(scan_shape[1])
        self._classes = Composition(scan_shape, probe, config)

    def reset(self) -> None:
        """Forget the scan."""
        for part in (
            self._vectors,
            self._images,
            self._origin,
            self._map,
            self._class_maps,
            self._tracker,
            self._features,
            self._nmf,
            self._variants,
            self._agreement,
            self._light,
            self._turned,
            self._classes,
        ):
            part.reset()
        self._order = np.zeros(0, np.float32)
        self._version = 0
        self._made: dict[str, tuple[tuple[int, int, int], NDArray[Any]]] = {}
        self._finished = False

    @property
    def n_seen(self) -> int:
        """Positions accepted so far."""
        return self._vectors.n_seen

    @property
    def seen_index(self) -> NDArray[np.int64]:
        """Positions accepted so far, in order of arrival, shape (n_seen,); read-only."""
        return self._vectors.arrived

    @property
    def scan_shape(self) -> tuple[int, int]:
        """``(scan_rows, scan_cols)``; rows grow in an open-ended scan."""
        return -(-self._vectors.n_positions // self._scan_cols), self._scan_cols

    @property
    def features(self) -> FeatureView:
        """The present feature rows; shared, not to be written to."""
        return self._features.view

    @property
    def peaks(self) -> TrackedPeaks:
        """The peaks that are tracked now."""
        return self._tracker.snapshot()

    @property
    def order(self) -> NDArray[np.float32]:
        """Order parameter of every position, 1 (ordered) to 0, shape scan_shape; NaN where no class fades."""
        return self._on_scan(self._order, np.nan)

    def dark_field(self, peak_id: int) -> NDArray[np.float32]:
        """Light measured at one tracked peak in counts, shape scan_shape; NaN where it was not measured."""
        return self._on_scan(self._features.forced.intensity(peak_id), np.nan)

    @property
    def origin_error(self) -> float:
        """Standard deviation of the descan about its model, along one axis, in pixels."""
        return self._origin.model_error

    def was_seen(self, scan_index: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which of some positions have arrived."""
        return np.asarray(self._vectors.view.count[scan_index] >= 0)

    def peaks_at(self, scan_index: int) -> BraggPeaks:
        """Disks found at one position; none where it was not seen."""
        return self._vectors.peaks_at(scan_index)

    def region_profile(self, scan_index: NDArray[np.int64]) -> RegionProfile:
        """Radial profile of a set of positions, flat and row-major; see `livebragg.accumulate.ProfileStore`."""
        return self._classes.region_profile(scan_index)

    def region_map(
        self, scan_index: NDArray[np.int64] | None = None, matrix: NDArray[np.float64] | None = None
    ) -> tuple[NDArray[np.float32], MapGeometry, int]:
        """Bragg vector map of a set of positions, flat (all by default), with a calibration applied to the disks.

        Returns the map in disks per bin, its geometry, and the number of positions in it: those that have been
        seen and refreshed.
        """
        origins = self._map.binned_origins
        binned = np.flatnonzero(np.isfinite(origins[:, 0]))
        positions = binned if scan_index is None else np.intersect1d(binned, scan_index)
        vectors, geometry = self._vectors.view, self._map.geometry
        counts = vector_map(vectors, positions, origins[positions], geometry, matrix=matrix)
        return counts.astype(np.float32), geometry, int(positions.size)

    def bragg_image(self, place: tuple[float, float], radius: float) -> NDArray[np.float32]:
        """Summed intensity of the disks within `radius` of a place relative to the origin, shape scan_shape.

        All in detector pixels; NaN where a position was not seen, or not refreshed yet.
        """
        return self._on_scan(bragg_image(self._vectors.view, self._origins(), place, radius), np.nan)

    @property
    def profile_radii(self) -> NDArray[np.float32]:
        """Middles of the bins of the radial profiles, in pixels; none where profiles are not measured."""
        return self._classes.profile_radii

    def ring_image(
        self, pixels: NDArray[np.float64], inner: float, outer: float, disk_radius: float
    ) -> NDArray[np.float32]:
        """Counts within a ring about the origin, shape scan_shape, from profiles and disks.

        Parameters
        ----------
        pixels : NDArray[np.float64], shape (bins,)
            Pixels of the ring by bin of the profiles; see `livebragg.accumulate.ring_pixels`.
        inner, outer, disk_radius : float
            In detector pixels.

        Returns
        -------
        NDArray[np.float32]
            NaN where a position was not seen, or not refreshed yet.
        """
        disks = ring_of_disks(self._vectors.view, self._origins(), inner, outer, disk_radius)
        return self._on_scan(disks + filled(self._classes.between_disks(pixels), disks.size, np.nan), np.nan)

    def _origins(self) -> NDArray[np.float32]:
        """Origin of every position, NaN where it was not refreshed yet, shape (n_positions, 2)."""
        return filled(self._map.binned_origins.T, self._vectors.view.count.size, np.nan).T

    @property
    def class_list(self) -> ClassList:
        """The classes that a snapshot of now would show."""
        classes = self._classes.maps
        return ClassList(classes.class_ids.copy(), classes.families, self._vectors.view.count >= 0)

    def snapshot(self) -> AnalysisSnapshot:
        """Immutable copy of all maps."""
        vectors, classes = self._vectors.view, self._classes.maps
        stack, peaks = self._images.snapshot(), self._tracker.snapshot()
        seen = vectors.count >= 0
        radii, profiles = self._classes.class_profiles()
        labels = filled(classes.labels, seen.size, -1)
        classified = labels[labels >= 0]
        owned = np.bincount(classified, minlength=int(classes.class_ids.max(initial=-1)) + 1)[classes.class_ids]
        return AnalysisSnapshot(
            version=self._version,
            seen=self._on_scan(seen, False),
            labels=self._on_scan(labels, -1),
            confidence=self._on_scan(classes.confidence, np.nan),
            class_ids=classes.class_ids.copy(),
            class_families=classes.families,
            class_positions=owned,
            class_fractions=(owned / max(int(seen.sum()), 1)).astype(np.float32),
            weights=self._on_scan(np.where(seen, filled(classes.weights, seen.size, 0), np.nan), np.nan),
            shares=self._on_scan(np.where(seen, filled(self._classes.shares(), seen.size, 0), np.nan), np.nan),
            class_patterns=_columns(classes.patterns, peaks.peak_id),
            class_vector_maps=self._class_maps.update(
                vectors, labels, self._map.binned_origins, classes.class_ids
            ),
            profile_radii=radii,
            class_profiles=profiles,
            virtual_images={name: self._on_scan(stack.values[name], np.nan) for name in VIRTUAL_IMAGES},
            n_disks=self._on_scan(stack.values["n_disks"], np.nan),
            bragg_intensity=self._on_scan(stack.values["bragg_intensity"], np.nan),
            origin=self._once("origin", self._origin_map),
            bragg_vector_map=self._once("map", lambda: self._displayed_map(vectors)),
            map_geometry=self._map.geometry,
            peaks=peaks,
            events=self._events(),
            residual=self._nmf.residual,
            sum_pattern=stack.sum_pattern,
            duplicates=self._vectors.duplicates,
            finished=self._finished,
        )

    def _once(self, name: str, make: Callable[[], NDArray[T]]) -> NDArray[T]:
        """What is made once for each state of the scan, however often it is asked for; not to be written to."""
        state = self._version, self._vectors.n_seen, self._vectors.n_positions
        if name not in self._made or self._made[name][0] != state:
            self._made[name] = state, make()
        return self._made[name][1]

    def _displayed_map(self, vectors: VectorView) -> NDArray[np.float32]:
        if self._config.map.weight == "count":
            return self._map.snapshot().astype(np.float32)
        origins = self._map.binned_origins
        positions = np.flatnonzero(np.isfinite(origins[:, 0]))
        shown = vector_map(vectors, positions, origins[positions], self._map.geometry, "intensity")
        return shown.astype(np.float32)

    def _origin_map(self) -> NDArray[np.float32]:
        origin = self._origin.snapshot().origin
        return np.stack([self._on_scan(origin[:, axis], np.nan) for axis in (0, 1)], axis=-1)

    def batches(self) -> Iterator[DetectedBatch]:
        """Everything that was added, in order of arrival; the sum of all frames comes with the first batch."""
        vectors, stack = self._vectors.view, self._images.snapshot()
        total = stack.sum_pattern.astype(np.float32)
        for first in range(0, self.n_seen, _TOGETHER):
            index = self._vectors.arrived[first : first + _TOGETHER]
            yield DetectedBatch(
                scan_index=index.copy(),
                peaks=vectors.peaks(index),
                direct_beam=self._origin.measured(index),
                virtual=self._images.at(index)[:, : len(VIRTUAL_IMAGES)],
                sum_pattern=total if first == 0 else np.zeros_like(total),
                profiles=self._classes.profiles_at(index),
            )

    def _events(self) -> tuple[AnalysisEvent, ...]:
        events = [*self._tracker.events, *self._nmf.events, *self._classes.events]
        return tuple(sorted(events, key=lambda event: event.positions_seen))

    def _on_scan(self, values: NDArray[T], fill: float) -> NDArray[T]:
        """Flat values, shape (..., n), as images of the scan's shape."""
        rows, cols = self.scan_shape
        return filled(values, rows * cols, fill).reshape(*values.shape[:-1], rows, cols)


def _peak_tracker(geometry: MapGeometry, config: TrackerConfig, exclude_radius: float) -> PeakTracker:
    return PeakTracker(
        geometry,
        smoothing=config.smoothing,
        aperture=config.aperture,
        min_support=config.min_support,
        min_significance=config.min_significance,
        max_width=config.max_width,
        exclude_radius=exclude_radius,
        max_peaks=config.max_peaks,
    )


def filled(values: NDArray[T], size: int, fill: float) -> NDArray[T]:
    """The first `size` entries along the last axis, with `fill` where there are fewer."""
    out = np.full((*values.shape[:-1], size), fill, values.dtype)
    n = min(size, values.shape[-1])
    out[..., :n] = values[..., :n]
    return out


def _columns(patterns: NDArray[np.float32], peak_id: NDArray[np.int32]) -> NDArray[np.float32]:
    """Columns of the peaks that are alive; peaks younger than the patterns have none yet."""
    out = np.zeros((patterns.shape[0], peak_id.size), np.float32)
    known = peak_id < patterns.shape[1]
    out[:, known] = patterns[:, peak_id[known]]
    return out
