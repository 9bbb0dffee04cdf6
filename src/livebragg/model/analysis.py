"""What the analysis of a scan knows at one moment, as plain immutable data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

NOT_CLASSIFIED = -1
"""Label of a position that was not seen, or is not explained by any class yet."""

FAMILIES = ("crystal", "amorphous", "polycrystal", "vacuum", "no_bragg")
"""Every `ClassFamily`."""

ClassFamily = Literal["crystal", "amorphous", "polycrystal", "vacuum", "no_bragg"]
"""Kinds of classes: tracked Bragg peaks; smooth scattering; many disks of which none is a tracked peak; nothing
in the beam; and, where no radial profiles are measured, (nearly) no disks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MapGeometry:
    """Place of the origin and size of the bins of a Bragg vector map.

    Parameters
    ----------
    shape : tuple of int
        Bins along qx and qy; odd, so that the origin is the centre of a bin.
    sampling : float
        Bins per pixel.

    Examples
    --------
    >>> geometry = MapGeometry.around((128, 96), center=(64.0, 40.0), sampling=2.0)
    >>> geometry.shape, geometry.origin_bin
    ((273, 237), (136, 118))
    """

    shape: tuple[int, int]
    sampling: float

    @classmethod
    def around(
        cls,
        frame_shape: tuple[int, int],
        center: tuple[float, float],
        sampling: float,
        margin: float = 4.0,
    ) -> MapGeometry:
        """Geometry that holds every pixel of a frame whose origin is within `margin` pixels of `center`."""
        reach = [max(c, n - 1 - c) + margin for n, c in zip(frame_shape, center, strict=True)]
        half = [int(np.ceil(r * sampling)) for r in reach]
        return cls(shape=(2 * half[0] + 1, 2 * half[1] + 1), sampling=sampling)

    @property
    def origin_bin(self) -> tuple[int, int]:
        """Bin whose centre is the origin, ``q = 0``."""
        return self.shape[0] // 2, self.shape[1] // 2

    def to_bins(self, qx: NDArray[np.floating], qy: NDArray[np.floating]) -> NDArray[np.float64]:
        """Bin coordinates, shape (n, 2), of positions relative to the origin in pixels."""
        return np.stack([qx, qy], axis=1) * self.sampling + self.origin_bin

    def to_pixels(self, bins: NDArray[np.floating]) -> NDArray[np.float64]:
        """Positions relative to the origin in pixels, shape (n, 2), of bin coordinates."""
        return (np.asarray(bins, np.float64) - self.origin_bin) / self.sampling


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackedPeaks:
    """The sharp peaks of the running Bragg vector map, one entry per peak.

    Parameters
    ----------
    peak_id : NDArray[np.int32], shape (n,)
        Permanent number of each peak.
    qx, qy : NDArray[np.float32], shape (n,)
        Centroid relative to the origin, in pixels.
    support : NDArray[np.float32], shape (n,)
        Positions that have a disk there, background subtracted.
    significance : NDArray[np.float32], shape (n,)
        Support against the local background, in standard deviations.
    covariance : NDArray[np.float32], shape (n, 2, 2)
        Spread of the disks of a peak, in pixels squared.
    """

    peak_id: NDArray[np.int32]
    qx: NDArray[np.float32]
    qy: NDArray[np.float32]
    support: NDArray[np.float32]
    significance: NDArray[np.float32]
    covariance: NDArray[np.float32]

    def __len__(self) -> int:
        return int(self.peak_id.size)


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalysisEvent:
    """Something that changed the peaks or classes.

    Parameters
    ----------
    positions_seen : int
        Scan positions known when it happened.
    kind : str
        ``peak_born``, ``peak_merged``, ``peak_died``, ``class_born``, ``class_died``, and for the
        components behind the classes ``component_born``, ``component_merged``, ``component_died``;
        more classes asked for than can be told apart ``class_number_missed``.
    subject : int
        Id of the peak, class or component.
    detail : str
        One clause for the reader, may be empty.
    at : float or None
        When, in seconds since 1970-01-01 UTC, for what a person did; the analysis itself has no clock.
    """

    positions_seen: int
    kind: str
    subject: int
    detail: str = ""
    at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalysisSnapshot:
    """All maps of a scan at one moment.

    Parameters
    ----------
    version : int
        Rises with every refresh.
    seen : NDArray[np.bool_], shape (scan_rows, scan_cols)
        Positions that have been analysed.
    labels : NDArray[np.int16], shape (scan_rows, scan_cols)
        Class id of each position; `NOT_CLASSIFIED` where there is none.
    confidence : NDArray[np.float32], shape (scan_rows, scan_cols)
        0 (undecided between classes, or unexplained) to 1; NaN where not seen.
    class_ids : NDArray[np.int16], shape (n_classes,)
        Permanent ids in order of birth.
    class_families : tuple of str
        Family of each class.
    class_positions : NDArray[np.int64], shape (n_classes,)
        Positions labelled with each class.
    class_fractions : NDArray[np.float32], shape (n_classes,)
        The same as a fraction of the positions seen.
    weights : NDArray[np.float32], shape (n_classes, scan_rows, scan_cols)
        Weight of each class at each position in units of the features; for families without Bragg features
        the share. NaN where not seen.
    shares : NDArray[np.float32], shape (n_classes, scan_rows, scan_cols)
        Part of each position that is each class, 0 to 1, adding up to 1 where anything is known: the composite
        map with its mixtures. NaN where not seen.
    class_patterns : NDArray[np.float32], shape (n_classes, n_peaks)
        Feature value of each class at each tracked peak, unit norm; 0 for families without Bragg features.
    class_vector_maps : NDArray[np.float32], shape (n_classes, \\*map_geometry.shape)
        Bragg vector map of the positions of each class, disks per bin.
    profile_radii : NDArray[np.float32], shape (bins,)
        Middles of the bins of the radial profiles in pixels; none where profiles are not measured.
    class_profiles : NDArray[np.float32], shape (n_classes, 2, bins)
        Radial profile of each class without its Bragg disks: mean in counts, and variance within a frame.
    virtual_images : dict of str to NDArray[np.float32], shape (scan_rows, scan_cols)
        The names of `livebragg.model.VIRTUAL_IMAGES`; NaN where not seen.
    n_disks, bragg_intensity : NDArray[np.float32], shape (scan_rows, scan_cols)
        Disks without the direct beam, and the sum of their intensities in counts; NaN where not seen.
    origin : NDArray[np.float32], shape (scan_rows, scan_cols, 2)
        Place ``(qx, qy)`` of the undiffracted beam on the detector in pixels; NaN where not seen.
    bragg_vector_map : NDArray[np.float32], shape map_geometry.shape
        Disks (or counts, as configured) per bin about the origin.
    map_geometry : MapGeometry
        Sampling and origin of the Bragg vector maps.
    peaks : TrackedPeaks
        Sharp peaks of the map.
    events : tuple of AnalysisEvent
        The newest events, oldest first.
    residual : float
        Part of the squared features that the classes do not explain, 0 to 1.
    sum_pattern : NDArray[np.float64], shape (frame_rows, frame_cols)
        Sum of all frames.
    duplicates : int
        Positions that arrived more than once and were ignored.
    finished : bool
        The final refinement is done.
    """

    version: int
    seen: NDArray[np.bool_]
    labels: NDArray[np.int16]
    confidence: NDArray[np.float32]
    class_ids: NDArray[np.int16]
    class_families: tuple[ClassFamily, ...]
    class_positions: NDArray[np.int64]
    class_fractions: NDArray[np.float32]
    weights: NDArray[np.float32]
    shares: NDArray[np.float32]
    class_patterns: NDArray[np.float32]
    class_vector_maps: NDArray[np.float32]
    profile_radii: NDArray[np.float32]
    class_profiles: NDArray[np.float32]
    virtual_images: dict[str, NDArray[np.float32]]
    n_disks: NDArray[np.float32]
    bragg_intensity: NDArray[np.float32]
    origin: NDArray[np.float32]
    bragg_vector_map: NDArray[np.float32]
    map_geometry: MapGeometry
    peaks: TrackedPeaks
    events: tuple[AnalysisEvent, ...]
    residual: float
    sum_pattern: NDArray[np.float64]
    duplicates: int
    finished: bool

    @property
    def scan_shape(self) -> tuple[int, int]:
        """``(scan_rows, scan_cols)``."""
        rows, cols = self.labels.shape
        return rows, cols
