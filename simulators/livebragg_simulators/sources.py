"""Where a simulated detector gets its frames: a recorded file, or a synthetic specimen."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from livebragg.errors import ConfigError, RecordingError
from livebragg.model import Acquisition, ScanGeometry, ScanMetadata, ScanOrder
from livebragg.storage.recordings import Recording
from livebragg_simulators.pauses import Pauses
from livebragg_simulators.specimen import Specimen


class FrameSource(Protocol):
    """Gives the frames of the scan positions, in row-major order."""

    def acquisition(self, acquisition_id: str) -> Acquisition:
        """What the detector announces."""
        ...

    def frames(self, start: int, stop: int) -> NDArray[Any]:
        """Frames of the flat scan positions ``start`` to ``stop - 1``, shape (n, frame_rows, frame_cols)."""
        ...


class RecordedSource:
    """Replays a recorded scan.

    Parameters
    ----------
    recording : Recording
        Not closed here.
    preload : bool
        Read the whole file into memory first, so that the disk does not limit the rate.
    """

    def __init__(self, recording: Recording, *, preload: bool = False) -> None:
        self._recording = recording
        self._cache = recording.read(0, recording.n_frames) if preload else None

    def acquisition(self, acquisition_id: str) -> Acquisition:
        """See `FrameSource.acquisition`."""
        return Acquisition(
            acquisition_id=acquisition_id,
            scan_shape=self._recording.scan_shape,
            frame_shape=self._recording.frame_shape,
            dtype=_wire_dtype(self._recording.dtype).name,
            metadata=_with_sample(self._recording.metadata, self._recording.path.stem),
        )

    def frames(self, start: int, stop: int) -> NDArray[Any]:
        """See `FrameSource.frames`."""
        frames = self._recording.read(start, stop) if self._cache is None else self._cache[start:stop]
        return _on_the_wire(frames)


class SpecimenSource:
    """Scans a synthetic specimen; a thin cover that leaves the specimen ignorant of the wire."""

    def __init__(self, specimen: Specimen) -> None:
        self._specimen = specimen

    def acquisition(self, acquisition_id: str) -> Acquisition:
        """See `FrameSource.acquisition`."""
        return self._specimen.acquisition(acquisition_id)

    def frames(self, start: int, stop: int) -> NDArray[Any]:
        """See `FrameSource.frames`."""
        return self._specimen.frames(start, stop)


class ScanPath:
    """Puts the positions of a source into the order a detector sees them: snake lines and fly-back frames.

    Parameters
    ----------
    source : FrameSource
    scan_order : ScanOrder
    flyback_frames : int
        Empty frames after each line.
    flyback_pause_s : float
        Seconds after each line in which no frame is taken.
    tells_shape : bool
        Whether the detector knows the shape of the scan.
    """

    def __init__(
        self,
        source: FrameSource,
        *,
        scan_order: ScanOrder = ScanOrder.RASTER,
        flyback_frames: int = 0,
        flyback_pause_s: float = 0.0,
        tells_shape: bool = True,
    ) -> None:
        if flyback_frames < 0:
            raise ConfigError(f"--flyback-frames must be at least 0, not {flyback_frames}")
        if not 0 <= flyback_pause_s < 3600:
            raise ConfigError(f"--flyback-pause must be 0 to 3.6e6 ms, not {flyback_pause_s * 1e3:g}")
        self._source = source
        self._announced = replace(source.acquisition("path"), scan_order=scan_order, flyback_frames=flyback_frames)
        shape = self._announced.scan_shape
        assert shape is not None  # a source always knows its own shape
        self.geometry = ScanGeometry(scan_shape=shape, flyback_frames=flyback_frames, scan_order=scan_order)
        self.pauses = Pauses(flyback_pause_s, self.geometry.frames_per_line)
        self.tells_shape = tells_shape

    def acquisition(self, acquisition_id: str) -> Acquisition:
        """What the detector announces."""
        shape = self._announced.scan_shape if self.tells_shape else None
        return replace(self._announced, acquisition_id=acquisition_id, scan_shape=shape)

    def frames(self, start: int, stop: int) -> NDArray[Any]:
        """Frames in the order of acquisition, shape (n, frame_rows, frame_cols)."""
        index = self.geometry.scan_index(np.arange(start, stop))
        if index.size and np.array_equal(index, np.arange(index[0], index[0] + index.size)) and index[0] >= 0:
            return self._source.frames(int(index[0]), int(index[-1]) + 1)
        frames = np.zeros((index.size, *self._announced.frame_shape), self._announced.dtype)
        on_scan = np.flatnonzero(index >= 0)
        if on_scan.size:
            low, high = int(index[on_scan].min()), int(index[on_scan].max()) + 1
            frames[on_scan] = self._source.frames(low, high)[index[on_scan] - low]
        return frames


def _wire_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The protocol's pixel type that holds a file's pixel type."""
    narrow = {"int64": "int32", "uint64": "uint32", "float16": "float32", "bool": "uint8"}
    return np.dtype(narrow.get(dtype.name, dtype.name))


def _on_the_wire(frames: NDArray[Any]) -> NDArray[Any]:
    wire = _wire_dtype(frames.dtype)
    if wire.kind in "iu" and wire.itemsize < frames.dtype.itemsize:
        low, high = np.iinfo(wire).min, np.iinfo(wire).max
        if frames.size and (frames.min() < low or frames.max() > high):
            raise RecordingError(
                f"the recording has pixels between {frames.min()} and {frames.max()}; the protocol has "
                f"{wire.name}, {low} to {high}: save it as float32"
            )
    return frames.astype(wire, copy=False)


def _with_sample(metadata: ScanMetadata, name: str) -> ScanMetadata:
    return metadata if metadata.sample_name else replace(metadata, sample_name=name)
