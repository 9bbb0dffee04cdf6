"""The running Bragg vector map: a bilinear histogram of all disks about their origins."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from livebragg.accumulate.vectors import VectorView
from livebragg.kernels.binning import bin_vectors
from livebragg.model import MapGeometry
from livebragg.model.arrays import ragged, with_room

MapWeight = Literal["count", "intensity"]

_COUNTING = np.zeros(0, np.float32)


def vector_map(
    vectors: VectorView,
    positions: NDArray[np.int64],
    origins: NDArray[np.float32],
    geometry: MapGeometry,
    weight: MapWeight = "count",
    matrix: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """Bragg vector map of any positions that have been seen.

    Parameters
    ----------
    positions : NDArray[np.int64], shape (n,)
        Scan indices.
    origins : NDArray[np.float32], shape (n, 2)
        Their origins in detector pixels.
    matrix : NDArray[np.float64], shape (2, 2), optional
        Calibration: applied to every disk's offset from its origin.
    """
    out = np.zeros(geometry.shape)
    if matrix is not None:
        _bin_calibrated(vectors, positions, origins, geometry.sampling, weight, matrix, out)
        return out
    _bin(vectors, positions, origins, geometry.sampling, weight, 1.0, out)
    return out


def bragg_image(
    vectors: VectorView, origins: NDArray[np.float32], place: tuple[float, float], radius: float
) -> NDArray[np.float32]:
    """Summed intensity of each position's disks within `radius` of a place relative to its origin.

    Parameters
    ----------
    origins : NDArray[np.float32], shape (n_positions, 2)
        Origin of every position in detector pixels; NaN where there is none.
    place : tuple of float
        ``(qx, qy)`` in detector pixels, as is `radius`.

    Returns
    -------
    NDArray[np.float32], shape (n_positions,)
        Counts; NaN where a position has no origin.
    """
    owner, qx, qy = placed_disks(vectors, origins)
    near = np.hypot(qx - place[0], qy - place[1]) <= radius
    image = np.bincount(owner[near], vectors.intensity[near], vectors.count.size).astype(np.float32)
    image[~np.isfinite(origins[:, 0])] = np.nan
    return image


def placed_disks(
    vectors: VectorView, origins: NDArray[np.float32]
) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.float32]]:
    """Position of every disk, and its place relative to that position's origin, in the order of the store."""
    seen = np.flatnonzero(vectors.count >= 0)
    seen = seen[np.argsort(vectors.start[seen], kind="stable")]
    owner = np.repeat(seen, vectors.count[seen])
    return owner, vectors.qx - origins[owner, 0], vectors.qy - origins[owner, 1]


class BraggVectorMap:
    """Bragg vector map that follows the scan, and the origins when they are refined.

    The cost of an update is that of the disks that are new or have moved.

    Parameters
    ----------
    geometry : MapGeometry
        Size and sampling.
    weight : {"count", "intensity"}
        What a disk adds.
    tolerance : float
        A position that is already in the map is binned again when its origin moved further than this, in
        pixels.
    """

    def __init__(self, geometry: MapGeometry, weight: MapWeight = "count", tolerance: float = 0.0) -> None:
        self.geometry = geometry
        self.weight: MapWeight = weight
        self.tolerance = tolerance
        self.reset()

    def reset(self) -> None:
        """Empty the map."""
        self._map = np.zeros(self.geometry.shape)
        self._origin = np.zeros((0, 2), np.float32)

    def update(
        self, vectors: VectorView, positions: NDArray[np.int64], origins: NDArray[np.float32]
    ) -> NDArray[np.int64]:
        """Bin positions that are new or whose origin moved; returns those that changed.

        Parameters
        ----------
        positions : NDArray[np.int64], shape (n,)
            Scan indices, each once.
        origins : NDArray[np.float32], shape (n, 2)
            Their present origins in detector pixels.
        """
        self._make_room(vectors.count.size)
        moved = np.hypot(*(origins - self._origin[positions]).T)
        changed = ~(moved <= self.tolerance)
        again = changed & ~np.isnan(moved)
        sampling = self.geometry.sampling
        old = positions[again]
        _bin(vectors, old, self._origin[old], sampling, self.weight, -1.0, self._map)
        positions, origins = positions[changed], origins[changed]
        _bin(vectors, positions, origins, sampling, self.weight, 1.0, self._map)
        self._origin[positions] = origins
        return positions

    def snapshot(self) -> NDArray[np.float64]:
        """Copy of the map."""
        return self._map.copy()

    @property
    def counts(self) -> NDArray[np.float64]:
        """The map itself, not to be written to."""
        view = self._map.view()
        view.flags.writeable = False
        return view

    @property
    def binned_origins(self) -> NDArray[np.float32]:
        """Origin with which each position is in the map, shape (n_positions, 2); NaN where it is not."""
        view = self._origin.view()
        view.flags.writeable = False
        return view

    def _make_room(self, n_positions: int) -> None:
        self._origin = with_room(self._origin, n_positions, fill=np.nan)


class ClassVectorMaps:
    """Bragg vector map of each class, which follows the labels: only positions that changed are binned again.

    Parameters
    ----------
    geometry : MapGeometry
        Size and sampling.
    """

    def __init__(self, geometry: MapGeometry) -> None:
        self._geometry = geometry
        self.reset()

    def reset(self) -> None:
        """Empty all maps."""
        self._maps: dict[int, NDArray[np.float64]] = {}
        self._label = np.zeros(0, np.int16)
        self._origin = np.zeros((0, 2), np.float32)

    def update(
        self,
        vectors: VectorView,
        labels: NDArray[np.int16],
        origins: NDArray[np.float32],
        class_ids: NDArray[np.int16],
    ) -> NDArray[np.float32]:
        """Follow labels and origins; returns the maps of some classes, shape (n_classes, \\*geometry.shape).

        Parameters
        ----------
        labels : NDArray[np.int16], shape (n_positions,)
            Class of each position, below 0 for none.
        origins : NDArray[np.float32], shape (m, 2)
            Origins of the first positions in detector pixels; NaN where a position is in no map.
        class_ids : NDArray[np.int16], shape (n_classes,)
        """
        n = min(labels.size, len(origins))
        self._label = with_room(self._label, n, fill=-1)
        self._origin = with_room(self._origin, n, fill=np.nan)
        labels, origins = np.where(np.isnan(origins[:n, 0]), -1, labels[:n]).astype(np.int16), origins[:n]
        moved = (labels >= 0) & (origins != self._origin[:n]).any(axis=1)
        changed = np.flatnonzero((labels != self._label[:n]) | moved)
        self._add(vectors, changed, -1.0)
        self._label[changed], self._origin[changed] = labels[changed], origins[changed]
        self._add(vectors, changed, 1.0)
        out = np.zeros((class_ids.size, *self._geometry.shape), np.float32)
        for index, number in enumerate(class_ids):
            if int(number) in self._maps:
                out[index] = self._maps[int(number)]
        return out

    def _add(self, vectors: VectorView, positions: NDArray[np.int64], sign: float) -> None:
        labels = self._label[positions]
        for number in np.unique(labels[labels >= 0]).tolist():
            members = positions[labels == number]
            out = self._maps.setdefault(number, np.zeros(self._geometry.shape))
            _bin(vectors, members, self._origin[members], self._geometry.sampling, "count", sign, out)


def _bin(
    vectors: VectorView,
    positions: NDArray[np.int64],
    origins: NDArray[np.float32],
    sampling: float,
    weight: MapWeight,
    sign: float,
    out: NDArray[np.float64],
) -> None:
    bin_vectors(
        vectors.qx,
        vectors.qy,
        _COUNTING if weight == "count" else vectors.intensity,
        vectors.start[positions],
        vectors.count[positions],
        np.ascontiguousarray(origins, np.float32),
        sampling,
        sign,
        out,
    )


def _bin_calibrated(
    vectors: VectorView,
    positions: NDArray[np.int64],
    origins: NDArray[np.float32],
    sampling: float,
    weight: MapWeight,
    matrix: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    count = vectors.count[positions]
    row, disk = ragged(vectors.start[positions], count)
    offset = np.stack([vectors.qx[disk], vectors.qy[disk]], axis=1) - origins[row]
    calibrated = np.ascontiguousarray((offset @ matrix.T).T, np.float32)
    bin_vectors(
        calibrated[0],
        calibrated[1],
        _COUNTING if weight == "count" else vectors.intensity[disk],
        np.cumsum(count, dtype=np.int64) - count,
        count,
        np.zeros((positions.size, 2), np.float32),
        sampling,
        1.0,
        out,
    )
