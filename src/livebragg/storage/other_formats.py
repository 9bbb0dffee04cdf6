"""Recorded scans in the formats of other programs and detectors, through rosettasciio (an optional dependency)."""

from __future__ import annotations

import importlib
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from livebragg.errors import RecordingError
from livebragg.storage.frame_stack import ArrayOnDisk, FrameStack, scan_axes, stack_of

READERS = {
    ".mib": "quantumdetector",
    ".blo": "blockfile",
    ".tvips": "tvips",
    ".dm3": "digitalmicrograph",
    ".dm4": "digitalmicrograph",
    ".zspy": "zspy",
    ".ser": "tia",
    ".xml": "empad",
    ".mrc": "mrc",
}
"""Suffix to the reader's module in rosettasciio. HDF5 files of any program are read without it."""

MASTER_SUFFIX = "_master.h5"
"""Files of a DECTRIS file writer."""


@dataclass(frozen=True, slots=True)
class _Lazy:
    """A lazy (dask) array that reads what is asked for."""

    data: Any

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(map(int, self.data.shape))

    @property
    def dtype(self) -> np.dtype[Any]:
        dtype: np.dtype[Any] = np.dtype(self.data.dtype)
        return dtype

    def __getitem__(self, selection: Any, /) -> Any:
        part = self.data[selection]
        compute = getattr(part, "compute", None)
        return np.asarray(part if compute is None else compute(scheduler="synchronous"))


def reader_of(path: Path) -> str | None:
    """Module of rosettasciio that reads such a file; ``None`` when it is not one of its formats here."""
    return "arina" if path.name.lower().endswith(MASTER_SUFFIX) else READERS.get(path.suffix.lower())


def open_other(path: Path, reader: str, scan_shape: tuple[int, int] | None) -> FrameStack:
    """Frames of the largest scan in a file.

    Raises
    ------
    RecordingError
        rosettasciio is not installed, or cannot read the file, or there is no scan in it.
    """
    try:
        module = importlib.import_module(f"rsciio.{reader}")
    except ImportError as error:
        raise RecordingError(
            f"{path} is read by rosettasciio, which cannot be used here ({error}); install it, in the "
            "folder of livebragg's clone, with: pip install '.[formats]' (after make: .venv/bin/pip)"
        ) from None
    try:
        # Without a shape, the reader of Merlin files guesses one from time stamps, and leaves frames out to fit.
        known = {"navigation_shape": scan_shape[::-1]} if scan_shape and reader == "quantumdetector" else {}
        found = module.file_reader(str(path), lazy=True, **known)
    except Exception as error:  # readers raise whatever comes to them from damaged files
        raise RecordingError(f"{path} cannot be read by rosettasciio ({type(error).__name__}: {error})") from error
    turned = -1 if reader == "quantumdetector" else 1
    scans: list[ArrayOnDisk] = [
        # rosettasciio turns Merlin's frames upside down; ours stay as the live stream has them.
        _Lazy(entry["data"][..., ::turned, :])
        for entry in found
        if scan_axes(np.shape(entry["data"]))
    ]
    if not scans:
        shapes = ", ".join(str(np.shape(entry["data"])) for entry in found)
        raise RecordingError(f"{path} holds no scan, only data of shape {shapes or 'nothing'}")
    return stack_of(max(scans, key=lambda array: math.prod(array.shape)), scan_shape, str(path))
