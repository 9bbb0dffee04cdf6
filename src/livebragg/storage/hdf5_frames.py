"""Find and open the 4-D dataset of an HDF5 file."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from pathlib import Path

import h5py
import hdf5plugin  # noqa: F401  (importing it lets HDF5 read bitshuffle, blosc, zstd and lz4)

from livebragg.errors import RecordingError
from livebragg.model import ScanMetadata
from livebragg.storage.frame_stack import FrameStack, scan_axes, stack_of
from livebragg.storage.recorded_metadata import metadata_of

CHUNK_CACHE_LIMIT = 512 * 1024 * 1024
"""Bytes of decompressed chunks kept at most (one chunk is always kept)."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundScan:
    """An open file with its scan; whoever receives it closes `file`."""

    file: h5py.File
    name: str
    alternatives: tuple[str, ...]
    stack: FrameStack
    metadata: ScanMetadata


def open_scan(path: Path, dataset: str | None, scan_shape: tuple[int, int] | None) -> FoundScan:
    """Open `path` and find the scan in it: `dataset`, or the largest one.

    Raises
    ------
    RecordingError
        When the file cannot be opened or holds no such scan.
    """
    file = open_hdf5(path)
    try:
        candidates = scan_datasets(file)
        name = _choose(path, file, candidates, dataset, scan_shape)
        cached = _with_chunk_cache(file, name)
        return FoundScan(
            file=file,
            name=name,
            alternatives=tuple(other for other in candidates if other != name),
            stack=stack_of(cached, scan_shape, f"{path}:{name}"),
            metadata=metadata_of(file[name]),
        )
    except BaseException:
        file.close()
        raise


def scan_datasets(file: h5py.File) -> dict[str, tuple[int, ...]]:
    """Name and shape of every dataset of numbers that can hold a scan: 4-D before 3-D, largest first."""
    found: dict[str, tuple[int, ...]] = {}

    def look(name: str, item: h5py.Group | h5py.Dataset) -> None:
        if isinstance(item, h5py.Dataset) and item.shape and item.dtype.kind in "uifc" and scan_axes(item.shape):
            found[name] = item.shape

    file.visititems(look)
    return dict(sorted(found.items(), key=lambda entry: (-scan_axes(entry[1]), -math.prod(entry[1]))))


def open_hdf5(path: Path) -> h5py.File:
    """Open a file to read it; raises `RecordingError` with the remedy."""
    try:
        if not h5py.is_hdf5(path):
            raise RecordingError(f"{path} is not an HDF5 file; give an HDF5 or .npy file")
        return h5py.File(path, "r", locking="best-effort")
    except RecordingError:
        raise
    except OSError as error:
        raise RecordingError(f"{path} cannot be opened ({error}); {_remedy(str(error))}") from error


def _remedy(message: str) -> str:
    if "truncated" in message:
        return "its end is missing: copy it again, completely"
    if "lock" in message or "already open" in message:
        return "another program is writing it: wait until that is done"
    if "ermission" in message:
        return "ask its owner for permission to read"
    return "it is damaged: copy it again"


def _choose(
    path: Path,
    file: h5py.File,
    candidates: dict[str, tuple[int, ...]],
    wanted: str | None,
    scan_shape: tuple[int, int] | None,
) -> str:
    if wanted is not None:
        name = wanted.strip("/")
        if isinstance(file.get(name), h5py.Dataset):
            return name
        raise RecordingError(f"{path} has no dataset {wanted!r}; it holds {_listing(candidates)}")
    fitting = [name for name, shape in candidates.items() if scan_axes(shape) == 2 or scan_shape is not None]
    if not fitting:
        remedy = "give the scan shape for a 3-D stack" if candidates else "give a file with a 4-D dataset"
        raise RecordingError(f"{path} has no 4-D dataset; it holds {_listing(candidates)}: {remedy}")
    if len(fitting) > 1:
        _log.info("%s: reading %s, the largest of %s", path, fitting[0], ", ".join(fitting))
    return fitting[0]


def _listing(candidates: dict[str, tuple[int, ...]]) -> str:
    return ", ".join(f"{name} {shape}" for name, shape in candidates.items()) or "no 4-D or 3-D dataset"


def _with_chunk_cache(file: h5py.File, name: str) -> h5py.Dataset:
    """Open a dataset with a cache that holds every chunk until the scan has passed it."""
    dataset = file[name]
    needed = _bytes_until_passed(dataset)
    del dataset  # the cache of a dataset that is open already cannot be changed
    access = h5py.h5p.create(h5py.h5p.DATASET_ACCESS)
    access.set_chunk_cache(100_003, needed, 1.0)
    return h5py.Dataset(h5py.h5d.open(file.id, name.encode(), access))


def _bytes_until_passed(dataset: h5py.Dataset) -> int:
    chunks = dataset.chunks
    if chunks is None:
        return 0
    along = [math.ceil(n / c) for n, c in zip(dataset.shape, chunks, strict=True)]
    one = math.prod(chunks) * dataset.dtype.itemsize
    # A chunk of several scan rows is needed again in each of them: keep a whole band of chunks. Otherwise
    # keep the chunks of two neighbouring groups of frames.
    is_band = len(chunks) > 3 and chunks[0] > 1
    n_chunks = math.prod(along[1:]) if is_band else 2 * math.prod(along[-2:])
    return max(int(one), min(CHUNK_CACHE_LIMIT, int(n_chunks * one))) + 1024
