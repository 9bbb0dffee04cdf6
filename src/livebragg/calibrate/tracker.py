"""Sharp peaks of the growing Bragg vector map, each with a permanent number.

A peak is a place where more positions have a disk than the neighbourhood would by chance, in a spot no wider
than localisation and strain make it. Streaks, arcs and rings are wide along one direction and are left out.
"""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import KDTree

from livebragg.kernels.map_peaks import aperture_sums, peak_moments, separate_maxima
from livebragg.kernels.matching import paint_owners
from livebragg.model import AnalysisEvent, MapGeometry, TrackedPeaks

_BACKGROUND_REACH = 8.0
"""Half width of the neighbourhood that gives the local background, in pixels."""
_WINDOW = 2.5
"""A peak's centroid and spread are taken within this radius, in pixels."""
_NEIGHBOURS = 4.5
"""Maxima nearer than this, in pixels, must be separated by a dip to count as two."""
_NOTICEABLE = 0.1
"""A peak that moved less, in pixels, matches the same disks."""
_PATIENCE = 3
"""Updates an unsupported peak survives."""
_EVENTS = 1000


class PeakTracker:
    """Finds, follows and forgets the sharp peaks of a map of disk counts.

    Parameters
    ----------
    geometry : MapGeometry
        Of the maps that `update` will be given.
    smoothing, aperture, max_width, exclude_radius : float
        In pixels; see `livebragg.config.TrackerConfig` (`exclude_radius` is about the origin).
    min_support : int
        Positions above background that make a peak.
    min_significance : float
        The same in standard deviations of the background.
    max_peaks : int
        Largest number of peaks.
    """

    def __init__(
        self,
        geometry: MapGeometry,
        *,
        smoothing: float = 0.4,
        aperture: float = 1.25,
        min_support: int = 6,
        min_significance: float = 5.0,
        max_width: float = 1.2,
        exclude_radius: float = 5.0,
        max_peaks: int = 600,
    ) -> None:
        self.geometry = geometry
        self._smoothing = smoothing
        self._aperture = aperture
        self._min_support = min_support
        self._min_significance = min_significance
        self._max_width = max_width
        self._exclude = exclude_radius
        self._max_peaks = max_peaks
        self._owner = np.zeros(geometry.shape, np.int16)
        self._distance = np.zeros(geometry.shape, np.float32)
        self.reset()

    def reset(self) -> None:
        """Forget all peaks; numbers start again at 0."""
        self._next_id = 0
        self._id = np.zeros(0, np.int32)
        self._bins = np.zeros((0, 2))
        self._missed = np.zeros(0, np.int32)
        self._confirmed = np.zeros(0, np.bool_)
        self._measures = np.zeros((0, 6))
        self._reported = self._id, self._bins
        self.events: deque[AnalysisEvent] = deque(maxlen=_EVENTS)

    def update(self, counts: NDArray[np.float64], positions_seen: int) -> bool:
        """Look at the map again; returns whether any peak was born, has gone, or moved noticeably.

        Parameters
        ----------
        counts : NDArray[np.float64], shape geometry.shape
            Map of disk counts, one per disk.
        positions_seen : int
            Positions in the map, for the event log.
        """
        background = self._background(counts)
        found = self._candidates(counts, background)
        bins, measures = self._measure(counts, background, found)
        self._associate(bins, measures, positions_seen)
        return self._has_changed()

    def _has_changed(self) -> bool:
        """Whether the confirmed peaks differ noticeably from when this was last true."""
        ids, bins = self._id[self._confirmed], self._bins[self._confirmed]
        known_ids, known_bins = self._reported
        if np.array_equal(ids, known_ids):
            moved = np.hypot(*(bins - known_bins).T).max(initial=0.0) / self.geometry.sampling
            if moved <= _NOTICEABLE:
                return False
        self._reported = ids.copy(), bins.copy()
        return True

    def snapshot(self) -> TrackedPeaks:
        """The confirmed peaks, by id."""
        known = np.flatnonzero(self._confirmed)
        pixels = self.geometry.to_pixels(self._bins[known])
        m = self._measures[known]
        covariance = m[:, [3, 4, 4, 5]].reshape(-1, 2, 2) / self.geometry.sampling**2
        return TrackedPeaks(
            peak_id=self._id[known].copy(),
            qx=pixels[:, 0].astype(np.float32),
            qy=pixels[:, 1].astype(np.float32),
            support=m[:, 0].astype(np.float32),
            significance=m[:, 1].astype(np.float32),
            covariance=covariance.astype(np.float32),
        )

    def _background(self, counts: NDArray[np.float64]) -> NDArray[np.float64]:
        """Mean of the neighbourhood with its peaks clipped away, per bin."""
        reach = 2 * int(_BACKGROUND_REACH * self.geometry.sampling) + 1
        smooth = ndimage.uniform_filter(counts, 3, mode="constant")
        level = np.maximum(ndimage.uniform_filter(smooth, reach, mode="nearest"), 0.0)
        for _ in range(3):
            clip = level + 2.0 * np.sqrt(level / 9.0)
            lower = ndimage.uniform_filter(np.minimum(smooth, clip), reach, mode="nearest")
            level = np.maximum(lower, 0.0)
        return np.asarray(level)

    def _significance(self, support: NDArray[np.float64], background: NDArray[np.float64]) -> NDArray[np.float64]:
        """Signed root of the Poisson likelihood ratio of `support` counts where `background` is expected."""
        b = np.maximum(background, 0.05)
        n = np.maximum(support, 1e-9)
        ratio = np.maximum(2 * (n * np.log(n / b) - (n - b)), 0.0)
        return np.where(n > b, np.sqrt(ratio), 0.0)

    def _candidates(self, counts: NDArray[np.float64], background: NDArray[np.float64]) -> NDArray[np.float64]:
        """Bins, shape (n, 2), of the separate, significant maxima, strongest first."""
        sampling = self.geometry.sampling
        smooth = ndimage.gaussian_filter(counts, self._smoothing * sampling, mode="constant")
        top = (smooth == ndimage.maximum_filter(smooth, 3)) & (smooth > 1.5 * background)
        bins = np.argwhere(top).astype(np.float64)
        area = np.pi * (self._aperture * sampling) ** 2
        support = self._aperture_sums(counts, bins)
        expected = background[top] * area
        radius = np.hypot(*(bins - self.geometry.origin_bin).T) / sampling
        good = (
            (radius > self._exclude)
            & (support - expected >= self._min_support)
            & (self._significance(support, expected) >= self._min_significance)
        )
        bins, height = bins[good], smooth[top][good]
        order = np.argsort(-height, kind="stable")
        return self._separate(smooth, bins[order], height[order])

    def _separate(
        self, smooth: NDArray[np.float64], bins: NDArray[np.float64], height: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Drop maxima that no real dip separates from a stronger neighbour."""
        sampling = self.geometry.sampling
        # Effective number of disks behind one value of the Gaussian-smoothed map.
        effective = 4 * np.pi * (self._smoothing * sampling) ** 2
        noise = 2.0 * np.sqrt(np.maximum(height, 0.0) / effective)
        limit = np.minimum(0.85 * height, height - noise)
        keep = np.zeros(bins.shape[0], np.int64)
        n = separate_maxima(smooth, bins, height, limit, _NEIGHBOURS * sampling, self._max_peaks, keep)
        return bins[keep[:n]]

    def _aperture_sums(self, counts: NDArray[np.float64], bins: NDArray[np.float64]) -> NDArray[np.float64]:
        out = np.zeros(bins.shape[0])
        aperture_sums(counts, bins, self._aperture * self.geometry.sampling, out)
        return out

    def _measure(
        self, counts: NDArray[np.float64], background: NDArray[np.float64], bins: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Centroids, and (support, significance, unused, covariance) of the sharp ones among the maxima."""
        sampling = self.geometry.sampling
        moments = np.zeros((bins.shape[0], 6))
        paint_owners(bins, _WINDOW * sampling, self._owner, self._distance)
        peak_moments(counts, background, self._owner, int(_WINDOW * sampling) + 1, bins, moments)
        shift = moments[:, 1:3] - bins
        far = np.hypot(*shift.T) > sampling
        centre = np.where(far[:, None], bins, moments[:, 1:3])
        support = self._aperture_sums(counts, centre)
        expected = ndimage.map_coordinates(background, centre.T, order=1) * (
            np.pi * (self._aperture * sampling) ** 2
        )
        mean = (moments[:, 3] + moments[:, 5]) / 2
        major = mean + np.hypot((moments[:, 3] - moments[:, 5]) / 2, moments[:, 4])
        sharp = np.sqrt(major) / sampling <= self._max_width
        measures = np.column_stack(
            [support - expected, self._significance(support, expected), mean, moments[:, 3:6]]
        )
        return centre[sharp], measures[sharp]

    def _associate(self, bins: NDArray[np.float64], measures: NDArray[np.float64], seen: int) -> None:
        """Give known peaks their new places; start, end and merge the others."""
        partner = self._partners(bins)
        self._missed += 1
        for peak, new in enumerate(partner):
            if new >= 0:
                self._confirm(peak, seen)
                self._bins[peak], self._measures[peak] = bins[new], measures[new]
                self._missed[peak] = 0
        self._end(bins, seen)
        fresh = np.setdiff1d(np.arange(bins.shape[0]), partner)
        self._start(bins[fresh], measures[fresh], seen)

    def _partners(self, bins: NDArray[np.float64]) -> NDArray[np.int64]:
        """For each known peak the index of its new place, -1 for none: nearest pairs first."""
        partner = np.full(self._id.size, -1, np.int64)
        if self._id.size == 0 or bins.shape[0] == 0:
            return partner
        taken = np.zeros(bins.shape[0], np.bool_)
        near = KDTree(self._bins).sparse_distance_matrix(
            KDTree(bins), 1.5 * self.geometry.sampling, output_type="ndarray"
        )
        for pair in np.argsort(near["v"], kind="stable"):
            peak, new = near["i"][pair], near["j"][pair]
            if partner[peak] < 0 and not taken[new]:
                partner[peak] = new
                taken[new] = True
        return partner

    def _confirm(self, peak: int, seen: int) -> None:
        if not self._confirmed[peak]:
            self._confirmed[peak] = True
            self._id[peak] = self._next_id
            self._next_id += 1
            self._log(seen, "peak_born", int(self._id[peak]))

    def _end(self, bins: NDArray[np.float64], seen: int) -> None:
        patience = np.where(self._confirmed, _PATIENCE, 1)
        gone = self._missed >= patience
        for peak in np.flatnonzero(gone & self._confirmed):
            near = np.hypot(*(bins - self._bins[peak]).T) if bins.size else np.ones(1) * np.inf
            merged = near.min() < 2 * self.geometry.sampling
            self._log(seen, "peak_merged" if merged else "peak_died", int(self._id[peak]))
        keep = ~gone
        self._id, self._bins, self._missed = self._id[keep], self._bins[keep], self._missed[keep]
        self._confirmed, self._measures = self._confirmed[keep], self._measures[keep]

    def _start(self, bins: NDArray[np.float64], measures: NDArray[np.float64], seen: int) -> None:
        """New peaks wait for one more update, unless they leave no doubt."""
        n = bins.shape[0]
        self._id = np.concatenate([self._id, np.full(n, -1, np.int32)])
        self._bins = np.concatenate([self._bins, bins])
        self._missed = np.concatenate([self._missed, np.zeros(n, np.int32)])
        self._confirmed = np.concatenate([self._confirmed, np.zeros(n, np.bool_)])
        self._measures = np.concatenate([self._measures, measures])
        for peak in range(self._id.size - n, self._id.size):
            if self._measures[peak, 1] > 1.5 * self._min_significance:
                self._confirm(peak, seen)

    def _log(self, seen: int, kind: str, subject: int) -> None:
        self.events.append(AnalysisEvent(positions_seen=seen, kind=kind, subject=subject))
