"""The analysis of one scan: from detected disks to class maps, without sockets, clocks or files.

::

    add(batch)   vectors, measured origins, virtual images          cheap, for every batch
    refresh()    origins -> map -> peaks -> features -> NMF -> labels  a few times per second
    finish()     the same until nothing moves any more: the batch solution
    snapshot()   immutable copy of everything a reader may want
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from livebragg.accumulate import (
    BraggVectorMap,
    ClassVectorMaps,
    RegionProfile,
    ScanImages,
    VectorStore,
    VectorView,
    vector_map,
)
from livebragg.calibrate import OriginTracker, PeakTracker, pattern_origins
from livebragg.classify import FeatureTable, FeatureView, GrowingNMF, VariantFinder
from livebragg.config.analysis import AnalysisConfig, TrackerConfig
from livebragg.model import (
    VIRTUAL_IMAGES,
    AnalysisEvent,
    AnalysisSnapshot,
    BraggPeaks,
    DetectedBatch,
    ForcedIntensities,
    MapGeometry,
    ProbeShape,
    TrackedPeaks,
)
from livebragg.pipeline.composition import Composition

T = TypeVar("T", bound=np.generic)

_BRAGG_IMAGES = ("n_disks", "bragg_intensity")
_FINAL_PASSES = 3
_FINAL_LABELLINGS = 10
_LEARN_AGAIN = 1.3
"""Growth of the scan after which the patterns are asked again how far measured origins can be believed."""
_LEARNED_FROM = 10_000
"""Positions from which that is learned."""
_SMALL = 8192
"""Positions seen up to which every refresh looks at all of them."""
_WHOLE_AGAIN = 1.4
"""Growth of the scan after which one does so beyond that; the others look at a bounded number."""


class Photometer(Protocol):
    """Measures light at given places of the frames of some positions."""

    def measure(
        self, scan_index: NDArray[np.int64], places: NDArray[np.float32], origins: NDArray[np.float32]
    ) -> Iterator[tuple[NDArray[np.int64], ForcedIntensities]]:
        """Part after part of `scan_index` with its intensities; positions without frames are left out.

        `places` (k, 2) are relative to the origins, `origins` (n_positions, 2) are those of all positions.
        """
        ...


class ScanAnalysis:
    """Everything known about a scan, growing batch by batch.

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
    photometer : Photometer, optional
        Measures light at tracked peaks in the frames; without it only the disks that were found count.
    """

    def __init__(
        self,
        scan_shape: tuple[int, int],
        frame_shape: tuple[int, int],
        probe: ProbeShape,
        config: AnalysisConfig | None = None,
        open_ended: bool = False,
        photometer: Photometer | None = None,
    ) -> None:
        self._photometer = photometer
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
        self._classes = Composition(scan_shape, probe, config)
        self.reset()

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
            self._classes,
        ):
            part.reset()
        self._order = np.zeros(0, np.float32)
        self._judged_to = 0
        self._whole_at = 0
        self._turn = 0
        self._behind = 0
        self._version = 0
        self._refreshed_at = 0
        self._learned_at = 0
        self._finished = False

    @property
    def n_seen(self) -> int:
        """Positions accepted so far."""
        return self._vectors.n_seen

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

    def add(self, batch: DetectedBatch) -> int:
        """Take the disks of some positions; returns how many were new.

        Positions that came before are ignored and counted. The frames' sum is taken as a whole unless nothing
        in the batch is new.

        Raises
        ------
        FrameError
            If a scan index lies outside the scan.
        """
        new = self._vectors.update(batch.scan_index, batch.peaks)
        if not new.any():
            return 0
        index = batch.scan_index[new]
        self._origin.update(index, batch.direct_beam[new])
        values = np.column_stack([batch.virtual, self._bragg_numbers(batch.peaks)])[new]
        self._images.update(index, values, batch.sum_pattern)
        self._classes.add(batch, new)
        self._finished = False
        return int(new.sum())

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
        vectors, origins = self._vectors.view, self._map.binned_origins
        count = np.maximum(vectors.count, 0)
        order = np.argsort(vectors.start[vectors.count >= 0], kind="stable")
        owner = np.repeat(np.flatnonzero(vectors.count >= 0)[order], count[vectors.count >= 0][order])
        origins = _filled(origins.T, count.size, np.nan).T
        distance = np.hypot(vectors.qx - origins[owner, 0] - place[0], vectors.qy - origins[owner, 1] - place[1])
        near = distance <= radius
        image = np.bincount(owner[near], vectors.intensity[near], count.size).astype(np.float32)
        image[~np.isfinite(origins[:, 0])] = np.nan
        return self._on_scan(image, np.nan)

    def refresh(self) -> None:
        """Bring map, peaks, features, classes and labels up to what has been added."""
        if self._vectors.n_seen == self._refreshed_at:
            return
        due = self._due()
        self._refreshed_at = self._vectors.n_seen
        changed = self._advance(due)
        measured = self._measure(self._config.classify.backfill)
        changed = np.union1d(changed, np.union1d(measured, self._judge(self._next_to_judge(measured))))
        if self._vectors.n_seen >= _LEARN_AGAIN * self._learned_at:
            self._learn_origins()
        features = self._features.view
        self._nmf.update(features, changed, self._vectors.n_seen)
        whole = due.size == self._vectors.n_seen
        self._nmf.refine(features, None if whole else due)
        self._relabel(changed, None if whole else np.union1d(due, changed))

    def finish(self) -> None:
        """Refine until nothing moves: all origins, a map binned afresh, all weights."""
        if self._vectors.n_seen == 0:
            return
        self._map.tolerance = 0.0
        everything = np.sort(self._vectors.arrived)
        for _ in range(_FINAL_PASSES):
            self._map.reset()
            changed = self._advance(everything)
            self._learn_origins()
            self._nmf.update(self._features.view, changed, self._vectors.n_seen)
        measured = self._measure(self._config.classify.final_backfill, weakest=True)
        self._nmf.update(self._features.view, measured, self._vectors.n_seen)
        judged = self._judge(everything)  # before the view is taken: the rows may move
        self._nmf.update(self._features.view, judged, self._vectors.n_seen)
        self._map.tolerance = self._config.origin.rebin_tolerance
        self._nmf.finish(self._features.view)
        for step in range(_FINAL_LABELLINGS):
            self._relabel(np.zeros(0, np.int64), final=step == _FINAL_LABELLINGS - 1)
        self._refreshed_at = self._vectors.n_seen
        self._finished = True

    def snapshot(self) -> AnalysisSnapshot:
        """Immutable copy of all maps."""
        vectors, classes = self._vectors.view, self._classes.maps
        stack, peaks = self._images.snapshot(), self._tracker.snapshot()
        seen = vectors.count >= 0
        radii, profiles = self._classes.class_profiles()
        labels = _filled(classes.labels, seen.size, -1)
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
            weights=self._on_scan(np.where(seen, _filled(classes.weights, seen.size, 0), np.nan), np.nan),
            shares=self._on_scan(np.where(seen, _filled(self._classes.shares(), seen.size, 0), np.nan), np.nan),
            class_patterns=_columns(classes.patterns, peaks.peak_id),
            class_vector_maps=self._class_maps.update(
                vectors, labels, self._map.binned_origins, classes.class_ids
            ),
            profile_radii=radii,
            class_profiles=profiles,
            virtual_images={name: self._on_scan(stack.values[name], np.nan) for name in VIRTUAL_IMAGES},
            n_disks=self._on_scan(stack.values["n_disks"], np.nan),
            bragg_intensity=self._on_scan(stack.values["bragg_intensity"], np.nan),
            origin=self._origin_map(),
            bragg_vector_map=self._displayed_map(vectors).astype(np.float32),
            map_geometry=self._map.geometry,
            peaks=peaks,
            events=self._events(),
            residual=self._nmf.residual,
            sum_pattern=stack.sum_pattern,
            duplicates=self._vectors.duplicates,
            finished=self._finished,
        )

    def _due(self) -> NDArray[np.int64]:
        """Positions that a refresh looks at: all of a small scan and, each time a large one has grown by a good
        part; else the newest and the next few others in turn, so that the cost does not grow with the scan."""
        arrived, n = self._vectors.arrived, self._vectors.n_seen
        newest, budget = n - self._refreshed_at, self._config.classify.recode_budget
        if n <= max(_SMALL, newest + budget) or n >= _WHOLE_AGAIN * self._whole_at:
            self._whole_at = n
            return np.sort(arrived)
        recent = arrived[n - newest - budget // 2 :]
        first, take = self._turn % n, budget - budget // 2
        self._turn = (first + take) % n
        return np.union1d(recent, np.take(arrived, np.arange(first, first + take), mode="wrap"))

    def _advance(self, due: NDArray[np.int64]) -> NDArray[np.int64]:
        """Origins, map, peaks and features of the positions that are due, given in rising order; returns those
        whose features changed."""
        vectors = self._vectors.view
        moved = self._map.update(vectors, due, self._origin.origins(due))
        if self._tracker.update(self._map.counts, self._vectors.n_seen):
            self._features.track(self._tracker.snapshot())
            self._behind = self._vectors.n_seen
        affected = due if self._behind > 0 else moved
        whole = due.size == self._vectors.n_seen
        self._behind = 0 if whole else self._behind - due.size // 2  # half of them are those whose turn it is
        changed = self._features.update(
            vectors, affected, self._map.binned_origins[affected], changing=self._about_to_change
        )
        return affected[changed]

    def _about_to_change(self, positions: NDArray[np.int64]) -> None:
        self._nmf.forget(self._features.view, positions)

    def _next_to_judge(self, measured: NDArray[np.int64]) -> NDArray[np.int64]:
        """What was just measured, and the next few of the others in turn: classes come and change."""
        known = np.flatnonzero(self._features.forced.stamp)
        if known.size == 0:
            return known
        first = int(np.searchsorted(known, self._judged_to)) % known.size
        take = min(self._config.classify.recode_budget, known.size)
        self._judged_to = int(known[(first + take) % known.size])
        return np.union1d(measured, np.take(known, np.arange(first, first + take), mode="wrap"))

    def _judge(self, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        """Where the measured light shows a class, or no longer does; returns where that is news."""
        if self._photometer is None or self._nmf.n_components == 0:
            return np.zeros(0, np.int64)
        vectors = self._vectors.view
        patterns = self._nmf.witnessed(self._features.view)
        return self._features.judge(vectors, positions, patterns, self._about_to_change)

    def _measure(self, most: int, weakest: bool = False) -> NDArray[np.int64]:
        """Measure the light at tracked peaks at positions where that is not up to date, the newest first (or
        those with the fewest disks); returns those that were."""
        if self._photometer is None or not self._config.classify.forced_photometry or most == 0:
            return np.zeros(0, np.int64)
        vectors, forced = self._vectors.view, self._features.forced
        stale = forced.stale(self._vectors.arrived)
        if weakest:
            stale = stale[np.argsort(-vectors.count[stale], kind="stable")]
        chosen = stale[-most:]
        measured: list[NDArray[np.int64]] = []
        for index, values in self._photometer.measure(np.sort(chosen), forced.places, self._map.binned_origins):
            self._about_to_change(index)
            self._features.measure(vectors, index, self._map.binned_origins[index], values)
            measured.append(index)
        done = np.concatenate([*measured, np.zeros(0, np.int64)])
        forced.give_up(np.setdiff1d(chosen, done))
        return done

    def _learn_origins(self) -> None:
        vectors, arrived = self._vectors.view, self._vectors.arrived
        sample = arrived[:: max(1, -(-arrived.size // _LEARNED_FROM))]
        counts = vectors.count[sample]
        owner = np.repeat(sample, counts)
        within = np.arange(owner.size) - np.repeat(np.cumsum(counts) - counts, counts)
        disk = np.repeat(vectors.start[sample], counts) + within
        place = np.stack([vectors.qx[disk], vectors.qy[disk]], axis=1)
        column = self._features.matched[disk]
        self._origin.learn_from_patterns(*pattern_origins(place, column, owner, self._tracker.snapshot()))
        self._learned_at = self._vectors.n_seen

    def _relabel(
        self, changed: NDArray[np.int64], positions: NDArray[np.int64] | None = None, *, final: bool = False
    ) -> None:
        """Label some positions anew, by default all."""
        vectors, factors = self._vectors.view, self._nmf.view
        origins = _filled(self._map.binned_origins.T, vectors.count.size, np.nan).T
        self._order = self._variants.update(
            self._features, factors, self._tracker.snapshot(), changed, final, positions
        )
        self._classes.update(
            self._features,
            factors,
            vectors,
            origins,
            changed,
            order=self._order,
            fadings=self._variants.fadings,
            final=final,
            positions=positions,
        )
        self._version += 1

    def _bragg_numbers(self, peaks: BraggPeaks) -> NDArray[np.float32]:
        """Number of disks of each frame without the direct beam, and their summed intensity."""
        far = np.hypot(peaks.qx - self._probe_center[0], peaks.qy - self._probe_center[1])
        bragg = far > self._center_radius
        frame = np.repeat(np.arange(peaks.n_frames), np.diff(peaks.offsets))[bragg]
        number = np.bincount(frame, minlength=peaks.n_frames)
        total = np.bincount(frame, peaks.intensity[bragg], minlength=peaks.n_frames)
        return np.column_stack([number, total]).astype(np.float32)

    def _displayed_map(self, vectors: VectorView) -> NDArray[np.float64]:
        if self._config.map.weight == "count":
            return self._map.snapshot()
        origins = self._map.binned_origins
        positions = np.flatnonzero(np.isfinite(origins[:, 0]))
        return vector_map(vectors, positions, origins[positions], self._map.geometry, "intensity")

    def _origin_map(self) -> NDArray[np.float32]:
        origin = self._origin.snapshot().origin
        return np.stack([self._on_scan(origin[:, axis], np.nan) for axis in (0, 1)], axis=-1)

    def _events(self) -> tuple[AnalysisEvent, ...]:
        events = [*self._tracker.events, *self._nmf.events, *self._classes.events]
        return tuple(sorted(events, key=lambda event: event.positions_seen))

    def _on_scan(self, values: NDArray[T], fill: float) -> NDArray[T]:
        """Flat values, shape (..., n), as images of the scan's shape."""
        rows, cols = self.scan_shape
        return _filled(values, rows * cols, fill).reshape(*values.shape[:-1], rows, cols)


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


def _filled(values: NDArray[T], size: int, fill: float) -> NDArray[T]:
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
