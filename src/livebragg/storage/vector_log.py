"""The growing part of a results file: datasets that can be appended to and read after any crash.

The file is written in HDF5's single-writer/multiple-reader mode, in which every state it passes through on disk
can be opened. The ``committed`` numbers are written last, after what they count has been flushed; a reader
believes them and nothing beyond.
"""

from __future__ import annotations

import h5py
import numpy as np
from numpy.typing import NDArray

from livebragg.model import VIRTUAL_IMAGES, BraggPeaks, RadialBatch
from livebragg.storage.stored_vectors import PEAK_COLUMNS, StoredVectors

_DISKS_PER_CHUNK = 16384
_POSITIONS_PER_CHUNK = 2048
_PROFILES_PER_CHUNK = 256
_PROFILE_COLUMNS = {"mean": (np.float32, "counts"), "variance": (np.float32, "counts^2"), "pixels": (np.int32, "")}


class VectorLog:
    """Appends `StoredVectors` to a group.

    Parameters
    ----------
    group : h5py.Group
        Empty group of a file that is about to enter SWMR mode; not closed here.
    radii : NDArray[np.float32], shape (bins,), optional
        Bins of the radial profiles; none are kept without it.
    """

    def __init__(self, group: h5py.Group, radii: NDArray[np.float32] | None = None) -> None:
        self._disks = {
            name: _growing(group, name, np.float32, (), _DISKS_PER_CHUNK, unit)
            for name, unit in PEAK_COLUMNS.items()
        }
        self._scan_index = _growing(group, "scan_index", np.int64, (), _POSITIONS_PER_CHUNK)
        self._offsets = _growing(group, "offsets", np.int64, (), _POSITIONS_PER_CHUNK)
        self._direct_beam = _growing(group, "direct_beam", np.float32, (3,), _POSITIONS_PER_CHUNK, "pixels")
        self._virtual = _growing(group, "virtual", np.float32, (len(VIRTUAL_IMAGES),), _POSITIONS_PER_CHUNK)
        self._virtual.attrs["columns"] = list(VIRTUAL_IMAGES)
        self._profiles = _growing_profiles(group, radii) if radii is not None and radii.size else {}
        self._radii = radii
        self._committed = group.create_dataset("committed", data=np.zeros(2, np.int64))
        self._file = group.file
        self._n_positions = self._n_disks = 0
        _extend(self._offsets, 0, np.zeros(1, np.int64))

    def append(self, vectors: StoredVectors) -> None:
        """Write `vectors`; when this returns, they survive the death of this process."""
        for name, dataset in self._disks.items():
            _extend(dataset, self._n_disks, getattr(vectors.peaks, name))
        _extend(self._scan_index, self._n_positions, vectors.scan_index)
        _extend(self._offsets, self._n_positions + 1, vectors.peaks.offsets[1:] + self._n_disks)
        _extend(self._direct_beam, self._n_positions, vectors.direct_beam)
        _extend(self._virtual, self._n_positions, vectors.virtual)
        self._append_profiles(vectors)
        self._n_positions += len(vectors)
        self._n_disks += len(vectors.peaks)
        self._file.flush()
        self._committed[...] = (self._n_positions, self._n_disks)
        self._committed.flush()

    def _append_profiles(self, vectors: StoredVectors) -> None:
        if self._radii is None or not self._profiles:
            return
        profiles = vectors.profiles
        if profiles is None or not np.array_equal(profiles.radii, self._radii):
            profiles = RadialBatch.unknown(len(vectors), self._radii)
        for name, dataset in self._profiles.items():
            _extend(dataset, self._n_positions, getattr(profiles, name))


def read_vectors(group: h5py.Group) -> StoredVectors:
    """Everything that has been committed to a `VectorLog`, or all of a finished group."""
    if "committed" in group:
        n, n_disks = (int(number) for number in group["committed"][...])
    else:
        n, n_disks = group["scan_index"].size, group["qx"].size
    columns = {name: group[name][:n_disks] for name in PEAK_COLUMNS}
    return StoredVectors(
        scan_index=group["scan_index"][:n],
        peaks=BraggPeaks(**columns, offsets=group["offsets"][: n + 1]),
        direct_beam=group["direct_beam"][:n],
        virtual=group["virtual"][:n],
        profiles=_read_profiles(group, n),
    )


def write_vectors(group: h5py.Group, vectors: StoredVectors) -> None:
    """All vectors of a scan that is over, in datasets of fixed size."""
    for name, unit in PEAK_COLUMNS.items():
        group.create_dataset(name, data=getattr(vectors.peaks, name)).attrs["unit"] = unit
    group["scan_index"] = vectors.scan_index
    group["offsets"] = vectors.peaks.offsets
    group.create_dataset("direct_beam", data=vectors.direct_beam).attrs["unit"] = "pixels"
    group.create_dataset("virtual", data=vectors.virtual).attrs["columns"] = list(VIRTUAL_IMAGES)
    if vectors.profiles is not None:
        _write_profiles(group.create_group("profiles"), vectors.profiles)


def _growing_profiles(group: h5py.Group, radii: NDArray[np.float32]) -> dict[str, h5py.Dataset]:
    profiles = group.create_group("profiles")
    profiles.create_dataset("radii", data=radii).attrs["unit"] = "pixels"
    return {
        name: _growing(profiles, name, dtype, radii.shape, _PROFILES_PER_CHUNK, unit)
        for name, (dtype, unit) in _PROFILE_COLUMNS.items()
    }


def _read_profiles(group: h5py.Group, n: int) -> RadialBatch | None:
    if "profiles" not in group:
        return None
    profiles = group["profiles"]
    return RadialBatch(radii=profiles["radii"][...], **{name: profiles[name][:n] for name in _PROFILE_COLUMNS})


def _write_profiles(group: h5py.Group, profiles: RadialBatch) -> None:
    """Compressed: pixel counts repeat, and counts of a few electrons have many equal bytes."""
    group.create_dataset("radii", data=profiles.radii).attrs["unit"] = "pixels"
    for name, (_, unit) in _PROFILE_COLUMNS.items():
        values = getattr(profiles, name)
        packed = {"compression": "gzip", "compression_opts": 1, "shuffle": True} if values.size else {}
        dataset = group.create_dataset(name, data=values, **packed)
        if unit:
            dataset.attrs["unit"] = unit


def _growing(
    group: h5py.Group, name: str, dtype: type, inner: tuple[int, ...], chunk: int, unit: str = ""
) -> h5py.Dataset:
    dataset = group.create_dataset(name, (0, *inner), dtype, maxshape=(None, *inner), chunks=(chunk, *inner))
    if unit:
        dataset.attrs["unit"] = unit
    return dataset


def _extend(dataset: h5py.Dataset, start: int, values: np.ndarray) -> None:
    if values.shape[0]:
        dataset.resize(start + values.shape[0], axis=0)
        dataset[start:] = values
