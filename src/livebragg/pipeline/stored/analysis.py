"""What a results file says about any part of its scan: the questions that a running analysis answers, too."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from livebragg.accumulate import ProfileStore, RegionProfile, VectorStore, bragg_image, ring_of_disks, vector_map
from livebragg.errors import FrameError, ResultsError
from livebragg.model import BraggPeaks, MapGeometry, TrackedPeaks
from livebragg.storage.results_reader import Results
from livebragg.storage.stored_vectors import StoredVectors

SAMPLING = 2.0
"""Bins per pixel of the vector map of a file that has none yet."""
PEAK_RADIUS = 2.0
"""Disks within this distance of a tracked peak make its dark-field image, in pixels."""


class StoredAnalysis:
    """Disks, origins and profiles of a results file; see `livebragg.pipeline.requests.regions.ExploredAnalysis`.

    Parameters
    ----------
    results : Results
        As read; of a file that was not finished, origins are measured direct beams and there are no peaks.

    Raises
    ------
    ResultsError
        The parts of the file do not fit together.
    """

    def __init__(self, results: Results) -> None:
        final = results.final
        if results.acquisition.scan_shape is None:
            raise ResultsError(f"{results.path} does not say how large its scan is: it cannot be shown")
        self.scan_shape = results.acquisition.scan_shape if final is None else final.snapshot.labels.shape
        self._n = self.scan_shape[0] * self.scan_shape[1]
        self._store = VectorStore(self._n)
        self._profiles = ProfileStore(self._n)
        vectors = results.vectors.in_scan_order()
        try:
            self._store.update(vectors.scan_index, vectors.peaks)
            if vectors.profiles is not None:
                self._profiles.update(vectors.scan_index, vectors.profiles)
        except FrameError as error:
            raise ResultsError(f"{results.path} is damaged ({error}); use a copy of it") from error
        if final is None:
            self._origins = measured_origins(vectors, self._n)
            self.geometry = _geometry_about(self._origins, results.acquisition.frame_shape)
            self.peaks = _no_peaks()
        else:
            self._origins = final.snapshot.origin.reshape(-1, 2)
            self.geometry, self.peaks = final.snapshot.map_geometry, final.snapshot.peaks

    def was_seen(self, scan_index: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which of some positions are in the file."""
        return np.asarray(self._store.view.count[scan_index] >= 0)

    def peaks_at(self, scan_index: int) -> BraggPeaks:
        """Disks of one position; none where it was not seen."""
        return self._store.peaks_at(scan_index)

    def origin_at(self, scan_index: int) -> NDArray[np.float32]:
        """Place ``(qx, qy)`` of the direct beam at one position; NaN where it is not known."""
        return np.asarray(self._origins[scan_index], np.float32)

    def region_profile(self, scan_index: NDArray[np.int64]) -> RegionProfile:
        """Radial profile of a set of positions."""
        return self._profiles.region(scan_index)

    def region_map(
        self, scan_index: NDArray[np.int64] | None = None, matrix: NDArray[np.float64] | None = None
    ) -> tuple[NDArray[np.float32], MapGeometry, int]:
        """Bragg vector map of a set of positions, its geometry, and the number of positions in it."""
        known = np.flatnonzero((self._store.view.count >= 0) & np.isfinite(self._origins[:, 0]))
        positions = known if scan_index is None else np.intersect1d(known, scan_index)
        counts = vector_map(self._store.view, positions, self._origins[positions], self.geometry, matrix=matrix)
        return counts.astype(np.float32), self.geometry, int(positions.size)

    def dark_field(self, peak_id: int) -> NDArray[np.float32]:
        """Summed intensity of the disks at a tracked peak, shape scan_shape: light is measured in frames only."""
        place = int(np.flatnonzero(self.peaks.peak_id == peak_id)[0])
        return self.bragg_image((float(self.peaks.qx[place]), float(self.peaks.qy[place])), PEAK_RADIUS)

    def bragg_image(self, place: tuple[float, float], radius: float) -> NDArray[np.float32]:
        """Summed intensity of the disks near a place, shape scan_shape."""
        return bragg_image(self._store.view, self._origins, place, radius).reshape(self.scan_shape)

    @property
    def profile_radii(self) -> NDArray[np.float32]:
        """Middles of the bins of the radial profiles, in pixels; none where they were not measured."""
        return self._profiles.radii

    def ring_image(
        self, pixels: NDArray[np.float64], inner: float, outer: float, disk_radius: float
    ) -> NDArray[np.float32]:
        """Counts within a ring about the origin, shape scan_shape; see `ScanState.ring_image`."""
        disks = ring_of_disks(self._store.view, self._origins, inner, outer, disk_radius)
        return (disks + self._profiles.weighted(pixels)).reshape(self.scan_shape)


def measured_origins(vectors: StoredVectors, n_positions: int) -> NDArray[np.float32]:
    """The direct beam of each position as it was measured, the median where it was not; NaN where not seen."""
    beams = vectors.direct_beam[:, :2]
    known = np.asarray(np.isfinite(beams).all(axis=1))
    origins = np.full((n_positions, 2), np.nan, np.float32)
    if known.any():
        origins[vectors.scan_index] = np.where(known[:, None], beams, np.median(beams[known], axis=0))
    return origins


def _geometry_about(origins: NDArray[np.float32], frame_shape: tuple[int, int]) -> MapGeometry:
    known = origins[np.isfinite(origins[:, 0])]
    middle = ((frame_shape[0] - 1) / 2, (frame_shape[1] - 1) / 2)
    center = (float(known[:, 0].mean()), float(known[:, 1].mean())) if known.size else middle
    return MapGeometry.around(frame_shape, center, SAMPLING)


def _no_peaks() -> TrackedPeaks:
    none = np.zeros(0, np.float32)
    return TrackedPeaks(
        peak_id=np.zeros(0, np.int32),
        **dict.fromkeys(("qx", "qy", "support", "significance"), none),
        covariance=np.zeros((0, 2, 2), np.float32),
    )
