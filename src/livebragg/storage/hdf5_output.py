"""Create HDF5 files such that a full disk is an error and not a crash."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import h5py


def check_room(path: Path, n_bytes: int) -> None:
    """Raise ``OSError`` unless a file of `n_bytes` fits where `path` will be.

    HDF5 cannot be left to find out: writing variable-length data to a full disk, it loops forever.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o644)
    try:
        os.posix_fallocate(descriptor, 0, n_bytes)
        os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def check_room_beside(path: Path, n_bytes: int) -> None:
    """The same for a file that is there and grows by `n_bytes`: it is not touched."""
    scratch = path.with_name(f".{path.name}.room")
    try:
        check_room(scratch, n_bytes)
    finally:
        scratch.unlink(missing_ok=True)


@contextmanager
def new_file(path: Path, mode: str, **options: Any) -> Iterator[h5py.File]:
    """New HDF5 file, completely written when the block ends; discarded when the block fails."""
    file = h5py.File(path, mode, locking="best-effort", **options)
    try:
        yield file
        file.flush()
    except BaseException:
        discard(file)
        raise
    file.close()


def discard(file: h5py.File) -> None:
    """Close a file that cannot be written any more; on disk it stays as it is.

    HDF5 keeps what it could not write, tries again whenever something is closed, and brings the process down at
    its end. So its file descriptor is first turned into one that takes everything: a file in memory.
    """
    with suppress(OSError, RuntimeError, ValueError):
        sink = os.memfd_create("livebragg-discarded")
        os.dup2(sink, file.id.get_vfd_handle())
        os.close(sink)
    with suppress(OSError, RuntimeError, ValueError):
        file.close()
